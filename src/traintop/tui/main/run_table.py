"""The run list: virtualised, so that its cost follows the rows on screen, not the runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec
from msgspec.structs import replace
from textual import events
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.strip import Strip

from traintop.lines import EMPTY_LINE, Line, Piece
from traintop.model import RunSummary
from traintop.text import seconds_until_older
from traintop.times import age_seconds
from traintop.tui.columns import DEFAULT_CHOICES, TREND_COLUMN, ColumnChoice, RowContext
from traintop.tui.kit.pane import StyledLines
from traintop.tui.main.row_layout import RowLayout, format_heading, format_row, lay_out
from traintop.tui.messages import MarkToggled, RowsInView, RunPicked
from traintop.tui.view import RunRows, SortOrder

_GUTTER = 3
_HEADINGS = 1


class _DrawnRow(msgspec.Struct, frozen=True):
    line: Line
    cursor: bool = False


class RunTable(StyledLines):
    """Headings, and one row per run below them; formats only the rows that can be seen."""

    DEFAULT_CSS = """
    RunTable { overflow-y: auto; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._rows = RunRows()
        self._selected: str | None = None
        self._marks: Mapping[str, Piece] = {}
        self._baseline: str | None = None
        self._sort = SortOrder()
        self._choices = DEFAULT_CHOICES
        self._row_context = RowContext(datetime.now())
        self._in_view: tuple[RunSummary, ...] = ()
        self._painted: list[_DrawnRow] = []
        self._strips: LRUCache[tuple[_DrawnRow, int], Strip] = LRUCache(1024)
        self.formatted_rows = 0

    @property
    def page_rows(self) -> int:
        """The rows that are visible at a time, at least one."""
        return max(self.content_height() - _HEADINGS, 1)

    @property
    def column_keys(self) -> tuple[str, ...]:
        """The columns that the width has room for."""
        return tuple(column.key for column, _ in self._layout().columns)

    def show(
        self,
        rows: RunRows,
        selected: str | None,
        marks: Mapping[str, Piece],
        baseline: str | None,
        sort: SortOrder,
        columns: tuple[ColumnChoice, ...],
        context: RowContext,
    ) -> None:
        """Show these runs; repaints the lines that changed, and scrolls to a moved cursor.

        ``marks`` are the marked runs, each with what stands for its curves; ``baseline`` is the
        pinned one.
        """
        cursor_moved = rows.position(selected) != self._rows.position(self._selected)
        self._rows, self._selected, self._marks = rows, selected, marks
        self._baseline, self._sort = baseline, sort
        self._choices, self._row_context = columns, context
        self._fit_scrolling()
        if cursor_moved:
            self._scroll_to_cursor()
        self._refresh_changed()
        self._tell_rows_in_view()

    def seconds_until_older(self) -> float | None:
        """Seconds until the age of a visible row reads otherwise; ``None`` when none will."""
        if "age" not in self.column_keys:
            return None
        top = round(self.scroll_y)
        ages = (age_seconds(run.start_time, self._row_context.now) for run in self._runs_at(top))
        return min((seconds_until_older(age) for age in ages if age is not None), default=None)

    def render_line(self, y: int) -> Strip:
        row = self._row_at(y)
        while len(self._painted) <= y:
            self._painted.append(_DrawnRow(EMPTY_LINE))
        self._painted[y] = row
        width = self.content_width()
        strip = self._strips.get((row, width))
        if strip is None:
            strip = self.strip_of(row.line, width, cursor=row.cursor)
            self._strips[(row, width)] = strip
        return strip

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips.clear()

    def on_resize(self) -> None:
        self._fit_scrolling()
        self._scroll_to_cursor()
        self._tell_rows_in_view()

    def on_click(self, event: events.Click) -> None:
        index = event.y - _HEADINGS + round(self.scroll_y)
        if event.y >= _HEADINGS and 0 <= index < len(self._rows):
            run_id = self._rows.runs[index].id
            self.post_message(MarkToggled(run_id) if event.x < _GUTTER else RunPicked(run_id))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._tell_rows_in_view()

    def _tell_rows_in_view(self) -> None:
        """Whoever samples the runs on screen hears of others, and of changes to them."""
        in_view = self._runs_at(round(self.scroll_y))
        if in_view != self._in_view and TREND_COLUMN in self.column_keys:
            self._in_view = in_view
            # To the App itself: a message ends at the screen whose timer made the table post it.
            self.app.post_message(RowsInView(in_view))

    def _runs_at(self, top: int) -> tuple[RunSummary, ...]:
        return self._rows.runs[top : top + self.page_rows]

    def _layout(self) -> RowLayout:
        room = max(self.content_width() - _GUTTER - 1, 0)
        return lay_out(room, self._choices, self._sort.column)

    def _row_at(self, y: int) -> _DrawnRow:
        if y < _HEADINGS:
            heading = format_heading(self._layout(), self._sort.column, self._sort.descending)
            return _DrawnRow((Piece(" " * _GUTTER), *heading))
        index = y - _HEADINGS + round(self.scroll_y)
        if not 0 <= index < len(self._rows):
            return _DrawnRow(EMPTY_LINE)
        run = self._rows.runs[index]
        self.formatted_rows += 1
        cursor = run.id == self._selected
        gutter = (
            Piece("▌" if cursor else " ", "accent"),
            self._marks.get(run.id, Piece(" ")),
            self._third_mark(run),
        )
        row = format_row(run, self._layout(), self._row_context)
        if run.annotations.archived:
            row = tuple(replace(piece, role="muted") for piece in row)
        return _DrawnRow((*gutter, *row), cursor)

    def _third_mark(self, run: RunSummary) -> Piece:
        if run.id == self._baseline:
            return Piece("⚑", "warn")
        return Piece("a" if run.annotations.archived else " ", "muted")

    def _refresh_changed(self) -> None:
        for y, painted in enumerate(self._painted[: self.content_height()]):
            row = self._row_at(y)
            if painted.cursor != row.cursor:
                self.refresh(Region(0, y, self.size.width, 1))
            else:
                self.refresh_span(y, painted.line, row.line)

    def _fit_scrolling(self) -> None:
        size = Size(1, len(self._rows) + _HEADINGS)
        if size != self.virtual_size:
            self.virtual_size = size

    def _scroll_to_cursor(self) -> None:
        position = self._rows.position(self._selected)
        if position is None:
            return
        top = round(self.scroll_y)
        lowest = position - self.page_rows + 1
        wanted = min(max(top, lowest), position)
        if wanted != top:
            self.scroll_to(y=wanted, animate=False, force=True, immediate=True)
