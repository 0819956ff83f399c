"""Finding, opening and reading the file of a run to resume after a crash or preemption."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from traintop import logfile
from traintop.logfile.columns import Columns
from traintop.logfile.lines import (
    NO_ENDS,
    Ends,
    LineReader,
    Rewind,
    lines_from,
    lines_of,
    read_ends,
)
from traintop.model import MetricsSnapshot, MetricStats
from traintop.process import has_ended
from traintop.tracking.capture import resolve
from traintop.tracking.run_file import RunFile, RunFileBusyError, lock, read_span, replace_file
from traintop.tracking.statistics import WINDOW, RunStatistics, best_loss

MOST_IN_ANY_ORDER = 100_000
"""Records whose statistics the writer makes exact whatever their order: it takes a second."""

NOT_OURS = "cannot be resumed: it was not written by this tracker"


class Checkpoint(NamedTuple):
    """Where a run goes on from, if a person said it: what was recorded beyond it is void."""

    gradient_step: int | None = None
    iteration: float | None = None

    @classmethod
    def at(cls, gradient_step: object, iteration: object, *, least: int = -1) -> Self:
        """A place that a person gave. Raises ``ValueError`` where that is none.

        The last iteration before the first one of all may be -1.
        """
        places = []
        for name, given in (("gradient_step", gradient_step), ("iteration", iteration)):
            try:
                place = resolve(given)
            except ValueError:
                place = math.nan
            if place is not None and not least <= place < math.inf:
                raise ValueError(f"{name} must be a number from {least} on, not {given!r}")
            places.append(place)
        step, iteration = places
        return cls(None if step is None else int(step), iteration)

    @property
    def is_start(self) -> bool:
        """Whether nothing was trained before it."""
        return self != (None, None) and all(place is None or place <= 0 for place in self)


class InterruptedRun(NamedTuple):
    """A run's own file, opened and locked, and what its ends say."""

    path: Path
    descriptor: int
    ends: Ends
    head: logfile.Head
    tail: logfile.Tail  # of a torn file, with what its last lines say

    def read(self, start: int, length: int) -> bytes:
        """A part of the file."""
        return read_span(self.descriptor, start, length)

    @property
    def records_at(self) -> int:
        """Where the lines begin."""
        assert self.ends.head is not None
        return self.ends.head.records_at

    @property
    def is_current(self) -> bool:
        """Whether the file is of the format that is written now."""
        is_known = self.tail.lines_crc32 is not None
        return is_known and self.head.run.get("format") == logfile.FORMAT_VERSION

    def regions(self) -> Iterator[bytes]:
        """All lines in regions, and last the record that is no line yet, if there is one."""
        yield from (region for _, region in lines_from(self.read, self.records_at, self.ends))
        if self.ends.tail is not None and self.ends.last is not None:
            yield msgspec.json.encode(self.ends.last)

    def lines(self) -> Iterator[bytes]:
        """Those that count, one by one."""
        for region in self.regions():
            yield from (line for line, row in lines_of(region) if row is not None)

    def close(self) -> None:
        """Give the file and its lock back."""
        with contextlib.suppress(OSError):
            os.close(self.descriptor)


class ResumedRun(NamedTuple):
    """A run that can be written on."""

    file: RunFile
    statistics: RunStatistics
    open_record: MetricsSnapshot | None  # the record that is no line yet
    rewinds: int  # lines that make void what is before them, with those to be written
    lines: list[bytes]  # to be written first: what is void from now on, and that it is


def open_interrupted_run(path: Path) -> InterruptedRun:
    """Open a run's file to resume it; no other process can until this one ends.

    Only its ends are read. Raises ``RunFileBusyError`` when the run is still written,
    ``ValueError`` when the file is not in the tracker's own format, and ``OSError``.
    """
    path = Path(os.path.realpath(path))
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    run = InterruptedRun(path, descriptor, NO_ENDS, logfile.Head(), logfile.Tail())
    try:
        lock(descriptor, path)
        info = os.fstat(descriptor)
        if not os.path.samestat(info, os.stat(path)):
            raise RunFileBusyError(f"{path} was just replaced by another process")
        ends = read_ends(run.read, info.st_size)
        if ends.head is None:
            raise ValueError(f"{path} {NOT_OURS}")
        head, tail = ends.head.head, ends.tail or _tail_of_lines(ends)
        writer = tail.resumed[-1] if tail.resumed else head.run
        if (
            tail.status == "running"
            and writer.get("pid") != os.getpid()
            and has_ended(writer) is False
        ):
            raise RunFileBusyError(
                f"{path} cannot be resumed: process {writer.get('pid')} on this host is writing it"
            )
    except BaseException:
        run.close()
        raise
    return run._replace(ends=ends, head=head, tail=tail)


