"""The keys that add to runs from outside: notes, tags, the archive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from traintop.model import RunSummary
from traintop.store.annotations import LONGEST_NOTE, LONGEST_TAG, MOST_TAGS, AnnotationChange
from traintop.tui import annotating
from traintop.tui.messages import AnnotationRequested
from traintop.tui.screens.view_screen import ViewScreen


class AnnotationActions(ViewScreen):
    """Actions by the names that the table of keys has for them."""

    async def action_note(self) -> None:
        runs = annotating.meant_runs(self.view, self.rows)
        if not runs:
            return
        before = annotating.common_note(runs)

        def keep(text: str) -> None:
            if text != before:
                self._annotate(runs, AnnotationChange(note=text))

        hint = "kept beside the run, never in its file; empty removes it"
        await self._ask(f"note for {annotating.subject(runs)}", hint, before, LONGEST_NOTE, keep)

    async def action_tags(self) -> None:
        runs = annotating.meant_runs(self.view, self.rows)
        if not runs:
            return
        before = annotating.common_tags(runs)

        def keep(text: str) -> None:
            change = annotating.tags_change(before, text)
            if change != AnnotationChange():
                self._annotate(runs, change)

        hint = 'tags with spaces between them; the filter finds them: tag == "paper"'
        longest = MOST_TAGS * (LONGEST_TAG + 1)
        title = f"tags of {annotating.subject(runs)}"
        await self._ask(title, hint, " ".join(before), longest, keep)

    def action_archive(self) -> None:
        runs = annotating.meant_runs(self.view, self.rows)
        if not runs:
            return
        change = annotating.archive_change(runs)
        if change.archived:
            put_away = {run.path for run in runs}
            marks = tuple(path for path in self.view.marks if path not in put_away)
            self.change(replace(self.view, marks=marks))
        self._annotate(runs, change)

    def action_show_archived(self) -> None:
        self.change(replace(self.view, show_archived=not self.view.show_archived))

    async def _ask(
        self, title: str, hint: str, text: str, longest: int, keep: Callable[[str], None]
    ) -> None:
        from traintop.tui.screens.entry import EntryScreen  # not needed for the first frame

        # Awaited, so that what is typed right after the key lands in the dialog.
        await self.app.push_screen(EntryScreen(title, hint, text, longest=longest, done=keep))

    def _annotate(self, runs: tuple[RunSummary, ...], change: AnnotationChange) -> None:
        self.post_message(AnnotationRequested(tuple(run.path for run in runs), change))
