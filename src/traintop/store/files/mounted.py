"""Files of a network filesystem for whoever waits for them: none keeps anybody waiting for ever."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from traintop.mounts import SILENT, answer_within
from traintop.store.files import AwayError, Entry, Files, Span
from traintop.store.files.local import LocalFiles

_About = TypeVar("_About")
_Answer = TypeVar("_Answer")


class MountedFiles(LocalFiles):
    """What is asked of them one by one raises :class:`AwayError` where no answer comes.

    Walking through them may take for ever.
    """

    def __init__(self, files: Files, root: str) -> None:
        super().__init__()
        self._files = files
        self._root = root

    def stat_many(self, ids: Sequence[str]) -> list[Entry]:
        return self._answer(self._files.stat_many, ids)

    def read_many(self, spans: Sequence[Span]) -> list[bytes]:
        return self._answer(self._files.read_many, spans)

    def replace(self, file_id: str, data: bytes | None) -> None:
        self._answer(lambda file_id: self._files.replace(file_id, data), file_id)

    def _answer(self, question: Callable[[_About], _Answer], about: _About) -> _Answer:
        nothing: list[_Answer] = []
        found = answer_within(SILENT, self._root, lambda: [question(about)], nothing)
        if not found:
            raise AwayError(f"no answer for {SILENT:.0f} s")
        return found[0]
