"""The main screen: holds the newest snapshot, the records and the view; shows them in panes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from msgspec.structs import replace
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer

from traintop.analysis.query_tokens import QueryError
from traintop.metrics import choose_directions
from traintop.tui.alerts.screen import NoticeActions
from traintop.tui.annotate.actions import AnnotationActions
from traintop.tui.columns import RowContext
from traintop.tui.kit.keys import Need, Place, Situation, footer_line, key_of_action
from traintop.tui.kit.pane import LinePane, ScrollingPane
from traintop.tui.kit.runs import run_name
from traintop.tui.main.details import detail_lines, header_line
from traintop.tui.main.empty_state import empty_lines, nothing_listed_lines
from traintop.tui.main.filter_actions import FilterActions
from traintop.tui.main.list_actions import ListActions
from traintop.tui.main.opening_actions import OpeningActions
from traintop.tui.main.run_table import RunTable
from traintop.tui.main.status_line import notices_line, status_line
from traintop.tui.messages import (
    ChartedRunsChanged,
    FirstRunsPainted,
    HistoryLoaded,
    LoadFailed,
    MarkToggled,
    RunPicked,
    ViewChanged,
)
from traintop.tui.plots.actions import ChartActions
from traintop.tui.plots.grid import ChartGrid
from traintop.tui.plots.runs import PATIENCE_SECONDS, ChartedRuns
from traintop.tui.plots.source import ChartSource, chart_notes
from traintop.tui.view import ListedRuns, Pane, ViewState, listing_of, toggle_mark
from traintop.tui.view_screen import OverlayScreen

if TYPE_CHECKING:
    from traintop.store.catalog import Snapshot

REDRAW_SECONDS = 0.25
"""The least time between two redraws that news from files cause; keys redraw at once."""

_PREVIEW_LINES = 14
"""A narrow screen with so many lines beside the rows of the list shows a chart below it."""


class MainScreen(
    ListActions, FilterActions, AnnotationActions, NoticeActions, ChartActions, OpeningActions
):
    """Runs, charts and summary; which of them share the screen is up to its size."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-medium"), (120, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-low"), (14, "-short"), (26, "-tall")]  # noqa: RUF012
    # The filter first: ctrl+c leaves its line before it quits.
    PLACES = (Place.FILTER, Place.RUNS, Place.ZOOM)

    def __init__(
        self, directories: Sequence[Path], clock: Callable[[], datetime], view: ViewState
    ) -> None:
        super().__init__(classes=f"-reading -pane-{Pane.RUNS}")
        self._directories = tuple(directories)
        self._clock = clock
        self._listed = ListedRuns(clock)
        self.view = view
        choose_directions(dict(view.directions))
        self.rows = self._listed.rows
        self.redraws = 0
        self._status_pane = LinePane(id="status")
        self._notices_pane = LinePane(id="notices")
        self._empty_pane = ScrollingPane(id="empty")
        self._table = RunTable(id="runs")
        self._summary_pane = ScrollingPane(id="summary")
        self._header_pane = LinePane(id="header")
        self._grid = ChartGrid(id="charts")
        self._footer_pane = LinePane(id="footer")
        self._summary_title = ""
        self._mounted = False
        self._trends: dict[str, str] = {}
        self.charted = ChartedRuns()
        self.source = ChartSource(self.charted)
        self._drawn_at = float("-inf")
        self._pending: Timer | None = None
        self._aging: Timer | None = None
        self._patience: Timer | None = None

    def compose(self) -> ComposeResult:
        yield self._status_pane
        yield self._notices_pane
        yield self._empty_pane
        with Container(id="body"):
            with Container(id="left"):
                yield self._table
                yield self._summary_pane
            with Container(id="detail"):
                yield self._header_pane
                yield self._grid
        yield self._footer_pane

    def on_mount(self) -> None:
        self._mounted = True
        self._redraw()
        self.screen_layout_refresh_signal.subscribe(self, self._look_at_paint, immediate=True)

    def _look_at_paint(self, screen: Screen[object]) -> None:
        if not self.has_class("-reading"):
            self.screen_layout_refresh_signal.unsubscribe(self)
            self.post_message(FirstRunsPainted())

    @property
    def up_to_date(self) -> bool:
        """Whether all news that arrived have been drawn."""
        return self._mounted and self._pending is None and self._grid.up_to_date

    # What comes from the threads at the edge.

    def show_snapshot(self, snapshot: Snapshot, mode: str) -> None:
        """Show what the watcher saw."""
        self._listed.take(snapshot, mode)
        self._redraw_soon()

    def show_history(self, loaded: HistoryLoaded) -> None:
        """Show the records of a run: at once when somebody waits for them.

        That is for those of the selected run; of many marked ones each would be a redraw.
        """
        if self.charted.add(loaded) and loaded.id == self.view.selected:
            self._draw()
        else:
            self._redraw_soon()
        self.act_on_records()

    def show_failure(self, failure: LoadFailed) -> None:
        """Say why a run has no curves."""
        self.charted.fail(failure.id, failure.reason)
        self._redraw_soon()
        self.act_on_records()

    def show_progress(self, run_id: str, share: float) -> None:
        """Say how much of a run is read."""
        self.charted.progress(run_id, share)
        if self._mounted:
            self._show_selected()

    def show_trends(self, trends: Mapping[str, str]) -> None:
        """Show the sparklines of some runs."""
        self._trends = {**self._trends, **trends}
        self._redraw_soon()

    def _redraw_soon(self) -> None:
        if self._pending is not None or not self._mounted:
            return
        wait = self._drawn_at + REDRAW_SECONDS - monotonic()
        if wait <= 0:
            self._redraw()
        else:
            self._pending = self.set_timer(wait, self._redraw)

    def _redraw(self) -> None:
        self._pending = None
        self._list_anew()
        self._draw()

    def _list_anew(self) -> None:
        self.view = self._listed.list_for(self.view)
        self.rows = self._listed.rows
        self.charted.list_runs(self._listed.runs or ())

    # Drawing: every pane gets its content, and draws itself only if that is new.

    def _draw(self) -> None:
        self.redraws += 1
        if self._listed.runs is not None:  # the first ones need not wait for the empty screen
            self._drawn_at = monotonic()
        self._set_classes()
        self._chart_selected()
        self._show_frame()
        shown, marks = self.view, self.shown_marks()
        context = RowContext(self._clock(), self._trends, self.rows.alike)
        self._table.show(
            self.rows, shown.selected, marks, shown.baseline, shown.sort, shown.columns, context
        )
        self._show_selected()
        self.draw_charts()
        self.show_filter_note()
        self._age_later()
        for screen in self.app.screen_stack:
            if isinstance(screen, OverlayScreen) and screen.is_mounted:
                screen.draw()

    def _set_classes(self) -> None:
        self.set_class(self.view.charts.zoomed, "-zoomed")
        self.set_class(self.view.list_only, "-list-only")
        self._set_few(self.size.height)
        reading = self._listed.expected
        self.set_class(reading, "-reading")
        self.set_class(not reading and not len(self.rows), "-empty")
        self.set_class(bool(self._listed.notices) and bool(len(self.rows)), "-noticed")
        for pane in Pane:
            self.set_class(self.view.pane is pane, f"-pane-{pane}")

    def _set_few(self, height: int) -> None:
        rows = len(self.rows)
        self.set_class(bool(rows) and height - rows > _PREVIEW_LINES, "-few")

    def _show_frame(self) -> None:
        directories = self._directories
        runs, unread, mode = self._listed.runs, self._listed.unread, self._listed.mode
        notices = self._listed.notices
        counts = None if runs is None else tuple(run.status for run in runs)
        listed, query = len(self.rows), self.view.filter
        archived = self._listed.archived_out_of_sight(self.view)
        self._status_pane.show(
            (counts, listed, archived, query, mode, unread),
            lambda width, height: (
                status_line(
                    directories,
                    runs,
                    mode,
                    width,
                    unread=unread,
                    listed=listed,
                    archived=archived,
                    query=query,
                ),
            ),
        )
        self._notices_pane.show(notices, lambda width, height: (notices_line(notices, width),))
        if self.rows.total:
            mistake = str(self._listed.mistake or "")
            self._empty_pane.show(
                (query, mistake, archived),
                lambda width, height: nothing_listed_lines(query, mistake, archived, width),
            )
        else:
            self._empty_pane.show(
                notices, lambda width, height: empty_lines(directories, notices, width)
            )
        situation = self.situation
        note = f"{len(self.view.marks):,} marked" if self.view.marks else ""
        self._footer_pane.show(
            (situation, note), lambda width, height: (footer_line(situation, note, width),)
        )

    def _show_selected(self) -> None:
        run = self.rows.run(self.view.selected)
        note, charts = self.charted.note(), self._chart_notes()
        self._header_pane.show(
            (run, note, charts), lambda width, height: (header_line(run, note, width, charts),)
        )
        loaded = None if run is None else self.charted.records_of(run.id)
        pace, complete = (loaded.pace, loaded.complete) if loaded else (None, False)
        self._summary_pane.show(
            (run, pace, complete),
            lambda width, height: detail_lines(run, width, pace, complete=complete),
        )
        title = "" if run is None else run_name(run)
        if title != self._summary_title:
            # Each assignment repaints the pane, be it equal or not.
            self._summary_title = title
            self._summary_pane.border_title = Content(f" {title} ")

    def _chart_selected(self) -> None:
        runs = (self.rows.run(run_id) for run_id in self.view.charted)
        if self.charted.chart(run for run in runs if run is not None):
            self.post_message(ChartedRunsChanged(self.charted.runs))

    def draw_charts(self) -> None:
        if self._patience is not None:
            self._patience.stop()
            self._patience = None
        if self.charted.waiting:
            self._patience = self.set_timer(PATIENCE_SECONDS, self._show_selected_and_charts)
            return
        if not self.charted.loaded:
            self._grid.show_nothing()
            return
        cells = [self.source.cell(chart, self.view) for chart in self.shown_charts()]
        focus, alone = self.view.charts.focus, self.view.charts.zoomed
        self._grid.show_charts(cells, focus, ready=self.source.prepared, alone=alone)

    @on(ChartGrid.Rearranged)
    def _count_charts_anew(self) -> None:
        self._show_selected()

    def _show_selected_and_charts(self) -> None:
        if not self.charted.waiting:
            self._show_selected()
            self.draw_charts()

    def _age_later(self) -> None:
        """Wake up when the age of a visible run reads otherwise, and not before."""
        if self._aging is not None:
            self._aging.stop()
            self._aging = None
        seconds = self._table.seconds_until_older()
        if seconds is not None and len(self.rows):
            self._aging = self.set_timer(max(seconds, 1.0), self._redraw_soon)

    # Short facts that the drawing needs.

    @property
    def situation(self) -> Situation:
        met = set()
        if self.rows.total:
            met.add(Need.RUNS)
        if self.view.marks:
            met.add(Need.MARKS)
        if self.view.filter:
            met.add(Need.FILTER)
        place = Place.ZOOM if self.view.charts.zoomed else Place.RUNS
        if self.is_filtering:
            place = Place.FILTER
        return Situation(place, frozenset(met))

    @property
    def panes(self) -> tuple[Pane, ...]:
        """The panes that ``tab`` goes round; with room, the charts are beside the list anyway."""
        return tuple(Pane) if self.has_class("-narrow") else (Pane.RUNS, Pane.SUMMARY)

    @property
    def grid(self) -> ChartGrid:
        return self._grid

    @property
    def column_keys(self) -> tuple[str, ...]:
        """The columns that the list has room for."""
        return self._table.column_keys

    def _chart_notes(self) -> tuple[str, ...]:
        charts = self.shown_charts()
        page = self._grid.page_of(self.view.charts.focus, charts)
        return chart_notes(self.view, page, len(charts))

    # Keys. Each is one pure step of the view.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        situation = self.situation
        key = key_of_action(action, parameters, situation.place)
        if key is None:
            return not any(key_of_action(action, parameters, place) for place in self.PLACES)
        return situation.allows(key)

    def change(self, changed: ViewState) -> None:
        resort = listing_of(changed) != listing_of(self.view)
        if changed.directions != self.view.directions:
            choose_directions(dict(changed.directions))
        self.view = changed
        if resort:
            self._list_anew()
        self._draw()
        self.post_message(ViewChanged())

    def mistake_in(self, query: str) -> QueryError | None:
        return self._listed.mistake_in(query)

    def action_page(self, pages: int) -> None:
        if self.view.pane is Pane.SUMMARY and not self.view.charts.zoomed:
            self._summary_pane.scroll_pages(pages)
        else:
            self.action_move(pages * max(self._table.page_rows - 1, 1))

    def on_run_picked(self, message: RunPicked) -> None:
        self.change(replace(self.view, selected=message.id))

    def on_mark_toggled(self, message: MarkToggled) -> None:
        self.change(toggle_mark(replace(self.view, selected=message.id)))

    @on(events.Resize)
    def _adapt_to_size(self, event: events.Resize) -> None:
        self._set_few(event.size.height)
        self.call_after_refresh(self._age_later)
