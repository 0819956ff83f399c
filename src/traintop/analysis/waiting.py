"""Whether what is waited for has come to be so of runs, or cannot any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from traintop.analysis.naming import find_run, unique_names
from traintop.analysis.query import runs_now_matching
from traintop.analysis.query_conditions import Alerts
from traintop.model import ENDED, RunStatus, RunSummary
from traintop.progress import stall_text, steps_text
from traintop.store.snapshot import PlaceState, Snapshot, state_of

_GONE_SECONDS = 2.0  # a file that is written anew may be away for a moment


class Waiting:
    """Which runs are waited for, and what came of each so far.

    ``names`` are those of runs that do not exist yet. It is enough that the condition was met once.
    """

    def __init__(
        self,
        condition: str,
        ids: Iterable[str],
        names: Iterable[str] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._condition = condition
        self._ids = dict.fromkeys(ids)
        self.missing = [*names]
        """The names of runs that were not found yet."""
        self._clock = clock
        self._places: Sequence[PlaceState] = ()  # that could not be looked at
        self._runs: dict[str, RunSummary] = {}
        self._gone_since: dict[str, float] = {}
        self.met: set[str] = set()
        """The ids of runs that met the condition."""
        self.lost: dict[str, str] = {}
        """Why it cannot be so any more, by the ids of runs."""

    def runs_in(self, snapshot: Snapshot) -> list[RunSummary]:
        """Those that are waited for."""
        readable = [run for run in snapshot.runs if run.status is not RunStatus.UNREADABLE]
        if self.missing:
            names = unique_names(readable)
            found = {name: find_run(name, names) for name in self.missing}
            self.missing = [name for name, run_id in found.items() if run_id is None]
            self._ids |= dict.fromkeys(one for one in found.values() if one is not None)
        return [run for run in readable if run.id in self._ids]

    def look(
        self, runs: Sequence[RunSummary], snapshot: Snapshot, now: datetime, alerts: Alerts
    ) -> None:
        """Take the newest state of the runs that are waited for."""
        self._places = snapshot.places
        self._runs |= {run.id: run for run in runs}
        self.met |= {run.id for run in runs_now_matching(runs, self._condition, now, alerts)}
        for run in runs:
            self._gone_since.pop(run.id, None)
            if run.status in ENDED and run.id not in self.met:
                self.lost[run.id] = f"it {_end_text(run)}"
            else:
                self.lost.pop(run.id, None)  # it goes on again
        for run_id in self._ids.keys() - {run.id for run in runs} - self.met:
            if snapshot.notices or state_of(run_id, snapshot.places):  # nobody knows what is there
                self._gone_since.pop(run_id, None)
                continue
            seconds = self._clock()
            if seconds - self._gone_since.setdefault(run_id, seconds) >= _GONE_SECONDS:
                self.lost[run_id] = "its file is gone"

    @property
    def undecided(self) -> bool:
        """Whether it may yet come to be so of a run."""
        return bool(self.missing or self._ids.keys() - self.met - self.lost.keys())

    @property
    def is_met(self) -> bool:
        """Whether all runs have met the condition."""
        return not self.missing and self._ids.keys() == self.met

    def lost_lines(self) -> Iterator[str]:
        """Of each run of which it cannot be so any more, why."""
        for run_id, reason in self.lost.items():
            run = self._runs.get(run_id)
            yield f"{run.title if run else run_id}: {reason}; {self._condition!r} was never so"

    def missing_lines(self) -> Iterator[str]:
        """Which runs do not exist yet, or may be in a place that could not be looked at."""
        troubles = "; ".join(place.trouble for place in self._places)
        missing = f"was not found: {troubles}" if troubles else "does not exist yet"
        yield from (f"{name} {missing}" for name in self.missing)

    def state_lines(self) -> Iterator[str]:
        """How the runs are of which it is not so yet."""
        yield from self.missing_lines()
        for run_id in self._ids:
            run = self._runs.get(run_id)
            if run is not None and run_id not in self.met:
                aside = f": {stall_text(run)}" if run.status is RunStatus.STALLED else ""
                yield f"{run.title} is {run.status.value} ({steps_text(run)} done){aside}"


def _end_text(run: RunSummary) -> str:
    words = {RunStatus.QUIET: "has logged nothing for long"}
    done = words.get(run.status, run.status.value)
    reason = f": {run.error}" if run.error else ""
    return f"{done} ({steps_text(run)} done){reason}"
