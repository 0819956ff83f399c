"""Files of another machine, by a helper at the end of a pipe."""

from __future__ import annotations

import contextlib
import math
import shlex
import threading
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from traintop.store.files import AwayError, Entry, FileError, Span
from traintop.store.files.connection import Connection, LostError
from traintop.store.files.remote import RemoteFiles
from traintop.store.files.told import Changes, Listing, Parts, Processes, Told, entry_of
from traintop.store.files.turns import together
from traintop.store.files.wire import frame, text_of, unpacked

PYTHON = ("python3", "-Iiq", "-")
"""A Python that runs what it is given line by line, and nothing else."""

_MOST_LISTINGS = 8  # sets of roots and patterns of which it is known what was told
_SHORTEST_INTERVAL = 1.0
_BUSY = 20  # times as long as a look took there, the next one waits at least
_LONGEST_REASON = 1000

_changes = msgspec.json.Decoder(Changes)
_states = msgspec.json.Decoder(list[Told])
_parts = msgspec.json.Decoder(list[int | str])
_reasons = msgspec.json.Decoder(list[str])
_ended = msgspec.json.Decoder(list[tuple[int, bool | None]])


class PipedFiles(RemoteFiles):
    """The files of a machine to which a command leads."""

    traffic = ""

    def __init__(self) -> None:
        super().__init__()
        self._asking = threading.Lock()  # held while the helper is asked
        self._connection: Connection | None = None
        self._lost = ""  # why there is none
        self._listings: dict[tuple[tuple[str, ...], tuple[str, ...]], Listing] = {}
        self._listed: Listing | None = None  # the newest, as long as it counts
        self._processes = Processes()
        self._took = 0.0

    @abstractmethod
    def command(self) -> list[str]:
        """What leads there, and starts a Python that reads its program line by line."""

    def reason(self, error: LostError) -> str:
        """Why there is no connection, in words for a person."""
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
        """A second; more where the other machine is busy for long with each listing."""
        return max(_SHORTEST_INTERVAL, math.ceil(self._took * _BUSY))

    def stat_many(self, ids: Sequence[str]) -> list[Entry]:
        """How some files are: what the last walk found counts until the next."""
        listed = self._listed  # another thread may walk
        found = [] if listed is None else [listed.entry(file_id) for file_id in ids]
        known = [entry for entry in found if entry is not None]
        if known and len(known) == len(ids):
            return known
        return self.stat_now(ids)

    def stat_now(self, ids: Sequence[str]) -> list[Entry]:
        """How some files are now."""
        return [*together(self._states, ids)]

    def _states(self, ids: Sequence[str]) -> list[Entry]:
        with self._talking() as connection:
            [(head, _)] = _answers(connection, ["stat", [*map(text_of, ids)]])
            told = _states.decode(head)
            if len(told) != len(ids):
                raise ValueError("other files than were asked for")
        ours = time.time()
        return [
            entry_of(file_id, one, None if one.since is None else ours - one.since)
            for file_id, one in zip(ids, told, strict=True)
        ]

    def has_ended(self, process: Mapping[str, Any]) -> bool | None:
        """Whether a process has ended, as of the last walk; one that is new is asked about now."""
        answer = self._processes.has_ended(process)
        if answer is None and self._processes.has_news:
            together(self._ask_about_processes, [None])
            answer = self._processes.has_ended(process)
        return answer

    def _ask_about_processes(self, askers: Sequence[None]) -> Sequence[None]:
        """All that are new at once, whoever asked about them."""
        with self._talking() as connection:
            [(head, _)] = _answers(connection, ["ended", *self._processes.news()])
            self._processes.take(_ended.decode(head))
        return askers

    def replace(self, file_id: str, data: bytes | None) -> None:
        """Write a small file there as a whole, or delete it."""
        with self._talking() as connection:
            request = ["replace", text_of(file_id), data is None]
            [(head, _)] = _answers(connection, request, data or b"")
            [problem] = _reasons.decode(head)
        if problem:
            raise FileError(problem)

    def close(self) -> None:
        """End the connection; another question makes a new one."""
        with self._asking:
            self._disconnect("")

    def walk(self, roots: Sequence[str], patterns: tuple[str, ...]) -> Iterator[Entry]:
        """What is there now, which counts until the next walk."""
        self.forget()
        self._listed = self._look(roots, patterns, connects=True)
        return iter(self._listed.entries())

    def _list(self, roots: Sequence[str], patterns: tuple[str, ...]) -> Iterator[Entry]:
        return iter(self._look(roots, patterns).entries())

    def _look(
        self, roots: Sequence[str], patterns: tuple[str, ...], *, connects: bool = False
    ) -> Listing:
        with self._talking(connects=connects) as connection:
            listing, wanted = self._listing((*roots,), patterns)
            new, forgotten = self._processes.news()
            request = ["walk", listing.number, wanted, new, forgotten]
            for head, _ in _answers(connection, request):
                changes = _changes.decode(head)
                listing.take(changes)
            self._processes.take(changes.ended)
        if connects:
            self._took = changes.took
        return listing

    def _listing(self, roots: tuple[str, ...], patterns: tuple[str, ...]) -> tuple[Listing, Any]:
        """What is known below some roots, and what the helper has to be told of them."""
        listing = self._listings.pop((roots, patterns), None)
        wanted = None
        if listing is None:
            wanted = [[*map(text_of, roots)], patterns]
            number = len(self._listings)
            if number == _MOST_LISTINGS:
                number = self._listings.pop(next(iter(self._listings))).number
            listing = Listing(number, roots)
        self._listings[roots, patterns] = listing
        return listing, wanted

    def _size_of(self, file_id: str) -> int | None:
        entry = None if self._listed is None else self._listed.entry(file_id)
        return None if entry is None else entry.size

    def _fetch(self, spans: Sequence[Span]) -> Sequence[bytes | FileError]:
        with self._talking() as connection:
            parts = Parts(spans)
            asked = [(text_of(file_id), *part) for file_id, *part in spans]
            for head, data in _answers(connection, ["read", asked]):
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
        self._listings, self._listed = {}, None
        self._processes.forget_answers()
        if connection is not None:
            connection.close()


def _answers(
    connection: Connection, request: list[Any], data: bytes = b""
) -> Iterator[tuple[bytes, bytes]]:
    """The frames of an answer: texts of JSON, and bytes."""
    for packed in connection.ask(frame(request, data)):
        head, more = unpacked(packed)
        if head.startswith(b'"'):
            raise LostError(f"its helper failed: {head[:_LONGEST_REASON].decode()}")
        yield head, more


class CommandFiles(PipedFiles):
    """The files to which a person's command leads, such as ``docker exec -i job python3 -``.

    No shell runs it. Raises ``ValueError`` where it ends with no Python that reads its program.
    """

    def __init__(self, command: str) -> None:
        super().__init__()
        words = shlex.split(command)
        # Settings are no shell: there, quotes around the command stay.
        self._words = shlex.split(words[0]) if len(words) == 1 else words
        if len(self._words) < 2 or self._words[-1] != "-":
            raise ValueError(f"{command!r} does not end with: python3 -")

    @property
    def place(self) -> str:
        """The command without the Python."""
        return shlex.join(self._words[:-2] or self._words)

    def command(self) -> list[str]:
        """The command, with what makes its Python read line by line."""
        return [*self._words[:-1], *PYTHON[1:]]
