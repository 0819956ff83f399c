"""All runs of some directories: what is there, what changed, and what cannot be read."""

from __future__ import annotations

import heapq
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from traintop.model import RunSummary
from traintop.store.annotations import FOLDER, AnnotationFolders
from traintop.store.filesystem import network_filesystem
from traintop.store.observed import ObservedRun, Signature, is_run_name, signature_of
from traintop.store.regular_file import reason_of

DEEPEST = 12
"""Levels of sub-directories that are looked into."""

MOST_DIRECTORIES = 20_000
"""Directories that are looked into; beyond it a notice says that some were left out."""

_STAMP = re.compile(r"_(\d{8}_\d{6})(?:_\d+)?\.json$")


class Snapshot(msgspec.Struct, frozen=True):
    """All runs at one moment, the newest start first. It never changes.

    ``notices`` says in words what is wrong with the directories. ``revision`` grows only when
    something changed, so equal revisions of one catalog mean equal content. ``unread`` counts the
    files that a first look left for later.
    """

    runs: tuple[RunSummary, ...]
    directories: tuple[Path, ...]
    notices: tuple[str, ...]
    revision: int
    unread: int = 0


class _Found(NamedTuple):
    """A file that may be a run's."""

    path: str
    name: str
    device: int  # of its directory
    signature: Signature

    @property
    def modified(self) -> float:
        """When it was modified last, in seconds by the clock of the machine that holds it."""
        return self.signature[2] / 1e9


