"""The dialog in which the columns of the list are chosen; the list behind it shows them at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from traintop.tui.column_choice import ColumnChoosing, choice_lines
from traintop.tui.keys import Situation, bindings_of
from traintop.tui.places import Place
from traintop.tui.row_layout import ColumnChoice
from traintop.tui.screens.steady import DialogScreen
from traintop.tui.state import SortOrder
from traintop.tui.widgets.line_pane import ScrollingPane

Apply = Callable[[tuple[ColumnChoice, ...], SortOrder], None]


class ColumnsScreen(DialogScreen):
    """``apply`` is called with each choice, so that its effect can be seen."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Place.COLUMNS)]

    def __init__(self, choosing: ColumnChoosing, sort: SortOrder, apply: Apply) -> None:
        super().__init__()
        self.choosing = choosing
        self._sort = sort
        self._apply = apply
        self._pane = ScrollingPane(id="columns")

    @property
    def situation(self) -> Situation:
        return Situation(Place.COLUMNS)

    def compose(self) -> ComposeResult:
        self._pane.border_title = "columns of the list"
        self._pane.border_subtitle = (
            "space chooses  J K order  < > width  s sorts  0 resets  esc closes"
        )
        yield self._pane

    def on_mount(self) -> None:
        self._show()

    def _show(self) -> None:
        choosing, sort = self.choosing, self._sort
        self._pane.show((choosing, sort), lambda width, height: choice_lines(choosing, sort, width))
        self._pane.scroll_to_line(choosing.cursor)

    def _change(self, changed: ColumnChoosing) -> None:
        chosen_before, self.choosing = self.choosing.chosen, changed
        if changed.chosen != chosen_before:
            self._apply(changed.chosen, self._sort)
        self._show()

    def action_move_choice(self, lines: int) -> None:
        self._change(self.choosing.move_to(self.choosing.cursor + lines))

    def action_pick_column(self, place: int) -> None:
        self._change(self.choosing.move_to(place).toggle())

    def action_toggle_column(self) -> None:
        self._change(self.choosing.toggle())

    def action_shift_column(self, step: int) -> None:
        self._change(self.choosing.shift(step))

    def action_widen_column(self, steps: int) -> None:
        self._change(self.choosing.widen(steps))

    def action_reset_columns(self) -> None:
        self._change(self.choosing.reset())

    def action_sort_by_column(self) -> None:
        key = self.choosing.key
        self._sort = SortOrder(key, self._sort.column == key and not self._sort.reverse)
        self._apply(self.choosing.chosen, self._sort)
        self._show()
