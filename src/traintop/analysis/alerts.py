"""What a person who watches should know now: alerts, from one state of the runs to the next.

Each of the rules raises one alert for an event:

* *not finite*: the train loss was NaN or infinite for the first time in this run.
* *diverged*: the median of the last 9 train losses seen has risen from the lowest such median by
  half of what training had gained (from the highest loss on), and by more than 8 times the noise
  (the median deviation within those 9, now or at the lowest). Once a run.
* *stalled*, *crashed*, *failed*: the run's status became that.
* *slower*: the median of the last 5 values of the throughput is more than 30 % below the run's
  own median, for which up to 64 values are kept, evenly spread over all that were seen. Again
  only after the throughput came back to 85 %.
* *new best*: the best validation loss of the runs that have ended, the record, was beaten, by the
  first run that does, or by a run that ends as the best of all. Once a run, and between the two
  the runs of a sweep may overtake each other quietly.

What is already so when watching begins is history, and raises none. A run costs the same however
long it is, and nothing while it does not change.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from traintop.metrics import best_value, diverged, last_value, stats_of
from traintop.model import ALIVE, RunStatus, RunSummary
from traintop.text import count, number, si

_LOSSES = 9
_GIVEN_BACK = 0.5
_NOISE_FACTOR = 8.0
_RATES = 5
_FEWEST_RATES = 15
_SLOW = 0.7
_RECOVERED = 0.85
_KEPT_RATES = 64
_SPARE_MEMORIES = 1000


class AlertKind(StrEnum):
    """What happened; the value is the word for it."""

    NOT_FINITE = "not finite"
    DIVERGED = "diverged"
    STALLED = "stalled"
    CRASHED = "crashed"
    FAILED = "failed"
    SLOWER = "slower"
    BEST = "new best"


_OF_STATUS = {
    RunStatus.STALLED: AlertKind.STALLED,
    RunStatus.CRASHED: AlertKind.CRASHED,
    RunStatus.FAILED: AlertKind.FAILED,
}


class Alert(msgspec.Struct, frozen=True):
    """One event. ``name`` and ``text`` may hold what a file says: make them safe to draw."""

    kind: AlertKind
    run_id: str
    name: str
    text: str
    time: datetime


class RunningMedian:
    """The median of up to 64 values that are evenly spread over all that were added."""

    def __init__(self) -> None:
        self._kept: list[float] = []
        self._stride = 1
        self._count = 0

    def add(self, value: float) -> None:
        """Add the next value."""
        if self._count % self._stride == 0:
            self._kept.append(value)
        self._count += 1
        if len(self._kept) > _KEPT_RATES:
            self._kept = self._kept[::2]
            self._stride *= 2

    @property
    def value(self) -> float | None:
        """The median; ``None`` before enough values were added to know what is usual."""
        return _median(self._kept) if self._count >= _FEWEST_RATES else None


class _Memory(msgspec.Struct):
    """What is remembered of a run that was seen."""

    run: RunSummary | None = None
    losses: tuple[float, ...] = ()
    highest: float | None = None
    lowest: float | None = None
    noise: float = 0.0
    diverged: bool = False
    rates: tuple[float, ...] = ()
    usual_rate: RunningMedian | None = None
    slow: bool = False
    was_best: bool = False


class AlertDetector:
    """Compares successive states of the runs; :meth:`observe` finds what happened between two."""

    def __init__(self) -> None:
        self._memories: dict[str, _Memory] = {}
        self._best: float | None = None
        self._record: float | None = None
        self._record_is_beaten = False
        self._watching = False

    def observe(self, runs: Sequence[RunSummary], now: datetime) -> tuple[Alert, ...]:
        """The events since the last call; the first call only looks around."""
        alerts: list[Alert] = []
        for run in runs:
            memory = self._memories.get(run.id)
            if memory is None:
                memory = self._memories[run.id] = _Memory()
            if memory.run is not run:
                events = [*_events(memory, run), *self._new_best(memory, run)]
                memory.run = run
                name = run.name or run.stem
                alerts += [Alert(kind, run.id, name, text, now) for kind, text in events]
        if len(self._memories) > 2 * len(runs) + _SPARE_MEMORIES:
            self._memories = {run.id: self._memories[run.id] for run in runs}
        was_watching, self._watching = self._watching, True
        return tuple(alerts) if was_watching else ()

    def _new_best(self, memory: _Memory, run: RunSummary) -> Iterator[tuple[AlertKind, str]]:
        value = best_value(run, "val_loss", "lower")
        if value is None:
            return
        record, ended = self._record, run.status not in ALIVE
        leads = self._best is None or value <= self._best
        if leads:
            self._best = value
            beats = record is not None and value < record
            if record is not None and beats and (ended or not self._record_is_beaten):
                self._record_is_beaten = True
                if not memory.was_best:
                    # What the first look finds raises no alert: the end of the run will.
                    memory.was_best = self._watching
                    new, old = _distinct_numbers(value, record)
                    yield AlertKind.BEST, f"val loss {new}, the record was {old}"
        if ended and (record is None or value < record):
            self._record, self._record_is_beaten = value, not leads


def _distinct_numbers(first: float, second: float) -> tuple[str, str]:
    """Two values that differ with as many digits as it takes to see that."""
    texts = ((number(first, digits), number(second, digits)) for digits in range(4, 17))
    return next((pair for pair in texts if pair[0] != pair[1]), (repr(first), repr(second)))


def _median(values: Iterable[float]) -> float:
    """The middle value (the upper one of two); the module of statistics takes long to import."""
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def _events(memory: _Memory, run: RunSummary) -> Iterator[tuple[AlertKind, str]]:
    before = memory.run
    if _was_not_finite(run) and not (before is not None and _was_not_finite(before)):
        # It may have been some records before the newest one.
        seen = "" if run.iteration is None else f" by iteration {run.iteration:,}"
        yield AlertKind.NOT_FINITE, f"the train loss was NaN or infinite{seen}"
    kind = _OF_STATUS.get(run.status)
    if kind is not None and not (before is not None and before.status is run.status):
        yield kind, _status_text(run)
    if run.last is None or (before is not None and before.iteration == run.iteration):
        return
    if before is None and run.status not in ALIVE:
        return  # it is over: nothing will be compared with what it was, for thousands of runs
    yield from _divergence(memory, run)
    yield from _slowdown(memory, run)


def _was_not_finite(run: RunSummary) -> bool:
    stats = stats_of(run, "train_loss")
    return diverged(run) or (stats is not None and stats.nonfinite > 0)


def _status_text(run: RunSummary) -> str:
    if run.status is RunStatus.FAILED:
        return run.error or "ended by an exception"
    if run.status is RunStatus.CRASHED:
        return f"process exited without finishing{_where(run)}"
    return f"no records for longer than usual{_where(run)}"


def _where(run: RunSummary) -> str:
    return "" if run.iteration is None else f", iteration {count(run.iteration)}"


def _divergence(memory: _Memory, run: RunSummary) -> Iterator[tuple[AlertKind, str]]:
    loss = last_value(run, "train_loss")
    if loss is None or not math.isfinite(loss):
        return
    memory.losses = (*memory.losses, loss)[-_LOSSES:]
    if len(memory.losses) < _LOSSES:
        return
    level = _median(memory.losses)
    if memory.highest is None:
        stats = stats_of(run, "train_loss")
        memory.highest = level if stats is None or stats.max is None else stats.max
    noise = _median([abs(value - level) for value in memory.losses])
    if memory.lowest is None or level < memory.lowest:
        memory.lowest, memory.noise = level, noise
    gained, noise = memory.highest - memory.lowest, max(noise, memory.noise)
    least = max(_GIVEN_BACK * gained, _NOISE_FACTOR * noise)
    if level - memory.lowest > least and not memory.diverged:
        memory.diverged = True
        rise = f"rose to {number(level)} from a low of {number(memory.lowest)}"
        yield AlertKind.DIVERGED, f"train loss {rise}{_where(run)}"


def _slowdown(memory: _Memory, run: RunSummary) -> Iterator[tuple[AlertKind, str]]:
    rate, unit = last_value(run, "tokens_per_sec"), "tokens/s"
    if rate is None:
        rate, unit = run.iterations_per_second, "it/s"
    if rate is None or not math.isfinite(rate):
        return
    memory.rates = (*memory.rates, rate)[-_RATES:]
    if memory.usual_rate is None:
        memory.usual_rate = RunningMedian()
    memory.usual_rate.add(rate)
    usual, recent = memory.usual_rate.value, _median(memory.rates)
    if usual is None or usual <= 0:
        return
    if recent >= _RECOVERED * usual:
        memory.slow = False
    elif recent < _SLOW * usual and not memory.slow:
        memory.slow = True
        drop = 1 - recent / usual
        yield AlertKind.SLOWER, f"{si(recent)} {unit}, {drop:.0%} below its median {si(usual)}"
