"""One log file of ours as it grows: its records, and what is appended to them later."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import time
import zlib
from collections.abc import Callable, Iterable, Iterator

from traintop.logfile import SEPARATOR, TAIL_START, FoundHead, Row
from traintop.logfile.columns import columns_of_rows
from traintop.logfile.lines import (
    Ends,
    LineDecoder,
    LineReader,
    Rewind,
    lines_crc32,
    lines_from,
)
from traintop.store.files import Entry
from traintop.store.formats import OutOfOrderError
from traintop.store.formats.traintop import LogFile, not_ours
from traintop.store.history import GrowingHistory, History

_OTHERS_TURN = 0.0002
"""Seconds of rest between two chunks.

Reading releases the interpreter's lock too, but takes it back before a thread that waits for it,
as the UI's does with a key, is awake.
"""

_BEHIND_A_LINE = (SEPARATOR, TAIL_START[: len(SEPARATOR)], b"")
_SAMPLED_BYTES = 2048
_LONGEST_SAMPLED_LINE = 256 * 1024


class ReplacedError(Exception):
    """The file is not the one that was read before: read it again."""


class RecordFollower:
    """Reads the records of a file whose head is whole, then whatever is new at each call.

    What a whole tail vouches for is read once, as long as the checksums of later tails say that it
    is still there. What follows it in a torn file is read again each time, so what a follower
    shows is what a first reading would show.
    """

    def __init__(self) -> None:
        self._growing = GrowingHistory()
        self._history = self._growing.history()
        self._damaged = 0  # lines in what is read once
        self._head: FoundHead | None = None
        self._offset = 0  # where the next line begins
        self._lines_end = 0  # of those that were read once
        self._crc32: int | None = 0  # of these, as their tail has it
        self._open: Row | None = None
        self._was_torn = False

    def history(self) -> History:
        """All records read so far."""
        return self._history

    def read(
        self, file: LogFile, ends: Ends, reached: Callable[[int], None] = lambda offset: None
    ) -> bool:
        """Reads what is new, given the ends of the file; whether any record was added or changed.

        ``reached`` is called with the offset of each chunk; what it raises ends the reading. Raises
        ``ReplacedError`` when this is not the file that was read before; this follower is of no
        more use then.
        """
        torn, is_first = ends.tail is None, self._head is None
        if is_first and ends.head is not None:
            self._head, self._offset = ends.head, ends.head.records_at
            self._lines_end = self._offset
        if self._head != ends.head or (torn and not self._is_kept(file, ends)):
            raise ReplacedError
        growing = self._growing.copy() if torn else self._growing
        reader, is_new, crc32 = LineReader(), False, self._crc32 or 0

        def read(start: int, length: int) -> bytes:
            nonlocal crc32
            data = file.read(start, length)
            crc32 = zlib.crc32(data, crc32)
            return data

        regions = _in_turns(lines_from(read, self._offset, ends), reached)
        for step in reader.steps(regions, torn=torn):
            is_new = True
            if isinstance(step, Rewind):
                growing.rewind(step.iteration)
            else:
                growing.extend(step)
        last = None if torn else ends.last
        changed = is_new or torn or self._was_torn or last != self._open or reader.damaged > 0
        self._was_torn = torn
        if ends.tail is not None:
            lines_end = ends.lines_end or 0
            if lines_end > self._offset:
                crc32 = zlib.crc32(SEPARATOR, crc32)
            known, self._crc32 = self._crc32, ends.tail.lines_crc32
            if not is_first and self._crc32 != (None if known is None else crc32):
                raise ReplacedError
            self._offset, self._lines_end = ends.place, lines_end
            self._damaged += reader.damaged
            self._open = last
            growing.set_open(columns_of_rows([last]) if last else None)
        if changed:
            damaged = self._damaged + (reader.damaged if torn else 0)
            self._history = dataclasses.replace(growing.history(), damaged=damaged)
        return changed

    def _is_kept(self, file: LogFile, ends: Ends) -> bool:
        """Whether a torn file still has the lines that were read once, and all of them count."""
        start, end = ends.head.records_at if ends.head else 0, self._lines_end
        behind = file.read(end, len(SEPARATOR))
        counts = behind in _BEHIND_A_LINE or behind.startswith(b"\0")
        is_kept = counts and lines_crc32(file.read, start, end) == self._crc32
        return is_kept or end == start


def _in_turns(
    regions: Iterable[tuple[int, bytes]], reached: Callable[[int], None]
) -> Iterator[bytes]:
    """The regions, with the others' turn between them."""
    for number, (end, region) in enumerate(regions):
        if number:
            reached(end)
            time.sleep(_OTHERS_TURN)
        yield region


