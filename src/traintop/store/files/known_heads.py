"""The beginnings of log files of ours in a bucket: written once, so read once.

Whether an object that was stored anew is the same run, longer, is seen without reading its
beginning again: its end has a checksum over all lines, which must go on with that of the lines
that were there before. Where it does not, or much was added, the beginning is read again.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from traintop.logfile import SEPARATOR, decode_tail, find_end, find_head
from traintop.logfile.lines import FIRST_READ, next_line_at
from traintop.store.files import Span

LARGEST_GAP = 16 * 1024
"""Bytes that are read to see what was added; for more, it costs less to read the beginning."""

_LONGEST_END = 64 * 1024  # that is read at once because the last one was long
_MOST = 8_000  # of 4 KiB each


class Part(NamedTuple):
    """What was read of an object, and where that begins."""

    start: int
    data: bytes


class _Known(NamedTuple):
    etag: str
    head: bytes
    records_at: int
    lines_end: int  # as its last tail has it
    lines_crc32: int | None  # where all of that tail was read
    end_length: int  # in bytes: its last flush


class KnownHeads:
    """The beginnings of the objects that were read last. Any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}

    def instead(self, spans: Sequence[Span], size: int, etag: str) -> Sequence[Span]:
        """What to read of a changed object instead of these parts, which is enough to know it.

        From where lines were added; or else as much of its end as it took the last time.
        """
        file_id = spans[0][0]
        known = self._known.get(file_id)
        if known is None or known.etag == etag:
            return spans
        start = size - max(FIRST_READ, min(2 * known.end_length, _LONGEST_END))
        if known.lines_crc32 and 0 <= size - known.lines_end <= LARGEST_GAP:
            start = min(known.lines_end, size - FIRST_READ)
        start = max(start, 0)
        return [(file_id, 0, FIRST_READ), (file_id, start, size - start)]

    def may_have(self, span: Span) -> bool:
        """Whether this beginning of an object was read, of whatever was there then."""
        file_id, start, length = span
        known = self._known.get(file_id)
        return known is not None and start == 0 and length <= len(known.head)

    def get(self, file_id: str, etag: str, parts: Iterable[Part]) -> bytes | None:
        """The beginning of an object, if these parts of it show that it is still the same."""
        known = self._known.get(file_id)
        if known is None:
            return None
        is_same = known.etag == etag or any(_goes_on(known, part) for part in parts)
        return known.head if is_same else None

    def learn(self, file_id: str, etag: str, head: bytes, end: Part) -> None:
        """Take over what was read of both ends of an object."""
        found, known = find_head(head), None
        behind = find_end(end.data)
        if found is not None and behind is not None:
            crc32 = _lines_crc32(end)
            kept = head[: FIRST_READ + 1]
            length = end.start + len(end.data) - behind.flush_at
            known = _Known(etag, kept, found.records_at, behind.tail_at, crc32, length)
        with self._lock:
            self._known.pop(file_id, None)
            if known is not None:
                self._known[file_id] = known
            while len(self._known) > _MOST:
                del self._known[next(iter(self._known))]


def _lines_crc32(end: Part) -> int | None:
    """The checksum of all lines, by the tail that ends an object; ``None`` if it is not whole."""
    found = find_end(end.data)
    if found is None or found.flush_at < end.start:
        return None
    tail = decode_tail(end.data[found.flush_at - end.start : found.starts_at], found)
    return None if tail is None else tail.lines_crc32


def _goes_on(known: _Known, end: Part) -> bool:
    """Whether the lines that are known are still there, before those that ``end`` has."""
    found, crc32 = find_end(end.data), known.lines_crc32
    if found is None or not crc32 or not end.start <= known.lines_end <= found.tail_at:
        return False
    if found.tail_at > known.lines_end:
        place = next_line_at(known.lines_end, known.records_at)
        if end.data[known.lines_end - end.start : place - end.start] != SEPARATOR:
            return False
        crc32 = zlib.crc32(end.data[place - end.start : found.tail_at - end.start], crc32)
        crc32 = zlib.crc32(SEPARATOR, crc32)
    return crc32 == _lines_crc32(end)
