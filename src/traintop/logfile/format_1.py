"""The ends of files of format 1, as trackers wrote them before.

They have the last record twice: as the last line, which each flush rewrote until
another iteration began, and as ``last`` in the tail. So that line is taken for a part of the tail.
"""

from __future__ import annotations

import re
import zlib

import msgspec

from traintop.logfile import TAIL, UNREADABLE, Row, Tail, decode_usable, is_record
from traintop.logfile.lines import decode_line
from traintop.values import as_number

_TAIL_START = b"\n]"
_LAST = b'"last":{'
_CHECKSUM = re.compile(rb'"last_crc32":(\d{1,10}),\Z')
_LONGEST_CHECKSUM = len(b'"last_crc32":4294967295,')
_SEPARATORS = b", \n\0"


def find_tail(
    data: bytes, at: int, records_at: int
) -> tuple[Tail | None, int | None, Row | None, int]:
    """Tail, end of the lines, last record and its place, as :class:`.lines.Ends` has them.

    ``data`` are the last bytes of the file, which begin at an offset of it.
    """
    last = _last_record(data)
    start = data.rfind(_TAIL_START)
    tail = _tail(data, start) if last is not None and start >= 0 else None
    if tail is None:
        return None, None, last or None, 0
    line_at = max(data.rfind(b"\n", 0, start) + 1, records_at - at)
    line = data[line_at:start]
    row = decode_line(line.strip(_SEPARATORS))
    if at + start < records_at:  # no record
        return tail, records_at, None, records_at
    if not tail.count:
        tail = msgspec.structs.replace(tail, count=None, stats={})
    if last and not line.rstrip(_SEPARATORS[1:]).endswith(b",") and _is_same(row, last):
        lines_end = at + line_at - len(b",\n")
        return tail, max(lines_end, records_at), last, at + line_at
    tail = msgspec.structs.replace(tail, last_record=row or last)
    return tail, at + start, None, at + start


def _is_same(line: Row | None, last: Row) -> bool:
    return line is None or as_number(line["iteration"]) == as_number(last["iteration"])


def _last_record(data: bytes) -> Row | None:
    """The object ``last`` that ends ``data``, if its checksum holds; empty before any record."""
    start = data.rfind(_LAST)
    text = data[start + len(_LAST) - 1 :].rstrip()[:-1] if start >= 0 else b""
    written = _CHECKSUM.search(data, max(start - _LONGEST_CHECKSUM, 0), max(start, 0))
    if written is not None and int(written[1]) != zlib.crc32(text):
        return None
    try:
        row = msgspec.json.decode(text)
    except UNREADABLE:
        return None
    return row if is_record(row) or row == {} else None


def _tail(data: bytes, start: int) -> Tail | None:
    rest = data[start + len(_TAIL_START) :]
    if not rest.startswith(b","):
        return None
    try:
        return decode_usable(TAIL, Tail, b"{" + rest[1:])
    except UNREADABLE:
        return None
