"""Which charts a run has, and what they are called; needs no numpy."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from traintop.metrics import METRICS, in_order, logged_name, names_of_metrics
from traintop.system_metrics import is_system_metric, system_metric
from traintop.text import safe_text

LOSS_CHART = "loss"
THROUGHPUT_CHART = "tokens_per_sec"


class Pair(NamedTuple):
    """Two metrics that share a chart, and what they are called there."""

    metrics: tuple[str, str]
    words: tuple[str, str]


PAIRS: Mapping[str, Pair] = {
    LOSS_CHART: Pair(("train_loss", "val_loss"), ("train", "val")),
    "disk/rates": Pair(("disk/read", "disk/write"), ("read", "write")),
    "network/rates": Pair(("network/received", "network/sent"), ("received", "sent")),
}
"""The charts of two metrics."""

_TITLES: Mapping[str, str] = {"disk/rates": "disk, MiB/s", "network/rates": "network, MiB/s"}
_LOSSES = PAIRS[LOSS_CHART].metrics
_PAIRED = frozenset(metric for pair in PAIRS.values() for metric in pair.metrics)
_SYSTEM = (
    *("gpu/mean/utilization", "gpu/mean/memory", "gpu/total/power"),
    *("cpu/utilization", "memory/rss", "disk/rates", "network/rates"),
    *("gpu/max/temp", "memory/utilization", "gpu/total/energy"),
)
_USEFUL_FIRST = (
    *("val_loss", "train_loss", THROUGHPUT_CHART),
    *("learning_rate", "grad_norm", "iter_time_ms"),
)


def chart_title(chart: str) -> str:
    """The heading of a chart: what its metric is called, or the name it was logged under."""
    metric, system = METRICS.get(chart), system_metric(chart)
    if system is not None:
        return f"{system.words}, {system.unit}" if system.unit else system.words
    return metric.words if metric is not None else _TITLES.get(chart) or safe_text(chart)


def metrics_of_chart(chart: str) -> tuple[str, ...]:
    """The metrics that a chart shows: the one it is named after, or two such as both losses."""
    return PAIRS[chart].metrics if chart in PAIRS else (chart,)


def is_system_chart(chart: str) -> bool:
    """Whether a chart shows what was sampled of the machine, and not what a loop logged."""
    return chart in _SYSTEM or is_system_metric(chart)


def charts_of(logged: Iterable[Collection[str]]) -> tuple[str, ...]:
    """All charts that can be shown, the most useful first: the losses together, if there are any.

    Those of the system come last: of whole runs, and then of each GPU. ``logged`` are the names of
    the metrics of each run, as far as its summary or its records have them.
    """
    runs = dict.fromkeys(map(tuple, logged))
    known = {metric for names in runs for metric in names_of_metrics(names)}
    charts = in_order(sorted(known))
    if not known.isdisjoint(_LOSSES):
        useful = [metric for metric in _USEFUL_FIRST if metric in known]
        charts = [LOSS_CHART, *useful, *charts]
    own = [chart for chart in charts if not is_system_metric(chart)]
    system = [
        chart
        for chart in _SYSTEM
        if any(logged_name(metric, names) for metric in metrics_of_chart(chart) for names in runs)
    ]
    return (*dict.fromkeys((*own, *system, *charts)),) or (LOSS_CHART,)


def shown_charts(charts: Sequence[str], chosen: Collection[str]) -> tuple[str, ...]:
    """Those of the charts that were chosen; without a choice that fits, each metric once.

    Of the system, those of whole runs.
    """
    wanted = tuple(chart for chart in charts if chart in chosen)
    usual = (chart for chart in charts if chart in _SYSTEM or not is_system_metric(chart))
    return wanted or tuple(chart for chart in usual if chart not in _PAIRED)


def charts_beside(chart: str, charts: Sequence[str]) -> range:
    """The places of the charts that share pages with one: those of the system have their own."""
    own = sum(not is_system_chart(one) for one in charts)
    place = charts.index(chart) if chart in charts else 0
    return range(own) if place < own else range(own, len(charts))
