"""The keys that add to runs from outside: notes, tags, the archive."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec
from msgspec.structs import replace

from traintop.model import RunSummary
from traintop.store.annotations import LONGEST_NOTE, LONGEST_TAG, MOST_TAGS, AnnotationChange
from traintop.tui import annotating
from traintop.tui.messages import AnnotationRequested, AskAgain
from traintop.tui.screens.view_screen import ViewScreen


class _Question(msgspec.Struct, frozen=True):
    """What a person is asked about some runs, and what the answer changes of them."""

    runs: tuple[RunSummary, ...]
    title: str
    hint: str
    longest: int
    change_by: Callable[[str], AnnotationChange]


class AnnotationActions(ViewScreen):
    """Actions by the names that the table of keys has for them."""

    async def action_note(self) -> None:
        runs = annotating.meant_runs(self.view, self.rows)
        if not runs:
            return
        before = annotating.common_note(runs)
        question = _Question(
            runs,
            f"note for {annotating.subject(runs)}",
            "kept beside the run, never in its file; empty removes it",
            LONGEST_NOTE,
            lambda text: AnnotationChange(note=None if text == before else text),
        )
        await self._ask(question, before)

    async def action_tags(self) -> None:
        runs = annotating.meant_runs(self.view, self.rows)
        if not runs:
            return
        before = annotating.common_tags(runs)
        question = _Question(
            runs,
            f"tags of {annotating.subject(runs)}",
            'tags with spaces between them; the filter finds them: tag == "paper"',
            MOST_TAGS * (LONGEST_TAG + 1),
            partial(annotating.tags_change, before),
        )
        await self._ask(question, " ".join(before))

    def action_archive(self) -> None:
        runs = annotating.meant_runs(self.view, self.rows)
        if not runs:
            return
        change = annotating.archive_change(runs)
        if change.archived:
            put_away = {run.id for run in runs}
            marks = tuple(run_id for run_id in self.view.marks if run_id not in put_away)
            self.change(replace(self.view, marks=marks))
        self._annotate(runs, change)

    def action_show_archived(self) -> None:
        self.change(replace(self.view, show_archived=not self.view.show_archived))

    async def _ask(self, question: _Question, text: str, problem: str = "") -> None:
        from traintop.tui.screens.entry import EntryScreen  # not needed for the first frame

        def keep(typed: str) -> None:
            change = question.change_by(typed)
            if change != AnnotationChange():
                self._annotate(question.runs, change, partial(self._ask, question, typed))

        # Awaited, so that what is typed right after the key lands in the dialog.
        await self.app.push_screen(
            EntryScreen(
                question.title,
                question.hint,
                text,
                longest=question.longest,
                done=keep,
                problem=problem,
            )
        )

    def _annotate(
        self,
        runs: tuple[RunSummary, ...],
        change: AnnotationChange,
        ask_again: AskAgain | None = None,
    ) -> None:
        run_ids = tuple(run.id for run in runs)
        # To the App itself, so that it comes before the end that a next key asks for.
        self.app.post_message(AnnotationRequested(run_ids, change, ask_again))
