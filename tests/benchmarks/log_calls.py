"""What a call of ``log_metrics`` costs the training loop, and a record the whole process."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter_ns
from typing import Any, TypeVar

from tests.benchmarks.measuring import Floor, Line, Scale, interleaved, percentile

from traintop import ExperimentConfig, ExperimentTracker

_BATCH = 100
_BATCHES = 200
_CALLS_IN_A_ROW = 50_000
_NANOSECONDS = 1e-9

LogCall = Callable[..., object]
_Figure = TypeVar("_Figure")


class _Empty:
    def log_metrics(
        self,
        iteration: int,
        train_loss: Any = None,
        learning_rate: Any = 0.0,
        tokens_per_sec: Any = 0.0,
        iter_time_ms: Any = 0.0,
    ) -> None:
        """Takes the arguments and does nothing with them."""


class _Steps:
    """Iterations that only ever grow, as those of a training do."""

    def __init__(self) -> None:
        self._next = 0

    def take(self, count: int) -> range:
        start, self._next = self._next, self._next + count
        return range(start, self._next)


class _Calls:
    """The three calls that are compared, and what must happen after many of them."""

    def __init__(self, directory: Path) -> None:
        self.tracker = ExperimentTracker(ExperimentConfig("calls"), log_dir=directory, quiet=True)
        self._lines = (directory / "lines.jsonl").open("w")
        self._steps = _Steps()

    def each(self, measured: Callable[[LogCall, _Steps], _Figure]) -> list[Callable[[], _Figure]]:
        """A measurement of ours, of an empty call, and of ``json.dumps`` to a buffered file."""

        def of(call: LogCall) -> _Figure:
            figure = measured(call, self._steps)
            self.tracker.save()  # so that no round pays for the one before
            return figure

        calls = (self.tracker.log_metrics, _Empty().log_metrics, self._dump)
        return [lambda call=call: of(call) for call in calls]

    def _dump(self, **values: Any) -> None:
        self._lines.write(json.dumps(values) + "\n")

    def close(self) -> None:
        self.tracker.finish()
        self._lines.close()


def measure(scale: Scale, directory: Path) -> Iterator[Line]:
    """The lines of this family."""
    calls = _Calls(directory)
    calls.tracker.start()
    try:
        yield from _in_a_row(scale, calls)
        yield from _apart(scale, calls)
        yield _per_record(scale, calls)
    finally:
        calls.close()


def _in_a_row(scale: Scale, calls: _Calls) -> Iterator[Line]:
    ours, empty, dumps = interleaved(scale.rounds * 2, *calls.each(_median_in_batches))
    yield Line(
        "`log_metrics`, 5 scalars, tight loop, median",
        ours,
        "s",
        "≤ 1 µs",
        1e-6,
        (Floor("empty call", empty), Floor("json.dumps to a buffered file", dumps)),
        "Timed in batches of 100 calls, so that the clock itself does not count.",
    )
    ours, empty, dumps = interleaved(
        scale.rounds,
        *calls.each(lambda call, steps: percentile(_timed(call, steps, _CALLS_IN_A_ROW), 0.999)),
    )
    yield Line(
        "`log_metrics`, tight loop, p99.9",
        ours,
        "s",
        "≤ 50 µs",
        50e-6,
        (Floor("empty call", empty), Floor("json.dumps to a buffered file", dumps)),
        f"Each of {_CALLS_IN_A_ROW:,} calls is timed alone, with the clock's own cost; the "
        "writer's thread works meanwhile.",
    )


def _apart(scale: Scale, calls: _Calls) -> Iterator[Line]:
    timed: list[list[float]] = [[], [], []]
    for _ in range(scale.rounds):
        actions = calls.each(lambda call, steps: _timed(call, steps, scale.calls_apart, 0.001))
        for seconds, action in zip(timed, actions, strict=True):
            seconds += action()
    for share, what, budget, limit, reading in (
        (
            0.5,
            "`log_metrics`, calls 1 ms apart, median",
            "≤ 5 µs",
            5e-6,
            "After each sleep the caches are cold, for the empty call too.",
        ),
        (
            0.999,
            "`log_metrics`, calls 1 ms apart, p99.9",
            "≤ 50 µs",
            50e-6,
            "Where other programs run too, mostly the scheduler's figure: see the empty call's.",
        ),
    ):
        ours, empty, dumps = (percentile(seconds, share) for seconds in timed)
        floors = (Floor("empty call", empty), Floor("json.dumps to a buffered file", dumps))
        yield Line(what, ours, "s", budget, limit, floors, reading)


def _per_record(scale: Scale, calls: _Calls) -> Line:
    def cpu_of(call: LogCall, steps: _Steps) -> float:
        started = time.process_time()
        for iteration in steps.take(_CALLS_IN_A_ROW):
            _log(call, iteration)
        calls.tracker.save()
        return (time.process_time() - started) / _CALLS_IN_A_ROW

    ours, _, dumps = interleaved(scale.rounds, *calls.each(cpu_of))
    return Line(
        "CPU time of one record, calling and writing thread together",
        ours,
        "s",
        floors=(Floor("json.dumps to a buffered file", dumps),),
        reading="The call, the statistics, the encoding and the writing. The writer's thread pays "
        "most of it, and holds the interpreter's lock meanwhile.",
    )


def _median_in_batches(call: LogCall, steps: _Steps) -> float:
    seconds = []
    for _ in range(_BATCHES):
        iterations = steps.take(_BATCH)
        started = perf_counter_ns()
        for iteration in iterations:
            call(
                iteration=iteration,
                train_loss=2.5,
                learning_rate=6e-4,
                tokens_per_sec=121_000.0,
                iter_time_ms=135.0,
            )
        seconds.append((perf_counter_ns() - started) * _NANOSECONDS / _BATCH)
    return percentile(seconds, 0.5)


def _timed(call: LogCall, steps: _Steps, count: int, pause: float = 0.0) -> list[float]:
    seconds = []
    for iteration in steps.take(count):
        if pause:
            time.sleep(pause)
        started = perf_counter_ns()
        call(
            iteration=iteration,
            train_loss=2.5,
            learning_rate=6e-4,
            tokens_per_sec=121_000.0,
            iter_time_ms=135.0,
        )
        seconds.append((perf_counter_ns() - started) * _NANOSECONDS)
    return seconds


def _log(call: LogCall, iteration: int) -> None:
    call(
        iteration=iteration,
        train_loss=2.5,
        learning_rate=6e-4,
        tokens_per_sec=121_000.0,
        iter_time_ms=135.0,
    )
