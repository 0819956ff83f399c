"""Where runs lie: the few questions that a reader asks of a place, whatever kind of place it is."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import NamedTuple, Protocol


class Entry(NamedTuple):
    """What a listing says of a file or directory; nothing was opened for it."""

    id: str
    """Where it is: of a local file its path, as the root that it is below was given."""
    size: int
    """In bytes."""
    version: Hashable
    """Differs when the content may be another."""
    age: float | None
    """Seconds since its last change, by the clock of the machine that holds it; None: unknown."""
    is_dir: bool
    inode: Hashable = None
    """Stays the same as long as the same file is written to; None where that is not known."""
    lags: bool = False
    """Whether version and size may be some seconds old, as a network filesystem caches them."""
    problem: str = ""
    """Why it cannot be read, as words that follow its name; else empty."""


Span = tuple[str, int, int]
"""Id, start and length in bytes of a part of a file."""


WantedIn = Callable[[str], Callable[[str], object]]
"""Says of a directory, by its path, how to tell the names in it that are wanted."""


class FileError(Exception):
    """A file that cannot be read now; the message has the reason, as words that follow its name."""


class Files(Protocol):
    """A kind of place where files lie. Any thread may ask; errors are :class:`FileError`."""

    def walk(self, roots: Sequence[str], wanted_in: WantedIn) -> Iterator[Entry]:
        """What is below some roots and has a wanted name, each once.

        A directory that cannot be listed is an entry with a ``problem``. A root may be a file,
        whatever its name.
        """

    def stat(self, file_id: str) -> Entry:
        """How one file is now."""

    def read(self, file_id: str, start: int, length: int) -> bytes:
        """A part of a file; fewer bytes only where the file ends."""

    def read_many(self, spans: Sequence[Span]) -> list[bytes]:
        """Several parts at the cost of one, as far as the place allows; next to each other where
        they are of one file.
        """
