"""The runs of a place as of the last look at them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from msgspec.structs import replace

from traintop.model import Annotations, RunSummary
from traintop.store.liveness import ObservedRun


class ObservedRuns:
    """Runs by their paths: of most, which are at rest, only the summary is kept.

    One thread changes it; others may look up single runs meanwhile.
    """

    def __init__(self) -> None:
        self.awake: dict[str, ObservedRun] = {}
        self.resting: dict[str, RunSummary] = {}

    def __len__(self) -> int:
        return len(self.awake) + len(self.resting)

    def __contains__(self, run_id: object) -> bool:
        return run_id in self.awake or run_id in self.resting or run_id in self.awake

    @property
    def ids(self) -> set[str]:
        """The paths of all."""
        return {*self.awake, *self.resting}

    def put(self, run: ObservedRun) -> None:
        """Keep a run as it is after a look at it."""
        # First there, then no longer here: whoever looks it up meanwhile finds it.
        if run.may_rest:
            assert run.summary is not None
            self.resting[run.id] = run.annotated(run.summary.annotations)
            self.awake.pop(run.id, None)
        else:
            self.awake[run.id] = run
            self.resting.pop(run.id, None)

    def replace(self, known: Collection[str], found: ObservedRuns) -> None:
        """Put others in the place of some."""
        self.awake = {one: run for one, run in self.awake.items() if one not in known}
        self.awake |= found.awake

    @property
    def are_annotated(self) -> bool:
        """Whether people said something of one of them."""
        return any(self.annotations(run_id) != Annotations() for run_id in self.ids)

    def annotations(self, run_id: str) -> Annotations:
        """What was known last of what people say of a run."""
        summary = self.awake[run_id].summary if run_id in self.awake else self.resting[run_id]
        return Annotations() if summary is None else summary.annotations

    def summary(self, run_id: str, annotations: Annotations) -> RunSummary:
        """What is known of a run, with what people say of it: the same object while both are."""
        if run_id in self.awake:
            return self.awake[run_id].annotated(annotations)
        summary = self.resting[run_id]
        if summary.annotations != annotations:
            summary = self.resting[run_id] = replace(summary, annotations=annotations)
        return summary

    def summaries(self, annotations_of: Callable[[str], Annotations]) -> Iterator[RunSummary]:
        """The same of all runs."""
        for run_id in (*self.awake, *self.resting):
            yield self.summary(run_id, annotations_of(run_id))
