"""The helper on another machine: it looks, reads and judges there, and says what is asked.

This program sends the text of these modules to a Python there, which needs nothing else, keeps
nothing but what it has told, and ends with the connection: :data:`MODULES`. So they use the
standard library only, in the words of Python 3.8; and what is true of files of this machine is
true of those.
"""

from __future__ import annotations

import itertools
import json
import operator
import os
import select
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from traintop.process import IDENTITY
from traintop.store.files import Entry, FileError, Files, Span
from traintop.store.files.wire import HEADER, READY, STILL_AT_IT, frame, path_of, text_of, unpacked

MODULES = (
    "traintop.process",
    "traintop.atomic_file",
    "traintop.mounts",
    "traintop.store.files",
    "traintop.store.files.states",
    "traintop.store.files.directories",
    "traintop.store.files.local",
    "traintop.store.files.wire",
    "traintop.store.files.far_side",
)
"""What runs there, each after those that it imports."""

_LONGEST_SILENCE = 900.0  # seconds without a request, after which nobody will send one any more
_STILL_AT_IT = 3.0  # seconds from one sign of life to the next, while an answer is worked at
_LARGEST_PIECE = 1 << 20  # bytes of files in a frame: the line is busy while the next is read
_MOST_TOLD = 5000  # entries in a frame
_LARGEST_REQUEST = 1 << 30


class Helper:
    """Answers what is asked through a pipe."""

    def __init__(self, files: Files, source: int, target: int) -> None:
        self._files = files
        self._source = source
        self._target = target
        self._looks: dict[int, _Look] = {}
        self._processes: dict[int, _Process] = {}
        self._is_working = False

    def serve(self) -> None:
        """Answer until the connection ends."""
        signal.signal(signal.SIGALRM, self._say_still_at_it)
        signal.setitimer(signal.ITIMER_REAL, _STILL_AT_IT, _STILL_AT_IT)
        threading.Thread(target=self._end_with_connection, daemon=True).start()
        self._send(READY)
        while True:
            request = self._received()
            if request is None:
                return
            self._is_working = True
            try:
                for answer in self._answers(*request):
                    self._is_working = False  # so that nothing gets into it
                    self._send(answer)
                    self._is_working = True
            except Exception as error:
                self._is_working = False
                self._send(frame(f"{type(error).__name__}: {error}"))
            self._is_working = False

    def _answers(self, head: list[Any], data: bytes) -> Iterator[bytes]:
        kind, *asked = head
        if kind == "walk":
            yield from self._changes(*asked)
        elif kind == "read":
            yield from self._pieces([(_expanded(path), *part) for path, *part in asked[0]])
        elif kind == "stat":
            yield frame(self._states(asked[0]))
        elif kind == "ended":
            self._attend(*asked)
            yield frame(self._ended())
        elif kind == "replace":
            path, is_deleted = asked
            yield frame([self._replaced(_expanded(path), None if is_deleted else data)])

    def _changes(
        self,
        number: int,
        wanted: list[Any] | None,
        new: list[list[Any]],
        forgotten: list[int],
    ) -> Iterator[bytes]:
        """What changed below some roots, and which processes have ended."""
        self._attend(new, forgotten)
        if wanted is not None:
            self._looks[number] = _Look(self._files, *wanted)
        started = time.monotonic()
        changed, gone = self._looks[number].changes()
        took = round(time.monotonic() - started, 3)
        while len(changed) > _MOST_TOLD:
            told, changed = changed[:_MOST_TOLD], changed[_MOST_TOLD:]
            yield frame([time.time(), took, told, [], []], more=True)
        yield frame([round(time.time(), 3), took, changed, gone, self._ended()])

    def _attend(self, new: list[list[Any]], forgotten: list[int]) -> None:
        """Look after these processes, too, and after others no more."""
        for key in forgotten:
            self._processes.pop(key, None)
        for key, *identity in new:
            self._processes[key] = _Process(dict(zip(IDENTITY, identity)))

    def _ended(self) -> list[list[Any]]:
        """What is new of whether processes have ended."""
        return [
            [key, process.ended]
            for key, process in self._processes.items()
            if process.has_changed(self._files)
        ]

    def _states(self, paths: list[str]) -> list[list[Any]]:
        entries = self._files.stat_many([_expanded(path) for path in paths])
        return [_told(path, entry, entry.age) for path, entry in zip(paths, entries)]

    def _replaced(self, path: str, data: bytes | None) -> str:
        try:
            self._files.replace(path, data)
        except FileError as error:
            return str(error)
        return ""

    def _pieces(self, spans: Sequence[Span]) -> Iterator[bytes]:
        """Parts of files, in frames.

        Of each piece its length, below zero where more of the same part follows; instead of one
        the reason, where its file cannot be read.
        """
        head: list[Any] = []
        data: list[memoryview] = []
        size = 0
        for part in self._parts(spans):
            if isinstance(part, str):
                head.append(part)
            else:
                rest = memoryview(part)
                while size + len(rest) > _LARGEST_PIECE:
                    cut = _LARGEST_PIECE - size
                    yield frame([*head, -cut], b"".join([*data, rest[:cut]]), more=True)
                    head, data, size, rest = [], [], 0, rest[cut:]
                head.append(len(rest))
                data.append(rest)
                size += len(rest)
            if size == _LARGEST_PIECE or len(head) >= _MOST_TOLD:
                yield frame(head, b"".join(data), more=True)
                head, data, size = [], [], 0
        yield frame(head, b"".join(data))

    def _parts(self, spans: Sequence[Span]) -> Iterator[bytes | str]:
        """Each part, or why its file cannot be read."""
        for _, of_file in itertools.groupby(spans, operator.itemgetter(0)):
            group = [*of_file]
            try:
                yield from self._files.read_many(group)
            except FileError as error:
                yield from [str(error)] * len(group)

    def _received(self) -> tuple[list[Any], bytes] | None:
        """The next request; none where the connection has ended."""
        start = self._bytes(HEADER.size)
        packed = start and self._bytes(HEADER.unpack(start)[0])
        if not packed:
            return None
        head, data = unpacked(packed, _LARGEST_REQUEST)
        return json.loads(head), data

    def _bytes(self, count: int) -> bytes | None:
        parts: list[bytes] = []
        while count:
            ready, _, _ = select.select([self._source], [], [], _LONGEST_SILENCE)
            part = os.read(self._source, min(count, 1 << 20)) if ready else b""
            if not part:
                return None
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def _send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._target, rest) :]

    def _end_with_connection(self) -> None:
        """At once, also where a frozen disk keeps the answer waiting: nobody waits for it now."""
        connection = select.poll()
        connection.register(self._source, 0)  # a hang-up is always reported
        connection.poll()
        os._exit(0)

    def _say_still_at_it(self, *_: object) -> None:
        # Not while a read hangs, as on a frozen disk: then no signal gets here.
        if self._is_working:
            self._send(STILL_AT_IT)


