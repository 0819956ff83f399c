"""All runs of some directories: what is there, what changed, and what cannot be read."""

from __future__ import annotations

import functools
import heapq
import math
import os
import re
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import NamedTuple, cast

import msgspec

from traintop.metrics import take_stated_directions
from traintop.model import RunStatus, RunSummary
from traintop.progress import start_order
from traintop.run_ids import parts_of, stem_of
from traintop.store.annotations import AnnotationFolders
from traintop.store.cache import SummaryCache
from traintop.store.files import Entry, FileError, Files
from traintop.store.files.local import LocalFiles
from traintop.store.formats import (
    ManyRunsFormat,
    RunFormat,
    StreamingReader,
    UnreadableRunError,
    is_format_forced,
    run_formats,
)
from traintop.store.liveness import SETTLING, ObservedRun
from traintop.store.other_files import other_files
from traintop.store.shared_reader import SharedReader
from traintop.store.sidecars import FOLDER
from traintop.store.sources import (
    Claim,
    formats_by_name,
    many_runs_formats,
    runs_of_files,
    wanted_names,
)

_START_BYTES = 64 * 1024
_DECISIVE_BYTES = 4096  # of a file; a shorter one may yet show that it is of a richer format
_STAMP = re.compile(r"_(\d{8}_\d{6})(?:_\d+)?\.json$")


class Snapshot(msgspec.Struct, frozen=True):
    """All runs at one moment, the newest start first. It never changes.

    ``notices`` says in words what is wrong with the directories. ``revision`` grows only when
    something changed, so equal revisions of one catalog mean equal content. ``unread`` counts the
    files that a first look left for later. ``others`` names what is there where no run is.
    """

    runs: tuple[RunSummary, ...]
    directories: tuple[Path, ...]
    notices: tuple[str, ...]
    revision: int
    unread: int = 0
    others: str = ""