def _tail_of_lines(ends: Ends) -> logfile.Tail:
    """How far a torn run came, by its last lines."""
    _, _, lines = ends.end.partition(b"\n")
    rows = [row for _, row in lines_of(lines) if row is not None] + [ends.last or {}]
    found = [record for row in rows if (record := logfile.snapshot_of_row(row)) is not None]
    return logfile.Tail(
        status=ends.status,
        gradient_step=max((record.gradient_step for record in found), default=0),
        duration_seconds=max((record.wallclock_time for record in found), default=None),
    )


def read_interrupted_run(
    run: InterruptedRun, gradient_step: int | None, iteration: float | None = None
) -> ResumedRun:
    """Read a run's records, and make its file one that can be written on.

    ``gradient_step`` and ``iteration`` are those of a :class:`Checkpoint`. A file that is torn or
    damaged, or of an older format, is written anew; of one with damaged lines a copy is kept.
    Raises ``OSError``.
    """
    checkpoint = Checkpoint(gradient_step, iteration)
    rewinds: list[float] = []
    rewind_to = None
    torn = run.ends.tail is None
    if checkpoint != (None, None) or torn or run.tail.rewinds:
        rewinds, rewind_to = _rewinds(run, checkpoint)
    bounds = _bounds(rewinds, rewind_to)
    reader, statistics, recent, rows = LineReader(), RunStatistics(), deque[Columns](), 0
    for step in reader.steps(run.regions(), torn=torn):
        if isinstance(step, Rewind):
            bounds.pop()
            continue
        recent.append(_within(step, bounds[-1]))
        rows += len(recent[-1]["iteration"])
        while rows - len(recent[0]["iteration"]) > WINDOW:
            rows -= len(recent[0]["iteration"])
            _count_final(statistics, recent.popleft())
    for columns in recent:
        _count(statistics, columns)
    if statistics.stale and reader.lines <= MOST_IN_ANY_ORDER:
        statistics = exact_statistics(run.regions, rewind_to)
    lines: list[bytes] = []
    if run.is_current and not torn and not reader.damaged:
        head, end = run.read(0, run.records_at), run.ends.lines_end or 0
        last = logfile.snapshot_of_row(run.ends.last or {})
        count, crc32 = reader.lines - (last is not None), run.tail.lines_crc32 or 0
        file = RunFile(run.path, run.descriptor, head, end, count, crc32)
        if last is not None and last.iteration > bounds[-1]:
            lines, last = [logfile.encode_record(last)], None
    else:
        file, _ = rewrite_run(run, run.tail, RunStatistics(), keep=reader.damaged > 0)
        last = None  # it is a line now
        run.close()
    if rewind_to is not None:
        lines.append(logfile.encode_rewind(rewind_to))
    return ResumedRun(file, statistics, last, len(rewinds) + (rewind_to is not None), lines)


def rewrite_run(
    run: InterruptedRun, tail: logfile.Tail, statistics: RunStatistics, *, keep: bool
) -> tuple[RunFile, Path | None]:
    """Put a whole file in the place of a run's own, with all lines that count.

    With ``keep``, a copy is kept of the file as it was. Returns the new file, open and locked, and
    the copy. Raises ``OSError``.
    """
    stats, newest = statistics.summaries(), statistics.newest
    final = {"train_loss": tail.final_train_loss, "val_loss": tail.final_val_loss}
    tail = msgspec.structs.replace(
        tail,
        best_train_loss=best_loss("train_loss", stats, final),
        best_val_loss=best_loss("val_loss", stats, final),
        count=statistics.count or None,
        stats=stats,
        highest_record={} if newest is None else logfile.record_row(newest),
        last_record={},
    )
    new = {**run.head.run, "format": logfile.FORMAT_VERSION}
    head = logfile.encode_head(msgspec.structs.replace(run.head, run=new))
    return replace_file(run.path, head, run.lines(), tail, keep=keep)


def gradient_step_at(path: Path, iteration: float) -> int:
    """The optimizer steps taken when an iteration was done, by a file's last record up to it.

    A loop that logs 0 at first and counts on with the iterations counts after it logs: one more.
    """
    first, found = (math.inf, 0), (-math.inf, 0)
    with opened(path) as run:
        bounds = _bounds(*_rewinds(run, Checkpoint(iteration=iteration)))
        for step in _steps(run.regions()):
            if isinstance(step, Rewind):
                bounds.pop()
                continue
            kept = _within(step, bounds[-1])
            for reached, taken in zip(kept["iteration"], kept["gradient_step"], strict=True):
                if reached >= found[0]:
                    found = (reached, int(taken or 0))
                first = min(first, (reached, int(taken or 0)))
    counts_later = first[1] == 0 and found[1] == found[0] - first[0]
    return found[1] + counts_later


