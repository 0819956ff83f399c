"""Files of another machine, by a helper at the end of a pipe."""

from __future__ import annotations

import contextlib
import itertools
import math
import shlex
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from traintop.process import IDENTITY
from traintop.store.files import AwayError, Entry, FileError, Span
from traintop.store.files.connection import Connection, LostError
from traintop.store.files.remote import RemoteFiles
from traintop.store.files.wire import frame, path_of, text_of, unpacked

MOST_ENTRIES = 500_000
"""Files that are told of one place at most."""

_MOST_CHARACTERS = 100_000_000  # of the names of all of them
_MOST_LOOKS = 8  # sets of roots and patterns of which it is known what was told
_SHORTEST_INTERVAL = 1.0
_BUSY = 20  # times as long as a look took there, the next one waits at least
_STILL = 60.0  # seconds without a change from which on the age of a file is not kept up to date
_INTEREST = 60.0  # seconds for which one that asked whether a process has ended may ask again

_LONGEST_REASON = 1000

PYTHON = ("python3", "-Iiq", "-")
"""A Python that runs what it is given line by line, and nothing else."""

_Name = Annotated[str, msgspec.Meta(max_length=4096)]


class _Told(msgspec.Struct, array_like=True, gc=False):
    name: _Name
    since: float | None  # when it changed; or its age, of one that was asked for
    size: Annotated[int, msgspec.Meta(ge=0)]
    version: tuple[int, int] | None
    is_dir: bool
    inode: int | None
    lags: bool
    problem: Annotated[str, msgspec.Meta(max_length=_LONGEST_REASON)]


class _Changes(msgspec.Struct, array_like=True):
    now: float
    took: float
    changed: list[_Told]
    gone: list[tuple[_Name, bool]]
    ended: list[tuple[int, bool | None]]


_changes = msgspec.json.Decoder(_Changes)
_states = msgspec.json.Decoder(list[_Told])
_parts = msgspec.json.Decoder(list[int | str])
_reason = msgspec.json.Decoder(str)


