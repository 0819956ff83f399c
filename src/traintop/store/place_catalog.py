"""All runs of one place: what is there, what changed, and what cannot be read."""

from __future__ import annotations

import functools
import heapq
import math
import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from msgspec.structs import replace

from traintop.model import Annotations, RunSummary
from traintop.progress import start_order
from traintop.run_ids import Location, location_of
from traintop.store.annotations import AnnotationChange, AnnotationFiles, Saved
from traintop.store.cache import SummaryCache
from traintop.store.claims import ClaimedRun, FileClaims
from traintop.store.console import ConsoleReader
from traintop.store.files import AwayError, Entry, FileError, Files, wanted_in
from traintop.store.files.places import asked_once
from traintop.store.formats import (
    ManyRunsFormat,
    RunFormat,
    StreamingReader,
    UnreadableRunError,
    run_formats,
)
from traintop.store.kept_block import ReadRun
from traintop.store.liveness import ObservedRun, as_written
from traintop.store.observed_runs import ObservedRuns
from traintop.store.other_files import other_files
from traintop.store.packed_summary import PackedSummary, SummaryPacker
from traintop.store.reach import PlaceReach
from traintop.store.roots import PlaceRoots
from traintop.store.run_order import RunOrder, apparent_start
from traintop.store.scan import PlaceScan, Scan
from traintop.store.shared_reader import SharedReader
from traintop.store.sidecars import FOLDER, SIDECARS, read_patch
from traintop.store.snapshot import PlaceState, Snapshot
from traintop.store.sources import many_runs_formats, wanted_names

_SCANNING = 50  # times as long as a scan took, the next one waits at least


