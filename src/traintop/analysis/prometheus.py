"""The state of runs in the text format of Prometheus, for node_exporter's textfile collector.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from traintop.metrics import last_value, metrics_of
from traintop.model import ALIVE, RunStatus, RunSummary
from traintop.progress import eta_seconds, progress, steps_done
from traintop.text import safe_text
from traintop.times import age_seconds, posix_time

KEPT_SECONDS = 3600.0
"""For how long a run stays after its end: any scrape sees how it ended."""

_LONGEST_LABEL = 200
_LONGEST_ID = 4096
_MOST_METRICS = 200  # of all runs: each is a time series for every run

_GAUGES: Mapping[str, tuple[str, Callable[[RunSummary], float | None]]] = {
    "steps": ("Iterations done", steps_done),
    "progress_ratio": ("Share of the planned iterations, 0 to 1", progress),
    "eta_seconds": ("Time left at the recent pace", eta_seconds),
    "duration_seconds": ("How long it has taken", lambda run: run.duration_seconds),
    "start_time_seconds": ("When it began", lambda run: posix_time(run.start_time)),
    "updated_time_seconds": ("When its file changed last", lambda run: posix_time(run.updated_at)),
}


def prometheus_text(
    runs: Sequence[RunSummary],
    standing: Callable[[str], Iterable[str]],
    now: datetime,
) -> str:
    """The runs that go on, or ended within the last hour, as gauges.

    ``standing`` says what is wrong now with a run.
    """
    shown = [run for run in runs if _is_shown(run, now)]
    labels = {
        run.id: f'run="{_escaped(run.title)}",id="{_escaped(run.id, _LONGEST_ID)}"' for run in shown
    }
    lines = _family("run_status", "1 for the status that a run has")
    for run in shown:
        lines += [
            f'traintop_run_status{{{labels[run.id]},status="{status.value}"}} '
            f"{int(run.status is status)}"
            for status in RunStatus
            if status is not RunStatus.UNREADABLE
        ]
    for name, (explanation, value_of) in _GAUGES.items():
        values = [(run, value_of(run)) for run in shown]
        if any(value is not None for _, value in values):
            lines += _family(f"run_{name}", explanation)
        lines += [
            f"traintop_run_{name}{{{labels[run.id]}}} {_number(value)}"
            for run, value in values
            if value is not None
        ]
    lines += _family("run_metric", "The last value of each metric")
    for metric in [*metrics_of(shown)][:_MOST_METRICS]:
        lines += [
            f'traintop_run_metric{{{labels[run.id]},metric="{_escaped(metric)}"}} {_number(value)}'
            for run in shown
            if (value := last_value(run, metric)) is not None
        ]
    lines += _family("run_alert", "1 for what is wrong now with a run")
    for run in shown:
        lines += [
            f'traintop_run_alert{{{labels[run.id]},alert="{_escaped(alert)}"}} 1'
            for alert in sorted(standing(run.id))
        ]
    return "\n".join(lines) + "\n"


def _is_shown(run: RunSummary, now: datetime) -> bool:
    if run.status is RunStatus.UNREADABLE:
        return False
    since_end = age_seconds(run.end_time or run.updated_at, now)
    return run.status in ALIVE or (since_end is not None and since_end < KEPT_SECONDS)


def _family(name: str, explanation: str) -> list[str]:
    return [
        f"# HELP traintop_{name} {explanation}.",
        f"# TYPE traintop_{name} gauge",
    ]


def _escaped(label: str, limit: int = _LONGEST_LABEL) -> str:
    text = safe_text(label, limit)
    return text.replace("\\", r"\\").replace('"', r"\"")


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value))
