"""The keys of the filter: a line opens below the list, and the list follows what is typed."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from msgspec.structs import replace
from textual.timer import Timer

from traintop.analysis.query_tokens import QueryError
from traintop.tui.view_screen import ViewScreen

if TYPE_CHECKING:
    from textual.widgets import Input

    from traintop.tui.main.filter_line import FilterLine

_PREVIEW_SECONDS = 0.06
"""Typing waits so long for the next character before the list follows: no key waits for it."""


class FilterActions(ViewScreen):
    """Actions by the names that the table of keys has for them."""

    filter_mistake: QueryError | None = None
    """What is wrong with the filter that is typed or kept."""

    _filter_line: FilterLine | None = None
    _filter_before = ""
    _preview: Timer | None = None

    @abstractmethod
    def mistake_in(self, query: str) -> QueryError | None:
        """What is wrong with a filter, given the runs there are now."""

    @property
    def is_filtering(self) -> bool:
        """Whether a filter is being typed."""
        return self._filter_line is not None

    async def action_filter(self) -> None:
        if self._filter_line is not None:
            return
        # Imported when it is wanted: the first frame does without.
        from traintop.tui.main.filter_line import FilterLine

        self._filter_before = self.view.filter
        self._filter_line = FilterLine(self.view.filter)
        # Awaited, so that what is typed right after the key lands in the line.
        await self.mount(self._filter_line, before="#footer")
        self.set_focus(self._filter_line.entry)
        self.change(self.view)

    def action_unfilter(self) -> None:
        self.change(replace(self.view, filter=""))

    def action_keep_filter(self) -> None:
        if self._filter_line is None:
            return
        self._filter_by(self._filter_line.text)
        if self.filter_mistake is None:
            self._close_filter_line()

    def action_drop_filter(self) -> None:
        self._close_filter_line()
        self._filter_by(self._filter_before)

    def on_input_changed(self, event: Input.Changed) -> None:
        if self._preview is not None:
            self._preview.stop()
        self._preview = self.set_timer(_PREVIEW_SECONDS, self._follow_typing)

    def show_filter_note(self) -> None:
        """Say under the line what the filter does."""
        if self._filter_line is None:
            return
        if self.filter_mistake is not None:
            self._filter_line.show_mistake(self.filter_mistake)
        else:
            self._filter_line.show_count(len(self.rows), self.rows.total)

    def _follow_typing(self) -> None:
        if self._filter_line is not None:
            self._filter_by(self._filter_line.text)

    def _filter_by(self, text: str) -> None:
        """List what the text matches; a mistake leaves the list as it is."""
        self.filter_mistake = self.mistake_in(text)
        if self.filter_mistake is None:
            self.change(replace(self.view, filter=text.strip()))
        else:
            self.show_filter_note()

    def _close_filter_line(self) -> None:
        if self._preview is not None:
            self._preview.stop()
        if self._filter_line is not None:
            self.set_focus(None)  # at once: what is typed ahead is for the list already
            self._filter_line.remove()
            self._filter_line = None
        self.filter_mistake = None
        self.change(self.view)
