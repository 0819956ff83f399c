"""Which runs an annotation is for, what they have now, and what typed text changes of it."""

from __future__ import annotations

from collections.abc import Sequence

from traintop.model import RunSummary
from traintop.store.annotations import AnnotationChange
from traintop.text import counted
from traintop.tui.columns import run_name
from traintop.tui.state import RunRows, ViewState


def meant_runs(state: ViewState, rows: RunRows) -> tuple[RunSummary, ...]:
    """The marked runs if there are any, else the selected one."""
    runs = map(rows.run, state.marks or (state.selected,))
    return tuple(run for run in runs if run is not None)


def subject(runs: Sequence[RunSummary]) -> str:
    """The runs in words: the name of one, the number of several."""
    return run_name(runs[0]) if len(runs) == 1 else f"{len(runs):,} marked runs"


def common_note(runs: Sequence[RunSummary]) -> str:
    """The note that all of them have, else none."""
    notes = {run.annotations.note for run in runs}
    return notes.pop() if len(notes) == 1 else ""


def common_tags(runs: Sequence[RunSummary]) -> tuple[str, ...]:
    """The tags that every one of them has, in the order of the first."""
    return tuple(
        tag for tag in runs[0].annotations.tags if all(tag in run.annotations.tags for run in runs)
    )


def tags_change(before: Sequence[str], typed: str) -> AnnotationChange:
    """What the typed tags change of the common ones; tags that only some runs have stay."""
    tags = typed.replace(",", " ").split()
    return AnnotationChange(
        added_tags=tuple(tag for tag in tags if tag not in before),
        removed_tags=tuple(tag for tag in before if tag not in tags),
    )


def written_text(change: AnnotationChange, count: int) -> str:
    """What was done, in words."""
    runs = counted(count, "run")
    if change.archived is not None:
        return f"Archived {runs}; A lists archived runs too" if change.archived else f"{runs} back"
    what = "tags" if change.note is None else "note"
    return f"Wrote the {what} beside {runs}"


def archive_change(runs: Sequence[RunSummary]) -> AnnotationChange:
    """All of them archived; or back in the list when they all are archived already."""
    return AnnotationChange(archived=not all(run.annotations.archived for run in runs))
