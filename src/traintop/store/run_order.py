"""The observed runs in the order in which everybody else gets them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

from traintop.model import Annotations, RunSummary
from traintop.progress import start_order
from traintop.store.files import Entry
from traintop.store.observed_runs import ObservedRuns

_LATEST = 2e11  # in seconds since 1970: a filesystem takes any time for that of a file
_STAMP = re.compile(r"_(\d{8}_\d{6})(?:_\d+)?\.json$")


class RunOrder:
    """The newest start first. Where a few of very many runs changed, the others stay in place."""

    def __init__(self) -> None:
        self._is_new = False  # some came or went
        self._changed: set[str] = set()

    @property
    def is_stale(self) -> bool:
        """Whether runs came, went or changed since they were listed."""
        return self._is_new or bool(self._changed)

    def changed(self, run_id: str) -> None:
        """The summary of a run is another."""
        self._changed.add(run_id)

    def forget(self) -> None:
        """Runs came or went, or what people say of them changed."""
        self._is_new = True

    def listed(
        self,
        before: Sequence[RunSummary],
        runs: ObservedRuns,
        annotations_of: Callable[[str], Annotations],
    ) -> tuple[RunSummary, ...]:
        """The summaries of all ``runs``, given those as of the last time."""
        if not self._is_new:
            found = [*before]
            for run_id in self._changed:
                if run_id not in runs:  # it was found by a look that failed, and is gone
                    break
                summary = runs.summary(run_id, annotations_of(run_id))
                place = _place_of(summary, found)
                if place is None:
                    break
                found[place] = summary
            else:
                self._changed = set()
                return (*found,)
        listed = sorted(runs.summaries(annotations_of), key=start_order, reverse=True)
        self._is_new, self._changed = False, set()
        return (*listed,)


def _place_of(run: RunSummary, runs: Sequence[RunSummary]) -> int | None:
    """Where a run is among some that are in order; ``None`` where it is not, or has another key."""
    key, start, end = start_order(run), 0, len(runs)
    while start < end:
        middle = (start + end) // 2
        start, end = (middle + 1, end) if start_order(runs[middle]) > key else (start, middle)
    return start if start < len(runs) and start_order(runs[start]) == key else None


def apparent_start(entry: Entry) -> str:
    """When a run seems to have started of which nothing was read, so that others compare to it."""
    stamp = _STAMP.search(entry.id)
    if stamp:
        return stamp[1]
    changed = None if entry.changed is None else min(max(entry.changed, 0.0), _LATEST)
    return time.strftime("%Y%m%d_%H%M%S", time.localtime(changed))
