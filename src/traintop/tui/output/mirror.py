"""What the terminal shows beside what it is to show, and the frames that make both equal."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter

from traintop.tui.output.frames import Change, Pen, areas, changes, cost
from traintop.tui.output.grid import BLANK, Cell, CellGrid

_BEGIN_UPDATE, _END_UPDATE = b"\x1b[?2026h", b"\x1b[?2026l"


class ScreenMirror:
    """Two grids of cells: :attr:`wanted`, which is drawn on, and the one that the terminal has."""

    def __init__(
        self,
        columns: int,
        lines: int,
        *,
        erases_in_color: bool,
        control: Callable[[str], object],
    ) -> None:
        """``control`` gets each sequence that changes no cell."""
        self.wanted = CellGrid(columns, lines, control)
        self.is_equal = False
        """Whether the last frame had all that differed."""
        self._shown: list[list[Cell]] = []  # empty when it is not known
        self._pen = Pen(erases_in_color=erases_in_color)

    def forget(self) -> None:
        """Take nothing for known: another program, or a change of size, may have drawn."""
        self._shown = []

    def resize(self, columns: int, lines: int) -> bool:
        """Take the size of the terminal; whether that is another than before."""
        if (columns, lines) == (self.wanted.columns, self.wanted.lines):
            return False
        self.wanted.resize(columns, lines)
        self.forget()
        return True

    def frame(self, room: int, *, largest_first: bool = False) -> bytes:
        """What makes the terminal show more of what is wanted, in about ``room`` bytes.

        Small changes come first, so that a number does not wait for a chart. Empty if nothing
        differs.
        """
        wanted, pen = self.wanted, self._pen
        if not self._shown:
            pen.forget()
            pen.clear_screen()
            self._shown = [[BLANK] * wanted.columns for _ in range(wanted.lines)]
        found = areas(list(changes(self._shown, wanted.rows)))
        if not largest_first:
            found.reverse()
        waiting = [change for area in found for change in reversed(area)]
        chosen: list[Change] = []
        halved: list[Change] = []
        while waiting and room > 0:
            change = waiting.pop()
            line, start, end = change
            room -= cost(wanted.rows[line], change)
            old, new = self._shown[line][start:end], wanted.rows[line][start:end]
            (chosen if all(map(attrgetter("text"), old + new)) else halved).append(change)
            self._shown[line][start:end] = new
        # Not all emulators bear half of a wide character, were it for a moment only.
        pen.paint(wanted.rows, halved, in_order=True)
        pen.paint(wanted.rows, chosen)
        self.is_equal = not waiting
        column, line = wanted.cursor
        pen.move(min(column, wanted.columns - 1), min(line, wanted.lines - 1))
        cells = pen.take()
        if cells and wanted.marks_updates:
            return _BEGIN_UPDATE + cells + _END_UPDATE
        return cells
