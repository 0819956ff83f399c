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
        self._places: dict[str, int] | None = {}  # None: of all runs anew
        self._changed: set[str] = set()

    @property
    def is_stale(self) -> bool:
        """Whether runs came, went or changed since they were listed."""
        return self._places is None or bool(self._changed)

    def changed(self, run_id: str) -> None:
        """The summary of a run is another."""
        self._changed.add(run_id)

    def forget(self) -> None:
        """Runs came or went, or what people say of them changed."""
        self._places = None

    def listed(
        self,
        before: Sequence[RunSummary],
        runs: ObservedRuns,
        annotations_of: Callable[[str], Annotations],
    ) -> tuple[RunSummary, ...]:
        """The summaries of all ``runs``, given those as of the last time."""
        changed, self._changed = self._changed, set()
        if self._places is not None:
            found = [*before]
            for run_id in changed:
                place = self._places.get(run_id, -1)
                summary = runs.summary(run_id, annotations_of(run_id))
                if place < 0 or start_order(summary) != start_order(found[place]):
                    break
                found[place] = summary
            else:
                return (*found,)
        pairs = sorted(
            runs.summaries(annotations_of), key=lambda pair: start_order(pair[1]), reverse=True
        )
        self._places = {run_id: place for place, (run_id, _) in enumerate(pairs)}
        return tuple(summary for _, summary in pairs)


def apparent_start(entry: Entry) -> str:
    """When a run seems to have started of which nothing was read, so that others compare to it."""
    stamp = _STAMP.search(entry.id)
    if stamp:
        return stamp[1]
    changed = None if entry.changed is None else min(max(entry.changed, 0.0), _LATEST)
    return time.strftime("%Y%m%d_%H%M%S", time.localtime(changed))