class RunCatalog:
    """The runs in some directories and their sub-directories.

    Runs are the files ``experiment_*.json``, and other ``*.json`` files that look like a run's.
    Hidden files and directories are left out; annotations come from ``.traintop`` folders. A
    directory that is reached in two ways, as by a symbolic link, counts once, under the first.

    ``clock`` is the reader's monotonic clock in seconds.
    """

    def __init__(
        self, directories: Sequence[Path], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.directories = tuple(Path(directory) for directory in directories)
        self._clock = clock
        self._lock = threading.Lock()
        self._runs: dict[str, ObservedRun] = {}
        self._annotations = AnnotationFolders(clock=clock)
        self._network: dict[int, bool] = {}
        self._snapshot = Snapshot((), self.directories, (), 0)

    def first_look(self, most: int) -> Snapshot:
        """Reads only the newest runs, so that a screen has something to show at once.

        Which these are is judged before reading: by the time in a file's name, else by that of
        its modification.
        """
        with self._lock:
            scan = _Scan(self.directories)
            found = list(scan.files())
            changed = self._update(heapq.nlargest(most, found, key=_apparent_start))
            unread = max(len(found) - most, 0)
            return self._publish(changed, tuple(scan.notices), unread)

    def refresh(self) -> Snapshot:
        """Looks at every file, reads those that changed, and says how things stand now."""
        with self._lock:
            scan = _Scan(self.directories)
            found = list(scan.files())
            changed = self._update(found)
            changed |= self._annotations.refresh(scan.annotation_folders)
            return self._publish(changed, tuple(scan.notices))

    def refresh_files(self, paths: Collection[str]) -> Snapshot:
        """Looks only at these files, named as the catalog names them.

        Looks at all of them when one is new or gone.
        """
        with self._lock:
            known: list[tuple[ObservedRun, Signature]] = []
            for path in paths:
                run, state = self._runs.get(path), _state_at(path)
                if run is not None and state is not None:
                    known.append((run, signature_of(state)))
            if len(known) == len(paths):
                now = self._clock()
                changed = [run.look(signature, now) for run, signature in known]
                return self._publish(any(changed), self._snapshot.notices)
        return self.refresh()

    def report(self, trouble: str) -> Snapshot:
        """The runs as they were, with a notice; for a refresh that failed."""
        with self._lock:
            return self._publish(changed=False, notices=(trouble,))

    def _update(self, found: Sequence[_Found]) -> bool:
        """Brings the observed runs up to date; whether the list of runs changed."""
        now, wall_time = self._clock(), time.time()
        newest = self._newest_on_network(found)
        runs: dict[str, ObservedRun] = {}
        changed = False
        for file in found:
            path = file.path
            run = self._runs.get(path)
            if run is None:
                network = file.device in newest
                run = ObservedRun(
                    Path(path),
                    now,
                    # The kernel that stamps local files is ours. A server's clock is not: of its
                    # stamps, only two are compared.
                    age=(newest[file.device] if network else wall_time) - file.modified,
                    network=network,
                    sniff=not is_run_name(file.name),
                )
            runs[path] = run
            changed |= run.look(file.signature, now)
        gone = [run for path, run in self._runs.items() if path not in runs]
        self._runs = runs
        return changed or any(run.summary for run in gone)

    def _newest_on_network(self, found: Sequence[_Found]) -> dict[int, float]:
        """The newest modification time on each device that is a network filesystem."""
        newest: dict[int, float] = {}
        for file in found:
            device = file.device
            if device not in self._network:
                self._network[device] = network_filesystem(Path(file.path)) is not None
            if self._network[device]:
                newest[device] = max(newest.get(device, 0.0), file.modified)
        return newest

    def _publish(self, changed: bool, notices: tuple[str, ...], unread: int = 0) -> Snapshot:
        before = self._snapshot
        news = changed or (notices, unread) != (before.notices, before.unread)
        if news or not before.revision:
            runs = before.runs
            if changed:
                summaries = [run.summary for run in self._runs.values()]
                annotated = self._annotations.annotated
                listed = [annotated(summary) for summary in summaries if summary is not None]
                runs = tuple(sorted(listed, key=_age_order, reverse=True))
            self._snapshot = Snapshot(runs, self.directories, notices, before.revision + 1, unread)
        return self._snapshot


def _apparent_start(file: _Found) -> str:
    stamp = _STAMP.search(file.name)
    return stamp[1] if stamp else time.strftime("%Y%m%d_%H%M%S", time.localtime(file.modified))


def _age_order(summary: RunSummary) -> tuple[str, str]:
    # ISO 8601 times sort as text; names settle the order of those that started together.
    return (summary.start_time or "", summary.name)


class _Scan:
    """One walk through the directories."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self._directories = directories
        self._visited: set[tuple[int, int]] = set()
        self.notices: list[str] = []
        self.annotation_folders: list[str] = []

    def files(self) -> Iterator[_Found]:
        """The files that may be runs."""
        for root in self._directories:
            waiting = [(str(root), 0)]
            while waiting:
                directory, depth = waiting.pop()
                if len(self._visited) >= MOST_DIRECTORIES:
                    self.notices.append(
                        f"{root} has more than {MOST_DIRECTORIES} directories; some are left out"
                    )
                    break
                try:
                    yield from self._files_of(directory, depth, waiting)
                except OSError as error:
                    self._note(directory, depth, error)

    def _files_of(
        self, directory: str, depth: int, waiting: list[tuple[str, int]]
    ) -> Iterator[_Found]:
        """The files directly in a directory; its sub-directories are added to ``waiting``."""
        info = os.stat(directory)
        key = (info.st_dev, info.st_ino)
        if key in self._visited:
            return
        self._visited.add(key)
        with os.scandir(directory) as entries:
            for entry in entries:
                name = entry.name
                if name == FOLDER:
                    self.annotation_folders.append(entry.path)
                if name.startswith("."):
                    continue
                if not name.endswith(".json"):
                    if depth < DEEPEST and _is_directory(entry):
                        waiting.append((entry.path, depth + 1))
                    continue
                state = _state_of(entry)
                if state is None:
                    continue
                if stat.S_ISREG(state.st_mode) or is_run_name(name):
                    yield _Found(entry.path, name, info.st_dev, signature_of(state))
                elif depth < DEEPEST and stat.S_ISDIR(state.st_mode):
                    waiting.append((entry.path, depth + 1))

    def _note(self, directory: str, depth: int, error: OSError) -> None:
        if depth and isinstance(error, FileNotFoundError):
            return  # deleted while we walked
        self.notices.append(f"{directory} {reason_of(error)}")


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _state_of(entry: os.DirEntry[str]) -> os.stat_result | None:
    """The state of what an entry leads to, or of the link itself if that leads nowhere."""
    try:
        return entry.stat()
    except OSError:
        pass
    try:
        return entry.stat(follow_symlinks=False)
    except OSError:
        return None  # deleted while we walked


def _state_at(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None
