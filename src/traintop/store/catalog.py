"""All runs of some roots, wherever they lie. Each place is looked at and fails by itself."""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec.structs import replace

from traintop.metrics import take_stated_directions
from traintop.model import RunStatus, RunSummary
from traintop.mounts import SILENT
from traintop.progress import start_order
from traintop.run_ids import Location, is_remote, location_of, root_of
from traintop.store.annotations import AnnotationChange, Saved
from traintop.store.console import ConsoleReader
from traintop.store.files import AwayError
from traintop.store.files.places import files_of, share_a_fate
from traintop.store.formats import StreamingReader, UnreadableRunError
from traintop.store.packed_summary import unpacked
from traintop.store.place_catalog import PlaceCatalog
from traintop.store.snapshot import Snapshot

_PATIENCE = 20.0
"""Seconds without an answer that whoever asks once for all runs waits for a place elsewhere, where
there are others; what leads there gives up by itself, and says why.
"""


class RunCatalog:
    """The runs below some roots: in directories, and in places elsewhere.

    ``clock`` is the reader's monotonic clock in seconds. Raises ``ValueError`` for a root that is
    neither.
    """

    def __init__(
        self,
        roots: Sequence[str | os.PathLike[str]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.roots = tuple(root_of(os.fspath(root)) for root in roots)
        together: dict[str, list[Location]] = {}
        for root in self.roots:
            together.setdefault(share_a_fate(root), []).append(location_of(root))
        self.places = tuple(
            PlaceCatalog(
                files_of(*located[0]),
                located[0].place,
                [path for _, path in located],
                clock=clock,
            )
            for located in together.values()
        )
        """Catalogs of the roots that share one fate each."""
        self._looks: dict[PlaceCatalog, threading.Thread] = {}
        self._lock = threading.Lock()
        self._merged = Snapshot((), self.roots, (), 0)
        self._parts = [self._merged] * len(self.places)  # of which it was made
        self._away = [False] * len(self.places)

    def refresh(self, seconds: float = math.inf) -> Snapshot:
        """Looks at every file, reads those that changed, and returns the present state.

        After so many seconds no run is begun that was not read before; the snapshot says how many
        are unread, and the next call reads more of them. Places are looked at side by side; where
        one does not answer, the others are there without it, and what was known of it.
        """
        if len(self.places) == 1 and self._patience(self.places[0]) == math.inf:
            self.places[0].refresh(seconds)
            return self.snapshot()
        for place in self.places:
            if place not in self._looks or not self._looks[place].is_alive():
                look = threading.Thread(target=place.refresh, args=(seconds,), daemon=True)
                self._looks[place] = look
                look.start()
        for place, look in self._looks.items():
            while look.is_alive() and (rest := self._patience(place) - place.silence) > 0:
                look.join(min(rest, threading.TIMEOUT_MAX))
        return self.snapshot()

    def _patience(self, place: PlaceCatalog) -> float:
        """Seconds without an answer after which others are not kept waiting for a place.

        A local disk answers in the end, however long it is read.
        """
        if is_remote(place.roots[0]):
            return _PATIENCE if len(self.places) > 1 else math.inf
        return SILENT if share_a_fate(place.roots[0]) else math.inf

    def snapshot(self) -> Snapshot:
        """The state as of the last look at each place."""
        with self._lock:
            before, parts = self._merged, [place.snapshot for place in self.places]
            by_place = [place.state() for place in self.places]
            states = tuple(state for state in by_place if state is not None)
            away = [state is not None for state in by_place]
            pairs = [*zip(parts, self._parts, strict=True)]
            # By identity: runs are many, and what is equal to them is found out by reading both.
            if all(part is known for part, known in pairs) and states == before.places:
                return before
            runs = before.runs
            if away != self._away or any(part.runs is not known.runs for part, known in pairs):
                shown = zip(parts, away, strict=True)
                runs = _together(
                    [_last_known(p.runs) if is_away else p.runs for p, is_away in shown]
                )
                take_stated_directions(runs)
            self._parts, self._away = parts, away
            self._merged = Snapshot(
                runs,
                self.roots,
                tuple(notice for part in parts for notice in part.notices),
                before.revision + 1,
                sum(part.unread for part in parts),
                ", ".join(part.others for part in parts if part.others and not runs),
                states,
                any(part.is_partial for part in parts),
                sum(part.kept for part in parts),
            )
            return self._merged

    def reader(self, run_id: str) -> StreamingReader:
        """A reader of one run, for any thread; it never waits for a refresh.

        Raises :class:`UnreadableRunError` when there is no such run, or none any more; and at once
        while its place does not answer. What it reads raises the same where it gets no answer.
        """
        return self._answering_place_of(run_id).reader(run_id)

    def annotate(self, run_id: str, change: AnnotationChange) -> Saved:
        """Change what people say of a run: beside it, or else for the user alone; it says which.

        For any thread, one at a time. Raises :class:`UnreadableRunError` when there is no such run
        any more, and ``OSError`` that names a file if nothing can be saved.
        """
        return self._place_of(run_id).annotate(run_id, change)

    def console(self, run_id: str) -> ConsoleReader:
        """A reader of what the command of a run printed. Raises as :meth:`reader` does."""
        return self._answering_place_of(run_id).console(run_id)

    def patch(self, run_id: str) -> str | None:
        """What was changed of the code of a run since its commit; ``None`` where nobody knows.

        Raises as :meth:`reader` does.
        """
        try:
            return self._answering_place_of(run_id).patch(run_id)
        except AwayError as error:
            raise UnreadableRunError(f"{run_id} cannot be read now: {error}") from None

    def _answering_place_of(self, run_id: str) -> PlaceCatalog:
        place = self._place_of(run_id)
        if state := place.state():
            raise UnreadableRunError(f"{run_id} cannot be read now: {state.trouble}")
        return place

    def _place_of(self, run_id: str) -> PlaceCatalog:
        for place in self.places:
            if place.has(run_id):
                return place
        raise UnreadableRunError(f"{run_id} does not exist")

    def other_files(self, *, tools_only: bool = False) -> str:
        """What is not read, in words; see :func:`traintop.store.other_files.other_files`."""
        found = []
        for place in self.places:
            with contextlib.suppress(AwayError):
                if place.state() is None:
                    found.append(place.other_files(tools_only=tools_only))
        return ", ".join(filter(None, found))


def holds_a_run(path: Path) -> bool:
    """Whether a file is that of a run which can be read."""
    runs = RunCatalog([path]).refresh().runs
    return any(run.status is not RunStatus.UNREADABLE for run in runs)


def _last_known(runs: Sequence[RunSummary]) -> list[RunSummary]:
    """Runs of a place that does not answer: at which pace they go on now, if so, nobody knows."""
    return [
        replace(unpacked(run), iterations_per_second=None)
        if run.status is RunStatus.RUNNING
        else run
        for run in runs
    ]


def _together(parts: Sequence[Sequence[RunSummary]]) -> tuple[RunSummary, ...]:
    """The runs of all places, each once, the newest start first."""
    if len(parts) == 1:
        return (*parts[0],)
    runs = {run.id: run for part in parts for run in part}
    return tuple(sorted(runs.values(), key=start_order, reverse=True))
