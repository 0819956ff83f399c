"""Plots from Python: as an SVG, or on axes of matplotlib where that is installed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from traintop.analysis.axes import X_AXES, XAxis
from traintop.analysis.chart_names import LOSS_CHART, chart_title
from traintop.analysis.export import replacing_file
from traintop.analysis.plottable import Plottable
from traintop.analysis.run import Run
from traintop.analysis.run_groups import Groups
from traintop.analysis.series import FloatArray
from traintop.charts import DARK, LIGHT, ChartSpec, Series, chart_svg
from traintop.charts.curves import ChartOptions
from traintop.charts.run_chart import chart_of, group_chart_of
from traintop.text import LONGEST_NAME, file_size, safe_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Svg:
    """A picture: a notebook shows it, ``str`` is its document, ``save`` writes it."""

    def __init__(self, document: str) -> None:
        self._document = document

    def __repr__(self) -> str:
        return f"<Svg of {file_size(len(self._document.encode()))}>"

    def __str__(self) -> str:
        return self._document

    def _repr_svg_(self) -> str:
        return self._document

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it as a file, whole or not at all, in place of an older one; returns the path.

        Raises ``OSError``, and ``FileExistsError`` where the path is the log file of a run.
        """
        with replacing_file(Path(path)) as file:
            file.write(self._document)
        return Path(path)


def plot(
    runs: Plottable | Iterable[Run],
    metric: str = LOSS_CHART,
    *,
    x: str = X_AXES[0],
    log: bool = False,
    log_x: bool = False,
    outliers: bool = False,
    smooth: float = 0.0,
    dark: bool = False,
) -> Svg:
    """A chart of a run, of runs or of groups as SVG, as ``traintop plot --svg`` draws it.

    ``metric`` is any metric; ``loss`` is the train and the validation loss. ``x`` is any metric,
    or ``gradient_step``, ``wallclock_time``, ``tokens``, ``epoch``. ``log`` and ``log_x`` are for
    logarithmic axes, ``outliers`` lets a few stretch the y axis, ``smooth`` is the weight of the
    moving average, at least 0 and below 1. Of groups it is their means, each with a band of one
    standard deviation. Raises ``ValueError`` for what no run has.
    """
    options = ChartOptions(XAxis(x, log_x), log, not outliers, smooth)
    chosen = runs._plotted() if isinstance(runs, Plottable) else [*runs]
    spec = _chart(chosen, metric, options)
    return Svg(chart_svg(spec, palette=DARK if dark else LIGHT))


def plot_on_axes(
    runs: Sequence[Run] | Groups,
    metric: str = LOSS_CHART,
    ax: Axes | None = None,
    *,
    x: str = X_AXES[0],
    log: bool = False,
    log_x: bool = False,
    smooth: float = 0.0,
) -> Axes:
    """The same chart on axes of matplotlib, the current ones if ``None``; returns them.

    Raises ``ImportError`` where matplotlib is not installed.
    """
    if ax is None:
        try:
            from matplotlib import pyplot
        except ImportError:
            raise ImportError("plot() needs matplotlib: pip install matplotlib") from None
        ax = pyplot.gca()
    spec = _chart(runs, metric, ChartOptions(XAxis(x, log_x), log, True, smooth))
    colors: dict[int, Any] = {}
    for series in spec.series:
        _draw(ax, spec, series, colors)
    ax.set(
        xlabel=_plain(spec.x_label),
        ylabel=_plain(chart_title(metric)),
        xscale="log" if spec.log_x else ax.get_xscale(),
        yscale="log" if spec.log_y else ax.get_yscale(),
    )
    if len(ax.get_legend_handles_labels()[0]) > 0:
        ax.legend()
    return ax


def _draw(ax: Axes, spec: ChartSpec, series: Series, colors: dict[int, Any]) -> None:
    """A curve in the colour of its run, which is the next one of the axes."""
    x, y = series.overview
    [line] = ax.plot(
        _place(spec, x),
        y,
        color=colors.get(series.color),
        linestyle=":" if series.style == "dotted" else "-",
        alpha=0.3 if series.dim else None,
        label=_plain(series.label) or None,
    )
    colors[series.color] = line.get_color()
    if series.band is not None:
        low, high = series.band
        known = np.isfinite(low) & np.isfinite(high)
        x = _place(spec, series.x)
        ax.fill_between(x, low, high, known, color=line.get_color(), alpha=0.2, linewidth=0)


def _place(spec: ChartSpec, x: FloatArray) -> FloatArray:
    return (np.power(10.0, x) if spec.log_x else x) / spec.x_unit


def _chart(runs: Sequence[Run] | Groups, metric: str, options: ChartOptions) -> ChartSpec:
    if isinstance(runs, Groups):
        return group_chart_of(runs, metric, options)
    return chart_of(runs, metric, options)


def _plain(text: str) -> str:
    """Text that matplotlib takes as it is: without mathematics, and never left out of a legend."""
    escaped = safe_text(text, LONGEST_NAME).replace("$", r"\$")
    return f" {escaped}" if escaped.startswith("_") else escaped
