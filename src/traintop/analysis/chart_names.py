"""Which charts a run has, and what they are called; needs no numpy."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from traintop.metrics import METRICS, in_order, names_of_metrics
from traintop.text import safe_text

LOSS_CHART = "loss"
THROUGHPUT_CHART = "tokens_per_sec"

_LOSSES = ("train_loss", "val_loss")
_USEFUL_FIRST = (
    *("val_loss", "train_loss", THROUGHPUT_CHART),
    *("learning_rate", "grad_norm", "iter_time_ms"),
)


def chart_title(chart: str) -> str:
    """The heading of a chart: what its metric is called, or the name it was logged under."""
    metric = METRICS.get(chart)
    return metric.words if metric is not None else safe_text(chart)


def metrics_of_chart(chart: str) -> tuple[str, ...]:
    """The metrics that a chart shows: the one it is named after, or both losses."""
    return _LOSSES if chart == LOSS_CHART else (chart,)


def charts_of(logged: Iterable[Collection[str]]) -> tuple[str, ...]:
    """All charts that can be shown, the most useful first: the losses together, if there are any.

    ``logged`` are the names of the metrics of each run, as far as its summary or its records have
    them.
    """
    known = {metric for names in logged for metric in names_of_metrics(names)}
    charts = in_order(sorted(known))
    if known.isdisjoint(_LOSSES):
        return tuple(charts) or (LOSS_CHART,)
    useful = [metric for metric in _USEFUL_FIRST if metric in known]
    return (LOSS_CHART, *dict.fromkeys((*useful, *charts)))


def shown_charts(charts: Sequence[str], chosen: Collection[str]) -> tuple[str, ...]:
    """Those of the charts that were chosen; without a choice that fits, each metric once."""
    wanted = tuple(chart for chart in charts if chart in chosen)
    return wanted or tuple(chart for chart in charts if chart not in _LOSSES)
