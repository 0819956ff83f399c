"""The keys that add to runs from outside: notes, tags, the archive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from msgspec.structs import replace

from traintop.model import RunSummary
from traintop.store.annotations import LONGEST_NOTE, LONGEST_TAG, MOST_TAGS, AnnotationChange
from traintop.text import counted
from traintop.tui.kit.screen import PlaceScreen
from traintop.tui.messages import AnnotationRequested, AskAgain
from traintop.tui.rows import RunRows
from traintop.tui.session import Session
from traintop.tui.view import ViewState

_NAME_WIDTH = 40  # of a run in the title of a dialog


def runs_to_annotate(state: ViewState, rows: RunRows) -> tuple[RunSummary, ...]:
    """The run that is opened, else the marked runs if there are any, else the selected one."""
    opened = () if state.opened is None else (state.opened,)
    runs = map(rows.run, opened or state.marks or (state.selected,))
    return tuple(run for run in runs if run is not None)


def subject(runs: Sequence[RunSummary], rows: RunRows) -> str:
    """The runs in words: the name of one, the number of several."""
    if len(runs) == 1:
        return rows.short_name(runs[0], _NAME_WIDTH)
    return f"{len(runs):,} marked runs"


def common_note(runs: Sequence[RunSummary]) -> str:
    """The note that all of them have, else none."""
    notes = {run.annotations.note for run in runs}
    return notes.pop() if len(notes) == 1 else ""


def common_tags(runs: Sequence[RunSummary]) -> tuple[str, ...]:
    """The tags that every one of them has, in the order of the first."""
    first = runs[0].annotations.tags if runs else ()
    return tuple(tag for tag in first if all(tag in run.annotations.tags for run in runs))


def tags_change(before: Sequence[str], typed: str) -> AnnotationChange:
    """What the typed tags change of the common ones; tags that only some runs have stay."""
    tags = typed.replace(",", " ").split()
    return AnnotationChange(
        added_tags=tuple(tag for tag in tags if tag not in before),
        removed_tags=tuple(tag for tag in before if tag not in tags),
    )


def written_text(change: AnnotationChange, count: int, places: Sequence[str] = ()) -> str:
    """What was done, and where, in words."""
    runs = counted(count, "run")
    where = f" ({'; '.join(places)})" if places else ""
    if change.archived is not None:
        done = f"Archived {runs}" if change.archived else f"Restored {runs}"
        return f"{done}{where}" + ("; A shows archived runs" if change.archived else "")
    what = "tags" if change.note is None else "note"
    return f"Saved the {what} of {runs}{where}"


def archive_change(runs: Sequence[RunSummary]) -> AnnotationChange:
    """All of them archived; or back in the list when they all are archived already."""
    return AnnotationChange(archived=not all(run.annotations.archived for run in runs))


class AnnotationController:
    """Asks for what is to be added to the runs that are meant, and has it written."""

    def __init__(self, session: Session, screen: PlaceScreen) -> None:
        self._session = session
        self._screen = screen

    def _runs(self) -> tuple[RunSummary, ...]:
        return runs_to_annotate(self._session.view, self._session.rows)

    async def action_note(self) -> None:
        runs = self._runs()
        before = common_note(runs)

        def change_by(text: str) -> AnnotationChange:
            return AnnotationChange(note=None if text == before else text)

        hint = "saved beside the run's file, never in it; empty removes it"
        await self._ask(runs, "note for", hint, LONGEST_NOTE, change_by, before)

    async def action_tags(self) -> None:
        runs = self._runs()
        before = common_tags(runs)
        hint = 'separated by spaces; filter by a tag with: tag == "paper"'
        longest = MOST_TAGS * (LONGEST_TAG + 1)
        change_by = partial(tags_change, before)
        await self._ask(runs, "tags of", hint, longest, change_by, " ".join(before))

    def action_archive(self) -> None:
        runs = self._runs()
        if not runs:
            return
        change = archive_change(runs)
        if change.archived:
            put_away = {run.id for run in runs}
            marks = tuple(run_id for run_id in self._session.view.marks if run_id not in put_away)
            self._session.change(replace(self._session.view, marks=marks))
        self._annotate(runs, change)

    def action_show_archived(self) -> None:
        self._session.change(
            replace(self._session.view, show_archived=not self._session.view.show_archived)
        )

    async def _ask(
        self,
        runs: tuple[RunSummary, ...],
        what: str,
        hint: str,
        longest: int,
        change_by: Callable[[str], AnnotationChange],
        text: str,
        problem: str = "",
    ) -> None:
        from traintop.tui.kit.entry import EntryScreen  # not needed for the first frame

        def keep(typed: str) -> None:
            change = change_by(typed)
            if change != AnnotationChange():
                again = partial(self._ask, runs, what, hint, longest, change_by, typed)
                self._annotate(runs, change, again)

        if runs:
            title = f"{what} {subject(runs, self._session.rows)}"
            entry = EntryScreen(title, hint, text, longest=longest, done=keep, problem=problem)
            # Awaited, so that what is typed right after the key lands in the dialog.
            await self._screen.app.push_screen(entry)

    def _annotate(
        self,
        runs: tuple[RunSummary, ...],
        change: AnnotationChange,
        ask_again: AskAgain | None = None,
    ) -> None:
        run_ids = tuple(run.id for run in runs)
        # To the App itself, so that it comes before the end that a next key asks for.
        self._screen.app.post_message(AnnotationRequested(run_ids, change, ask_again))
