"""Files that lie elsewhere, where each question costs a round trip: what will be read is got
together, and kept for a while.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from traintop.store.files import Entry, FileError, Files, Span
from traintop.store.files.turns import LARGEST_BATCH, in_turns, together, wait_for_others

MOST_KEPT = 32 << 20
"""Bytes that are kept at most until they are read, or until the next walk."""

_MOST_EXPECTED = 2 << 20  # bytes of one part that was announced; the others are got as it is read
_CHUNK = 64 * 1024  # bytes that one reads at least who reads a file on and on
_LEAST_AHEAD, _MOST_AHEAD = 1 << 20, 4 << 20  # bytes that are got for him at a time
_MOST_READINGS = 1000

_Job = TypeVar("_Job")
_Result = TypeVar("_Result")


class RemoteFiles(Files):
    """A place that is asked as seldom as can be; any thread may read.

    Parts that were got before they were read count as they were then, until the next walk. Of a
    file that is read on and on, some MB are got at a time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # never held while the place is asked
        self._kept = _Kept()
        self._last: dict[str, _Fetched] = {}

    @abstractmethod
    def _list(self, roots: Sequence[str], patterns: tuple[str, ...]) -> Iterator[Entry]:
        """As :meth:`Files.walk`."""

    @abstractmethod
    def _fetch(self, spans: Sequence[Span]) -> Sequence[bytes | FileError]:
        """Parts of files, or why one cannot be read, in as few round trips as there can be.

        Fewer bytes of one only where its file ends. Any thread may ask. Raises ``AwayError``.
        """

    def _size_of(self, file_id: str) -> int | None:
        """How large a file is, where that is known."""
        return None

    def walk(self, roots: Sequence[str], patterns: tuple[str, ...]) -> Iterator[Entry]:
        """What is there now; what was kept of files is forgotten, for they may have changed."""
        self.forget()
        return self._list(roots, patterns)

    def files_below(self, directories: Sequence[str]) -> list[Entry]:
        """As :meth:`Files.files_below`, in one request."""
        found = together(self._below_each, directories)
        return [each for below in found for each in below if not each.is_dir and not each.problem]

    def _below_each(self, directories: Sequence[str]) -> Sequence[Sequence[Entry]]:
        """What is below each of some directories."""
        found: dict[str, list[Entry]] = {directory: [] for directory in directories}
        for entry in self._list([*found], ("*",)):
            directory = entry.id
            while directory and directory not in found:
                directory = directory.rpartition("/")[0]
            found[directory or "/"].append(entry)
        return [found[directory] for directory in directories]

    def in_turns(self, work: Callable[[_Job], _Result], jobs: Collection[_Job]) -> list[_Result]:
        """As :meth:`Files.in_turns`: what all of them ask goes together."""
        return in_turns(work, jobs)

    def forget(self) -> None:
        """Forget what was kept of files, for they have changed."""
        with self._lock:
            self._kept = _Kept()

    def prefetch(self, spans: Sequence[Span]) -> None:
        """Announce what will be read: who reads one of these parts gets many of the next, too.

        So nothing is got that nobody finds the time to read, however much is announced.
        """
        with self._lock:
            self._kept.expect(spans)

    def read_many(self, spans: Sequence[Span]) -> list[bytes]:
        """Several parts; those that are not kept come in one request."""
        with self._lock:
            kept = self._kept  # a walk meanwhile makes another one, to which answers are too old
        got: dict[Span, bytes | FileError] = {}
        while True:
            with self._lock:
                found = [kept.find(span) for span in spans]
                pairs = [*zip(spans, found, strict=True)]
                missing = dict.fromkeys(s for s, data in pairs if data is None and s not in got)
            if not missing:
                break
            if not (kept.is_on_its_way(missing) and wait_for_others(self._fetch)):
                got |= self._got(kept, [*missing])
        return [_beginning(got[s], s[2]) if data is None else data for s, data in pairs]

    def _got(self, kept: _Kept, missing: Sequence[Span]) -> dict[Span, bytes | FileError]:
        """What is missing, but for what begins in what is expected: that is kept."""
        with self._lock:
            expected = kept.take_expected(missing)
            others = [one for one in missing if not any(_begins_in(one, part) for part in expected)]
            asked = [self._with_more(one) for one in others]
        try:
            answers = self._together([*expected, *asked])
        finally:
            with self._lock:
                kept.came(expected)
        behind = answers[len(expected) :]
        with self._lock:
            kept.keep(zip(expected, answers, strict=False))
            got = zip(others, asked, behind, strict=True)
            kept.keep((more, answer) for one, more, answer in got if more != one)
        return dict(zip(others, behind, strict=True))

    def _together(self, spans: Sequence[Span]) -> Sequence[bytes | FileError]:
        """What was fetched, with what others ask for at the same time."""
        sizes = ((self._size_of(file_id), start, length) for file_id, start, length in spans)
        lengths = (
            length if size is None else min(length, max(size - start, 0))
            for size, start, length in sizes
        )
        return together(self._fetch, spans, sum(lengths))

    def _with_more(self, missing: Span) -> Span:
        """What to get where a part is missing: more than that where a file is read on and on."""
        file_id, start, length = missing
        last = self._last.get(file_id)
        if (
            last is not None
            and start > last.start
            and last.end - max(length, _CHUNK) <= start <= last.end
        ):
            length = max(length, min(max(2 * (last.end - last.start), _LEAST_AHEAD), _MOST_AHEAD))
        if length >= _CHUNK:
            if len(self._last) >= _MOST_READINGS:
                self._last.clear()
            self._last[file_id] = _Fetched(start, start + length)
        return file_id, start, length


