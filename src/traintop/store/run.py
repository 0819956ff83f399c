"""One run: its summary, a sample of its course, all of it, and what is appended to it."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from traintop.logfile import FoundTail, records_region
from traintop.logfile.columns import RecordDecoder, columns_of_rows
from traintop.model import RunSummary
from traintop.store.ends import read_ends
from traintop.store.filesystem import network_filesystem
from traintop.store.follower import RecordFollower, ReplacedError
from traintop.store.history import GrowingHistory, History
from traintop.store.observed import ObservedRun, Signature, signature_of
from traintop.store.regular_file import open_regular, reason_of
from traintop.store.summary import read_document, unreadable

_SAMPLED_BYTES = 2048
_LONGEST_SAMPLED_LINE = 256 * 1024


class UnreadableRunError(ValueError):
    """A file holds no run, or cannot be read; the message names it and says why."""


class Run:
    """A run's file, read as cheaply as each question allows.

    Every method reads files, so call them in worker threads; several may do so at once.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._summary_lock = threading.Lock()
        self._history_lock = threading.Lock()
        self._observed: ObservedRun | None = None
        self._history: History | None = None
        self._follower: RecordFollower | None = None  # None: another program's document
        self._signature: Signature = (0, 0, 0, 0)

    def summary(self) -> RunSummary:
        """How the run stands now, whatever its length: two reads.

        Of an unreadable file, status and ``problem`` tell.
        """
        with self._summary_lock:
            try:
                info = os.stat(self.path)
            except OSError as error:
                return unreadable(self.path, reason_of(error)).summary
            now = time.monotonic()
            if self._observed is None:
                self._observed = _first_sight(self.path, info, now)
            self._observed.look(signature_of(info), now)
            assert self._observed.summary is not None
            return self._observed.summary

    def history(self, reached: Callable[[float], None] = lambda share: None) -> History:
        """All records. Read once; :meth:`follow` adds what is new.

        ``reached`` is told now and then which share of the file is read; what it raises ends the
        reading, and leaves the run unread. Raises ``UnreadableRunError`` when there is nothing
        that can be read.
        """
        with self._history_lock:
            if self._history is None:
                with _opened(self.path) as (descriptor, info):
                    self._load(descriptor, info, reached)
            assert self._history is not None
            return self._history

    def follow(self) -> bool:
        """Reads what is new into the history; whether any record was added or changed.

        While the file is missing, torn or refused, the history stays as it was.
        """
        with self._history_lock:
            try:
                with _opened(self.path) as (descriptor, info):
                    return self._update(descriptor, info)
            except UnreadableRunError:
                return False

    def sample(self, points: int) -> History:
        """Records at about ``points`` evenly spaced places, with the first and the last one.

        Costs as much for any length of run. At each place stand several records in a row.
        Raises ``UnreadableRunError`` when there is nothing that can be read.
        """
        with _opened(self.path) as (descriptor, info):
            ends = read_ends(descriptor, info.st_size)
            if ends.head is not None:
                return _sampled(descriptor, info.st_size, ends.head.records_at, ends.tail, points)
        return self.history()

    def _update(self, descriptor: int, info: os.stat_result) -> bool:
        signature = signature_of(info)
        follower = self._follower
        if follower is None:
            if self._history is not None and signature == self._signature:
                return False
        elif signature[0] == self._signature[0] and signature[1] >= self._signature[1]:
            try:
                changed = follower.read(descriptor)
            except ReplacedError:
                return self._load(descriptor, info)
            if not follower.is_stuck or _is_headed(descriptor, info, follower.records_at):
                self._signature = signature
                self._history = follower.history()
                return changed
        return self._load(descriptor, info)

    def _load(
        self,
        descriptor: int,
        info: os.stat_result,
        reached: Callable[[float], None] = lambda share: None,
    ) -> bool:
        """Reads the file anew; whether there was or is any record."""
        head = read_ends(descriptor, info.st_size).head
        if head is not None:
            follower = RecordFollower(head.records_at)
            # A live run may have grown past the size it had.
            follower.read(descriptor, lambda offset: reached(min(offset / info.st_size, 1.0)))
            self._follower, history = follower, follower.history()
        else:
            try:
                document = read_document(descriptor, info.st_size)
            except ValueError as error:
                raise UnreadableRunError(f"{self.path} {error}") from None
            self._follower = None
            history = document.history
        before, self._history = self._history, history
        self._signature = signature_of(info)
        return before is None or len(before) > 0 or len(history) > 0


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple[int, os.stat_result]]:
    """An open regular file. Raises ``UnreadableRunError`` for every error of the system."""
    try:
        descriptor, info = open_regular(path)
        try:
            yield descriptor, info
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UnreadableRunError(f"{path} {reason_of(error)}") from error


def _is_headed(descriptor: int, info: os.stat_result, records_at: int) -> bool:
    """Whether a file still has the head it had."""
    head = read_ends(descriptor, info.st_size).head
    return head is not None and head.records_at == records_at


def _first_sight(path: Path, info: os.stat_result, now: float) -> ObservedRun:
    """An observation that begins now, of a file that may have been still for long."""
    network = network_filesystem(path) is not None
    return ObservedRun(path, now, age=_age(path, info, network), network=network)


def _age(path: Path, info: os.stat_result, network: bool) -> float:
    """For how many seconds a file has not changed, by the clock that stamps its times."""
    if not network:
        return time.time() - info.st_mtime
    try:
        with os.scandir(path.parent) as siblings:
            newest = max(sibling.stat().st_mtime for sibling in siblings)
    except OSError:
        return 0.0
    return newest - info.st_mtime


def _sampled(
    descriptor: int, size: int, records_at: int, tail: FoundTail | None, points: int
) -> History:
    """The records at evenly spaced offsets of an open file of this format."""
    end = tail.starts_at if tail is not None else size
    growing = GrowingHistory()
    decoder = RecordDecoder()
    if end - records_at <= points * _SAMPLED_BYTES:
        follower = RecordFollower(records_at)
        follower.read(descriptor)
        return follower.history()
    step = (end - records_at) / points
    for place in range(points):
        start = records_at + int(place * step)
        growing.extend(decoder.decode(_lines_at(descriptor, start)))
    if tail is not None and tail.tail.last_record:
        growing.extend(columns_of_rows([tail.tail.last_record]))
    return growing.history()


def _lines_at(descriptor: int, offset: int) -> bytes:
    """The first whole lines of records after an offset."""
    length = _SAMPLED_BYTES
    while True:
        data = os.pread(descriptor, length, offset)
        first, last = data.find(b"\n"), data.rfind(b"\n")
        records, is_last = records_region(data[max(first, 0) :])
        if is_last:
            return records
        if first < last:
            return data[first:last]
        if len(data) < length or length >= _LONGEST_SAMPLED_LINE:
            return b""
        length *= 8
