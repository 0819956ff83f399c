"""`traintop plot`: a chart in the terminal, or as an SVG file."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from traintop.analysis.axes import X_AXES, XAxis, axis_named, no_axis_text, tokens_per_iteration
from traintop.analysis.chart_names import charts_of, metrics_of_chart
from traintop.analysis.field_names import left_out_hint
from traintop.commands.output import STANDARD_OUTPUT, failure, output_file, print_text, warn
from traintop.commands.runs import MOST_RUNS, runs_as_arguments, selected_runs
from traintop.metrics import logged_name, names_of_metrics
from traintop.model import RunSummary
from traintop.progress import counts_epochs
from traintop.text import suggestions

if TYPE_CHECKING:
    from traintop.analysis.runs import Runs
    from traintop.charts import ChartSpec
    from traintop.charts.curves import ChartMaker, ChartOptions, PlottedRun

_HEIGHTS = (12, 30)
"""The lines that a chart takes at least and at most, where none are asked for."""


@click.command()
@runs_as_arguments
@click.option(
    "--metric",
    default="loss",
    show_default=True,
    metavar="NAME",
    help="Any metric; loss is the train and the validation loss.",
)
@click.option(
    "--x",
    "x_axis",
    default=X_AXES[0],
    show_default=True,
    metavar="NAME",
    help=f"X axis: {', '.join(X_AXES)}, or any metric.",
)
@click.option("--log-x", is_flag=True, help="Use a logarithmic x axis.")
@click.option("--log", "log_y", is_flag=True, help="Use a logarithmic y axis.")
@click.option("--outliers", is_flag=True, help="Let a few outliers stretch the y axis.")
@click.option(
    "--smooth",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    metavar="WEIGHT",
    help="Weight of the moving average, at least 0 and below 1, such as 0.9.",
)
@click.option(
    "--width", type=click.IntRange(1, 1000), help="Width in cells (default: the terminal's)."
)
@click.option("--height", type=click.IntRange(1, 1000), help="Height in lines.")
@click.option(
    "--svg",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Write an SVG file instead; an existing one is replaced. - is standard output.",
)
@click.option("--dark", is_flag=True, help="Give the SVG a dark background.")
def command(
    roots: tuple[Path, ...],
    references: tuple[str, ...],
    query: str,
    metric: str,
    x_axis: str,
    log_x: bool,
    log_y: bool,
    outliers: bool,
    smooth: float,
    width: int | None,
    height: int | None,
    svg: Path | None,
    dark: bool,
) -> None:
    """Print a chart of the newest runs, or of those named."""
    from traintop.charts import DARK, LIGHT, chart_svg
    from traintop.charts.curves import ChartOptions

    runs = selected_runs(roots, references, query, most=MOST_RUNS)
    try:
        options = ChartOptions(XAxis(x_axis, log_x), log_y, not outliers, smooth)
        spec = _chart_of(runs, metric, options)
    except ValueError as error:
        raise failure(error) from None
    if svg is None:
        print_text(_text(spec, width, height), color=True)  # it has colours only where wanted
        return
    with output_file(svg) as file:
        file.write(chart_svg(spec, palette=DARK if dark else LIGHT))
    if svg != STANDARD_OUTPUT:
        warn(f"wrote {svg}")


def _chart_of(runs: Runs, metric: str, options: ChartOptions) -> ChartSpec:
    """The chart of a metric (``loss`` for train and val loss) over all records of runs.

    Raises ``ValueError`` when none of the runs has the metric or a place on the x axis, and for a
    run that cannot be read.
    """
    from traintop.charts.curves import ChartMaker, PlottedRun

    plotted = [
        PlottedRun(
            id=run.id,
            revision=0,
            label=run.name,
            color=color,
            tokens_per_iteration=tokens_per_iteration(run.summary),
            history=run.history(),
            counts_epochs=counts_epochs(run.summary),
        )
        for color, run in enumerate(runs)
    ]
    logged = [run.history.metrics for run in plotted]
    if not any(len(run.history) for run in plotted):
        raise ValueError("there is nothing to plot: no record yet")
    if not any(logged_name(name, names) for name in metrics_of_chart(metric) for names in logged):
        hint = left_out_hint(metric, runs.summaries) or suggestions(
            metric, (chart for chart in charts_of(logged) if chart != metric)
        )
        raise ValueError(f"no run has the metric {metric!r}: {hint}")
    maker = ChartMaker()
    name = _known_axis(options.x_axis.name, maker, plotted, runs.summaries)
    options = dataclasses.replace(options, x_axis=replace(options.x_axis, name=name))
    spec = maker.chart(metric, plotted, options)
    return replace(spec, title=spec.name)


def _known_axis(
    name: str, maker: ChartMaker, plotted: Sequence[PlottedRun], runs: Sequence[RunSummary]
) -> str:
    """The x axis that a name stands for; raises ``ValueError`` where no run has a place on it."""
    logged = [run.history.metrics for run in plotted]
    x_axis = XAxis(axis_named(name, logged))
    if any(maker.has_axis(run, x_axis) for run in plotted):
        return x_axis.name
    hint = left_out_hint(name, runs)
    if x_axis.name == "tokens":
        hint = hint or no_axis_text(x_axis)
    metrics = (metric for names in logged for metric in names_of_metrics(names))
    hint = hint or suggestions(name, dict.fromkeys((*maker.axes(plotted), *metrics)))
    raise ValueError(f"no run has the x axis {name!r}: {hint}")


def _text(spec: ChartSpec, width: int | None, height: int | None) -> str:
    """The chart as text, by default as large as the terminal.

    In colour only on a terminal that has some, and only without ``NO_COLOR``; in ASCII where the
    terminal or the encoding has no more.
    """
    from traintop.charts import chart_text, draw_chart
    from traintop.terminal import draws_ascii_only

    terminal = shutil.get_terminal_size()
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    color = (
        sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and "NO_COLOR" not in os.environ
    )
    lines = draw_chart(
        spec,
        width or terminal.columns,
        height or min(max(terminal.lines - 2, _HEIGHTS[0]), _HEIGHTS[1]),
        ascii_only=draws_ascii_only(os.environ) or not encoding.startswith("utf"),
        letters=not color,
    )
    return chart_text(lines, color=color)
