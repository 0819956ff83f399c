"""The system metrics of a run as a few labelled lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from traintop.metrics import last_value, stats_of
from traintop.model import ALIVE, RunSummary
from traintop.system_metrics import SLOWDOWN, gpus_among, system_metric, throttle_text
from traintop.text import number

_OF_EACH = ("utilization", "memory", "power", "temp")
_OF_ALL = (
    ("CPU", ("cpu/utilization",), ""),
    ("memory", ("memory/rss", "memory/utilization"), ""),
    ("disk", ("disk/read", "disk/write"), "read, written"),
    ("network", ("network/received", "network/sent"), "received, sent"),
)


class SystemLine(NamedTuple):
    """What is said of a GPU or of the host, with an aside."""

    label: str
    value: str
    aside: str = ""


def system_lines(run: RunSummary) -> Iterator[SystemLine]:
    """The newest values of a run that goes on, the means of one that is over.

    Nothing where nothing was sampled.
    """
    gpus = {**gpus_among(run.stats, "memory"), **gpus_among(run.stats)}
    for gpu in sorted(gpus):
        values = (_value(run, f"gpu/{gpu}/{what}") for what in _OF_EACH)
        yield SystemLine(f"GPU {gpu}", "  ".join(filter(None, values)), _throttled(run, gpu))
    if (energy := last_value(run, "gpu/total/energy")) is not None:
        yield SystemLine("GPU energy", f"{number(energy)} kWh")
    for label, names, aside in _OF_ALL:
        if shown := "  ".join(filter(None, (_value(run, name) for name in names))):
            yield SystemLine(label, shown, aside)


def _throttled(run: RunSummary, gpu: int) -> str:
    reasons = int(last_value(run, f"gpu/{gpu}/throttle") or 0) & SLOWDOWN
    return throttle_text(reasons) if reasons and run.status in ALIVE else ""


def _value(run: RunSummary, name: str) -> str:
    stats, metric = stats_of(run, name), system_metric(name)
    value = None if stats is None else stats.last if run.status in ALIVE else stats.mean
    return "" if value is None or metric is None else f"{number(value, 3)} {metric.unit}"