class PlaceCatalog:
    """The runs in some directories of one place, and in their sub-directories.

    Runs are the files that one of the formats claims: ``experiment_*.json``, and what looks like a
    run's. Hidden files and directories are left out; annotations come from ``.traintop`` folders.
    One of many runs in a file may be named instead of a directory.

    Inside, files and runs are known by their paths in the ``place``, whose address stands before
    them elsewhere. ``clock`` is the reader's monotonic clock in seconds.
    """

    def __init__(
        self,
        files: Files,
        place: str,
        paths: Sequence[str],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._roots = PlaceRoots(place, paths)
        self.roots = self._roots.addresses
        self._place = place
        self.files = files
        self._clock = clock
        self._lock = threading.Lock()
        self._scan = PlaceScan(files, place, self._roots.paths)
        self._many: dict[str, Sequence[Entry]] = {}  # the files of claims that are many runs
        self._runs = ObservedRuns()
        self._restless: set[str] = set()  # runs to be looked at although no file of theirs changed
        self._order = RunOrder()
        self._asked = asked_once(files, self.roots[0])
        self._annotations = AnnotationFiles(self._asked, place)
        self._are_annotations_read = False
        self._packer = SummaryPacker()
        self._name = self._roots.name_of  # one for all runs
        addresses = [str(Location(place, root)) for root in self._roots.paths]
        self._cache = SummaryCache(addresses, self._roots.address_above)
        self._kept: Mapping[str, RunSummary] = {}  # of an earlier start, until all were looked at
        self._claims = FileClaims(files, self._cache, self._roots.paths)
        self._overdue: dict[str, Entry | None] = {}
        """How files were at the last look at their runs, which may be others since."""
        self._is_torn = False  # a look that failed has seen files whose runs it did not look at
        self._reach = PlaceReach(
            files.place or self.roots[0], self.roots, clock, is_remote=bool(place)
        )
        self.snapshot = Snapshot((), self.roots, (), 0)
        """The state as of the last look."""

    @property
    def pause(self) -> float:
        """Seconds from one look to the next, where nothing hints at a change."""
        return self._reach.pause(max(self.files.interval, _SCANNING * self._scan.seconds))

    def first_look(self, most: int, seconds: float) -> Snapshot:
        """Reads only the newest runs, so that a screen has something to show at once.

        Which these are is judged before reading: by the time in a file's name, else by that of
        its modification. After so many seconds no other run is begun.
        """
        with self._lock:
            return self._looked(functools.partial(self._first_look, most, seconds))

    def add_kept(self) -> Snapshot:
        """Adds the runs that a first look left for later, as an earlier start has kept them.

        Where it had kept all of them; but for those that ran then.
        """
        with self._lock:
            before, kept = self.snapshot, self._cache.runs()
            if not kept:
                return before
            self._kept = {run.id: run for run in kept}
            self._order.forget()
            return self._publish(
                before.notices,
                before.unread,
                places=before.places,
                is_partial=before.is_partial,
            )

    def refresh(self, seconds: float = math.inf) -> Snapshot:
        """Looks at every file, reads those that changed, and returns the present state.

        After so many seconds no run is begun that was not read before; the snapshot says how many
        are unread, and the next call reads more of them.
        """
        with self._lock:
            return self._looked(functools.partial(self._refresh, seconds))

    def _looked(self, look: Callable[[], Snapshot]) -> Snapshot:
        """What a look finds; of a place that does not answer, what was known of it before."""
        self._reach.begin()
        try:
            snapshot = look()
        except AwayError as error:
            return self._publish(notices=(), places=(self._reach.fail(error),))
        finally:
            self._reach.end()
        self._reach.succeed()
        return snapshot

    @property
    def silence(self) -> float:
        """Seconds for which a look has been waiting for an answer."""
        return self._reach.silence

    def state(self) -> PlaceState | None:
        """Why its runs are not known as they are now; ``None`` where they are."""
        return self._reach.state(self.pause, is_known=self.snapshot.revision > 0)

    def _first_look(self, most: int, seconds: float) -> Snapshot:
        scan = self._scan(self._reach.answered, time.monotonic() + seconds / 4)
        newest = heapq.nlargest(most, scan.files, key=apparent_start)
        unread = self._update(newest, seconds) + max(len(scan.files) - most, 0)
        is_partial = scan.is_partial
        return self._publish(self._notices(scan), unread or int(is_partial), is_partial=is_partial)

    def _refresh(self, seconds: float) -> Snapshot:
        scan = self._scan(self._reach.answered)
        unread = self._update(scan.files, seconds)
        # Of a file that was named, what people say lies beside it.
        alone = [root for root in self._roots.paths if root in self._runs or root in self._many]
        beside = [f"{Path(root).parent / FOLDER}" for root in alone]
        sidecars = (
            [*scan.sidecars, *self.files.walk(beside, (SIDECARS,))] if beside else scan.sidecars
        )
        is_other = self._annotations.refresh([one for one in sidecars if not one.is_dir])
        if is_other or (not self._are_annotations_read and self._runs.are_annotated):
            self._order.forget()
        self._are_annotations_read = True
        if self._kept:
            self._kept = {}
            self._order.forget()
        others = "" if self._runs else self.other_files()
        snapshot = self._publish(self._notices(scan), unread, others)
        self._cache.save(self._as_read(), complete=not unread)  # as it is shown now
        return snapshot

    def _as_read(self) -> Iterator[ReadRun]:
        """The runs that are worth keeping."""
        yield from filter(None, (run.as_read for run in self._runs.awake.values()))
        for run_id, shown in self._runs.resting.items():
            claim, written = self._claims.of(run_id), as_written(shown, run_id)
            if claim is not None and isinstance(written, PackedSummary):
                yield ReadRun([claim.seen], claim.formats[0].name, written, shown)

    def refresh_files(self, ids: Collection[str]) -> Snapshot:
        """Looks only at these files, named as the catalog names them.

        Looks at all of them when one is new or gone.
        """
        with self._lock:
            if self._update_known(ids):
                return self._publish(self.snapshot.notices)
        return self.refresh()

    def other_files(self, *, tools_only: bool = False) -> str:
        """What is not read, in words; see :func:`traintop.store.other_files.other_files`."""
        # Not those either whose run is shown from a richer file beside them.
        return other_files(
            self.files, self._roots.paths, self.files_of_runs(), tools_only=tools_only
        )

    def report(self, trouble: str) -> Snapshot:
        """The runs as they were, with a notice; for a refresh that failed."""
        with self._lock:
            before = self.snapshot
            return self._publish((trouble,), before.unread, is_partial=before.is_partial)

    def may_be_a_run(self, path: str) -> bool:
        """Whether a file is looked at, by its name."""
        directory, name = os.path.split(path)
        if name.startswith("."):
            return False
        return bool(wanted_in(wanted_names(run_formats().known))(directory)(name))

    def has(self, run_id: str) -> bool:
        """Whether a run is here, by its address."""
        place, path = location_of(run_id)
        return place == self._place and (path in self._runs or path in self._kept)

    def files_of_runs(self) -> list[str]:
        """The ids of all files that are runs or parts of some, as of the last look."""
        return self._claims.files

    def reader(self, run_id: str) -> StreamingReader:
        """A reader of one run, for any thread; it never waits for a refresh.

        Raises :class:`UnreadableRunError` when there is no such run, or none any more.
        """
        path = location_of(run_id).path
        # What is at rest may wake meanwhile; and what was kept is none any more after a look.
        run = self._known(path) or self._kept_run(path) or self._known(path)
        if run is None:
            raise UnreadableRunError(f"{run_id} does not exist")
        found = run
        return SharedReader(lambda: self._known(path) or found, self._asked)

    def _known(self, run_id: str) -> ObservedRun | None:
        """A run as of the last look."""
        return self._woken(run_id) or self._runs.awake.get(run_id)

    def _kept_run(self, run_id: str) -> ObservedRun | None:
        """A run that an earlier start has kept, and nobody has looked at since."""
        kept = self._kept.get(run_id)
        source = None if kept is None else self._cache.source_of(kept)
        formats = run_formats().by_name.get(source[1]) if source is not None else None
        if source is None or formats is None:
            return None
        run = self._observed(run_id, formats)
        run.entries = self._asked.stat_now(source[0])
        return run

    def annotate(self, run_id: str, change: AnnotationChange) -> Saved:
        """As :meth:`traintop.store.catalog.RunCatalog.annotate`."""
        path, state = location_of(run_id).path, self.state()
        if state is not None:
            return self._annotations.keep(path, change, state.trouble)
        if path in self._kept and path not in self._runs:
            # What people said since would be written over.
            raise UnreadableRunError(f"{run_id} is being checked; try again when it was")
        self._cache.is_outdated = True
        return self._annotations.change(path, change)

    def console(self, run_id: str) -> ConsoleReader:
        """As :meth:`traintop.store.catalog.RunCatalog.console`."""
        return ConsoleReader(self._asked, location_of(run_id).path)

    def patch(self, run_id: str) -> str | None:
        """As :meth:`traintop.store.catalog.RunCatalog.patch`."""
        return read_patch(self._asked, location_of(run_id).path)

    def _notices(self, scan: Scan) -> list[str]:
        no_runs = [root for root in self._roots.paths if self._claims.is_no_run(root)]
        words = (
            f"{Location(self._place, one)} is neither a directory nor a run" for one in no_runs
        )
        return [*scan.notices, *words]

    def _update(self, files: Sequence[Entry], seconds: float) -> int:
        """Brings the observed runs up to date; how many are unread."""
        claims, now = self._claims, self._clock()
        fresh = claims.fresh(files, self._overdue)
        if self._place:
            self.files.prefetch([*claims.expected(fresh, self._unsettled())])
        is_all_known = len(files) == len(claims) and all(one.id in claims for one in fresh)
        is_repeated = is_all_known and not (self.snapshot.unread or self._is_torn)
        self._is_torn = True
        if is_repeated and self._look_again(fresh, now):
            self._overdue, self._is_torn = {}, False
            return 0
        self._overdue |= claims.before(fresh, self._overdue)
        claims.take(files)
        look = _Look(now, time.monotonic() + seconds)
        many = many_runs_formats(run_formats().known)
        self._many = {}

        def look_at(claimed: ClaimedRun) -> None:
            if claimed.formats[0] in many:
                self._many[claimed.id] = claimed.entries
                self._look_into(claimed.id, claimed.formats, look)
            else:
                self._look_at(*claimed, look)

        self.files.in_turns(look_at, [*claims.runs()])
        if self._runs.ids != look.runs.ids:
            self._order.forget()
        self._runs = look.runs
        self._restless = {one for one, run in look.runs.awake.items() if not run.is_at_rest}
        self._overdue, self._is_torn = {}, False
        return look.unread

    def _look_again(self, fresh: Sequence[Entry], now: float, *, hinted: bool = False) -> bool:
        """Look at what changed where no file came or went, and at runs that are not at rest.

        Only at the former where it is ``hinted``. False where another look is needed, at all runs:
        a file is of another run, or of another format.
        """
        files = {entry.id: entry for entry in fresh}
        runs = {} if hinted else dict.fromkeys(self._restless)
        holders = {} if hinted else dict.fromkeys(self._many)
        self._overdue |= self._claims.before(fresh, self._overdue)
        if not self._claims.take_changed(fresh):
            return False
        for file_id in files:
            run_id = self._claims.run_of(file_id)
            if run_id is not None:
                (holders if run_id in self._many else runs)[run_id] = None
        if not all(run_id in self._runs for run_id in runs):
            return False

        def look_at(run_id: str) -> None:
            if (run := self._known(run_id)) is not None:
                self._observe(run, [files.get(each.id, each) for each in run.entries], now)
                self._runs.put(run)

        def look_into(holder: str) -> None:
            self._many[holder] = [files.get(each.id, each) for each in self._many[holder]]
            look, known = _Look(now, math.inf), self._runs_of(holder)
            self._look_into(holder, self._claims.formats_of(self._many[holder][0].id), look)
            if look.runs.ids != known.keys():
                self._runs.replace(known, look.runs)
                self._order.forget()

        self.files.in_turns(look_at, runs)
        self.files.in_turns(look_into, holders)
        return True

    def _observe(self, run: ObservedRun, entries: Sequence[Entry], now: float) -> None:
        if run.look(entries, now):
            self._order.changed(run.id)
        (self._restless.discard if run.is_at_rest else self._restless.add)(run.id)

    def _unsettled(self) -> list[Entry]:
        """The files that are read again although a listing may not show that they changed."""
        restless = (self._runs.awake.get(run_id) for run_id in self._restless)
        runs = (run for run in restless if run is not None and not run.is_settled)
        return [entry for run in runs for entry in run.entries]

    def _look_at(
        self,
        run_id: str,
        entries: Sequence[Entry],
        formats: tuple[RunFormat, ...],
        look: _Look,
    ) -> None:
        """Brings one run up to date; a new one if there is time."""
        run, resting = self._runs.awake.get(run_id), self._runs.resting.get(run_id)
        if resting is not None:
            claim = self._claims.of(run_id)
            is_same = claim is not None and len(entries) == 1 and entries[0] is claim.seen
            if is_same and run_id not in self._overdue:
                look.runs.resting[run_id] = resting
                return
            run = self._woken(run_id)
        if run is None and not self._cache.has(run_id):
            if look.has_begun and time.monotonic() > look.ends:
                look.unread += 1
                return
            look.has_begun = True
        if run is None or run.formats != formats:
            run = self._observed(run_id, formats)
        self._reach.answered()
        self._observe(run, entries, look.now)
        look.runs.put(run)

    def _woken(self, run_id: str) -> ObservedRun | None:
        """A run that is at rest, to be looked at; ``None`` where it is not, or its file is gone."""
        summary, claim = self._runs.resting.get(run_id), self._claims.of(run_id)
        if summary is None or claim is None:
            return None
        run = self._observed(run_id, claim.formats)
        run.wake(summary, self._overdue.get(run_id) or claim.seen, self._clock())
        return run

    def _observed(self, run_id: str, formats: tuple[RunFormat, ...]) -> ObservedRun:
        """A run that was not looked at yet."""
        return ObservedRun(
            run_id,
            self._place,
            self._roots.address_above(run_id),
            self.files,
            formats,
            self._cache,
            self._packer,
            self._name,
        )

    def _look_into(self, holder: str, formats: tuple[RunFormat, ...], look: _Look) -> None:
        """Brings the runs up to date that are in one file, or in the files of one claim.

        While they cannot be found, they stay as they were; where there were none, the file itself
        is listed, with the reason.
        """
        files, named = self._many[holder], self._roots.named.get(holder)
        try:
            for entry in cast("ManyRunsFormat", formats[0]).runs(self.files, files):
                if named is None or entry.id in named:
                    self._look_at(entry.id, [entry], formats, look)
        except AwayError:
            raise
        except (FileError, ValueError) as error:
            known = self._runs_of(holder)
            if known and isinstance(error, FileError):
                look.runs.awake |= known
            else:
                self._look_at(holder, [files[0]._replace(problem=str(error))], formats, look)

    def _runs_of(self, holder: str) -> dict[str, ObservedRun]:
        """The runs that are in a file, or what is listed instead of them."""
        start = f"{holder}#"
        return {
            run_id: run
            for run_id, run in self._runs.awake.items()
            if run_id.startswith(start) or run_id == holder
        }

    def _update_known(self, ids: Iterable[str]) -> bool:
        """As :meth:`_update`, of some files; false when one of them is new or gone."""
        states = self.files.stat_many([*ids])
        found = [entry for entry in states if entry.version is not None]
        known = [entry for entry in states if entry.id in self._claims]
        if found != known or self._is_torn:  # what is neither found nor known came and went
            return False
        self._is_torn = True
        if not self._look_again(found, self._clock(), hinted=True):
            return False
        self._overdue, self._is_torn = {}, False
        return True

    def _annotations_of(self, run_id: str) -> Annotations:
        """What people say of a run, at a first look what they said when it was kept."""
        if self._are_annotations_read:
            return self._annotations.of(run_id)
        return self._runs.annotations(run_id)

    def _kept_summaries(self) -> Iterator[RunSummary]:
        """What was known of runs that nobody has looked at yet."""
        for run_id, kept in self._kept.items():
            if run_id not in self._runs:
                address = str(Location(self._place, run_id)) if self._place else run_id
                yield kept if address == run_id else replace(kept, id=address)

    def _publish(
        self,
        notices: Iterable[str],
        unread: int = 0,
        others: str = "",
        places: tuple[PlaceState, ...] = (),
        *,
        is_partial: bool = False,
    ) -> Snapshot:
        before = self.snapshot
        aside = (unread, others, places, is_partial)
        known = (before.unread, before.others, before.places, before.is_partial)
        notices = tuple(notices)
        is_new = (notices, *aside) != (before.notices, *known)
        # Runs may have been read before it failed.
        is_changed = self._order.is_stale and (not places or bool(self._kept))
        if is_changed or is_new or not before.revision:
            runs = before.runs
            kept = [*self._kept_summaries()]
            if is_changed:
                runs = self._order.listed(runs, self._runs, self._annotations_of)
            if is_changed and kept:
                runs = (*sorted((*runs, *kept), key=start_order, reverse=True),)
            self.snapshot = Snapshot(
                runs, self.roots, notices, before.revision + 1, *aside, len(kept)
            )
        return self.snapshot


@dataclass(slots=True)
class _Look:
    """A look at all runs, or at some of them, and what is known of it so far."""

    now: float  # by the clock of the catalog
    ends: float  # when no other run is begun, by the monotonic clock
    runs: ObservedRuns = field(default_factory=ObservedRuns)
    has_begun: bool = False  # a run that was not read before
    unread: int = 0
