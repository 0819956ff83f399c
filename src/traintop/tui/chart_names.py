"""Which charts a run has, and what they are called; needs no numpy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from traintop.model import STANDARD_METRICS, RunSummary
from traintop.text import safe_text
from traintop.tui.state import LOSS_CHART, THROUGHPUT_CHART

CHART_METRICS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {LOSS_CHART: ("train_loss", "val_loss")}
)
"""The metrics of charts that show more than the one they are named after."""

_TITLES: Mapping[str, str] = MappingProxyType(
    {
        LOSS_CHART: "loss",
        THROUGHPUT_CHART: "tokens/s",
        "learning_rate": "learning rate",
        "iter_time_ms": "step time, ms",
    }
)


def chart_title(chart: str) -> str:
    """The heading of a chart."""
    return _TITLES.get(chart) or safe_text(chart)


def charts_of(summaries: Iterable[RunSummary], metrics: Iterable[str]) -> tuple[str, ...]:
    """The charts that have something to show, losses and throughput first and always.

    ``metrics`` are those met in records, ``summaries`` tell of more before these are read.
    """
    known: dict[str, None] = dict.fromkeys(metrics)
    for summary in summaries:
        known.update(dict.fromkeys(summary.stats))
    standard: Sequence[str] = [LOSS_CHART, THROUGHPUT_CHART]
    combined = {metric for group in CHART_METRICS.values() for metric in group}
    measured = [m for m in STANDARD_METRICS if m in known and m not in combined]
    further = [m for m in known if m not in STANDARD_METRICS and m not in combined]
    return tuple(dict.fromkeys([*standard, *measured, *further]))
