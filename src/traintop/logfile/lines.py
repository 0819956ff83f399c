"""Reading the lines and the ends of a log file: the one way, for whoever reads.

Summaries, samples, followers, full histories, resumption and repair all go through
:func:`read_ends` and :class:`LineReader`, so they cannot disagree. Nothing here opens a file: they
are given a function that reads bytes.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import msgspec

from traintop.logfile import (
    LONGEST_NAME,
    SEPARATOR,
    TAIL,
    UNREADABLE,
    FoundHead,
    Row,
    Tail,
    WrittenStatus,
    decode_tail,
    decode_usable,
    find_end,
    find_head,
    is_record,
)
from traintop.logfile.columns import (
    Columns,
    column_decoder,
    columns_of_rows,
    field_names,
    rare_columns,
    rare_keys,
)
from traintop.model import RECORD_FIELDS
from traintop.values import as_number

Read = Callable[[int, int], bytes]
"""The bytes from an offset on, so many, and fewer only at the end of the file."""

FIRST_READ = 4096
"""Bytes read of each end at first; enough for the usual settings and statistics."""

LONGEST_END = 4 * 1024 * 1024
"""Bytes of one end that are looked at: room for long settings and long notes."""

LONGEST_LINE = LONGEST_END
"""A longer line is damaged, so that memory and time stay bounded."""

CHUNK = 256 * 1024
"""Bytes decoded at once, in a millisecond or two: then other threads get their turn."""

_BLOCK = 4 * 1024 * 1024  # read at once of a long file: a reading may be dear, as over a network
_GROWTH = 8
_APPENDED_MEANWHILE = 16 * 1024
_LONGEST_FLUSH = 64 * 1024  # that is read at once because the last one was long
_BETWEEN = b"},\n{"


class Rewind(NamedTuple):
    """Makes void every record before it that is beyond an iteration."""

    iteration: float


# -------------------------------------------------------------------------------------- ends


class Ends(NamedTuple):
    """What is at the two ends of a file."""

    head: FoundHead | None  # None: not whole, or not of this format
    tail: Tail | None  # None: the file is torn
    lines_end: int | None  # where the lines end that the tail vouches for; None: torn
    last: Row | None  # the record that was no line yet when the last whole tail was written
    place: int  # the offset at which its line will begin: it counts if no whole line does; 0: first
    end: bytes  # the last bytes, at least the last line unless that is longer than LONGEST_END
    status: WrittenStatus = "running"  # of a torn file, if the very end is whole


NO_ENDS = Ends(None, None, None, None, 0, b"")
"""Those of a file of which nothing is known."""


def read_ends(read: Read, size: int) -> Ends:
    """Head and tail of a file of about this size: it may grow meanwhile."""
    length = 2 * FIRST_READ if size <= 2 * FIRST_READ else FIRST_READ
    at, data = 0, read(0, length)
    head = find_head(data)
    while head is None and _may_be_longer(data, length):
        length = min(length * _GROWTH, LONGEST_END)
        data = read(0, length)
        head = find_head(data)
    if head is None:
        return NO_ENDS
    if size > len(data):
        at, data = _last_line(read, size)
    if isinstance(written := head.head.run.get("format"), int) and written >= 2:
        return _ends(head, read, at, data)
    from traintop.logfile import format_1  # older files only

    tail, lines_end, last, place = format_1.find_tail(data, at, head.records_at)
    return Ends(head, tail, lines_end, last, place, data)


class EndLengths(NamedTuple):
    """How long the ends of a file are, in bytes, as far as that is known; 0: not."""

    head: int = 0
    tail: int = 0
    flush: int = 0  # the last one, with its tail


UNKNOWN_LENGTHS = EndLengths()


def end_lengths(ends: Ends, size: int) -> EndLengths:
    """Those of a file of this size whose ends were read."""
    end = find_end(ends.end)
    if ends.head is None or end is None:
        return UNKNOWN_LENGTHS
    return EndLengths(ends.head.records_at, size - end.tail_at, size - end.flush_at)


def first_reads(size: int, known: EndLengths = UNKNOWN_LENGTHS) -> list[tuple[int, int]]:
    """The offsets and lengths that :func:`read_ends` asks for, if the ends are still as long."""
    head = read_length(known.head)
    end = max(read_length(known.tail), min(2 * known.flush, _LONGEST_FLUSH))
    if size <= head + end:
        return [(0, head + end)]
    return [(0, head), (size - end, end + _APPENDED_MEANWHILE)]


def read_length(length: int) -> int:
    """How much of an end is read in the end to find what is so long."""
    read = FIRST_READ
    while read < min(length, LONGEST_END):
        read = min(read * _GROWTH, LONGEST_END)
    return read


def _ends(head: FoundHead, read: Read, at: int, data: bytes) -> Ends:
    end = find_end(data)
    if end is None:
        return Ends(head, None, None, None, 0, data)
    flush_at, end_at = end.flush_at, at + end.starts_at
    place = next_line_at(end.tail_at, head.records_at)
    tail = None
    if head.records_at <= flush_at <= end.tail_at < end_at <= flush_at + 2 * LONGEST_END:
        before = read(flush_at, at - flush_at) if flush_at < at else b""
        tail = decode_tail(before + data[max(flush_at - at, 0) : end.starts_at], end)
    if tail is not None:
        return Ends(head, tail, end.tail_at, end.last, place, data)
    status = decode_usable(TAIL, Tail, b"{%b}" % end.status[1:]).status
    return Ends(head, None, None, end.last, place, data, status)


def next_line_at(lines_end: int, records_at: int) -> int:
    """Where the next line begins behind those that end at an offset."""
    return lines_end + len(SEPARATOR) if lines_end > records_at else lines_end


def _may_be_longer(start: bytes, length: int) -> bool:
    return start.startswith(b'{"config":') and length <= len(start) and length < LONGEST_END


def _last_line(read: Read, size: int) -> tuple[int, bytes]:
    """The offset and the bytes of the end, from somewhere before the last line on."""
    length = FIRST_READ
    while True:
        at = max(size - length, 0)
        # More than the length, because a writer may have appended since the size was taken.
        data = read(at, length + _APPENDED_MEANWHILE)
        if at == 0 or length >= LONGEST_END or b"\n" in data.rstrip(b"\n \0"):
            return at, data
        length = min(length * _GROWTH, LONGEST_END)


# ------------------------------------------------------------------------------------- lines


def decode_line(line: bytes) -> Row | None:
    """The record of a line without its separator; ``None`` when it is damaged."""
    if not line.startswith(b"{") or not line.endswith(b"}"):
        return None
    try:
        row = msgspec.json.decode(line)
    except UNREADABLE:
        return None
    if not is_record(row) or max(map(len, row)) > LONGEST_NAME:
        return None
    if any(isinstance(value, str) and as_number(value) is None for value in row.values()):
        return None
    return row  # type: ignore[no-any-return]  # is_record saw that it is one


def lines_of(region: bytes) -> Iterator[tuple[bytes, Row | None]]:
    """Each line of a region and its record, ``None`` for a damaged one; blank lines are none.

    A line counts if it is followed by a separator, by the two bytes that become one and begin a
    tail, or by nothing: zeros, or the end of the region. No remainder of an older tail completes a
    line, for it ends with two blanks and a newline.
    """
    pieces = region.split(b"\n")
    for piece, following in itertools.zip_longest(pieces, pieces[1:]):
        if not piece.strip(b" "):
            continue
        line, zeros, _ = piece.partition(b"\0")
        is_followed = zeros or following is None or following.startswith(b"]")  # as in format 1
        if line.endswith((b",", b" ")):
            line = line[:-1]
        elif not is_followed:
            line = b""
        yield line, decode_line(line)


class Block(NamedTuple):
    """What was read of some lines, in their order."""

    steps: list[Columns | Rewind]
    damaged: int  # damaged lines before the last one that counts
    damaged_behind: int  # damaged lines behind it, or all if none counts


class LineDecoder:
    """Decodes regions of lines into columns of equal length, quickly for a stable set of keys.

    It remembers the keys it has met, so that the usual region, whose records have the same keys
    as those before, is decoded without a dictionary for each record.
    """

    def __init__(self) -> None:
        self._keys: tuple[str, ...] = RECORD_FIELDS
        self._rare: tuple[str, ...] = ()

    def decode(self, region: bytes) -> Block:
        """The records of a region that begins with a line and ends with one."""
        elements = region.removesuffix(SEPARATOR)
        if elements.startswith(b"{") and elements.endswith(b"}"):
            rows, columns = column_decoder(self._keys)
            try:
                decoded = rows(b"[" + elements + b"]")
            except UNREADABLE:
                decoded = []
            # Each of them in a line of its own, and each line one of them.
            if len(decoded) == elements.count(_BETWEEN) + 1 == elements.count(b"\n") + 1:
                found: Columns = {
                    key: list(map(column, decoded))
                    for key, column in columns.items()
                    if key not in self._rare
                }
                found |= rare_columns(decoded, self._keys, self._rare)
                return Block([found], 0, 0)
        return self._decode_by_line(region)

    def _decode_by_line(self, region: bytes) -> Block:
        steps: list[Columns | Rewind] = []
        rows: list[Row] = []
        damaged = damaged_behind = 0
        for _, row in lines_of(region):
            if row is None:
                damaged_behind += 1
                continue
            damaged, damaged_behind = damaged + damaged_behind, 0
            if row.get("rewind") is True and len(row) == 2:
                steps += [*self._columns(rows), Rewind(float(as_number(row["iteration"]) or 0))]
                rows = []
            else:
                rows.append(row)
        return Block([*steps, *self._columns(rows)], damaged, damaged_behind)

    def _columns(self, rows: list[Row]) -> list[Columns]:
        if not rows:
            return []
        columns = columns_of_rows(rows, self._keys)
        self._keys = field_names(columns)
        self._rare = rare_keys({key: columns[key] for key in self._keys})
        return [columns]


def lines_from(read: Read, offset: int, ends: Ends) -> Iterator[tuple[int, bytes]]:
    """All lines from an offset on, in regions, each with an offset behind it.

    They end where a whole tail says so, or with a torn file. In the latter, the last record that
    was no line yet is among them, in its place, unless its line is whole; a whole tail has it.
    """
    last = ends.last if ends.tail is None and (not ends.place or ends.place >= offset) else None
    pending = None if last is None else msgspec.json.encode(last)
    if pending is not None and not ends.place:
        yield offset, pending
        pending = None
    for start, region in _regions(read, offset, ends.lines_end):
        end, cut = start + len(region), ends.place - start
        if pending is not None and 0 <= cut < len(region):
            is_line = cut == 0 or region[cut - 1 : cut] == b"\n"
            if not is_line:  # the lines are not those of that tail any more
                cut = region.find(b"\n", cut) + 1 or len(region)
            yield end, region[:cut]
            region = region[cut:]
            if not is_line or next(lines_of(region), (b"", None))[1] is None:
                yield end, pending
            pending = None
        yield end, region
    if pending is not None:
        yield offset, pending


def lines_crc32(read: Read, start: int, end: int) -> int:
    """The checksum of the lines between two offsets, as a tail behind them has it."""
    crc32 = 0
    for data in _chunks(read, start, end):
        crc32 = zlib.crc32(data, crc32)
    return zlib.crc32(SEPARATOR, crc32) if end > start else 0


class LineReader:
    """Decodes lines, and counts those that were skipped.

    What is left of its last flush at the end of a torn file is not counted.
    """

    def __init__(self) -> None:
        self.lines = self.damaged = 0
        self._decoder = LineDecoder()

    def steps(self, regions: Iterable[bytes], *, torn: bool) -> Iterator[Columns | Rewind]:
        """Records and rewinds in their order."""
        behind = 0
        for region in regions:
            block = self._decoder.decode(region)
            self.lines += region.count(b"\n") + (not region.endswith(b"\n"))
            if block.steps:
                self.damaged, behind = self.damaged + behind + block.damaged, 0
            behind += block.damaged_behind
            yield from block.steps
        self.damaged += 0 if torn else behind


def _regions(read: Read, offset: int, end: int | None) -> Iterator[tuple[int, bytes]]:
    """The lines from an offset on in chunks cut between lines, each with its offset."""
    held, is_too_long = b"", False
    for chunk in _chunks(read, offset, end):
        held += chunk
        if is_too_long:
            cut = held.find(b"\n") + 1
            is_too_long = not cut
            offset, held = offset + (cut or len(held)), held[cut:] if cut else b""
        elif (cut := held.rfind(SEPARATOR)) >= 0:
            cut += len(SEPARATOR)
            yield offset, held[:cut]
            offset, held = offset + cut, held[cut:]
        elif len(held) > LONGEST_LINE:
            yield offset, b"?"  # one damaged line
            offset, held, is_too_long = offset + len(held), b"", True
    if held:
        yield offset, held


def _chunks(read: Read, offset: int, end: int | None) -> Iterator[bytes]:
    length = CHUNK
    while end is None or offset < end:
        wanted = length if end is None else min(length, end - offset)
        block = read(offset, wanted)
        yield from (block[start : start + CHUNK] for start in range(0, len(block), CHUNK))
        if len(block) < wanted:
            return
        offset, length = offset + wanted, _BLOCK
