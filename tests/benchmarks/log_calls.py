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
        *,
        metrics: Any = None,
        **further: Any,
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
    for batch, what, budget, limit in (
        (_batch, "5 scalars", "≤ 0.5 µs", 0.5e-6),
        (_batch_of_more, "with 3 further metrics", "≤ 0.8 µs", 0.8e-6),
    ):
        ours, empty, dumps = interleaved(
            scale.rounds * 2,
            *calls.each(lambda call, steps, batch=batch: _median_in_batches(batch, call, steps)),
        )
        yield Line(
            f"`log_metrics`, {what}, tight loop, median",
            ours,
            "s",
            budget,
            limit,
            (Floor("empty call", empty), Floor("json.dumps to a buffered file", dumps)),
            "Timed in batches of 100 calls, so that the clock itself does not count.",
        )
    ours, empty, dumps = interleaved(
        scale.rounds,
        *calls.each(
            lambda call, steps: percentile(_timed(_call, call, steps, _CALLS_IN_A_ROW), 0.999)
        ),
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
    for once, more, times in ((_call, "", 4), (_call_with_more, " with 3 further metrics", 5)):
        timed: list[list[float]] = [[], [], []]
        for _ in range(scale.rounds):
            actions = calls.each(
                lambda call, steps, once=once: _timed(once, call, steps, scale.calls_apart, 0.001)
            )
            for seconds, action in zip(timed, actions, strict=True):
                seconds += action()
        middle, rare = ([percentile(seconds, share) for seconds in timed] for share in (0.5, 0.999))
        yield Line(
            f"`log_metrics`{more}, calls 1 ms apart, median",
            middle[0],
            "s",
            f"≤ {times} x an empty call",
            times * middle[1],
            _floors(middle),
            "After each sleep the caches are cold, for the empty call too.",
        )
        yield Line(
            f"`log_metrics`{more}, calls 1 ms apart, p99.9",
            rare[0],
            "s",
            "≤ 50 µs",
            50e-6,
            _floors(rare),
            "Where other programs run too, mostly the scheduler's figure: see the empty call's.",
        )


def _floors(figures: list[float]) -> tuple[Floor, ...]:
    _, empty, dumps = figures
    return Floor("empty call", empty), Floor("json.dumps to a buffered file", dumps)


def _per_record(scale: Scale, calls: _Calls) -> Line:
    def cpu_of(call: LogCall, steps: _Steps) -> float:
        started = time.process_time()
        for iteration in steps.take(_CALLS_IN_A_ROW):
            _call(call, iteration)
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


def _median_in_batches(
    batch: Callable[[LogCall, range], int], call: LogCall, steps: _Steps
) -> float:
    times = [batch(call, steps.take(_BATCH)) for _ in range(_BATCHES)]
    return percentile(times, 0.5) * _NANOSECONDS / _BATCH


def _timed(
    once: Callable[[LogCall, int], int],
    call: LogCall,
    steps: _Steps,
    count: int,
    pause: float = 0.0,
) -> list[float]:
    seconds = []
    for iteration in steps.take(count):
        if pause:
            time.sleep(pause)
        seconds.append(once(call, iteration) * _NANOSECONDS)
    return seconds


# The calls are written out, so that nothing but them is timed; each returns nanoseconds.


def _call(call: LogCall, iteration: int) -> int:
    started = perf_counter_ns()
    call(
        iteration=iteration,
        train_loss=2.5,
        learning_rate=6e-4,
        tokens_per_sec=121_000.0,
        iter_time_ms=135.0,
    )
    return perf_counter_ns() - started


def _call_with_more(call: LogCall, iteration: int) -> int:
    started = perf_counter_ns()
    call(
        iteration=iteration,
        train_loss=2.5,
        learning_rate=6e-4,
        tokens_per_sec=121_000.0,
        iter_time_ms=135.0,
        grad_norm=0.7,
        accuracy=0.3,
        z_loss=0.1,
    )
    return perf_counter_ns() - started


def _batch(call: LogCall, iterations: range) -> int:
    started = perf_counter_ns()
    for iteration in iterations:
        call(
            iteration=iteration,
            train_loss=2.5,
            learning_rate=6e-4,
            tokens_per_sec=121_000.0,
            iter_time_ms=135.0,
        )
    return perf_counter_ns() - started


def _batch_of_more(call: LogCall, iterations: range) -> int:
    started = perf_counter_ns()
    for iteration in iterations:
        call(
            iteration=iteration,
            train_loss=2.5,
            learning_rate=6e-4,
            tokens_per_sec=121_000.0,
            iter_time_ms=135.0,
            grad_norm=0.7,
            accuracy=0.3,
            z_loss=0.1,
        )
    return perf_counter_ns() - started
