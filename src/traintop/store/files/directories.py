"""What lies in directories of this machine, looked at again and again.

Most of what there is does not change any more: a run that ended last week, a directory of last
month. So the names in a directory are listed again only when its own modification says that some
came or went, and of its files only those that changed within the last hour are looked at each
time. Whatever a filesystem says or does not say, everything is looked at within a minute, or as
often as takes a hundredth of the time. This file runs on other machines, too: see
:mod:`traintop.store.files.far_side`.
"""

from __future__ import annotations

import os
import random
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from traintop.store.files import Entry, NameMatch, wanted_in
from traintop.store.files.states import entry_of, reason_of, unreadable_entry

DEEPEST = 12
"""Levels of sub-directories that are looked into."""

MOST_DIRECTORIES = 200_000
"""Directories that are looked into; beyond it an entry says that some were left out."""

LONGEST_REST = 60.0
"""Seconds after which a directory and all in it is looked at, whatever it seems."""

_LISTING = 100
"""Or so many times as long as listing all directories keeps the processor busy."""

_LIVELY = 3600.0
"""Seconds after its last change for which a file is looked at each time."""

_SETTLING = 2.0
"""Seconds that a directory must be still: two changes within a tick of a clock leave one time."""

_PACKAGES = frozenset({"__pycache__", "node_modules", "site-packages"})
"""Directories with very many files, of which none is a run."""


class _Directory(NamedTuple):
    """A directory as it was when it was listed, and its files as of the last look at them."""

    identity: tuple[int, int, int]  # device, inode, modification
    since: float  # when this was seen first
    due: float  # when it is listed again in any case
    found: tuple[Entry, ...]
    below: tuple[str, ...]
    links: tuple[str, ...]
    newest: float  # modification of a file in it, in seconds since 1970


@dataclass
class _Look:
    """One walk, and what is known of it so far."""

    now: float  # by the monotonic clock
    time: float  # in seconds since 1970
    seen: dict[str, _Directory]
    visited: set[tuple[int, int]]
    on_network: list[str]