class _Fetched(NamedTuple):
    """Where the part of a file that was got last begins and ends."""

    start: int
    end: int


class _Part(NamedTuple):
    start: int
    data: bytes
    is_end: bool  # whether the file has nothing behind it

    def covers(self, start: int, length: int) -> bool:
        return self.start <= start and (
            self.is_end or start + length <= self.start + len(self.data)
        )


class _Kept:
    """What was got of files since a walk, and what is expected to be read of them."""

    def __init__(self) -> None:
        self._parts: dict[str, deque[_Part]] = {}
        self._ids: deque[str] = deque()  # of all parts, the oldest first
        self._bytes = 0
        self._errors: dict[str, FileError] = {}
        self._expected: dict[str, list[Span]] = {}
        self._on_their_way: Counter[str] = Counter()  # what was expected, and is asked for

    def expect(self, spans: Iterable[Span]) -> None:
        for file_id, start, length in spans:
            # One byte more says whether the file ends there.
            part = (file_id, start, min(length + 1, _MOST_EXPECTED))
            expected = self._expected.get(file_id, [])
            is_expected = any(_is_within(part, one) for one in expected)
            if not is_expected and self._part_with(part) is None:
                self._expected[file_id] = [*expected, part]

    def take_expected(self, spans: Iterable[Span]) -> list[Span]:
        """What to get as well: if one of these files is expected, its parts and many of others."""
        asked = [self._expected.pop(file_id, ()) for file_id in dict.fromkeys(s[0] for s in spans)]
        taken = [part for parts in asked for part in parts]
        size = sum(length for _, _, length in taken)
        while taken and self._expected and size < LARGEST_BATCH:
            parts = self._expected.pop(next(iter(self._expected)))
            size += sum(length for _, _, length in parts)
            taken += parts
        self._on_their_way.update(file_id for file_id, _, _ in taken)
        return taken

    def came(self, spans: Iterable[Span]) -> None:
        """What was taken is not on its way any more."""
        self._on_their_way.subtract(file_id for file_id, _, _ in spans)

    def is_on_its_way(self, spans: Iterable[Span]) -> bool:
        """Whether parts of one of these files will come without being asked for again."""
        return any(self._on_their_way[file_id] > 0 for file_id, _, _ in spans)

    def keep(self, answers: Iterable[tuple[Span, bytes | FileError]]) -> None:
        for (file_id, start, length), data in answers:
            if isinstance(data, FileError):
                self._errors[file_id] = data
                continue
            self._parts.setdefault(file_id, deque()).append(_Part(start, data, len(data) < length))
            self._ids.append(file_id)
            self._bytes += len(data)
            while self._bytes > MOST_KEPT:
                self._bytes -= len(self._parts[self._ids.popleft()].popleft().data)

    def find(self, span: Span) -> bytes | None:
        """A part, if all of it is known as of one moment: a file that is written to may change."""
        file_id, start, length = span
        if file_id in self._errors:
            raise FileError(str(self._errors[file_id]))
        part = self._part_with(span)
        return None if part is None else part.data[start - part.start :][:length]

    def _part_with(self, span: Span) -> _Part | None:
        file_id, start, length = span
        parts = reversed(self._parts.get(file_id, ()))
        return next((one for one in parts if one.covers(start, length)), None)


def _begins_in(span: Span, other: Span) -> bool:
    """Whether a part of a file begins within another."""
    return span[0] == other[0] and other[1] <= span[1] < other[1] + other[2]


def _is_within(span: Span, other: Span) -> bool:
    """Whether a part of a file is one of another, or all of it."""
    return other[1] <= span[1] and span[1] + span[2] <= other[1] + other[2]


def _beginning(answer: bytes | FileError, length: int) -> bytes:
    if isinstance(answer, FileError):
        raise answer
    return answer[:length]
