"""A place elsewhere that a test can let go away, or keep waiting: directories of this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

from traintop.store.files import AwayError, Entry, Span
from traintop.store.files.local import LocalFiles


class Box(LocalFiles):
    """Answers as long as there is no ``reason`` why it does not, once it ``answers`` at all."""

    place = "box"
    interval = 0.05

    def __init__(self) -> None:
        super().__init__()
        self.reason = ""
        self.answers = threading.Event()
        self.answers.set()
        self.asked = 0

    def walk(self, roots: Sequence[str], patterns: tuple[str, ...]) -> Iterator[Entry]:
        self._reach()
        return super().walk(roots, patterns)

    def repeated_walk(
        self, roots: Sequence[str], patterns: tuple[str, ...]
    ) -> Callable[[], Iterator[Entry]]:
        return lambda: self.walk(roots, patterns)

    def stat_many(self, ids: Sequence[str]) -> list[Entry]:
        self._reach()
        return super().stat_many(ids)

    def read_many(self, spans: Sequence[Span]) -> list[bytes]:
        self._reach()
        return super().read_many(spans)

    def _reach(self) -> None:
        self.asked += 1
        self.answers.wait()
        if self.reason:
            raise AwayError(self.reason)
