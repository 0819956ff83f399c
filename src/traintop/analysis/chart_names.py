"""Which charts a run has, and what they are called; needs no numpy."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from traintop.model import RunSummary
from traintop.text import safe_text

LOSS_CHART = "loss"
THROUGHPUT_CHART = "tokens_per_sec"

CHART_METRICS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {LOSS_CHART: ("train_loss", "val_loss")}
)
"""The metrics of charts that show more than the one they are named after."""

_TITLES: Mapping[str, str] = MappingProxyType(
    {
        LOSS_CHART: "loss",
        "train_loss": "train loss",
        "val_loss": "val loss",
        THROUGHPUT_CHART: "tokens/s",
        "learning_rate": "learning rate",
        "iter_time_ms": "step time, ms",
    }
)

_USEFUL_FIRST = (
    "val_loss",
    "train_loss",
    THROUGHPUT_CHART,
    "learning_rate",
    "grad_norm",
    "iter_time_ms",
)
_GRADIENT_NORMS = frozenset({"grad_norm", "gradient_norm", "grad_norm_l2"})


def chart_title(chart: str) -> str:
    """The heading of a chart."""
    return _TITLES.get(chart) or safe_text(chart)


def metrics_of_chart(chart: str) -> tuple[str, ...]:
    """The metrics that a chart shows."""
    return CHART_METRICS.get(chart, (chart,))


def charts_of(summaries: Iterable[RunSummary], metrics: Iterable[str]) -> tuple[str, ...]:
    """All charts that can be shown, the most useful first: the losses together, if there are any.

    ``metrics`` are those met in records, ``summaries`` tell of more before these are read.
    """
    known = set(metrics)
    for summary in summaries:
        known.update(summary.stats)
    charts = tuple(sorted(known, key=_usefulness))
    has_loss = not known.isdisjoint(CHART_METRICS[LOSS_CHART])
    return (LOSS_CHART, *charts) if has_loss or not known else charts


def shown_charts(charts: Sequence[str], chosen: Collection[str]) -> tuple[str, ...]:
    """Those of the charts that were chosen; without a choice that fits, each metric once."""
    combined = {metric for group in CHART_METRICS.values() for metric in group}
    wanted = tuple(chart for chart in charts if chart in chosen)
    return wanted or tuple(chart for chart in charts if chart not in combined)


def _usefulness(metric: str) -> tuple[int, str]:
    known_as = "grad_norm" if metric.rpartition("/")[2] in _GRADIENT_NORMS else metric
    known = known_as in _USEFUL_FIRST
    return (_USEFUL_FIRST.index(known_as) if known else len(_USEFUL_FIRST), metric)
