"""The run list: virtualised, so that its cost follows the rows on screen, not the runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import msgspec
from msgspec.structs import replace
from textual import events
from textual.cache import LRUCache
from textual.content import Content
from textual.geometry import Region, Size
from textual.strip import Strip

from traintop.analysis.ranking import RunGroup
from traintop.field import Value
from traintop.fields import best_text, field_of
from traintop.lines import EMPTY_LINE, Line, Piece
from traintop.metrics import LOSSES
from traintop.model import RunSummary
from traintop.text import number, seconds_until_older
from traintop.times import age_seconds
from traintop.tui.columns import TREND_COLUMN, ColumnChoice, RowContext, offered_columns
from traintop.tui.kit.pane import StyledLines
from traintop.tui.kit.runs import (
    ARCHIVED_GLYPH,
    BASELINE_GLYPH,
    NOTE_GLYPH,
    TAG_GLYPH,
    UNKNOWN_GLYPH,
    run_name,
)
from traintop.tui.main.row_layout import (
    RowLayout,
    format_group,
    format_heading,
    format_row,
    lay_out,
)
from traintop.tui.messages import CopyRequested
from traintop.tui.session import Session
from traintop.tui.view import (
    SortOrder,
    group_next,
    mark_all,
    mark_to_here,
    move_by,
    sort_by,
    sort_next,
    toggle_baseline,
    toggle_mark,
)

_GUTTER = 3
_HEADINGS = 1


class _DrawnRow(msgspec.Struct, frozen=True):
    line: Line
    cursor: bool = False


class RunTable(StyledLines):
    """Headings, and one row per run below them, maybe in groups; formats only what can be seen.

    It answers the keys of the list, each a step of the session's view. ``on_rows_shown`` is called
    with the runs in view whose place answers, whenever others are or these changed, while their
    course has a column.
    """

    DEFAULT_CSS = """
    RunTable { overflow-y: auto; }
    """

    def __init__(
        self,
        session: Session,
        on_rows_shown: Callable[[Sequence[RunSummary]], None],
        *,
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(id=id)
        self._session = session
        self._on_rows_shown = on_rows_shown
        self._rows = session.rows
        self._view = session.view
        self._marks: Mapping[str, Piece] = {}
        self._row_context = RowContext(datetime.now())
        self._in_view: tuple[RunSummary, ...] = ()
        self._painted: list[_DrawnRow] = []
        self._group_lines: dict[Value, Line] = {}
        self._strips: LRUCache[tuple[_DrawnRow, int], Strip] = LRUCache(1024)

    @property
    def page_rows(self) -> int:
        """The rows that are visible at a time, at least one."""
        return max(self.content_height() - _HEADINGS, 1)

    @property
    def column_keys(self) -> tuple[str, ...]:
        """The columns that the width has room for."""
        return tuple(column.key for column, _ in self._layout().columns)

    def draw(self, marks: Mapping[str, Piece], context: RowContext) -> None:
        """Show the session; repaints the lines that changed, and scrolls to a moved cursor.

        ``marks`` are the marked runs, each with the mark of its curves.
        """
        view, rows = self._session.view, self._session.rows
        cursor_moved = rows.position(view.selected) != self._rows.position(self._view.selected)
        # The cursor's run is in view after a sort.
        cursor_moved |= (view.sort, view.group) != (self._view.sort, self._view.group)
        if rows is not self._rows or context.places != self._row_context.places:
            self._group_lines.clear()
        self._rows, self._view = rows, view
        self._marks, self._row_context = marks, context
        self._fit_scrolling()
        if cursor_moved:
            self._scroll_to_cursor()
        self._refresh_changed()
        self._follow_rows_in_view()

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
        self._group_lines.clear()
        self._fit_scrolling()
        self._scroll_to_cursor()
        self._follow_rows_in_view()

    def on_click(self, event: events.Click) -> None:
        if (run := self._run_at(event)) is not None:
            view = replace(self._session.view, selected=run.id)
            self._session.change(toggle_mark(view) if event.x < _GUTTER else view)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        run = self._run_at(event)
        self.tooltip = None if run is None else Content(_tooltip(run))

    def _run_at(self, event: events.MouseEvent) -> RunSummary | None:
        if event.y < _HEADINGS:
            return None
        row = self._rows.at_line(event.y - _HEADINGS + round(self.scroll_y))
        return None if isinstance(row, RunGroup) else row

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._follow_rows_in_view()

    def _follow_rows_in_view(self) -> None:
        listed = self._runs_at(round(self.scroll_y))
        in_view = tuple(filter(self._row_context.is_known, listed))
        if in_view != self._in_view and TREND_COLUMN in self.column_keys:
            self._in_view = in_view
            self._on_rows_shown(in_view)

    def _runs_at(self, top: int) -> tuple[RunSummary, ...]:
        rows = map(self._rows.at_line, range(top, top + self.page_rows))
        return tuple(row for row in rows if row is not None and not isinstance(row, RunGroup))

    def _layout(self) -> RowLayout:
        room = max(self.content_width() - _GUTTER - 1, 0)
        rows, view = self._rows, self._view
        return lay_out(
            room,
            view.columns,
            view.sort.column,
            rows.name_width,
            any_eta=rows.any_eta,
            any_gpu=rows.any_gpu,
        )

    def _row_at(self, y: int) -> _DrawnRow:
        if y < _HEADINGS:
            sort = self._view.sort
            heading = format_heading(self._layout(), sort.column, sort.descending)
            return _DrawnRow((Piece(" " * _GUTTER), *heading))
        run = self._rows.at_line(y - _HEADINGS + round(self.scroll_y))
        if run is None:
            return _DrawnRow(EMPTY_LINE)
        if isinstance(run, RunGroup):
            return _DrawnRow(self._group_line(run))
        cursor = run.id == self._view.selected
        gutter = (
            Piece("▌" if cursor else " ", "accent"),
            self._marks.get(run.id, Piece(" ")),
            self._third_mark(run),
        )
        row = format_row(run, self._layout(), self._row_context)
        if run.annotations.archived or not self._row_context.is_known(run):
            row = tuple(replace(piece, role="muted") for piece in row)
        return _DrawnRow((*gutter, *row), cursor)

    def _group_line(self, group: RunGroup) -> Line:
        line = self._group_lines.get(group.value)
        if line is None:
            width = max(self.content_width() - 1, 0)
            line = (Piece(" "), *format_group(group, self._row_context.places, width))
            self._group_lines[group.value] = line
        return line

    def _third_mark(self, run: RunSummary) -> Piece:
        if run.id == self._view.baseline:
            return Piece(BASELINE_GLYPH, "warn")
        added = run.annotations
        marks = (
            (not self._row_context.is_known(run), UNKNOWN_GLYPH),
            (added.archived, ARCHIVED_GLYPH),
            (added.note, NOTE_GLYPH),
            (added.tags, TAG_GLYPH),
        )
        return Piece(next((mark for there, mark in marks if there), " "), "muted")

    def _refresh_changed(self) -> None:
        for y, painted in enumerate(self._painted[: self.content_height()]):
            row = self._row_at(y)
            if painted.cursor != row.cursor:
                self.refresh(Region(0, y, self.size.width, 1))
            else:
                self.refresh_span(y, painted.line, row.line)

    def _fit_scrolling(self) -> None:
        size = Size(1, self._rows.lines + _HEADINGS)
        if size != self.virtual_size:
            self.virtual_size = size

    def _scroll_to_cursor(self) -> None:
        position = self._rows.position(self._view.selected)
        if position is None:
            return
        top, line = round(self.scroll_y), self._rows.line(position)
        # Above the first run of a group stands its heading.
        first = line - isinstance(self._rows.at_line(line - 1), RunGroup)
        wanted = min(max(min(top, first), line - self.page_rows + 1), line)
        if wanted != top:
            self.scroll_to(y=wanted, animate=False, force=True, immediate=True)

    # Keys.

    def action_move(self, rows: int) -> None:
        self._session.change(move_by(self._session.view, self._session.rows, rows))

    def action_go_to_end(self, direction: int) -> None:
        self.action_move(direction * len(self._session.rows))

    def action_mark(self) -> None:
        self._session.change(toggle_mark(self._session.view))

    def action_mark_to_here(self) -> None:
        self._session.change(mark_to_here(self._session.view, self._session.rows))

    def action_mark_all(self) -> None:
        self._session.change(mark_all(self._session.view, self._session.rows))

    def action_unmark_all(self) -> None:
        self._session.change(replace(self._session.view, marks=()))

    def action_pin(self) -> None:
        self._session.change(toggle_baseline(self._session.view))

    def action_copy(self) -> None:
        if self._session.view.selected is not None:
            self.app.post_message(CopyRequested(self._session.view.selected))

    def action_sort_next(self) -> None:
        self._session.change(sort_next(self._session.view, self.column_keys))

    def action_sort_reverse(self) -> None:
        self._session.change(sort_by(self._session.view, self._session.view.sort.column))

    def action_sort_by_place(self, place: int) -> None:
        """Sort by the column that stands at a place, if one still does."""
        for key in self.column_keys[place : place + 1]:
            self._session.change(sort_by(self._session.view, key))

    def action_group_next(self) -> None:
        self._session.change(group_next(self._session.view))

    def action_columns(self) -> None:
        from traintop.tui.main.column_chooser import ColumnChoosing, ColumnsScreen

        view = self._session.view
        choosing = ColumnChoosing(view.columns, offered_columns(self._rows.runs))
        screen = ColumnsScreen(choosing, view.sort, view.group, self._choose_columns)
        self.app.push_screen(screen)

    def _choose_columns(
        self, columns: tuple[ColumnChoice, ...], sort: SortOrder, group: str
    ) -> None:
        view = self._session.view
        self._session.change(replace(view, columns=columns, sort=sort, group=group))


def _tooltip(run: RunSummary) -> str:
    """The whole name, and the best losses with their exact iterations."""
    best = (
        f"best {field_of(loss).words} {best_text(run, loss, lambda best: number(best, 6))}"
        for loss in LOSSES
    )
    return "\n".join((run_name(run), *best))
