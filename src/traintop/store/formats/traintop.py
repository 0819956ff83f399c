"""Our own log files: what the tracker writes.

Their summary costs two reads, however long they are. Only a damaged one (its tail torn off by a
crash or a power loss) is read whole.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from traintop.logfile import FoundTail, Head, Tail, records_region
from traintop.logfile.columns import RecordDecoder, columns_of_rows
from traintop.model import RunStatus, RunSummary
from traintop.store.files import Entry, Files
from traintop.store.formats import NotThisFormatError
from traintop.store.formats.traintop_records import (
    Ends,
    LogFile,
    RecordFollower,
    ReplacedError,
    read_ends,
)
from traintop.values import as_given

if TYPE_CHECKING:
    from traintop.store.history import History

_PREFIX, _SUFFIX = "experiment_", ".json"

_ATTEMPTS = 3
_SAMPLED_BYTES = 2048
_LONGEST_SAMPLED_LINE = 256 * 1024


def is_run_name(path: str) -> bool:
    """Whether a file of this name is shown as a run whatever it holds."""
    name = os.path.basename(path)
    return name.startswith(_PREFIX) and name.endswith(_SUFFIX)


class TraintopFormat:
    """The format of :mod:`traintop.logfile`: one file a run."""

    patterns = ("*.json",)
    heartbeat = True

    def claims(self, entry: Entry, start: Callable[[], bytes]) -> str | None:
        """Files by our name, and those of another that begin like ours."""
        is_ours = is_run_name(entry.id) or start().startswith(b'{"config":')
        return entry.id if is_ours else None

    def summary(
        self, files: Files, entries: Sequence[Entry], known: RunSummary | None
    ) -> RunSummary:
        """What the two ends of the file say."""
        entry = entries[0]
        file = LogFile(files, entry.id)
        ends = read_ends(file, entry.size)
        for attempt in range(1, _ATTEMPTS):
            if ends.head is None or ends.tail is not None:
                break
            before, entry = entry, file.stat()  # torn, or a write was under way
            if attempt > 1 and (before.version, before.size) == (entry.version, entry.size):
                break
            ends = read_ends(file, entry.size)
        if ends.head is None:
            raise _not_ours()
        if ends.tail is None and known is not None:
            return known
        tail = Tail() if ends.tail is None else ends.tail.tail
        if not tail.count and _holds_records(ends, entry.size):
            tail = _completed(tail, file, ends.head.records_at)
        return summary_of(entry, ends.head.head, tail)

    def reader(self, files: Files, entries: Sequence[Entry]) -> _Reader:
        """A reader that follows the file from where its records begin."""
        return _Reader(LogFile(files, entries[0].id))


def summary_of(entry: Entry, head: Head, tail: Tail) -> RunSummary:
    """The summary of a run with this head and tail; its status is the one that is written."""
    name = head.config.get("experiment_name")
    config = as_given(head.config)
    if name is not None:
        config["experiment_name"] = name  # which may be "NaN"
    return RunSummary(
        id=entry.id,
        status=RunStatus(tail.status),
        name=name if isinstance(name, str) and name else PurePath(entry.id).stem,
        config=config,
        environment=_environment(head, tail),
        start_time=head.start_time,
        end_time=tail.end_time,
        updated_at=tail.updated_at,
        duration_seconds=tail.duration_seconds,
        count=tail.count,
        gradient_step=tail.gradient_step,
        iterations_per_second=tail.iterations_per_second,
        best_train_loss=tail.best_train_loss,
        best_val_loss=tail.best_val_loss,
        final_train_loss=tail.final_train_loss,
        final_val_loss=tail.final_val_loss,
        stats=tail.stats,
        last=tail.last,
        notes=tail.notes,
        error=tail.error,
        file_size=entry.size,
    )


def _environment(head: Head, tail: Tail) -> dict[str, Any]:
    """What is known of the process that wrote last.

    Most of it is the same in thousands of runs, so equal texts are kept once.
    """
    known = {**head.run, **tail.resumed[-1]} if tail.resumed else head.run
    for name, value in known.items():
        if type(value) is str:
            known[name] = sys.intern(value)
    return known


def _holds_records(ends: Ends, size: int) -> bool:
    records_end = ends.tail.starts_at if ends.tail is not None else size
    return ends.head is not None and records_end > ends.head.records_at


def _completed(known: Tail, file: LogFile, records_at: int) -> Tail:
    """What a tail lacks, made from the records: for a file whose own is torn or a short one."""
    from traintop.store.statistics import completed_tail  # numpy: only damaged files need it here

    follower = RecordFollower(records_at)
    follower.read(file)
    return completed_tail(known, follower.history())


def _not_ours() -> NotThisFormatError:
    return NotThisFormatError("does not begin like a log file of traintop")


class _Reader:
    def __init__(self, file: LogFile) -> None:
        self._file = file
        self._history: History | None = None
        self._follower = RecordFollower(0)
        self._seen: Entry | None = None  # how the file was before it was read

    def history(self, reached: Callable[[float], None] = lambda share: None) -> History:
        if self._history is None:
            self._load(self._file.stat(), reached)
        assert self._history is not None
        return self._history

    def follow(self) -> bool:
        entry, seen = self._file.stat(), self._seen
        if seen is None or entry.inode != seen.inode or entry.size < seen.size:
            return self._load(entry)
        try:
            changed = self._follower.read(self._file)
        except ReplacedError:
            return self._load(entry)
        if self._follower.is_stuck and not self._is_headed(entry):
            return self._load(entry)
        self._seen = entry
        self._history = self._follower.history()
        return changed

    def sample(self, points: int) -> History:
        size = self._file.stat().size
        ends = read_ends(self._file, size)
        if ends.head is None:
            raise _not_ours()
        return _sampled(self._file, size, ends.head.records_at, ends.tail, points)

    def _load(self, entry: Entry, reached: Callable[[float], None] = lambda share: None) -> bool:
        """Reads the file anew; whether there was or is any record."""
        head = read_ends(self._file, entry.size).head
        if head is None:
            raise _not_ours()
        follower = RecordFollower(head.records_at)
        # A live run may have grown past the size it had.
        follower.read(self._file, lambda offset: reached(min(offset / max(entry.size, 1), 1.0)))
        before, self._history = self._history, follower.history()
        self._follower, self._seen = follower, entry
        return before is None or len(before) > 0 or len(self._history) > 0

    def _is_headed(self, entry: Entry) -> bool:
        """Whether the file still has the head it had."""
        head = read_ends(self._file, entry.size).head
        return head is not None and head.records_at == self._follower.records_at


def _sampled(
    file: LogFile, size: int, records_at: int, tail: FoundTail | None, points: int
) -> History:
    """The records at evenly spaced offsets of a file."""
    from traintop.store.history import GrowingHistory

    end = tail.starts_at if tail is not None else size
    if end - records_at <= points * _SAMPLED_BYTES:
        follower = RecordFollower(records_at)
        follower.read(file)
        return follower.history()
    growing = GrowingHistory()
    decoder = RecordDecoder()
    step = (end - records_at) / points
    places = [(records_at + int(place * step), _SAMPLED_BYTES) for place in range(points)]
    for (start, _), data in zip(places, file.read_many(places), strict=True):
        growing.extend(decoder.decode(_lines_at(file, start, data)))
    if tail is not None and tail.tail.last_record:
        growing.extend(columns_of_rows([tail.tail.last_record]))
    return growing.history()


def _lines_at(file: LogFile, offset: int, data: bytes) -> bytes:
    """The first whole lines of records after an offset, from where ``data`` was read."""
    length = _SAMPLED_BYTES
    while True:
        first, last = data.find(b"\n"), data.rfind(b"\n")
        records, is_last = records_region(data[max(first, 0) :])
        if is_last:
            return records
        if first < last:
            return data[first:last]
        if len(data) < length or length >= _LONGEST_SAMPLED_LINE:
            return b""
        length *= 8
        data = file.read(offset, length)