@contextlib.contextmanager
def opened(path: Path) -> Iterator[InterruptedRun]:
    """A run's file, to be read only. Raises ``OSError``."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        run = InterruptedRun(path, descriptor, NO_ENDS, logfile.Head(), logfile.Tail())
        ends = read_ends(run.read, os.fstat(descriptor).st_size)
        head = ends.head.head if ends.head else run.head
        yield run._replace(ends=ends, head=head, tail=ends.tail or logfile.Tail(status=ends.status))
    finally:
        os.close(descriptor)


def _rewinds(run: InterruptedRun, checkpoint: Checkpoint) -> tuple[list[float], float | None]:
    """Where the rewinds lead that the file holds; and the iteration of a checkpoint.

    The latter is ``None`` where nothing was recorded beyond it.
    """
    rewinds: list[float] = []
    lowest, highest, reached = math.inf, -math.inf, -math.inf
    most_steps, furthest = (math.inf if limit is None else limit for limit in checkpoint)
    for step in _steps(run.regions()):
        if isinstance(step, Rewind):
            rewinds.append(step.iteration)
            highest, reached = min(highest, step.iteration), min(reached, step.iteration)
            continue
        iterations, steps = step["iteration"], step["gradient_step"]
        lowest, highest = min(lowest, *iterations), max(highest, *iterations)
        within = [
            i
            for i, taken in zip(iterations, steps, strict=True)
            if i <= furthest and (taken or 0) <= most_steps
        ]
        reached = max(reached, *within, -math.inf)
    if highest <= reached:
        return rewinds, None
    return rewinds, _as_written(reached if math.isfinite(reached) else lowest - 1)


def _bounds(rewinds: Sequence[float], rewind_to: float | None) -> list[float]:
    """The highest iterations that stay, last that before the first rewind."""
    final = math.inf if rewind_to is None else rewind_to
    return [*itertools.accumulate([final, *reversed(rewinds)], min)]


def _steps(regions: Iterable[bytes]) -> Iterator[Columns | Rewind]:
    return LineReader().steps(regions, torn=False)


def exact_statistics(
    regions: Callable[[], Iterable[bytes]], rewind_to: float | None = None
) -> RunStatistics:
    """Those of records in any order, all of which are in memory for a moment."""
    rewinds = [step.iteration for step in _steps(regions()) if isinstance(step, Rewind)]
    statistics = RunStatistics()
    statistics.add_in_order(_kept(regions(), _bounds(rewinds, rewind_to)))
    return statistics


def _kept(regions: Iterable[bytes], bounds: list[float]) -> Iterator[MetricsSnapshot]:
    """The records that no rewind makes void."""
    for step in _steps(regions):
        if isinstance(step, Rewind):
            bounds.pop()
        else:
            yield from _records(_within(step, bounds[-1]))


def _within(columns: Columns, bound: float) -> Columns:
    """The records that are not beyond an iteration."""
    iterations = columns["iteration"]
    if max(iterations) <= bound:
        return columns
    kept = [iteration <= bound for iteration in iterations]
    return {name: [*itertools.compress(values, kept)] for name, values in columns.items()}


def _count_final(statistics: RunStatistics, columns: Columns) -> None:
    """Count records that no later one is likely to amend."""
    iterations = [*map(_as_written, columns["iteration"])]
    if iterations and statistics.follows(iterations):
        with contextlib.suppress(ValueError):
            statistics.add_columns(columns, iterations)
            return
    _count(statistics, columns)


def _count(statistics: RunStatistics, columns: Columns) -> None:
    for record in _records(columns):
        statistics.add(record)


def _records(columns: Columns) -> Iterator[MetricsSnapshot]:
    for values in zip(*columns.values(), strict=True):
        row = dict(zip(columns, values, strict=True))
        row["iteration"] = _as_written(row["iteration"])
        if (record := logfile.snapshot_of_row(row)) is not None:
            yield record


def _as_written(iteration: float) -> float:
    return int(iteration) if abs(iteration) < 2**53 and iteration == int(iteration) else iteration


def statistics_of_file(path: Path) -> tuple[int, dict[str, MetricStats]]:
    """How many iterations a file holds, and the statistics of every metric.

    Of a file that cannot be read: none.
    """
    with contextlib.suppress(OSError), opened(path) as run:
        if run.ends.head is not None:
            found = exact_statistics(run.regions)
            return found.count or 0, found.summaries()
    return 0, {}
