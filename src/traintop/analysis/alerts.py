"""What a person who watches should know now: alerts, from one state of the runs to the next.

Each of the rules raises one alert for an event:

* *not finite*: the train loss is NaN or infinite, for the first time in this run.
* *diverged*: the median of the last 9 train losses seen has risen from the lowest such median by a
  tenth of what training had gained (from the highest loss on), and by more than 5 times the noise.
  That is estimated from the differences of the last 64 losses, so that a trend is none. Once a run.
* *stalled*, *crashed*, *failed*: the run's status became that.
* *slower*: the median of the last 5 values of the throughput is more than 30 % below the run's
  own median, for which up to 64 values are kept, evenly spread over all that were seen. Again
  only after the throughput came back to 85 %. Without it, the pace of iterations serves.
* *idle*, *throttled*: a GPU is, as :mod:`.gpu_watch` has it. Again only after it was not.
* *alert*: the run's program logged one, as :mod:`.logged_alerts` has it.
* *new best*: the best validation loss of the runs that have ended, the record, was beaten, by the
  first run that does, or by a run that ends as the best of all. Once a run, and between the two
  the runs of a sweep may overtake each other quietly.

A run that goes on when it is first seen has a past: a sample of its records is taken into account
as if it had been watched, so that what is so now is known. Of runs that ended badly before, those
of the last day raise an alert. Later, a run costs the same however long it is, and nothing while
it does not change.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from traintop.analysis.gpu_watch import GpuSample, GpuWatch, newest_sample
from traintop.analysis.logged_alerts import RECENT_SECONDS, new_alerts
from traintop.metrics import best_value, column_name, last_value, stats_of
from traintop.model import ALIVE, RunStatus, RunSummary
from traintop.progress import stall_text
from traintop.run_columns import changed_runs
from traintop.system_metrics import gpus_among
from traintop.text import count, number, si
from traintop.times import age_seconds, parse_time
from traintop.tracking.pace import RunningMedian, median

if TYPE_CHECKING:
    from traintop.store.history import History

_LOSSES = 9
_GIVEN_BACK = 0.1
_NOISE_FACTOR = 5.0
_DIFFERENCES = 64
_NOISE_OF_DIFFERENCE = 0.6745 * math.sqrt(2.0)  # the median of |a - b|, normal with deviation 1
_RATES = 5
_FEWEST_RATES = 15
_SHORTEST_PACE_SECONDS = 0.1
_SLOW = 0.7
_RECOVERED = 0.85
_SPARE_MEMORIES = 1000
_NEWS_SECONDS = 86_400.0


class AlertKind(StrEnum):
    """What happened; the value is the word for it."""

    NOT_FINITE = "not finite"
    DIVERGED = "diverged"
    STALLED = "stalled"
    CRASHED = "crashed"
    FAILED = "failed"
    GPU_IDLE = "idle"
    GPU_THROTTLED = "throttled"
    SLOWER = "slower"
    LOGGED = "alert"
    BEST = "new best"


_OF_STATUS = {
    RunStatus.STALLED: AlertKind.STALLED,
    RunStatus.CRASHED: AlertKind.CRASHED,
    RunStatus.FAILED: AlertKind.FAILED,
}
ALERT_WORDS: Mapping[AlertKind, str] = {
    AlertKind.NOT_FINITE: "NaN",
    AlertKind.DIVERGED: "div",
    AlertKind.GPU_IDLE: "idle",
    AlertKind.GPU_THROTTLED: "throt",
    AlertKind.SLOWER: "slow",
}
"""What the records of a run that goes on may show, in words that stand for its status."""

NEVER_OVER = frozenset({AlertKind.LOGGED, AlertKind.BEST})
"""What happens at a moment, and does not last."""

_OF_GPUS = frozenset({AlertKind.GPU_IDLE, AlertKind.GPU_THROTTLED})
_ONCE = frozenset({AlertKind.NOT_FINITE, AlertKind.DIVERGED})


class Alert(msgspec.Struct, frozen=True):
    """One event, and when it began. ``name`` and ``text`` may hold what a file says.

    ``kind`` is an ``AlertKind``, or the condition of a rule of the settings file.
    """

    kind: str
    run_id: str
    name: str
    text: str
    time: datetime


class Measured(NamedTuple):
    """What the rules look at of one record; ``None`` where it was not measured."""

    iteration: float
    wallclock_time: float
    loss: float | None = None
    rate: float | None = None
    gpus: GpuSample | None = None


def measured_in(history: History) -> list[Measured]:
    """The records of a run, or a sample of them, as the rules look at them."""
    from traintop.analysis.records import measured_values  # numpy, not for the first frame

    def column(metric: str) -> list[float | None]:
        return measured_values(history, column_name(metric, history.metrics))

    seconds = [second or 0.0 for second in column("wallclock_time")]
    iterations = history.columns["iteration"].tolist()
    losses, rates = column("train_loss"), column("tokens_per_sec")
    rows = zip(iterations, seconds, losses, rates, _gpu_samples(history, seconds), strict=True)
    return [*itertools.starmap(Measured, rows)]


def _gpu_samples(history: History, seconds: Sequence[float]) -> Iterator[GpuSample | None]:
    from traintop.analysis.records import measured_values

    found = []
    for what in ("utilization", "throttle"):
        gpus = gpus_among(history.metrics, what)
        columns = [measured_values(history, name) for name in gpus.values()]
        rows = zip(*columns, strict=True) if columns else [()] * len(history)
        found.append(
            [
                {gpu: one for gpu, one in zip(gpus, row, strict=True) if one is not None}
                for row in rows
            ]
        )
    for second, utilization, throttle in zip(seconds, *found, strict=True):
        yield GpuSample(second, utilization, throttle) if utilization or throttle else None


class _Memory(msgspec.Struct):
    """What is remembered of the records of a run that went on while it was seen."""

    latest: Measured | None = None
    paced: Measured | None = None
    """The record by which the pace of iterations was taken last."""
    losses: tuple[float, ...] = ()
    highest: float | None = None
    lowest: float | None = None
    differences: tuple[float, ...] = ()
    rates: tuple[float, ...] = ()
    usual_rate: RunningMedian = msgspec.field(default_factory=RunningMedian)
    gpus: GpuWatch = msgspec.field(default_factory=GpuWatch)
    since: dict[AlertKind, float] = msgspec.field(default_factory=dict)
    """What its records show to be so, and since which second of the run."""
    raised: set[AlertKind] = msgspec.field(default_factory=set)


class AlertDetector:
    """Compares successive states of the runs; :meth:`observe` finds what happened between two.

    ``sample`` returns some records of a run, in order; it may raise ``OSError`` or ``ValueError``.
    Of a run that is first seen, what its program logged before it ``began``, in seconds since 1970,
    is past; by default, that is shortly before it is seen.
    """

    def __init__(
        self,
        sample: Callable[[RunSummary], Iterable[Measured]] = lambda run: (),
        began: float | None = None,
    ) -> None:
        self._sample = sample
        self._began = began
        self._runs: tuple[RunSummary, ...] = ()  # as of the last call
        self._seen: dict[str, RunSummary] = {}
        self._memories: dict[str, _Memory] = {}  # few: most runs are over when they are first seen
        self._were_best: set[str] = set()
        self._best: float | None = None
        self._record: float | None = None
        self._record_is_beaten = False
        self._watching = False

    def observe(
        self, runs: Sequence[RunSummary], now: datetime, *, complete: bool = True
    ) -> tuple[Alert, ...]:
        """The events since the last call; of the first call, what is so now.

        The first is over when the runs are ``complete``: until then, not all were read.
        """
        alerts: list[Alert] = []
        for run in changed_runs(runs, self._runs):
            if self._seen.get(run.id) is not run:
                events = [*self._events(run, now), *self._new_best(run, now)]
                self._seen[run.id] = run
                name = run.title
                alerts += [Alert(kind, run.id, name, text, time) for kind, text, time in events]
        if len(self._seen) > 2 * len(runs) + _SPARE_MEMORIES:
            self._seen = {run.id: run for run in runs}
            known = self._memories.items()
            self._memories = {run_id: one for run_id, one in known if run_id in self._seen}
            self._were_best &= self._seen.keys()
        self._runs, self._watching = (*runs,), self._watching or complete
        return tuple(sorted(alerts, key=lambda alert: alert.time))

    def current(self) -> Mapping[str, AlertKind]:
        """By their id, the runs that go on although their records show that something is wrong."""
        known = ((self._seen[run_id], memory) for run_id, memory in self._memories.items())
        return {
            run.id: kinds[0]
            for run, memory in known
            if run.status in ALIVE and (kinds := _shown(memory, run))
        }

    def standing(self, run_id: str) -> frozenset[AlertKind]:
        """What is wrong now with a run that goes on."""
        memory, run = self._memories.get(run_id), self._seen.get(run_id)
        if memory is None or run is None or run.status not in ALIVE:
            return frozenset()
        stalled = {AlertKind.STALLED} if run.status is RunStatus.STALLED else set()
        return frozenset({*memory.since, *stalled})

    def _look_back(self, memory: _Memory, run: RunSummary) -> None:
        if run.last is None:
            return
        try:
            for measured in self._sample(run):
                _take(memory, measured)
                # What the newest record has of the GPUs may have been read much later.
                if measured.gpus is not None and measured.iteration < run.last.iteration:
                    memory.gpus.take(measured.gpus)
        except (OSError, ValueError):
            return  # the run may have just been removed; the list says what else is wrong with it

    def _events(self, run: RunSummary, now: datetime) -> Iterator[tuple[AlertKind, str, datetime]]:
        before = self._seen.get(run.id)
        kind = _OF_STATUS.get(run.status)
        is_news = before is None or before.status is not run.status
        if kind is not None and is_news and (self._watching or _is_recent(run, now)):
            yield kind, _status_text(run), _status_time(run, now)
        since = now.timestamp() - RECENT_SECONDS if self._began is None else self._began
        for text, time in new_alerts(run, before, since):
            yield AlertKind.LOGGED, text, time
        if run.status not in ALIVE and before is None:
            return  # it is over: nothing will be compared with what it was, for thousands of runs
        memory = self._memories.get(run.id)
        if memory is None:
            memory = self._memories[run.id] = _Memory()
            if before is None:
                self._look_back(memory, run)
        if run.last is not None:
            rate, stats = last_value(run, "tokens_per_sec"), stats_of(run, "train_loss")
            if memory.highest is None and stats is not None:
                memory.highest = stats.max
            loss = last_value(run, "train_loss")
            _take(memory, Measured(run.last.iteration, run.last.wallclock_time, loss, rate))
        if (sample := newest_sample(run)) is not None:
            _take_gpus(memory, sample, run)
        kinds = set(memory.since)
        if before is not None and _nonfinite(run) > _nonfinite(before):
            kinds.add(AlertKind.NOT_FINITE)  # it may have been some records before the newest one
        for kind in ALERT_WORDS:
            if kind in kinds and kind not in memory.raised:
                yield (
                    kind,
                    _record_text(kind, memory, run),
                    _time_at(run, memory.since.get(kind), now),
                )
        memory.raised = kinds | (memory.raised & _ONCE)

    def _new_best(
        self, run: RunSummary, now: datetime
    ) -> Iterator[tuple[AlertKind, str, datetime]]:
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
                if run.id not in self._were_best:
                    # What the first look finds raises no alert: the end of the run will.
                    if self._watching:
                        self._were_best.add(run.id)
                    new, old = _distinct_numbers(value, record)
                    if self._watching:
                        yield AlertKind.BEST, f"val loss {new}, the record was {old}", now
        if ended and (record is None or value < record):
            self._record, self._record_is_beaten = value, not leads


def _distinct_numbers(first: float, second: float) -> tuple[str, str]:
    """Two values that differ with as many digits as it takes to see that."""
    texts = ((number(first, digits), number(second, digits)) for digits in range(4, 17))
    return next((pair for pair in texts if pair[0] != pair[1]), (repr(first), repr(second)))


def _nonfinite(run: RunSummary) -> int:
    stats = stats_of(run, "train_loss")
    return stats.nonfinite if stats else 0


def _is_recent(run: RunSummary, now: datetime) -> bool:
    age = age_seconds(run.end_time or run.updated_at, now)
    return run.status in ALIVE or (age is not None and age < _NEWS_SECONDS)


def _status_text(run: RunSummary) -> str:
    if run.status is RunStatus.FAILED:
        return run.error or "ended by an exception"
    if run.status is RunStatus.CRASHED:
        return f"process exited without finishing{_where(run)}"
    return f"{stall_text(run)}{_where(run)}"


def _status_time(run: RunSummary, now: datetime) -> datetime:
    if run.status is RunStatus.STALLED:
        pause = run.pauses.current if run.pauses else 0.0
        return _time_at(run, (run.duration_seconds or 0.0) - pause, now)
    return min(parse_time(run.end_time or run.updated_at) or now, now)


def _time_at(run: RunSummary, second: float | None, now: datetime) -> datetime:
    """When a run that goes on was at a second of its duration."""
    newest = parse_time(run.updated_at)
    if second is None or newest is None or run.duration_seconds is None:
        return now
    return min(newest - timedelta(seconds=max(run.duration_seconds - second, 0.0)), now)


def _where(run: RunSummary) -> str:
    return "" if run.iteration is None else f", iteration {count(run.iteration)}"


def _take(memory: _Memory, measured: Measured) -> None:
    """Take a record into account, which may be the one that was taken last."""
    before, memory.latest = memory.latest, measured
    if before is not None and measured.iteration <= before.iteration:
        return
    _take_loss(memory, measured)
    rate = _pace(memory, measured) if measured.rate is None else measured.rate
    if rate is not None and math.isfinite(rate):
        _take_rate(memory, rate, measured.wallclock_time)


def _pace(memory: _Memory, measured: Measured) -> float | None:
    """Iterations a second, over a while: records that were written together have no pace."""
    start = memory.paced
    seconds = 0.0 if start is None else measured.wallclock_time - start.wallclock_time
    if start is not None and 0 <= seconds < _SHORTEST_PACE_SECONDS:
        return None
    memory.paced = measured
    return (measured.iteration - start.iteration) / seconds if start and seconds > 0 else None


def _take_gpus(memory: _Memory, sample: GpuSample, run: RunSummary) -> None:
    gpus = memory.gpus
    gpus.take(sample)
    idle, throttled = gpus.idle_gpus(run), gpus.throttled_gpus()
    since = max((gpus.idle[gpu] for gpu in idle), default=sample.second)
    _set(memory, AlertKind.GPU_IDLE, since, so=bool(idle))
    since = max((gpus.throttled[gpu] for gpu in throttled), default=sample.second)
    _set(memory, AlertKind.GPU_THROTTLED, since, so=bool(throttled))


def _shown(memory: _Memory, run: RunSummary) -> list[AlertKind]:
    """What is wrong, what matters first; that a run is stalled says more than that GPUs idle."""
    stalled = run.status is RunStatus.STALLED
    kinds = (kind for kind in ALERT_WORDS if kind in memory.since)
    return [kind for kind in kinds if not (stalled and kind in _OF_GPUS)]


def _take_loss(memory: _Memory, measured: Measured) -> None:
    loss = measured.loss
    if loss is None:
        return
    _set(memory, AlertKind.NOT_FINITE, measured.wallclock_time, so=not math.isfinite(loss))
    if not math.isfinite(loss):
        return
    if memory.losses:
        difference = abs(loss - memory.losses[-1])
        memory.differences = (*memory.differences, difference)[-_DIFFERENCES:]
    memory.losses = (*memory.losses, loss)[-_LOSSES:]
    memory.highest = loss if memory.highest is None else max(memory.highest, loss)
    if len(memory.losses) < _LOSSES:
        return
    level = median(memory.losses)
    memory.lowest = level if memory.lowest is None else min(level, memory.lowest)
    noise = median(memory.differences) / _NOISE_OF_DIFFERENCE
    least = max(_GIVEN_BACK * (memory.highest - memory.lowest), _NOISE_FACTOR * noise)
    _set(memory, AlertKind.DIVERGED, measured.wallclock_time, so=level - memory.lowest > least)


def _take_rate(memory: _Memory, rate: float, second: float) -> None:
    memory.rates = (*memory.rates, rate)[-_RATES:]
    if AlertKind.SLOWER not in memory.since:  # what is usual was so before
        memory.usual_rate.add(rate)
    usual, recent = memory.usual_rate.value, median(memory.rates)
    if usual is None or usual <= 0 or memory.usual_rate.count < _FEWEST_RATES:
        return
    if recent < _SLOW * usual or recent >= _RECOVERED * usual:
        _set(memory, AlertKind.SLOWER, second, so=recent < _SLOW * usual)


def _set(memory: _Memory, kind: AlertKind, second: float, *, so: bool) -> None:
    """Note since when something is so, or that it is not."""
    if so:
        memory.since.setdefault(kind, second)
    else:
        memory.since.pop(kind, None)


def _record_text(kind: AlertKind, memory: _Memory, run: RunSummary) -> str:
    if kind is AlertKind.NOT_FINITE:
        seen = "" if run.iteration is None else f" by iteration {run.iteration:,}"
        return f"the train loss was NaN or infinite{seen}"
    if kind is AlertKind.DIVERGED:
        return (
            f"train loss rose to {number(median(memory.losses))} from a low of {_low(memory, run)}"
        )
    if kind is AlertKind.GPU_IDLE:
        return memory.gpus.idle_text(run) + _pace_text(memory, run, memory.since[kind])
    if kind is AlertKind.GPU_THROTTLED:
        return memory.gpus.throttled_text(run) + _pace_text(memory, run, memory.since[kind])
    unit = _unit(run)
    usual, recent = memory.usual_rate.value or math.nan, median(memory.rates)
    return f"{si(recent)} {unit}, {1 - recent / usual:.0%} below its median {si(usual)}"


def _unit(run: RunSummary) -> str:
    return "it/s" if last_value(run, "tokens_per_sec") is None else "tokens/s"


def _pace_text(memory: _Memory, run: RunSummary, since: float) -> str:
    """The throughput since a second against the usual one: ", 0 tokens/s against 91k before"."""
    usual, latest = memory.usual_rate.value, memory.latest
    if usual is None or latest is None:
        return ""
    now = memory.rates[-1] if latest.wallclock_time > since else 0.0
    return f", {si(now)} {_unit(run)} against {si(usual)} before"


def _low(memory: _Memory, run: RunSummary) -> str:
    stats = stats_of(run, "train_loss")
    if stats is None or stats.min is None:
        return number(memory.lowest)
    at = stats.min_iteration
    return number(stats.min) + ("" if at is None else f" at iteration {count(at)}")
