"""The keys of the run list: moving, marking, sorting. Each is one pure step of the view."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from msgspec.structs import replace

from traintop.tui.messages import CopyRequested
from traintop.tui.view import (
    Pane,
    mark_all,
    mark_to_here,
    move_by,
    next_pane,
    sort_by,
    sort_next,
    toggle_baseline,
    toggle_mark,
)
from traintop.tui.view_screen import ViewScreen


class ListActions(ViewScreen):
    """Actions by the names that the table of keys has for them."""

    @property
    @abstractmethod
    def panes(self) -> Sequence[Pane]:
        """The panes that ``tab`` goes round at this size."""

    @property
    @abstractmethod
    def column_keys(self) -> Sequence[str]:
        """The columns that the list has room for."""

    def action_move(self, rows: int) -> None:
        self.change(move_by(self.view, self.rows, rows))

    def action_go_to_end(self, direction: int) -> None:
        self.action_move(direction * len(self.rows))

    def action_next_pane(self, step: int) -> None:
        self.change(next_pane(self.view, self.panes, step))

    def action_mark(self) -> None:
        self.change(toggle_mark(self.view))

    def action_mark_to_here(self) -> None:
        self.change(mark_to_here(self.view, self.rows))

    def action_mark_all(self) -> None:
        self.change(mark_all(self.view, self.rows))

    def action_unmark_all(self) -> None:
        self.change(replace(self.view, marks=()))

    def action_list_only(self) -> None:
        self.change(replace(self.view, list_only=not self.view.list_only))

    def action_pin(self) -> None:
        self.change(toggle_baseline(self.view))

    def action_copy(self) -> None:
        if self.view.selected is not None:
            self.post_message(CopyRequested(self.view.selected))

    def action_sort_next(self) -> None:
        self.change(sort_next(self.view, self.column_keys))

    def action_sort_reverse(self) -> None:
        self.action_sort_by(self.view.sort.column)

    def action_sort_by_place(self, place: int) -> None:
        """Sort by the column that stands at a place."""
        self.action_sort_by(self.column_keys[place])

    def action_sort_by(self, column: str) -> None:
        self.change(sort_by(self.view, column))
