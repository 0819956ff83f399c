"""One log file of ours: its two ends, its records, and what is appended to them later."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from traintop.logfile import (
    SEPARATORS,
    FoundHead,
    FoundTail,
    Row,
    find_head,
    find_last_record,
    find_tail,
    is_followed,
    line_count,
    record_row,
    records_region,
    trusted_last_record,
    whole_rows,
)
from traintop.logfile.columns import Columns, RecordDecoder, columns_of_rows
from traintop.store.files import Entry, Files

if TYPE_CHECKING:
    from traintop.store.history import History

FIRST_READ = 4096
"""Bytes read of each end at first; enough for the usual settings and statistics."""

LONGEST_END = 4 * 1024 * 1024
"""Bytes of one end that are looked at: room for long settings and long notes."""

CHUNK = 256 * 1024
"""Bytes decoded at once, in a millisecond or two: then other threads get their turn."""

LONGEST_LINE = LONGEST_END
"""A longer line is no record: reading stops before it, so memory and time stay bounded."""

_GROWTH = 8
_APPENDED_MEANWHILE = 16 * 1024

_BLOCK = 4 * 1024 * 1024
"""Bytes read at once of a long file, for each reading opens it, which a network makes dear."""

_OTHERS_TURN = 0.0002
"""Seconds of rest between two chunks.

