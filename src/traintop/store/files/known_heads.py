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
from traintop.logfile.lines import next_line_at, read_length
from traintop.store.files import Span

LARGEST_GAP = 16 * 1024
"""Bytes that are read to see what was added; for more, it costs less to read the beginning."""

_LARGEST_ADDED = 4 << 20
"""Bytes of lines that are read instead of the beginning, where the last flush is among them."""

_LONGEST_WRITE = (1 << 20) + (64 << 10)
"""Bytes of one write of our tracker at most, with its tail: a summary needs all of the last one."""

_MOST_BYTES = 32 << 20


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

    @property
    def has_all(self) -> bool:
        """Whether the head is all that was there before the tail."""
        return len(self.head) == self.lines_end


_NOTHING = _Known("", b"", 0, 0, None)


class KnownHeads:
    """The beginnings of the objects that were read last. Any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}
        self._bytes = 0  # of their heads

    def instead(self, spans: Sequence[Span], size: int, etag: str) -> Sequence[Span]:
        """What to read of a changed object instead of these parts, which is enough to know it.

        From where lines were added, where these are few. Where they are very many, as much as may
        have been written last: to see how much that was, would be one more question.
        """
        file_id = spans[0][0]
        known = self._known.get(file_id)
        if known is None or known.etag == etag or len(spans) != 2:
            return spans
        beginning, (_, start, _) = spans
        if known.lines_crc32 and 0 <= size - known.lines_end <= LARGEST_GAP:
            start = min(known.lines_end, start)
        elif start - known.lines_end > _LARGEST_ADDED:
            start = min(size - _LONGEST_WRITE, start)
        return [beginning, (file_id, start, size - start)]

    def added(self, file_id: str, etag: str, end: Part) -> Span | None:
        """All that was added before this end of an object, where its last flush began there.

        That has to be read, and shows with the rest of it that the beginning is still the same.
        """
        known, found = self._known.get(file_id), find_end(end.data)
        if known is None or known.etag == etag or not known.lines_crc32 or found is None:
            return None
        length = end.start - known.lines_end
        is_there = known.lines_end <= found.flush_at < end.start and length <= _LARGEST_ADDED
        return (file_id, known.lines_end, length) if is_there else None

    def may_have(self, span: Span) -> bool:
        """Whether this beginning of an object was read, of whatever was there then."""
        file_id, start, length = span
        known = self._known.get(file_id)
        return known is not None and start == 0 and (length <= len(known.head) or known.has_all)

    def get(self, file_id: str, etag: str, parts: Iterable[Part]) -> bytes | None:
        """The beginning of an object, if these parts of it show that it is still the same.

        All that is known of it without a gap.
        """
        known = self._known.get(file_id)
        if known is None:
            return None
        for part in parts:
            if _goes_on(known, part):
                behind = part.data[known.lines_end - part.start :] if known.has_all else b""
                return known.head + behind
        return known.head if known.etag == etag else None

    def learn(self, file_id: str, etag: str, head: bytes, end: Part) -> None:
        """Take over what was read of both ends of an object."""
        found, known = find_head(head), None
        behind = find_end(end.data)
        if found is not None and behind is not None:
            crc32 = _lines_crc32(end)
            # One byte more than is read of it; behind the lines, all may be another the next time.
            kept = head[: min(read_length(found.records_at) + 1, behind.tail_at)]
            known = _Known(etag, kept, found.records_at, behind.tail_at, crc32)
        with self._lock:
            self._bytes -= len(self._known.pop(file_id, _NOTHING).head)
            if known is not None:
                self._known[file_id] = known
                self._bytes += len(known.head)
            while self._bytes > _MOST_BYTES:
                self._bytes -= len(self._known.pop(next(iter(self._known))).head)


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
