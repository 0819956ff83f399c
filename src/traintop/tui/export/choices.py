"""What the person may mean by an export: the selected run, the marked ones, or all listed."""

from __future__ import annotations

from typing import NamedTuple

from traintop.model import RunStatus, RunSummary
from traintop.tui.kit.runs import run_name
from traintop.tui.view import RunRows, ViewState


class ExportChoice(NamedTuple):
    """Runs to write: one below the other into one file when ``together``, else a file each."""

    words: str
    runs: tuple[RunSummary, ...]
    together: bool = False


def export_choices(view: ViewState, rows: RunRows) -> list[ExportChoice]:
    """The choices that differ in what they write, the likeliest first; none without a run."""
    listed = tuple(run for run in rows.runs if _readable(run))
    marked = tuple(run for run in map(rows.run, view.marks) if run is not None and _readable(run))
    selected = tuple(run for run in listed if run.id == view.selected)
    choices = []
    if len(marked) > 1:
        choices += _of_several("marked", marked)
    if selected:
        choices.append(ExportChoice(f"the selected run, {run_name(selected[0])}", selected))
    if len(marked) == 1 and marked[0].id != view.selected:
        choices.append(ExportChoice(f"the marked run, {run_name(marked[0])}", marked))
    if len(listed) > 1 and {run.id for run in listed} != {run.id for run in marked}:
        choices += _of_several("listed", listed)
    return choices


def _readable(run: RunSummary) -> bool:
    return run.status is not RunStatus.UNREADABLE


def _of_several(which: str, runs: tuple[RunSummary, ...]) -> list[ExportChoice]:
    return [
        ExportChoice(f"{len(runs):,} {which} runs, in one file", runs, together=True),
        ExportChoice(f"{len(runs):,} {which} runs, a file each", runs),
    ]
