"""The two ends of a log file, found with one or two reads whatever its length."""

from __future__ import annotations

import os
from typing import NamedTuple

from traintop.logfile import FoundHead, FoundTail, find_head, find_tail

FIRST_READ = 4096
"""Bytes read of each end at first; enough for the usual settings and statistics."""

LONGEST_END = 4 * 1024 * 1024
"""Bytes of one end that are looked at: room for long settings and long notes."""

_GROWTH = 8
_APPENDED_MEANWHILE = 16 * 1024


class Ends(NamedTuple):
    """What was found at the ends of an open file."""

    head: FoundHead | None  # None: not whole, or not of this format
    tail: FoundTail | None  # None: torn; `starts_at` is an offset in the file
    start: bytes  # the first bytes
    end: bytes  # the last bytes, at least the last line unless that is longer than LONGEST_END


def read_ends(descriptor: int, size: int) -> Ends:
    """Head and tail of an open file of about this size: it may grow meanwhile."""
    length = 2 * FIRST_READ if size <= 2 * FIRST_READ else FIRST_READ
    start = os.pread(descriptor, length, 0)
    head = find_head(start)
    while head is None and _may_be_longer(start, length):
        length = min(length * _GROWTH, LONGEST_END)
        start = os.pread(descriptor, length, 0)
        head = find_head(start)
    if head is None:
        return Ends(None, None, start, b"")
    if size <= len(start):
        end_at, end = 0, start
    else:
        end_at, end = _read_last_line(descriptor, size)
    tail = find_tail(end)
    if tail is not None:
        tail = FoundTail(tail.tail, end_at + tail.starts_at)
    return Ends(head, tail, start, end)


def _may_be_longer(start: bytes, length: int) -> bool:
    return start.startswith(b'{"config":') and length <= len(start) and length < LONGEST_END


def _read_last_line(descriptor: int, size: int) -> tuple[int, bytes]:
    """The offset and the bytes of the end, from somewhere before the last line on."""
    length = FIRST_READ
    while True:
        at = max(size - length, 0)
        # More than the length, because a writer may have appended since the size was taken.
        data = os.pread(descriptor, length + _APPENDED_MEANWHILE, at)
        if at == 0 or length >= LONGEST_END or b"\n" in data.rstrip(b"\n \0"):
            return at, data
        length = min(length * _GROWTH, LONGEST_END)
