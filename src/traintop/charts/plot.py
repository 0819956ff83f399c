"""Charts of the records of runs on the command line."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from typing import TextIO

from msgspec.structs import replace

from traintop.analysis.axes import tokens_per_iteration
from traintop.analysis.chart_names import charts_of, metrics_of_chart
from traintop.analysis.naming import suggestions
from traintop.charts.curves import ChartChoice, ChartedRun, ChartMaker
from traintop.charts.draw import chart_text, draw_chart
from traintop.charts.spec import ChartSpec
from traintop.metrics import logged_name
from traintop.model import RunSummary
from traintop.store.run import Run

MOST_PLOTTED = 8
"""Runs that are charted unless they are named: as many as there are colours."""

_HEIGHTS = (12, 30)


def plot_of(runs: Mapping[str, RunSummary], metric: str, choice: ChartChoice) -> ChartSpec:
    """The chart of a metric (``loss`` for train and val loss) over all records of named runs.

    Raises ``ValueError`` when none of the runs has the metric, and for a run that cannot be read.
    """
    charted = [
        ChartedRun(
            id=summary.id,
            revision=0,
            label=name,
            color=color,
            tokens_per_iteration=tokens_per_iteration(summary.config),
            history=Run(summary.id).history(),
        )
        for color, (name, summary) in enumerate(runs.items())
    ]
    spec = ChartMaker().chart(metric, charted, choice)
    logged = [run.history.metrics for run in charted]
    if not any(logged_name(name, names) for name in metrics_of_chart(metric) for names in logged):
        known = charts_of(logged)
        raise ValueError(f"no run has the metric {metric!r}: {suggestions(metric, known)}")
    return replace(spec, title=spec.name)


def terminal_text(
    spec: ChartSpec, width: int | None, height: int | None, stream: TextIO, *, ascii_only: bool
) -> str:
    """The chart as it is printed to a stream, by default as large as the terminal.

    In colour only on a terminal that has some, and only without ``NO_COLOR``; in ASCII where the
    stream can hold no more.
    """
    terminal = shutil.get_terminal_size()
    encoding = (stream.encoding or "ascii").lower().replace("-", "")
    color = stream.isatty() and os.environ.get("TERM") != "dumb" and "NO_COLOR" not in os.environ
    lines = draw_chart(
        spec,
        width or terminal.columns,
        height or min(max(terminal.lines - 2, _HEIGHTS[0]), _HEIGHTS[1]),
        ascii_only=ascii_only or not encoding.startswith("utf"),
        letters=not color,
    )
    return chart_text(lines, color=color)
