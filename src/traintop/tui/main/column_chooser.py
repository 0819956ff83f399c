"""Choosing, ordering and widening the columns of the list, which shows them at once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import msgspec
from msgspec.structs import replace

from traintop.lines import Line, Piece, clickable
from traintop.text import fit
from traintop.tui.columns import DEFAULT_CHOICES, ColumnChoice, can_group, column_of
from traintop.tui.kit.dialogs import SearchDialog
from traintop.tui.kit.keys import Place
from traintop.tui.view import SortOrder

_HEADING_WIDTH = 18
_WIDTH_STEP = 2
_MOST_WIDER = 40


class ColumnChoosing(msgspec.Struct, frozen=True):
    """The columns chosen so far, in order, above the others that are offered."""

    chosen: tuple[ColumnChoice, ...]
    offered: tuple[str, ...]
    cursor: int = 0

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns in the order in which they are shown here."""
        chosen = tuple(choice.key for choice in self.chosen)
        return chosen + tuple(key for key in self.offered if key not in chosen)

    @property
    def key(self) -> str:
        """The column that the cursor is on."""
        return self.keys[self.cursor]

    def move_to(self, cursor: int) -> ColumnChoosing:
        """The cursor on a line, or on the nearest one there is."""
        return replace(self, cursor=min(max(cursor, 0), len(self.keys) - 1))

    def toggle(self) -> ColumnChoosing:
        """The column at the cursor added at the end, or taken away; one always stays.

        The cursor goes with an added one, which can so be put in its place at once.
        """
        last = len(self.chosen)
        if self.cursor >= last:
            return replace(self, chosen=(*self.chosen, ColumnChoice(self.key)), cursor=last)
        if len(self.chosen) == 1:
            return self
        kept = tuple(choice for choice in self.chosen if choice.key != self.key)
        return replace(self, chosen=kept)

    def shift(self, step: int) -> ColumnChoosing:
        """The chosen column at the cursor one place earlier or later; the cursor goes with it."""
        here, there = self.cursor, self.cursor + step
        if not (here < len(self.chosen) and 0 <= there < len(self.chosen)):
            return self
        order = list(self.chosen)
        order[here], order[there] = order[there], order[here]
        return replace(self, chosen=tuple(order), cursor=there)

    def widen(self, steps: int) -> ColumnChoosing:
        """The chosen column at the cursor wider, or narrower."""
        if self.cursor >= len(self.chosen):
            return self
        choice = self.chosen[self.cursor]
        wider = min(max(choice.wider + steps * _WIDTH_STEP, -_MOST_WIDER), _MOST_WIDER)
        changed = (*self.chosen[: self.cursor], replace(choice, wider=wider))
        return replace(self, chosen=(*changed, *self.chosen[self.cursor + 1 :]))

    def reset(self) -> ColumnChoosing:
        """The columns that the list has at first."""
        return replace(self, chosen=DEFAULT_CHOICES, cursor=0)


def choice_lines(
    choosing: ColumnChoosing, sort: SortOrder, group: str, width: int
) -> Sequence[Line]:
    """A line for each column: whether it is chosen, its heading and what it means."""
    lines: list[Line] = []
    for place, key in enumerate(choosing.keys):
        column = column_of(key)
        choice = choosing.chosen[place] if place < len(choosing.chosen) else None
        here = place == choosing.cursor
        arrow = ("↓" if sort.descending else "↑") if key == sort.column else ""
        wider = f"  {choice.wider:+d} wide" if choice and choice.wider else ""
        grouped: Line = (Piece(" groups", "accent"),) if key == group else ()
        line: Line = (
            Piece("▌" if here else " ", "accent"),
            Piece("✓ " if choice else "  ", "good"),
            Piece(
                fit(column.field.label + arrow, _HEADING_WIDTH),
                "strong" if choice else "text",
                bold=here,
            ),
            *grouped,
            Piece(f" {column.field.explanation}{wider}", "muted"),
        )
        lines.append(clickable(line, f"screen.pick_column({place})", width))
    return lines


Apply = Callable[[tuple[ColumnChoice, ...], SortOrder, str], None]


class ColumnsScreen(SearchDialog):
    """``apply`` is called with each choice, so that its effect can be seen."""

    PLACES = (Place.COLUMNS,)

    def __init__(self, choosing: ColumnChoosing, sort: SortOrder, group: str, apply: Apply) -> None:
        hint = "space chooses  J K order  < > width  s sorts  g groups"
        super().__init__("columns of the list", hint, id="columns")
        self.choosing = choosing
        self._sort = sort
        self._group = group
        self._on_choice = apply

    @property
    def content(self) -> Hashable:
        return (self.choosing, self._sort, self._group)

    @property
    def texts(self) -> Sequence[str]:
        """What each column is found by: its heading, its name and what it means."""
        fields = [column_of(key).field for key in self.choosing.keys]
        return [f"{field.label} {field.name} {field.explanation}" for field in fields]

    def lines(self, width: int) -> Sequence[Line]:
        return choice_lines(self.choosing, self._sort, self._group, width)

    def _change(self, changed: ColumnChoosing) -> None:
        chosen_before, self.choosing = self.choosing.chosen, changed
        self.cursor = changed.cursor
        if changed.chosen != chosen_before:
            self._apply()
        self.draw()

    def _apply(self) -> None:
        self._on_choice(self.choosing.chosen, self._sort, self._group)

    def action_move_choice(self, lines: int) -> None:
        self._change(self.choosing.move_to(self.place_after(lines)))

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
        self._apply()
        self.draw()

    def action_group_by_column(self) -> None:
        key = self.choosing.key
        if can_group(key):
            self._group = "" if self._group == key else key
            self._apply()
            self.draw()
