"""From raw calls of the training loop to the bytes of the next flush. No input or output."""

from __future__ import annotations

import itertools
import math
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from traintop import logfile
from traintop.model import RECORD_FIELDS, STANDARD_METRICS, MetricsSnapshot, MetricStats
from traintop.tracking.capture import resolve
from traintop.tracking.statistics import RunStatistics, merge
from traintop.tracking.telling import Teller
from traintop.values import Number, as_number, jsonable

MAX_WAITING_BYTES = 64 << 20
"""Encoded records that wait for a disk; beyond this the oldest are kept and new ones dropped."""

MAX_METRICS = 1000
"""Different metrics a run may have, so that a name made of a number cannot fill the memory."""

MAX_NAMES = 300_000
"""Characters of the names of all metrics of a run: readers look for statistics no further."""

_PACE_WINDOW_SECONDS = 60.0
_SEPARATOR = b",\n"
_TAIL_LINE = b"]"


class LoggedCall(NamedTuple):
    """One call of ``log_metrics`` or ``log_eval``: captured values, not yet resolved."""

    iteration: Any
    gradient_step: int
    wallclock_time: float
    train_loss: Any
    val_loss: Any
    learning_rate: Any
    tokens_per_sec: Any
    iter_time_ms: Any
    further: dict[str, Any] | None


class Restored(NamedTuple):
    """What was found of the records of a file."""

    size: int  # bytes that all but the last one fill
    gaps: list[tuple[int, int]]  # damaged bytes between two of them, each with its end


class Recording:
    """What a run has recorded: the open record, the encoded ones that wait, the statistics.

    The record of the last iteration stays open until another iteration begins, so that
    ``log_eval`` can complete it.
    """

    def __init__(self, read_file: Callable[[], Iterable[bytes]]) -> None:
        self._read_file = read_file
        self._statistics = RunStatistics(self._recorded)
        self._open: MetricsSnapshot | None = None
        self._restored: MetricsSnapshot | None = None  # the open record of a run that goes on
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._has_predecessor = False  # whether a record was encoded before the first waiting one
        self.tell = Teller()
        self._keys: dict[object, str] = {}
        self._names_length = 0
        self._pace: deque[tuple[float, float]] = deque()
        self.dropped = 0

    def restore(
        self, read: Callable[[int], Iterable[bytes]], size: int, last: MetricsSnapshot | None
    ) -> Restored:
        """Take over the records in ``size`` bytes, of which ``read`` gives the first so many.

        Behind them is a tail, or the torn end of a run that was killed; ``last`` is the last
        record as the tail has it. That one stays open, as it was.
        """
        found = _survey(read(size), last)
        iterations, settled = found.iterations, found.settled
        is_last = found.same is found.latest is not None
        self._restored = logfile.snapshot_of_row(found.latest)
        if last is None or (is_last and (found.is_torn or found.is_followed)):
            pass  # the line of the last record is right
        elif is_last:
            self._restored = last  # whose line may be of new and old bytes
        elif found.is_torn and found.same != logfile.record_row(last):
            iterations.append(last.iteration)
            settled, self._restored = found.end, last  # whose line is the torn one
        # What stands behind each record decides whether it is final, so nothing is read again.
        lowest_later = list(itertools.accumulate(reversed(iterations), min))[-2::-1]
        rows = (row for _, row in _parsed_lines(read(settled)) if row is not None)
        for row, lowest in zip(rows, lowest_later, strict=True):
            if (record := logfile.snapshot_of_row(row)) is not None:
                self._statistics.add(record, lowest)
        if self._restored is not None:
            self._statistics.add(self._restored)
        self._open = self._restored
        self._has_predecessor = settled > 0
        return Restored(settled, found.gaps)

    def add(self, call: LoggedCall) -> None:
        """Record one call."""
        record = self._resolved(call)
        if record is None:
            return
        if self._open is not None and self._open.iteration != record.iteration:
            self._settle_open()
        self._statistics.add(record)
        self._open = merge(self._open, record) if self._open else record

    def _resolved(self, call: LoggedCall) -> MetricsSnapshot | None:
        iteration = self._number("iteration", call.iteration)
        if iteration is None or not math.isfinite(iteration):
            self.tell.once(
                "iteration", f"a record without a usable iteration ({call.iteration!r}) is left out"
            )
            return None
        fields = {name: self._number(name, getattr(call, name)) for name in STANDARD_METRICS}
        metrics: dict[str, Number | None] = {}
        for name, value in (call.further or {}).items():
            if name in STANDARD_METRICS:
                fields[name] = self._number(name, value)
            elif str(name) in RECORD_FIELDS:
                self.tell.once(name, f"metric {name!r} is left out: the tracker sets it")
            elif (key := self._key(name)) is not None:
                metrics[key] = self._number(name, value)
        return MetricsSnapshot(
            iteration=iteration,
            gradient_step=call.gradient_step,
            wallclock_time=call.wallclock_time,
            metrics={name: value for name, value in metrics.items() if value is not None},
            **fields,
        )

    def _key(self, name: object) -> str | None:
        key = self._keys.get(name)
        if key is None:
            written = str(jsonable(str(name)))
            if len(self._keys) < MAX_METRICS and self._names_length + len(written) <= MAX_NAMES:
                self._names_length += len(written)
                key = self._keys[name] = written
            else:
                self.tell.once(
                    "metric names",
                    f"more than {MAX_METRICS} metric names, or {MAX_NAMES} characters of them: "
                    f"{written[:100]!r} and further new ones are left out (is a changing number "
                    "part of the name?)",
                )
        return key

    def _number(self, name: str, value: Any) -> Number | None:
        if type(value) is float or value is None:
            return value
        try:
            return resolve(value)
        except ValueError as reason:
            self.tell.once(name, f"metric {name!r} {reason}; such values are left out")
            return None

    def tell_dropped(self) -> None:
        """Tell once that records are lost; how many, the tail says."""
        self.tell.once(
            "dropped",
            "the disk has not taken the run for so long that its newest records are dropped; the "
            'run\'s file will say how many ("dropped")',
        )

    def _settle_open(self) -> None:
        if self._open is None:
            return
        encoded = self._separated(logfile.encode_record(self._open))
        self._open = None
        if self._waiting_bytes + len(encoded) > MAX_WAITING_BYTES:
            self.dropped += 1
            self.tell_dropped()
            return
        self._waiting.append(encoded)
        self._waiting_bytes += len(encoded)
        self._has_predecessor = True

    def _separated(self, encoded: bytes) -> bytes:
        return (_SEPARATOR if self._has_predecessor else b"\n") + encoded

    # -- what the next flush writes

    def settled_bytes(self) -> bytes:
        """Records that are complete and not yet on disk."""
        return b"".join(self._waiting)

    def forget(self, settled: bytes) -> None:
        """These bytes, the first of ``settled_bytes``, are on disk now."""
        forgotten = 0
        while forgotten < len(settled):
            forgotten += len(self._waiting.popleft())
        self._waiting_bytes -= forgotten

    def open_bytes(self) -> bytes:
        """The record that may still be completed."""
        return self._separated(logfile.encode_record(self._open)) if self._open else b""

    @property
    def waiting_bytes(self) -> int:
        """How much the next flush has to write."""
        return self._waiting_bytes

    @property
    def last(self) -> MetricsSnapshot | None:
        """The record of the last call."""
        return self._open

    @property
    def count(self) -> int:
        """How many iterations were recorded."""
        return self._statistics.count

    def stats(self) -> dict[str, MetricStats]:
        """Running statistics of every metric."""
        return self._statistics.summaries()

    def iterations_per_second(self) -> float | None:
        """The pace of the last minute, evaluations and checkpoints included."""
        if self._open is None or self._open is self._restored:
            return None
        now = (self._open.wallclock_time, float(self._open.iteration))
        if not self._pace or self._pace[-1] != now:
            self._pace.append(now)
        while len(self._pace) > 2 and now[0] - self._pace[1][0] > _PACE_WINDOW_SECONDS:
            self._pace.popleft()
        seconds, iterations = now[0] - self._pace[0][0], now[1] - self._pace[0][1]
        return iterations / seconds if seconds > 0 and iterations > 0 else None

    def _recorded(self) -> Iterator[MetricsSnapshot]:
        """Every record so far but those that the statistics still hold."""
        unfinished = b""
        for chunk in (*self._read_file(), *self._waiting):
            *lines, unfinished = (unfinished + chunk).split(b"\n")
            yield from _records(lines)
        yield from _records([unfinished])
        if self._open is not None:
            yield self._open


