"""What the helper on another machine tells, as far as it can be true.

It is not trusted: what was not asked for, or is beyond all measure, is a ``ValueError``.
"""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from traintop.process import IDENTITY
from traintop.store.files import Entry, FileError, Span
from traintop.store.files.wire import path_of

MOST_ENTRIES = 500_000
"""Files that are told of below some roots at most."""

_MOST_CHARACTERS = 100_000_000  # of the names of all of them
_LONGEST_REASON = 1000
_OTHER_WAYS = re.compile(r"/\.{0,2}/")
_INTEREST = 60.0  # seconds for which one that asked whether a process has ended may ask again

_Name = Annotated[str, msgspec.Meta(max_length=4096)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e12)]


class Told(msgspec.Struct, array_like=True, gc=False):
    """A file or directory, as the helper tells of it."""

    name: _Name
    since: float | None  # when it changed; or its age, of one that was asked for
    size: Annotated[int, msgspec.Meta(ge=0)]
    version: tuple[int, int] | None
    is_dir: bool
    inode: int | None
    lags: bool
    problem: Annotated[str, msgspec.Meta(max_length=_LONGEST_REASON)]


class Changes(msgspec.Struct, array_like=True):
    """What a walk of the helper found, or a part of it."""

    now: _Seconds
    took: _Seconds
    changed: list[Told]
    gone: list[tuple[_Name, bool]]
    ended: list[tuple[int, bool | None]]


class Listing:
    """What the helper has told of all that is below some roots."""

    def __init__(self, number: int, roots: tuple[str, ...]) -> None:
        self.number = number
        self._roots = frozenset(roots)
        self._folders = tuple(root if root.endswith("/") else f"{root}/" for root in roots)
        self._known: dict[tuple[str, bool], Entry] = {}
        self._characters = 0

    def take(self, changes: Changes) -> None:
        """Note what changed. Raises ``ValueError`` for what cannot be true."""
        clocks_differ = time.time() - changes.now
        for told in changes.changed:
            file_id = path_of(told.name)
            if not self._is_asked_for(file_id):
                raise ValueError("a file that was not asked for")
            key = file_id, bool(told.problem)
            if key not in self._known:
                self._characters += len(file_id)
            changed = None if told.since is None else told.since + clocks_differ
            self._known[key] = entry_of(file_id, told, changed)
        if len(self._known) > MOST_ENTRIES or self._characters > _MOST_CHARACTERS:
            raise ValueError(f"more than {MOST_ENTRIES} files")
        for name, has_problem in changes.gone:
            if self._known.pop((path_of(name), has_problem), None) is not None:
                self._characters -= len(name)

    def _is_asked_for(self, file_id: str) -> bool:
        if file_id in self._roots:
            return True
        folder = next((one for one in self._folders if file_id.startswith(one)), None)
        return folder is not None and _is_plain(file_id[len(folder) :])

    def entries(self) -> list[Entry]:
        """All that is there; what did not change is the same objects as before."""
        return [*self._known.values()]

    def entry(self, file_id: str) -> Entry | None:
        """One of them."""
        return self._known.get((file_id, False)) or self._known.get((file_id, True))


class Parts:
    """Parts of files, as they come in pieces."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._left = [length for *_, length in reversed(spans)]  # of each that is not whole yet
        self._pieces: list[bytes] = []
        self._whole: list[bytes | FileError] = []

    def take(self, head: list[int | str], data: bytes) -> None:
        """The next pieces; see ``Helper._pieces``. Raises ``ValueError`` for what was not asked."""
        place = 0
        for item in head:
            if not self._left:
                raise ValueError("more parts than were asked for")
            if isinstance(item, str):
                self._finish(FileError(item[:_LONGEST_REASON]))
                continue
            piece = data[place : place + abs(item)]
            place += abs(item)
            self._left[-1] -= abs(item)
            if self._left[-1] < 0 or place > len(data):
                raise ValueError("another length than was asked for")
            self._pieces.append(piece)
            if item >= 0:
                self._finish(b"".join(self._pieces))
        if place != len(data):
            raise ValueError("bytes that belong to no part")

    def all(self) -> list[bytes | FileError]:
        """All of them. Raises ``ValueError`` where some are missing."""
        if self._left:
            raise ValueError("fewer parts than were asked for")
        return self._whole

    def _finish(self, part: bytes | FileError) -> None:
        self._left.pop()
        self._whole.append(part)
        self._pieces = []


@dataclass(slots=True)
class _Asked:
    """A process of which it was asked whether it has ended."""

    number: int
    asked_at: float
    is_told: bool = False  # so that the helper says when it has
    has_ended: bool | None = None


class Processes:
    """Which processes have ended, as the helper says. Any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: dict[tuple[str | int | None, ...], _Asked] = {}
        self._numbers = itertools.count()
        self.has_news = False
        """Whether there are some that the helper does not know yet."""

    def has_ended(self, process: Mapping[str, Any]) -> bool | None:
        if not isinstance(process.get("pid"), int):
            return None
        named = (process.get(name) for name in IDENTITY)
        identity = tuple(one if one is None or isinstance(one, int) else str(one) for one in named)
        with self._lock:
            asked = self._asked.get(identity)
            if asked is None:
                asked = self._asked[identity] = _Asked(next(self._numbers), 0.0)
                self.has_news = True
            asked.asked_at = time.monotonic()
            return asked.has_ended

    def news(self) -> tuple[list[list[Any]], list[int]]:
        """Those that the helper does not know yet, and those that nobody asks about any more."""
        with self._lock:
            now = time.monotonic()
            idle = [
                key
                for key, one in self._asked.items()
                if one.is_told and now - one.asked_at > _INTEREST
            ]
            forgotten = [self._asked.pop(key).number for key in idle]
            new = [
                [asked.number, *identity]
                for identity, asked in self._asked.items()
                if not asked.is_told
            ]
            for asked in self._asked.values():
                asked.is_told = True
            self.has_news = False
            return new, forgotten

    def take(self, ended: Sequence[tuple[int, bool | None]]) -> None:
        """Note what the helper says."""
        with self._lock:
            by_number = {asked.number: asked for asked in self._asked.values()} if ended else {}
            for number, has_ended in ended:
                if number in by_number:
                    by_number[number].has_ended = has_ended

    def forget_answers(self) -> None:
        """Ask anew: another helper knows nothing."""
        with self._lock:
            for asked in self._asked.values():
                asked.is_told, asked.has_ended = False, None
            self.has_news = bool(self._asked)


def entry_of(file_id: str, told: Told, changed: float | None) -> Entry:
    """The entry of a file that the helper tells of, and that changed last at that time of ours."""
    return Entry(
        file_id, told.size, told.version, changed, told.is_dir, told.inode, told.lags, told.problem
    )


def _is_plain(path: str) -> bool:
    """Whether there is no other way to write a path below a directory."""
    return "\0" not in path and not _OTHER_WAYS.search(f"/{path}/")
