"""A place elsewhere without a network: files of this machine, and a count of the round trips."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from traintop.store.files import Entry, FileError, Span
from traintop.store.files.local import LocalFiles
from traintop.store.files.remote import RemoteFiles
from traintop.store.files.turns import together

PLACE = "ssh://elsewhere"


class Elsewhere(RemoteFiles):
    """What ``ssh://`` would find on this machine."""

    place, interval, traffic = "elsewhere", 0.0, ""

    def __init__(self) -> None:
        super().__init__()
        self._files = LocalFiles()
        self.trips = 0
        self.fetched = 0
        """Bytes that were got."""
        self.before_each: Callable[[], object] = int
        """Called before each round trip."""

    def _ask(self) -> None:
        self.before_each()
        self.trips += 1

    def _list(self, roots: Sequence[str], patterns: tuple[str, ...]) -> Iterator[Entry]:
        self._ask()
        return self._files.walk(roots, patterns)

    def _fetch(self, spans: Sequence[Span]) -> Sequence[bytes | FileError]:
        self._ask()
        return [self._part(span) for span in spans]

    def _part(self, span: Span) -> bytes | FileError:
        try:
            [data] = self._files.read_many([span])
        except FileError as error:
            return error
        self.fetched += len(data)
        return data

    def stat_many(self, ids: Sequence[str]) -> list[Entry]:
        return [*together(self._states, ids)]

    def _states(self, ids: Sequence[str]) -> list[Entry]:
        self._ask()
        return self._files.stat_many(ids)

    def has_ended(self, process: Mapping[str, Any]) -> bool | None:
        return self._files.has_ended(process)

    def replace(self, file_id: str, data: bytes | None) -> None:
        self._ask()
        self._files.replace(file_id, data)

    def close(self) -> None:
        pass
