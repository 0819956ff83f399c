"""The key that writes runs, and what may be meant: the selected run, the marked ones, or all."""

from __future__ import annotations

from typing import NamedTuple

from traintop.model import RunStatus, RunSummary
from traintop.tui.kit.screen import PlaceScreen
from traintop.tui.messages import ExportRequested
from traintop.tui.rows import RunRows
from traintop.tui.session import Session
from traintop.tui.view import ViewState

_NAME_WIDTH = 32  # of a run beside the words of a choice


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
        choices.append(
            ExportChoice(f"the selected run, {rows.short_name(selected[0], _NAME_WIDTH)}", selected)
        )
    if len(marked) == 1 and marked[0].id != view.selected:
        choices.append(
            ExportChoice(f"the marked run, {rows.short_name(marked[0], _NAME_WIDTH)}", marked)
        )
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


class ExportController:
    """Asks which runs are to be written, where that can be doubted."""

    def __init__(self, session: Session, screen: PlaceScreen) -> None:
        self._session = session
        self._screen = screen

    def action_export(self) -> None:
        from traintop.tui.kit.dialogs import ChoiceScreen  # not for the first frame

        choices = export_choices(self._session.view, self._session.rows)

        def export(choice: int) -> None:
            runs, together = choices[choice].runs, choices[choice].together
            # To the App itself, so that it comes before the end that a next key asks for.
            self._screen.app.post_message(ExportRequested(runs, together=together))

        if len(choices) == 1:
            export(0)
        elif choices:
            words = [choice.words for choice in choices]
            self._screen.app.push_screen(ChoiceScreen("export runs as CSV", words, export))