class PipedFiles(RemoteFiles):
    """The files of a machine to which a command leads."""

    traffic = ""

    def __init__(self) -> None:
        super().__init__()
        self._asking = threading.Lock()  # held while the helper is asked
        self._connection: Connection | None = None
        self._lost = ""  # why there is none
        self._looks: dict[tuple[tuple[str, ...], tuple[str, ...]], _Look] = {}
        self._listed: _Look | None = None  # the newest, as long as it counts
        self._processes = _Processes()
        self._took = 0.0

    @abstractmethod
    def command(self) -> list[str]:
        """What leads there, and starts a Python that reads its program line by line."""

    def reason(self, error: LostError) -> str:
        """Why there is no connection, in words for a person."""
        if error.status is None:
            return str(error)
        if error.status == 127:
            return "has no python3"
        lines = error.errors.replace(">>> ", "").strip().splitlines()
        return lines[-1][:_LONGEST_REASON] if lines else str(error)

    @property
    def is_lost(self) -> bool:
        """Whether there was a connection, or should have been one, that is of no use any more."""
        return bool(self._lost)

    @property
    def interval(self) -> float:
        """A second; more where the other machine is busy for long with each look."""
        return max(_SHORTEST_INTERVAL, math.ceil(self._took * _BUSY))

    def stat_many(self, ids: Sequence[str]) -> list[Entry]:
        """How some files are: what the last walk found counts until the next."""
        listed = self._listed  # another thread may walk
        found = [] if listed is None else [listed.entry(file_id) for file_id in ids]
        known = [entry for entry in found if entry is not None]
        if known and len(known) == len(ids):
            return known
        with self._talking() as connection:
            [answer] = connection.ask(frame(["stat", [*map(text_of, ids)]]))
            told = _states.decode(unpacked(answer)[0])
            if len(told) != len(ids):
                raise ValueError("other files than were asked for")
        return [_entry(file_id, one, one.since) for file_id, one in zip(ids, told, strict=True)]

    def forget(self) -> None:
        """Ask anew for states and parts of files, until the next walk."""
        super().forget()
        self._listed = None

    def has_ended(self, process: Mapping[str, Any]) -> bool | None:
        """Whether a process has ended, as of the last walk; unknown until it was asked there."""
        return self._processes.has_ended(process)

    def replace(self, file_id: str, data: bytes | None) -> None:
        """Write a small file there as a whole, or delete it."""
        with self._talking() as connection:
            request = frame(["replace", text_of(file_id), data is None], data or b"")
            [answer] = connection.ask(request)
            problem = _reason.decode(unpacked(answer)[0])
        if problem:
            raise FileError(problem)

    def close(self) -> None:
        """End the connection; another question makes a new one."""
        with self._asking:
            self._disconnect("")

    def repeated_walk(
        self, roots: Sequence[str], patterns: tuple[str, ...]
    ) -> Callable[[], Iterator[Entry]]:
        """A walk by which what did not change lately is the same objects as before."""
        look = self._looks.get(((*roots,), patterns))
        if look is not None:
            look.is_aged = False
        return super().repeated_walk(roots, patterns)

    def _list(self, roots: Sequence[str], patterns: tuple[str, ...]) -> Iterator[Entry]:
        with self._talking(connects=True) as connection:
            look, wanted = self._look((*roots,), patterns)
            new, forgotten = self._processes.news()
            request = ["walk", look.number, wanted, new, forgotten]
            for answer in connection.ask(frame(request)):
                changes = _changes.decode(unpacked(answer)[0])
                look.take(changes)
            self._processes.take(changes.ended)
            self._took = changes.took
        entries = look.entries()
        self._listed = look
        return iter(entries)

    def _look(self, roots: tuple[str, ...], patterns: tuple[str, ...]) -> tuple[_Look, Any]:
        """What is known below some roots, and what the helper has to be told of them."""
        look = self._looks.pop((roots, patterns), None)
        wanted = None
        if look is None:
            wanted = [[*map(text_of, roots)], patterns]
            number = len(self._looks)
            if number == _MOST_LOOKS:
                number = self._looks.pop(next(iter(self._looks))).number
            look = _Look(number, roots)
        self._looks[roots, patterns] = look
        return look, wanted

    def _fetch(self, spans: Sequence[Span]) -> Sequence[bytes | FileError]:
        with self._talking() as connection:
            parts = _Parts(spans)
            asked = [(text_of(file_id), *part) for file_id, *part in spans]
            for answer in connection.ask(frame(["read", asked])):
                head, data = unpacked(answer)
                parts.take(_parts.decode(head), data)
            return parts.all()

    @contextlib.contextmanager
    def _talking(self, *, connects: bool = False) -> Iterator[Connection]:
        """The connection, for one question.

        Where it was lost, only a walk ``connects`` again: that of the catalog comes in good time.
        """
        with self._asking:
            if self._lost and not connects:
                raise AwayError(self._lost)
            try:
                if self._connection is None:
                    self._connection = Connection(self.command())
                    self._connection.begin()
                    self._lost = ""
                yield self._connection
                return
            except LostError as error:
                reason = self.reason(error)
            except (ValueError, msgspec.MsgspecError) as error:
                reason = f"its helper answers nonsense: {error}"
            except BaseException:  # as ctrl+c in the middle of an answer
                self._disconnect("")
                raise
            self._disconnect(reason)
            raise AwayError(reason)

    def _disconnect(self, reason: str) -> None:
        connection, self._connection = self._connection, None
        self._lost = reason
        self._looks, self._listed = {}, None
        self._processes.forget_answers()
        if connection is not None:
            connection.close()