Reading releases the interpreter's lock too, but takes it back before a thread that waits for it,
as the UI's does with a key, is awake.
"""

_BEFORE_A_LINE = (b"\n", b"[")


class LogFile(NamedTuple):
    """One file, wherever it lies."""

    files: Files
    id: str

    def stat(self) -> Entry:
        return self.files.stat(self.id)

    def read(self, start: int, length: int) -> bytes:
        return self.files.read(self.id, start, length)

    def read_many(self, parts: list[tuple[int, int]]) -> list[bytes]:
        return self.files.read_many([(self.id, start, length) for start, length in parts])


# ------------------------------------------------------------------------------------- its ends


class Ends(NamedTuple):
    """What was found at the ends of a file."""

    head: FoundHead | None  # None: not whole, or not of this format
    tail: FoundTail | None  # None: torn; `starts_at` is an offset in the file


def read_ends(file: LogFile, size: int) -> Ends:
    """Head and tail of a file of about this size, whatever it is: it may grow meanwhile."""
    if size <= 2 * FIRST_READ:
        length, end_at = 2 * FIRST_READ, 0
        start = end = file.read(0, length)
    else:
        length, end_at = FIRST_READ, size - FIRST_READ
        # More than the length, because a writer may have appended since the size was taken.
        start, end = file.read_many([(0, length), (end_at, length + _APPENDED_MEANWHILE)])
    head = find_head(start)
    while head is None and _may_be_longer(start, length):
        length = min(length * _GROWTH, LONGEST_END)
        start = file.read(0, length)
        head = find_head(start)
    if head is None:
        return Ends(None, None)
    length = FIRST_READ
    while end_at > 0 and length < LONGEST_END and b"\n" not in end.rstrip(b"\n \0"):
        length = min(length * _GROWTH, LONGEST_END)
        end_at = max(size - length, 0)
        end = file.read(end_at, length + _APPENDED_MEANWHILE)
    tail = find_tail(end)
    return Ends(head, tail and FoundTail(tail.tail, end_at + tail.starts_at))


def _may_be_longer(start: bytes, length: int) -> bool:
    return start.startswith(b'{"config":') and length <= len(start) and length < LONGEST_END


# ---------------------------------------------------------------------------------- its records


class ReplacedError(Exception):
    """The file is not the one that was read before: read it anew."""


class Region(NamedTuple):
    offset: int  # in the file
    data: bytes  # whole lines of records, save perhaps the last one of a torn file
    rest: bytes  # what was read of the tail, empty before the last region


class RecordFollower:
    """Reads records from the offset where they begin, then whatever is new at each call.

    Lines that do not parse end the reading; they are tried again at the next call. The last
    record is read again each time, because it may be completed until the next one begins.
    """

    def __init__(self, records_at: int) -> None:
        self.records_at = records_at
        self.is_stuck = False
        """Whether a line that does not parse ended the last reading."""
        self._offset = records_at  # where the next reading starts
        self._starts_with_last = False  # with the last record, that is
        self._replaces_last = False  # the next reading has a newer version of the last record
        self._known_line: bytes | None = None  # the last record's, if the tail says the same
        self._recovered: Row | None = None  # the record an older tail had, since the last line
        from traintop.store.history import GrowingHistory  # numpy, which the list does without

        self._decoder = RecordDecoder()
        self._growing = GrowingHistory()

    def history(self) -> History:
        """All records read so far."""
        return self._growing.history()

    def read(self, file: LogFile, reached: Callable[[int], None] = lambda offset: None) -> bool:
        """Reads what is new in the file; whether any record was added or changed.

        ``reached`` is told the offset of each chunk; what it raises ends the reading. Raises
        ``ReplacedError`` when another record stands where the last one was.
        """
        changed = self.is_stuck = False
        for number, region in enumerate(regions(file, self._offset)):
            if number:
                time.sleep(_OTHERS_TURN)
                reached(region.offset)
            if number == 0 and region.data == self._known_line:
                return False
            columns = self._decoder.decode(region.data)
            rows, lines = len(columns["iteration"]), line_count(region.data)
            if number == 0:
                self._check_same_file(file, columns["iteration"])
            if rows:
                self._add(file, region, columns, replacing_last=number == 0)
                changed = True
            if rows < lines:
                is_next = bool(rows or number) or not self._starts_with_last
                return self._stop_at_bad_line(file, region, rows, is_next) or changed
        return changed

    def _check_same_file(self, file: LogFile, iterations: list[Any]) -> None:
        if iterations and self._starts_with_last:
            same = iterations[0] == self._growing.last_iteration
        else:
            same = file.read(self._offset - 1, 1) in _BEFORE_A_LINE
        if not same:
            raise ReplacedError

    def _add(
        self, file: LogFile, region: Region, columns: Columns, *, replacing_last: bool
    ) -> None:
        """Adds the records of a region, and moves on to the last one of them."""
        rows, lines = len(columns["iteration"]), line_count(region.data)
        start = _line_start(region.data, min(rows, lines) - 1)
        line = region.data[start:]
        confirmed = _is_confirmed(region, line)
        if region.rest and rows >= lines and not confirmed:
            correction = _correction(file, region, line)
            if correction is not None:
                columns = _with_last_row(columns, correction)
        self._growing.extend(columns, replacing_last=replacing_last and self._replaces_last)
        self._offset = region.offset + start
        self._starts_with_last = self._replaces_last = True
        self._known_line = line if confirmed else None
        self._recovered = None

    def _stop_at_bad_line(self, file: LogFile, region: Region, rows: int, is_next: bool) -> bool:
        """Waits before the line after these rows; whether the older tail had more to tell.

        ``is_next``: the bad line is of a record after the last one known, not of that one.
        """
        self.is_stuck = True
        if rows:
            self._offset = region.offset + _line_start(region.data, rows)
            self._starts_with_last = self._replaces_last = False
            self._known_line = None
        # A write that was torn inside of the last record leaves it whole in the older tail only.
        # Its iteration may be known nevertheless, from before a replay: then it amends that one.
        record = find_last_record(_end_of(file, self._offset))
        row = record_row(record) if record is not None else None
        if row is None or row == self._recovered:
            return False
        if is_next and row["iteration"] == self._growing.last_iteration:
            return False  # the older version of a record whose line is whole
        self._recovered = row
        self._growing.extend(columns_of_rows([row]))
        self._starts_with_last, self._replaces_last = False, True
        return True


def _is_confirmed(region: Region, line: bytes) -> bool:
    """Whether the tail repeats the line of the last record; a torn one may be mended later."""
    return b'"last":' + line.strip(SEPARATORS) + b"}" in region.rest


def _correction(file: LogFile, region: Region, line: bytes) -> dict[str, Any] | None:
    """The last record, when a whole tail does not say the same of it as its line."""
    if is_followed(line):
        return None
    found = find_tail(_end_of(file, region.offset + len(region.data)))
    rows = whole_rows(line.strip(SEPARATORS))
    return trusted_last_record(rows[-1], found.tail) if found and rows else None


def _with_last_row(columns: Columns, row: dict[str, Any]) -> Columns:
    before = len(columns["iteration"]) - 1
    return {
        key: [*columns.get(key, [None] * (before + 1))[:before], row.get(key)]
        for key in dict.fromkeys((*columns, *row))
    }


def _end_of(file: LogFile, start: int) -> bytes:
    """The bytes from an offset to the end of a file, or as much as an end may have."""
    return file.read(max(file.stat().size - LONGEST_END, start), LONGEST_END)


def regions(file: LogFile, offset: int) -> Iterator[Region]:
    """The records of a file from an offset on, in chunks cut between lines."""
    held = b""
    for data in _chunks(file, offset):
        held += data
        records, is_last = records_region(held)
        if is_last:
            yield Region(offset, records, held[len(records) :])
            return
        # The newline goes with what follows: it may be the beginning of the tail.
        cut = held.rfind(b"\n", 1)
        if cut > 0:
            yield Region(offset, held[:cut], b"")
            offset, held = offset + cut, held[cut:]
        elif len(held) > LONGEST_LINE:
            return
    if held:
        yield Region(offset, held, b"")


def _chunks(file: LogFile, offset: int) -> Iterator[bytes]:
    length = CHUNK
    while block := file.read(offset, length):
        yield from (block[start : start + CHUNK] for start in range(0, len(block), CHUNK))
        if len(block) < length:
            return
        offset, length = offset + length, _BLOCK


def _line_start(data: bytes, line: int) -> int:
    """The offset in ``data`` of a line, counted from 0; blank first lines do not count."""
    start = len(data) - len(data.lstrip(SEPARATORS))
    if line == line_count(data) - 1:
        return data.rfind(b"\n", start, len(data.rstrip(SEPARATORS))) + 1 or start
    for _ in range(line):
        start = data.index(b"\n", start) + 1
    return start
