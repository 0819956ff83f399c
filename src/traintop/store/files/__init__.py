"""Where runs lie: the few questions that a reader asks of a place, whatever kind of place it is.

This file runs on other machines, too: see :mod:`traintop.store.files.far_side`.
"""

from __future__ import annotations

import fnmatch
import functools
import re
import time
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from typing import Any, Callable, NamedTuple, Protocol, Tuple, TypeVar


class Entry(NamedTuple):
    """What a listing says of a file or directory; nothing was opened for it."""

    id: str
    """Where it is: of a local file its path, as the root that it is below was given."""
    size: int
    """In bytes."""
    version: Hashable
    """Differs when the content may be another."""
    changed: float | None
    """When it changed last, in seconds since 1970 by the clock of this machine; None: unknown.

    Where another machine stamps it: as long before it was listed as that one's clock said.
    """
    is_dir: bool
    inode: Hashable = None
    """Stays the same as long as the same file is written to; None where that is not known."""
    lags: bool = False
    """Whether version and size may be some seconds old, as a network filesystem caches them."""
    problem: str = ""
    """Why it cannot be read, as words that follow its name; else empty."""
    is_exact: bool = False
    """Whether another content has another version, however soon it follows."""

    @property
    def age(self) -> float | None:
        """Seconds since its last change; None: unknown."""
        return None if self.changed is None else time.time() - self.changed


Span = Tuple[str, int, int]
"""Id, start and length in bytes of a part of a file."""


_Job = TypeVar("_Job")
_Result = TypeVar("_Result")


MISSING = "does not exist"
"""Why a file cannot be read that is not there."""


class FileError(Exception):
    """A file that cannot be read now; the message has the reason, as words that follow its name."""


class AwayError(FileError):
    """A whole place that does not answer now, such as a host that is down; the message says why.

    What was known of its files counts until it is back.
    """


class Files(Protocol):
    """A kind of place where files lie. Any thread may ask; errors are :class:`FileError`.

    The ids of its files begin with one of the roots, as these were given: ``ssh://box/runs/a.json``
    is below ``ssh://box/runs``.
    """

    @property
    def place(self) -> str:
        """What a person calls it: ``gpu07``, ``s3://lab``; empty for this machine."""

    @property
    def interval(self) -> float:
        """Seconds between two looks at what changed, where nothing hints at a change."""

    @property
    def traffic(self) -> str:
        """What was asked of it so far, where that costs money: "152 requests"; else empty."""

    def walk(self, roots: Sequence[str], patterns: tuple[str, ...]) -> Iterator[Entry]:
        """What is below some roots and matches one of the patterns, each once.

        Patterns are as :mod:`fnmatch` has them, for names; ``run-*/metrics/*`` wants all files in
        such folders. Hidden names match none of them, and hidden directories are left out, but for
        those that a pattern wants files of: ``.traintop/*.json``.

        A directory that cannot be listed is an entry with a ``problem``. A root may be a file,
        whatever its name. Raises :class:`AwayError` before the first entry.
        """

    def repeated_walk(
        self, roots: Sequence[str], patterns: tuple[str, ...]
    ) -> Callable[[], Iterator[Entry]]:
        """The same walk, to be called again and again.

        It may leave out of a look what seems not to have changed, and then has the same objects for
        it as before; but nothing for longer than a minute.
        """
        return functools.partial(self.walk, roots, patterns)

    def files_below(self, directories: Sequence[str]) -> list[Entry]:
        """All files below some directories, for who needs them of a run: what was kept stays."""
        found = self.walk(directories, ("*",))
        return [entry for entry in found if not entry.is_dir and not entry.problem]

    def stat_many(self, ids: Sequence[str]) -> list[Entry]:
        """How some files are now; one that is not there has no version, but a ``problem``.

        Where asking costs a round trip, how they were at the last walk; see :meth:`stat_now`.
        """

    def stat_now(self, ids: Sequence[str]) -> list[Entry]:
        """The same, whatever the last walk found."""
        return self.stat_many(ids)

    def read_many(self, spans: Sequence[Span]) -> list[bytes]:
        """Several parts of files; fewer bytes of one only where its file ends.

        They cost as much as one, as far as the place allows. Those of one file are next to each
        other.
        """

    def prefetch(self, spans: Sequence[Span]) -> None:
        """Get parts of files at once that will be read one by one, until the next walk.

        Where each reading is a round trip. A file that cannot be read says so when it is.
        """

    def in_turns(self, work: Callable[[_Job], _Result], jobs: Collection[_Job]) -> list[_Result]:
        """What some work that asks this place makes of each of the jobs, one after the other.

        Where each question is a round trip, one job waits for the answers while others begin.
        """
        return [work(job) for job in jobs]

    def has_ended(self, process: Mapping[str, Any]) -> bool | None:
        """Whether a process has ended, by the machine that holds the files.

        ``None`` where that cannot be known there: see :func:`traintop.process.has_ended`.
        """

    def replace(self, file_id: str, data: bytes | None) -> None:
        """Write a small file of ours as a whole, in its folder, or delete it."""

    def close(self) -> None:
        """End what is open to the place; another question opens it again."""

    def stat(self, file_id: str) -> Entry:
        """How one file is now."""
        return self.stat_all([file_id])[0]

    def stat_all(self, ids: Sequence[str]) -> list[Entry]:
        """How some files are now, all of which are there."""
        entries = self.stat_many(ids)
        for entry in entries:
            if entry.version is None:
                raise FileError(entry.problem)
        return entries

    def read(self, file_id: str, start: int, length: int) -> bytes:
        """A part of a file; fewer bytes only where the file ends."""
        return self.read_many([(file_id, start, length)])[0]


NameMatch = Callable[[str], object]
"""Says of a name whether it is wanted."""


@functools.lru_cache(maxsize=None)
def wanted_in(patterns: tuple[str, ...]) -> Callable[[str], NameMatch]:
    """Says of a directory, by its path, which names in it match some patterns; see ``walk``.

    A hidden directory matches where a pattern names it; and in it, what that pattern wants.
    """
    hidden = dict(one.split("/") for one in patterns if one.startswith("."))
    names = [one for one in patterns if "/" not in one]
    folders = [f"*/{one}" for one in patterns if "/" in one and not one.startswith(".")]
    match = re.compile(rf"(?!\.)(?:{_any_of(names)})|{_any_of([*hidden])}").match
    in_hidden = {name: re.compile(_any_of([glob])).match for name, glob in hidden.items()}
    in_folder, any_name = re.compile(_any_of(folders)).match, re.compile(r"(?!\.)").match

    def wanted(directory: str) -> NameMatch:
        name = directory.rpartition("/")[2]
        if name in in_hidden:
            return in_hidden[name]
        return any_name if in_folder(f"/{directory}/") else match

    return wanted


def _any_of(patterns: Sequence[str]) -> str:
    return "|".join(map(fnmatch.translate, patterns)) or "(?!)"