class _Survey(NamedTuple):
    """What a first look at a file tells, without the records: they may be more than the memory."""

    iterations: array[float]
    settled: int  # bytes up to the end of the last record but one
    end: int  # bytes up to the end of the last record
    latest: logfile.Row | None
    same: logfile.Row | None  # the record that stands where the tail's last one may have stood
    gaps: list[tuple[int, int]]
    is_torn: bool  # whether what follows the records is no tail
    is_followed: bool  # whether a comma follows the last record


def _survey(chunks: Iterable[bytes], last: MetricsSnapshot | None) -> _Survey:
    """``last`` is the last record as the tail has it."""
    iterations = array("d")
    settled = end = offset = 0
    latest: logfile.Row | None = None
    same: logfile.Row | None = None
    gaps: list[tuple[int, int]] = []
    is_torn, is_damaged, is_followed = True, False, False
    for line, row in _parsed_lines(chunks):
        if row is not None:
            if is_damaged:
                gaps.append((end, offset))
            latest, is_damaged, is_followed = row, False, logfile.is_followed(line)
            iterations.append(as_number(row["iteration"]) or 0)
            if last is not None and iterations[-1] == last.iteration:
                same = row
            settled, end = end, offset + len(line.rstrip(logfile.SEPARATORS))
        elif line.strip(logfile.SEPARATORS) and not is_damaged:
            is_torn, is_damaged = not line.startswith(_TAIL_LINE), True
        offset += len(line) + 1
    return _Survey(iterations, settled, end, latest, same, gaps, is_torn, is_followed)


def _parsed_lines(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, logfile.Row | None]]:
    """Each line with its record, ``None`` if it holds none."""
    unfinished: list[bytes] = []
    for chunk in itertools.chain(chunks, [b"\n"]):
        unfinished.append(chunk)
        if b"\n" not in chunk:
            continue
        *lines, rest = b"".join(unfinished).split(b"\n")
        unfinished = [rest]
        rows = iter(logfile.whole_rows(b"\n".join(lines)))
        for line in lines:
            row = next(rows, None) if line.strip(logfile.SEPARATORS) else None
            if row is None:  # all lines behind a damaged one are tried one by one
                row = next(iter(logfile.whole_rows(line)), None)
            yield line, row


def _records(lines: list[bytes]) -> Iterator[MetricsSnapshot]:
    for row in logfile.whole_rows(b"\n".join(lines)):
        if (record := logfile.snapshot_of_row(row)) is not None:
            yield record