class Reader:
    """Reads one of our files; see :class:`RunReader`."""

    def __init__(self, file: LogFile) -> None:
        self._file = file
        self._follower: RecordFollower | None = None
        self._seen: Entry | None = None  # how the file was before it was read

    def history(self, reached: Callable[[float], None] = lambda share: None) -> History:
        if self._follower is None:
            self._load(self._file.stat(), reached)
        assert self._follower is not None
        return self._follower.history()

    def follow(self) -> bool:
        entry, seen, follower = self._file.stat(), self._seen, self._follower
        if follower is None or seen is None:
            return self._load(entry)
        if entry.inode == seen.inode and entry.size >= seen.size:
            with contextlib.suppress(ReplacedError):
                changed = follower.read(self._file, self._file.ends(entry.size))
                self._seen = entry
                return changed
        return self._load(entry)

    def sample(self, points: int) -> History:
        entry = self._file.stat()
        ends = self._file.ends(entry.size)
        if ends.head is None:
            raise not_ours()
        start, end = ends.head.records_at, ends.lines_end or entry.size
        rewound = ends.tail is not None and ends.tail.rewinds
        if rewound or end - start <= points * _SAMPLED_BYTES:
            follower = RecordFollower()
            follower.read(self._file, ends)
            return follower.history()
        growing, decoder = GrowingHistory(), LineDecoder()
        step = (end - start) / points
        places = [(start + int(place * step), _SAMPLED_BYTES) for place in range(points)]
        for (offset, _), data in zip(places, self._file.read_many(places), strict=True):
            lines = _lines_at(self._file, offset, data, is_first=offset == start)
            for found in decoder.decode(lines).steps:
                if not isinstance(found, Rewind):
                    growing.extend(found)
        last = ends.last or (ends.tail and ends.tail.highest_record)
        if last:
            growing.extend(columns_of_rows([last]))
        return growing.history()

    def portions(self, rows: int) -> Iterator[History]:
        ends = self._file.ends(self._file.stat().size)
        if ends.head is None:
            raise not_ours()
        steps = LineReader().steps(
            (region for _, region in lines_from(self._file.read, ends.head.records_at, ends)),
            torn=ends.tail is None,
        )
        growing, highest = GrowingHistory(), -math.inf
        for step in itertools.chain(steps, [columns_of_rows([ends.last])] if ends.last else []):
            if isinstance(step, Rewind):
                raise OutOfOrderError
            growing.extend(step)
            history = growing.history()
            if len(history) > rows:
                # The last iteration may be completed by the next line.
                portion, growing = history[:-1], GrowingHistory()
                growing.extend(history[-1:].columns)
                yield _behind(highest, portion)
                highest = portion.columns["iteration"][-1]
        if len(growing.history()):
            yield _behind(highest, growing.history())

    def _load(self, entry: Entry, reached: Callable[[float], None] = lambda share: None) -> bool:
        """Reads the whole file again; whether there was or is any record."""
        ends = self._file.ends(entry.size)
        if ends.head is None:
            raise not_ours()
        follower = RecordFollower()
        # A live run may have grown past the size it had.
        follower.read(
            self._file, ends, lambda offset: reached(min(offset / max(entry.size, 1), 1.0))
        )
        before, self._follower, self._seen = self._follower, follower, entry
        return before is None or len(before.history()) > 0 or len(follower.history()) > 0


def _behind(highest: float, portion: History) -> History:
    """The portion, if its iterations are beyond the highest of those before it."""
    if not portion.columns["iteration"][0] > highest:
        raise OutOfOrderError
    return portion


def _lines_at(file: LogFile, offset: int, data: bytes, *, is_first: bool) -> bytes:
    """The first whole lines after an offset, from where ``data`` was read."""
    length = _SAMPLED_BYTES
    while True:
        first, last = data.find(SEPARATOR), data.rfind(SEPARATOR)
        if first < last or (is_first and first >= 0):
            first = 0 if is_first else first + len(SEPARATOR)
            return data[first : last + len(SEPARATOR)]
        if len(data) < length or length >= _LONGEST_SAMPLED_LINE:
            return b""
        length *= 8
        data = file.read(offset, length)