class RunCatalog:
    """The runs in some directories and their sub-directories.

    Runs are the files that one of the formats claims: ``experiment_*.json``, and what looks like a
    run's. Hidden files and directories are left out; annotations come from ``.traintop`` folders.
    One of many runs in a file may be named instead of a directory.

    ``clock`` is the reader's monotonic clock in seconds.
    """

    def __init__(
        self, directories: Sequence[Path], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.directories = tuple(_with_name(Path(directory)) for directory in directories)
        self._roots = [parts_of(str(directory))[0] for directory in self.directories]
        self._named: dict[str, set[str]] = {}  # runs by the files that hold many
        for run_id in map(str, self.directories):
            holder, key = parts_of(run_id)
            if key:
                self._named.setdefault(holder, set()).add(run_id)
        self._files: Files = LocalFiles()
        self._clock = clock
        self._lock = threading.Lock()
        self.scan_seconds = 0.0
        """How long the last look at the directories took, without reading any file."""
        self._claims: dict[str, Claim] = {}
        self._run_of: dict[str, str] = {}  # by the ids of files
        self._many: dict[str, Sequence[Entry]] = {}  # the files of claims that are many runs
        self._runs: dict[str, ObservedRun] = {}
        self._annotations = AnnotationFolders(clock=clock)
        self._cache = SummaryCache(self._roots)
        self._snapshot = Snapshot((), self.directories, (), 0)

    def first_look(self, most: int, seconds: float) -> Snapshot:
        """Reads only the newest runs, so that a screen has something to show at once.

        Which these are is judged before reading: by the time in a file's name, else by that of
        its modification. After so many seconds no other run is begun.
        """
        with self._lock:
            scan = self._scan()
            newest = heapq.nlargest(most, scan.files, key=_apparent_start)
            changed, unread = self._update(newest, seconds)
            unread += max(len(scan.files) - most, 0)
            return self._publish(changed, self._notices(scan), unread)

    def refresh(self, seconds: float = math.inf) -> Snapshot:
        """Looks at every file, reads those that changed, and returns the present state.

        After so many seconds no run is begun that was not read before; the snapshot says how many
        are unread, and the next call reads more of them.
        """
        with self._lock:
            scan = self._scan()
            changed, unread = self._update(scan.files, seconds)
            alone = [root for root in self._roots if root in self._runs or root in self._many]
            beside = [f"{Path(root).parent / FOLDER}" for root in alone]
            changed |= self._annotations.refresh([*scan.annotation_folders, *beside])
            self._cache.save(self._runs.keys())
            others = "" if self._runs else self.other_files()
            return self._publish(changed, self._notices(scan), unread, others)

    def refresh_files(self, ids: Collection[str]) -> Snapshot:
        """Looks only at these files, named as the catalog names them.

        Looks at all of them when one is new or gone.
        """
        with self._lock:
            changed = self._update_known(ids)
            if changed is not None:
                return self._publish(changed, self._snapshot.notices)
        return self.refresh()

    def other_files(self, *, tools_only: bool = False) -> str:
        """What is not read, in words; see :func:`traintop.store.other_files.other_files`."""
        # Not those either whose run is shown from a richer file beside them.
        known = {file_id for file_id, claim in self._claims.items() if claim.run_id is not None}
        return other_files(self._files, self._roots, known, tools_only=tools_only)

    def report(self, trouble: str) -> Snapshot:
        """The runs as they were, with a notice; for a refresh that failed."""
        with self._lock:
            return self._publish(changed=False, notices=(trouble,))

    def may_be_a_run(self, path: str) -> bool:
        """Whether a file is looked at, by its name."""
        directory, name = os.path.split(path)
        return bool(wanted_names(run_formats().known)(directory)(name))

    def reader(self, run_id: str) -> StreamingReader:
        """A reader of one run, for any thread; it never waits for a refresh.

        Raises :class:`UnreadableRunError` when there is no such run, or none any more.
        """
        run = self._runs.get(run_id)
        if run is None:
            raise UnreadableRunError(f"{run_id} does not exist")
        return SharedReader(run)

    def _scan(self) -> _Scan:
        started = time.monotonic()
        formats, problems = run_formats()
        scan = _Scan([], [], list(problems))
        for entry in self._files.walk(self._roots, wanted_names(formats)):
            if not entry.is_dir:
                scan.files.append(entry)
            elif entry.problem:
                scan.notices.append(f"{entry.id} {entry.problem}")
            elif PurePath(entry.id).name == FOLDER:
                scan.annotation_folders.append(entry.id)
            else:
                scan.files.append(entry)
        self.scan_seconds = time.monotonic() - started
        return scan

    def _notices(self, scan: _Scan) -> list[str]:
        claims = [(root, self._claims.get(root)) for root in self._roots]
        no_runs = [root for root, claim in claims if claim is not None and not claim.run_id]
        return [*scan.notices, *(f"{root} is neither a directory nor a run" for root in no_runs)]

    def _update(self, files: Iterable[Entry], seconds: float) -> tuple[bool, int]:
        """Brings the observed runs up to date: whether the list changed, how many are unread."""
        look = _Look(self._clock(), time.monotonic() + seconds, {})
        before = self._claims
        claims: dict[str, Claim] = {}
        found: dict[str, Entry] = {}
        is_new = False
        for entry in files:
            claim = known = before.get(entry.id)
            is_settled = claim is not None and claim.is_final and claim.run_id
            if claim is None or not (is_settled or claim.holds(entry)):
                claim = self._claim(entry)
                is_new |= not claim.is_same(known)
            claims[entry.id], found[entry.id] = claim, entry
        if is_new or len(claims) != len(before):
            self._run_of = runs_of_files(claims, run_formats().known)
        files_of: dict[str, list[Entry]] = {}
        for file_id, run_id in self._run_of.items():
            files_of.setdefault(run_id, []).append(found[file_id])
        many = many_runs_formats(run_formats().known)
        self._many = {}
        for run_id, entries in files_of.items():
            claim = claims[entries[0].id]
            if claim.run_id != run_id:  # that of a part
                own_claims = (claims[each.id] for each in entries)
                claim = next((one for one in own_claims if one.run_id == run_id), claim)
            formats, known_run = claim.formats, self._runs.get(run_id)
            if formats[0] in many:
                self._many[run_id] = entries
                self._look_into(run_id, formats, look)
            elif known_run is not None and known_run.formats is formats:  # as nearly all are
                look.runs[run_id] = known_run
                look.changed |= known_run.look(entries, look.now)
            else:
                self._look_at(run_id, entries, formats, look)
        look.changed |= self._runs.keys() != look.runs.keys()
        self._claims, self._runs = claims, look.runs
        return look.changed, look.unread

    def _look_at(
        self,
        run_id: str,
        entries: Sequence[Entry],
        formats: tuple[RunFormat, ...],
        look: _Look,
    ) -> None:
        """Brings one run up to date; a new one if there is time."""
        run = self._runs.get(run_id)
        if run is None:
            if look.has_begun and time.monotonic() > look.ends:
                look.unread += 1
                return
            look.has_begun = True
        if run is None or run.formats != formats:
            name = functools.partial(self._name_of, run_id, is_file=entries[0].id == run_id)
            run = ObservedRun(run_id, self._files, formats, self._cache, name)
        look.runs[run_id] = run
        look.changed |= run.look(entries, look.now)

    def _look_into(self, holder: str, formats: tuple[RunFormat, ...], look: _Look) -> None:
        """Brings the runs up to date that are in one file, or in the files of one claim.

        While they cannot be found, they stay as they were; where there were none, the file itself
        is listed, with the reason.
        """
        files, named = self._many[holder], self._named.get(holder)
        try:
            for entry in cast("ManyRunsFormat", formats[0]).runs(self._files, files):
                if named is None or entry.id in named:
                    self._look_at(entry.id, [entry], formats, look)
        except (FileError, ValueError) as error:
            known = self._runs_of(holder)
            if known and isinstance(error, FileError):
                look.runs |= known
            else:
                self._look_at(holder, [files[0]._replace(problem=str(error))], formats, look)

    def _runs_of(self, holder: str) -> dict[str, ObservedRun]:
        """The runs that are in a file, or what is listed instead of them."""
        start = f"{holder}#"
        return {
            run_id: run
            for run_id, run in self._runs.items()
            if run_id.startswith(start) or run_id == holder
        }

    def _update_known(self, ids: Iterable[str]) -> bool | None:
        """As :meth:`_update`, of some files; ``None`` when one of them is new or gone."""
        now = self._clock()
        changed = False
        holders: dict[str, None] = {}
        for file_id in ids:
            holder = self._run_of.get(file_id, "")
            if holder in self._many:
                holders[holder] = None
                continue
            before = self._claims.get(file_id)
            try:
                entry = self._files.stat(file_id)
            except FileError:
                if before is None:
                    continue  # it came and went
                return None
            claim = None if before is None else self._claim(entry)
            if claim is None or not claim.is_same(before):
                return None
            self._claims[file_id] = claim
            if file_id not in self._run_of:
                continue
            run = self._runs.get(self._run_of[file_id])
            if run is None:
                return None
            entries = [entry if known.id == file_id else known for known in run.entries]
            changed |= run.look(entries, now)
        for holder in holders:
            try:
                self._many[holder] = [self._files.stat(each.id) for each in self._many[holder]]
            except FileError:
                return None
            look, before_it = _Look(now, math.inf, {}), self._runs_of(holder)
            self._look_into(holder, self._claims[holder].formats, look)
            changed |= look.changed
            if look.runs.keys() != before_it.keys():
                others = {one: run for one, run in self._runs.items() if one not in before_it}
                self._runs, changed = others | look.runs, True
        return changed

    def _name_of(self, run_id: str, *, is_file: bool) -> str:
        """What a run is called whose files give it no name: its path below its root."""
        if parts_of(run_id)[1]:
            return stem_of(run_id)
        path = PurePath(run_id)
        root = max((root for root in self._roots if path.is_relative_to(root)), key=len, default="")
        below = path.relative_to(root) if root else path
        if not below.name:
            return os.path.basename(os.path.abspath(run_id))
        return str(below.with_suffix("") if is_file else below)

    def _claim(self, entry: Entry) -> Claim:
        known = self._claims.get(entry.id)
        if known is not None and known.holds(entry):
            return known

        read: list[bytes] = []

        def start() -> bytes:
            if entry.problem or entry.is_dir:
                raise FileError(entry.problem)
            if not read:
                read.append(self._files.read(entry.id, 0, _START_BYTES))
            return read[0]

        known_formats: Sequence[RunFormat] = run_formats().known
        if not (is_format_forced() and entry.id in self._roots):
            known_formats = formats_by_name(run_formats().known, entry.id)
        if self._cache.has(entry.id):
            kept = self._cache.get(entry.id, [entry], [each.name for each in known_formats])
            if kept is not None:  # it was read as a run of its own, and is as it was then
                formats = tuple(each for each in known_formats if each.name == kept[0])
                return Claim(entry.id, formats, entry[:3], entry.size >= _DECISIVE_BYTES)
        claims = [(_claimed(each, entry, start), each) for each in known_formats]
        first = next((run_id for run_id, _ in claims if run_id is not None), None)
        if first is None and entry.id in self._roots:
            # A person named this file: a format that reads such names says what is wrong with it.
            claims = [(entry.id, each) for each in known_formats]
            first = entry.id if claims else None
        if first is None and known is not None and known.run_id:
            return known  # it may just be written anew
        formats = tuple(each for run_id, each in claims if run_id and run_id == first)
        is_still = entry.age is None or entry.age >= SETTLING
        is_final = entry.size >= _DECISIVE_BYTES if first else is_still
        return Claim(first, formats, entry[:3], is_final)

    def _publish(
        self, changed: bool, notices: Iterable[str], unread: int = 0, others: str = ""
    ) -> Snapshot:
        before, notices = self._snapshot, tuple(notices)
        aside = (notices, unread, others)
        news = changed or aside != (before.notices, before.unread, before.others)
        if news or not before.revision:
            runs = before.runs
            if changed:
                listed = [
                    run.annotated(self._annotations.of(run.id)) for run in self._runs.values()
                ]
                runs = tuple(sorted(listed, key=start_order, reverse=True))
                take_stated_directions(runs)
            revision = before.revision + 1
            self._snapshot = Snapshot(runs, self.directories, notices, revision, unread, others)
        return self._snapshot


def holds_a_run(path: Path) -> bool:
    """Whether a file is that of a run which can be read."""
    runs = RunCatalog([path]).refresh().runs
    return any(run.status is not RunStatus.UNREADABLE for run in runs)


@dataclass(slots=True)
class _Look:
    """A look at all runs, or at some of them, and what is known of it so far."""

    now: float  # by the clock of the catalog
    ends: float  # when no other run is begun, by the monotonic clock
    runs: dict[str, ObservedRun]
    has_begun: bool = False  # a run that was not read before
    changed: bool = False
    unread: int = 0


class _Scan(NamedTuple):
    """What one walk through the directories found."""

    files: list[Entry]
    annotation_folders: list[str]
    notices: list[str]


def _with_name(directory: Path) -> Path:
    """A directory as it was given, unless that is no name, as "." is none."""
    return Path(os.path.abspath(directory)) if directory.name in ("", "..") else directory


def _claimed(run_format: RunFormat, entry: Entry, start: Callable[[], bytes]) -> str | None:
    try:
        return run_format.claims(entry, start)
    except Exception:  # it cannot be read; or another package is wrong, which hides no other run
        return None


def _apparent_start(entry: Entry) -> str:
    stamp = _STAMP.search(entry.id)
    if stamp:
        return stamp[1]
    return time.strftime("%Y%m%d_%H%M%S", time.localtime(time.time() - (entry.age or 0.0)))
