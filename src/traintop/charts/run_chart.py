"""The chart of a metric over the records of opened runs, for the command line and for Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from traintop.analysis.axes import XAxis, axis_named, no_axis_text, tokens_per_iteration
from traintop.analysis.chart_names import charts_of, metrics_of_chart
from traintop.analysis.comparison_text import group_label
from traintop.analysis.field_names import left_out_hint
from traintop.analysis.run import Run
from traintop.charts.curves import ChartMaker, ChartOptions, PlottedRun
from traintop.charts.group_curves import GroupCurves
from traintop.charts.spec import ChartSpec
from traintop.metrics import logged_name, names_of_metrics
from traintop.model import RunSummary
from traintop.progress import counts_epochs
from traintop.text import suggestions

if TYPE_CHECKING:
    from traintop.analysis.run_groups import Groups
    from traintop.store.history import History


def chart_of(
    runs: Sequence[Run],
    metric: str,
    options: ChartOptions,
    history_of: Callable[[Run], History] = Run.history,
    colors: Sequence[int] = (),
) -> ChartSpec:
    """The chart of a metric (``loss`` for train and val loss) over all records of runs.

    ``colors`` are places in the palette; by default each run has its own. Raises ``ValueError``
    when none of the runs has the metric or a place on the x axis, and for one that cannot be read.
    """
    summaries = [run.summary for run in runs]
    plotted = [
        PlottedRun(
            id=run.id,
            revision=0,
            label=run.name,
            color=color,
            tokens_per_iteration=tokens_per_iteration(run.summary),
            history=history_of(run),
            counts_epochs=counts_epochs(run.summary),
        )
        for color, run in zip(colors or range(len(runs)), runs, strict=True)
    ]
    logged = [run.history.metrics for run in plotted]
    if not any(len(run.history) for run in plotted):
        raise ValueError("there is nothing to plot: no record yet")
    if not any(logged_name(name, names) for name in metrics_of_chart(metric) for names in logged):
        hint = left_out_hint(metric, summaries) or suggestions(
            metric, (chart for chart in charts_of(logged) if chart != metric)
        )
        raise ValueError(f"no run has the metric {metric!r}: {hint}")
    maker = ChartMaker()
    name = _known_axis(options.x_axis.name, maker, plotted, summaries)
    options = replace(options, x_axis=msgspec.structs.replace(options.x_axis, name=name))
    spec = maker.chart(metric, plotted, options)
    return msgspec.structs.replace(spec, title=spec.name)


def group_chart_of(groups: Groups, metric: str, options: ChartOptions) -> ChartSpec:
    """The chart of :func:`chart_of` with the mean of each group, and a band of one deviation."""
    members = [(place, run) for place, runs in enumerate(groups.values()) for run in runs]
    runs = [run for _, run in members]
    spec = chart_of(runs, metric, options, colors=[place for place, _ in members])
    if len(runs) == 1:  # whose curves are not labelled by its name
        return spec
    labels = [(group_label(name, len(of)), [run.name for run in of]) for name, of in groups.items()]
    return GroupCurves().spec(spec, labels)


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