class _Look:
    """What was told of all that is below some roots."""

    def __init__(self, files: Files, roots: list[str], patterns: list[str]) -> None:
        self._named = {_expanded(root): path_of(root) for root in roots}
        self._walk = files.repeated_walk([*self._named], tuple(patterns))
        self._told: dict[tuple[str, bool], tuple[Entry, str]] = {}

    def changes(self) -> tuple[list[list[Any]], list[tuple[str, bool]]]:
        """What is new or another, and what is gone: its name, and whether it had a problem."""
        before, self._told = self._told, {}
        changed = []
        for entry in self._walk():
            # A directory that cannot be listed may be an entry in another one, too.
            key = (entry.id, bool(entry.problem))
            known, name = before.pop(key, (None, ""))
            if entry is not known:
                name = name or text_of(self._name(entry.id))
                if known is None or _state(entry) != _state(known):
                    changed.append(_told(name, entry, entry.changed))
            self._told[key] = (entry, name)
        return changed, [(name, key[1]) for key, (_, name) in before.items()]

    def _name(self, path: str) -> str:
        """The path as it begins with the root that was asked for."""
        for root, name in self._named.items():
            if root != name and (path == root or path.startswith(f"{root}/")):
                return name + path[len(root) :]
        return path


class _Process:
    """A process, and what was told of it."""

    def __init__(self, identity: dict[str, Any]) -> None:
        self._identity = identity
        self.ended: bool | None = None

    def has_changed(self, files: Files) -> bool:
        """Whether what is to be told of it is new."""
        before, self.ended = self.ended, files.has_ended(self._identity)
        return self.ended is not before


def _state(entry: Entry) -> list[Any]:
    version = entry.version
    assert version is None or isinstance(version, tuple)
    return [
        entry.size,
        None if version is None else [*version],
        entry.is_dir,
        entry.inode,
        entry.lags,
        entry.problem,
    ]


def _told(name: str, entry: Entry, since: float | None) -> list[Any]:
    return [name, None if since is None else round(since, 3), *_state(entry)]


def _expanded(path: str) -> str:
    """A path as it is on this machine."""
    return os.path.expanduser(path_of(path))