class CommandFiles(PipedFiles):
    """The files to which a person's command leads, such as ``docker exec -i job python3 -``.

    No shell runs it. Raises ``ValueError`` where it ends with no Python that reads its program.
    """

    def __init__(self, command: str) -> None:
        super().__init__()
        self._words = shlex.split(command)
        if len(self._words) < 2 or self._words[-1] != "-":
            raise ValueError(f"{command!r} does not end with: python3 -")

    @property
    def place(self) -> str:
        """The command without the Python."""
        return shlex.join(self._words[:-2] or self._words)

    def command(self) -> list[str]:
        """The command, with what makes its Python read line by line."""
        return [*self._words[:-1], *PYTHON[1:]]


class _Look:
    """What the helper has told of all that is below some roots."""

    def __init__(self, number: int, roots: tuple[str, ...]) -> None:
        self.number = number
        self._roots = roots
        self._known: dict[tuple[str, bool], tuple[Entry, float | None]] = {}
        self._characters = 0
        self._now = 0.0
        self.is_aged = False  # so that great ages need not be as of this walk

    def take(self, changes: _Changes) -> None:
        """Note what changed. Raises ``ValueError`` for what cannot be true."""
        self._now = changes.now
        for told in changes.changed:
            file_id = path_of(told.name)
            if not self._is_asked_for(file_id):
                raise ValueError("a file that was not asked for")
            key = file_id, bool(told.problem)
            if key not in self._known:
                self._characters += len(file_id)
            self._known[key] = _entry(file_id, told, None), told.since
        if len(self._known) > MOST_ENTRIES or self._characters > _MOST_CHARACTERS:
            raise ValueError(f"more than {MOST_ENTRIES} files")
        for name, has_problem in changes.gone:
            if self._known.pop((path_of(name), has_problem), None) is not None:
                self._characters -= len(name)

    def _is_asked_for(self, file_id: str) -> bool:
        root = next((root for root in self._roots if file_id.startswith(root)), None)
        below = "" if root is None else file_id[len(root) :]
        is_below = below.startswith("/") or root == "/" or file_id in self._roots
        return is_below and "\0" not in below and "/../" not in f"{below}/"

    def entries(self) -> list[Entry]:
        """All that is there, with its age by the clock of the other machine."""
        for key, (entry, since) in self._known.items():
            if since is not None and (not self.is_aged or (entry.age or 0.0) < _STILL):
                self._known[key] = entry._replace(age=self._now - since), since
        self.is_aged = True
        return [entry for entry, _ in self._known.values()]

    def entry(self, file_id: str) -> Entry | None:
        """One of them."""
        known = self._known.get((file_id, False)) or self._known.get((file_id, True))
        return None if known is None else known[0]


class _Parts:
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


class _Processes:
    """Which processes have ended, as the helper says at each walk. Any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: dict[tuple[str | int | None, ...], _Asked] = {}
        self._numbers = itertools.count()

    def has_ended(self, process: Mapping[str, Any]) -> bool | None:
        if not isinstance(process.get("pid"), int):
            return None
        named = (process.get(name) for name in IDENTITY)
        identity = tuple(one if one is None or isinstance(one, int) else str(one) for one in named)
        with self._lock:
            asked = self._asked.get(identity)
            if asked is None:
                asked = self._asked[identity] = _Asked(next(self._numbers), 0.0)
            asked.asked_at = time.monotonic()
            return asked.has_ended

    def news(self) -> tuple[list[list[Any]], list[int]]:
        """Those that the helper does not know yet, and those that nobody asks about any more."""
        with self._lock:
            now = time.monotonic()
            idle = [key for key, one in self._asked.items() if now - one.asked_at > _INTEREST]
            forgotten = [self._asked.pop(key).number for key in idle]
            new = [
                [asked.number, *identity]
                for identity, asked in self._asked.items()
                if not asked.is_told
            ]
            for asked in self._asked.values():
                asked.is_told = True
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


def _entry(file_id: str, told: _Told, age: float | None) -> Entry:
    return Entry(
        file_id, told.size, told.version, age, told.is_dir, told.inode, told.lags, told.problem
    )