class DirectoryWalk:
    """Walks through the same directories again and again; see :meth:`.Files.walk`.

    Entries of files that did not change are the same objects as before. ``clock`` is a
    monotonic one, in seconds. ``is_on_network`` says it of a path and its device.

    Hidden directories are left out. One that is reached in two ways counts once, under the first;
    a symbolic link to it comes last, for it may lead to another one the next time.
    """

    def __init__(
        self,
        roots: Sequence[str],
        patterns: tuple[str, ...],
        is_on_network: Callable[[str, int], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._roots = roots
        self._wanted = wanted_in(patterns)
        self._is_on_network = is_on_network
        self._clock = clock
        self._known: dict[str, _Directory] = {}
        self._listed = 0  # directories
        self._listing_seconds = 0.0
        self._newest: dict[int, float] = {}  # modification on each network filesystem

    def __call__(self) -> Iterator[Entry]:
        """What is there now."""
        look = _Look(self._clock(), time.time(), {}, set(), [])
        try:
            for root in self._roots:
                yield from self._below(root, look)
            while look.on_network:
                yield from self._dated(look.on_network.pop(), look)
            self._known = {}
        finally:  # also where nobody asks for the rest
            for directory in look.on_network:
                del look.seen[directory]
            self._known.update(look.seen)

    def _below(self, root: str, look: _Look) -> Iterator[Entry]:
        """What is in a root and below it, but for what lies on network filesystems."""
        waiting = [(root, 0)]
        while waiting:
            directory, depth = waiting.pop()
            if len(look.visited) >= MOST_DIRECTORIES:
                left_out = f"has more than {MOST_DIRECTORIES} directories; some are left out"
                yield unreadable_entry(root, left_out)
                return
            try:
                state = os.stat(directory)
                lags = self._is_on_network(directory, state.st_dev)
                if not depth and not stat.S_ISDIR(state.st_mode):
                    yield entry_of(root, state, lags)
                    return
                if (state.st_dev, state.st_ino) in look.visited:
                    continue
                look.visited.add((state.st_dev, state.st_ino))
                listed = look.seen[directory] = self._look_at(directory, state, lags, look)
            except OSError as error:
                if not depth or not isinstance(error, FileNotFoundError):  # deleted meanwhile
                    yield unreadable_entry(directory, reason_of(error))
                continue
            if lags:
                look.on_network.append(directory)
            else:
                yield from listed.found
            if depth < DEEPEST:
                waiting += [(path, depth + 1) for path in listed.below]
                waiting[:0] = [(path, depth + 1) for path in listed.links]

    def _look_at(
        self, directory: str, state: os.stat_result, lags: bool, look: _Look
    ) -> _Directory:
        identity = (state.st_dev, state.st_ino, state.st_mtime_ns)
        known = self._known.get(directory)
        # The clock of a server is not ours: there, a directory is still that was seen to be.
        since = look.now if lags else look.now - max(look.time - state.st_mtime, 0.0)
        if known is not None and known.identity == identity:
            since = min(since, known.since)
            if look.now < known.due:
                return self._look_again(known, lags, look)
        # Not all of them at the same time, and least so those that were met together.
        rest = self._rest(look) * random.uniform(0.2 if known is None else 0.8, 1.0)
        due = look.now + rest if look.now - since >= _SETTLING else look.now
        started = time.thread_time()
        found, below, links = _list(directory, self._wanted(directory), lags)
        self._listed += 1
        self._listing_seconds += time.thread_time() - started
        if known is not None:  # which takes no memory twice
            before = {entry.id: entry for entry in known.found}
            found = tuple(_same_or_new(before.get(entry.id), entry) for entry in found)
            below = known.below if below == known.below else below
        newest = max(map(_modification, found), default=0.0)
        if lags:
            self._newest[state.st_dev] = max(self._newest.get(state.st_dev, 0.0), newest)
        return _Directory(identity, since, due, found, below, links, newest)

    def _rest(self, look: _Look) -> float:
        """Seconds after which a directory is listed again in any case."""
        busy = self._listing_seconds / max(self._listed, 1)
        return max(LONGEST_REST, _LISTING * busy * max(len(self._known), len(look.seen)))

    def _look_again(self, known: _Directory, lags: bool, look: _Look) -> _Directory:
        """Look at the files that changed lately, in a directory whose names are as they were."""
        present = self._newest[known.identity[0]] if lags else look.time
        if present - known.newest >= _LIVELY:
            return known
        files = (
            entry if present - _modification(entry) >= _LIVELY else _as_it_is_now(entry)
            for entry in known.found
        )
        found = tuple(entry for entry in files if entry is not None)
        return known._replace(found=found, newest=max(map(_modification, found), default=0.0))

    def _dated(self, directory: str, look: _Look) -> Sequence[Entry]:
        """The entries of a directory on a network filesystem.

        The kernel that stamps local files is ours. A server's clock is not: of its stamps, only two
        are compared.
        """
        listed, before = look.seen[directory], self._known.get(directory)
        if before is not None and before.found is listed.found:
            return listed.found
        newest = self._newest[listed.identity[0]]
        ahead = newest - look.time
        found = tuple(each._replace(changed=_modification(each) - ahead) for each in listed.found)
        look.seen[directory] = listed._replace(found=found)
        return found


def _modification(entry: Entry) -> float:
    """When a file changed last, in seconds since 1970."""
    version = entry.version
    return version[1] / 1e9 if isinstance(version, tuple) else 0.0


def _as_it_is_now(entry: Entry) -> Entry | None:
    """The same object where nothing changed; ``None`` where it is gone."""
    try:
        state = os.stat(entry.id)
    except OSError:  # a link that leads nowhere
        try:
            state = os.lstat(entry.id)
        except OSError:
            return None
    return _same_or_new(entry, entry_of(entry.id, state, entry.lags))


def _same_or_new(before: Entry | None, entry: Entry) -> Entry:
    """The entry as it was before, where nothing changed."""
    if before is None or before[:3] != entry[:3] or before.problem != entry.problem:
        return entry
    return before


def _list(
    directory: str, wanted: NameMatch, lags: bool
) -> tuple[tuple[Entry, ...], tuple[str, ...], tuple[str, ...]]:
    """What has a wanted name in a directory, the directories to look into, and links to such."""
    found: list[Entry] = []
    below: list[str] = []
    links: list[str] = []
    with os.scandir(directory) as entries:
        for each in entries:
            if wanted(each.name):
                try:
                    state = each.stat()
                except OSError:  # a link that leads nowhere
                    with suppress(OSError):  # or it was deleted meanwhile
                        state = each.stat(follow_symlinks=False)
                        found.append(entry_of(each.path, state, lags))
                    continue
                entry = entry_of(each.path, state, lags)
                found.append(entry)
                is_dir = entry.is_dir
            else:
                is_dir = _is_directory(each)
            if is_dir and each.name.startswith("."):
                if wanted(each.name) and not each.is_symlink():
                    below.append(each.path)
            elif is_dir and each.name not in _PACKAGES:
                (links if each.is_symlink() else below).append(each.path)
    return (*found,), (*below,), (*links,)


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
