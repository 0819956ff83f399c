"""The main screen: holds the newest snapshot, the records and the view; shows them in panes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING

from msgspec.structs import replace
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer

from traintop.run_columns import column
from traintop.tui._textual import seconds_of_rest
from traintop.tui.columns import RowContext
from traintop.tui.kit.keys import Need, Place, Situation, key_of_action
from traintop.tui.kit.pane import LinePane, ScrollingPane, StyledLines
from traintop.tui.kit.screen import SessionScreen
from traintop.tui.kit.themes import look_of
from traintop.tui.main.details import detail_lines, header_line
from traintop.tui.main.empty_state import empty_lines, no_match_lines
from traintop.tui.main.filter import FilterController
from traintop.tui.main.run_table import RunTable
from traintop.tui.main.status_line import notices_line, status_line
from traintop.tui.main.trends import TrendLoader
from traintop.tui.messages import (
    FirstRunsPainted,
    HistoryLoaded,
    LoadFailed,
    ReadingProgress,
    TrendsLoaded,
    ViewChanged,
)
from traintop.tui.plots.grid import ChartGrid
from traintop.tui.plots.loader import RunLoader
from traintop.tui.plots.pane import PlotPane
from traintop.tui.plots.runs import PlottedRuns, shown_marks
from traintop.tui.plots.source import ChartSource
from traintop.tui.session import Session
from traintop.tui.view import Pane, next_pane

if TYPE_CHECKING:
    from traintop.analysis.alerts import AlertKind
    from traintop.store.formats import RunReader
    from traintop.store.snapshot import Snapshot

REDRAW_SECONDS = 0.25
"""The least time between two redraws that news from files cause; keys redraw at once."""

_RESTING = 8
"""So many times as long as a redraw of very many runs took, the next one waits at least."""

_PREVIEW_LINES = 14
"""A narrow screen with so many lines beside the rows of the list shows a chart below it."""

_TITLE_MARGIN = 4  # cells of the border beside the name of a run over its details


class MainScreen(SessionScreen):
    """Runs, charts and summary; which of them share the screen is up to its size."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-medium"), (120, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-low"), (14, "-short"), (26, "-tall")]  # noqa: RUF012
    # The filter first: ctrl+c leaves its line before it quits.
    PLACES = (Place.FILTER, Place.RUNS, Place.ZOOM)

    def __init__(
        self,
        roots: Sequence[str],
        session: Session,
        reader_of: Callable[[str], RunReader],
    ) -> None:
        super().__init__(session, classes=f"-reading -pane-{Pane.RUNS}")
        session.on_change = self._show_change
        self._roots = tuple(roots)
        self.loader = RunLoader(reader_of, self.post_message)
        self._trend_loader = TrendLoader(
            reader_of, self.post_message, ascii_only=StyledLines.ascii_only
        )
        self.plotted = PlottedRuns(session)
        self.chart_source = ChartSource(self.plotted)
        self._status_pane = LinePane(id="status")
        self._notices_pane = LinePane(id="notices")
        self._empty_pane = ScrollingPane(id="empty")
        self._table = RunTable(session, self._trend_loader.show, id="runs")
        self._summary_pane = ScrollingPane(id="summary")
        self._header_pane = LinePane(id="header")
        self.plots = PlotPane(session, self.chart_source, id="charts")
        self._filter = FilterController(session, self)
        self.use_actions(self._table, self.plots, self._filter)
        self._summary_title = ""
        self._mounted = False
        self._trends: dict[str, str] = {}
        self._drawn_at = float("-inf")
        self._redraw_took = 0.0
        self.redraw_timer: Timer | None = None
        """Set while news from files wait to be drawn."""
        self._age_timer: Timer | None = None

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
                yield self.plots
        yield self.footer

    def on_mount(self) -> None:
        self._mounted = True
        self._redraw()
        self.screen_layout_refresh_signal.subscribe(self, self._look_at_paint, immediate=True)

    def _look_at_paint(self, screen: Screen[object]) -> None:
        if not self.has_class("-reading"):
            self.screen_layout_refresh_signal.unsubscribe(self)
            self.app.post_message(FirstRunsPainted())

    def start_loading(self) -> None:
        """Start to read records. Its threads import numpy: not before the first frame."""
        self.loader.start()
        self._trend_loader.start()

    def on_unmount(self) -> None:
        self.loader.stop()
        self._trend_loader.stop()

    # What comes from the threads at the edge.

    def show_snapshot(self, snapshot: Snapshot, mode: str) -> None:
        """Show what the watcher saw, and read what is new in the runs that are plotted."""
        is_back = bool(self.session.places) and snapshot.places != self.session.places
        self.session.take_snapshot(snapshot, mode)
        failed = self.plotted.failed if is_back else []
        self.loader.follow([*self.plotted.changed_in(snapshot.runs), *failed])
        self._redraw_soon()

    def show_alerts(self, alerts: Mapping[str, AlertKind]) -> None:
        """Mark the runs with which something is wrong, and no longer those that recovered."""
        if alerts != self.session.alerts:
            self.session.alerts = alerts
            self._redraw_soon()

    def show_line_speed(self, *, slow: bool) -> None:
        """Say whether the line to the terminal is slow."""
        self.session.slow_line = slow
        self._redraw_soon()

    def on_history_loaded(self, loaded: HistoryLoaded) -> None:
        """Show the records of a run: at once when somebody waits for them.

        That is for those of the selected run; of many marked ones each would be a redraw.
        """
        if self.plotted.add(loaded) and loaded.id == self.view.selected:
            self.draw()
        else:
            self._redraw_soon()
        self.plots.run_deferred_actions()

    def on_load_failed(self, failure: LoadFailed) -> None:
        self.plotted.fail(failure.id, failure.reason)
        self._redraw_soon()
        self.plots.run_deferred_actions()

    def on_reading_progress(self, progress: ReadingProgress) -> None:
        self.plotted.progress(progress.id, progress.share)
        if self._mounted:
            self._show_selected()

    def on_trends_loaded(self, loaded: TrendsLoaded) -> None:
        self._trends = {**self._trends, **loaded.trends}
        self._redraw_soon()

    def _redraw_soon(self) -> None:
        if self.redraw_timer is not None or not self._mounted:
            return
        # What cannot be sent yet would be drawn for nothing: newer news take its place.
        due = self._drawn_at + max(REDRAW_SECONDS, _RESTING * self._redraw_took)
        wait = max(due - monotonic(), seconds_of_rest(self.app))
        if wait <= 0:
            self._redraw()
        else:
            self.redraw_timer = self.set_timer(wait, self._redraw)

    def _redraw(self) -> None:
        self.redraw_timer, started = None, monotonic()
        self.session.list_runs()
        self.draw()
        self._redraw_took = monotonic() - started

    # Drawing: every pane gets its content, and draws itself only if that is new.

    def _show_change(self) -> None:
        self.draw()
        self.app.post_message(ViewChanged())

    def draw(self) -> None:
        if self.session.runs is not None:  # the first ones need not wait for the empty screen
            self._drawn_at = monotonic()
        self._set_classes()
        if self.plotted.follow_view():
            self.loader.show(self.plotted.runs)
        self._show_frame()
        marks = shown_marks(self.view.marks, self.plotted, look_of(self.app))
        session = self.session
        context = RowContext(
            session.clock(), self._trends, self.rows.short_name, session.alerts, session.places
        )
        self._table.draw(marks, context)
        self._show_selected()
        self.plots.draw()
        self._filter.draw()
        self._age_later()
        for screen in self.app.screen_stack:
            if isinstance(screen, SessionScreen) and screen is not self and screen.is_mounted:
                screen.draw()

    def _set_classes(self) -> None:
        self.set_class(self.view.charts.zoomed, "-zoomed")
        self.set_class(self.view.list_only, "-list-only")
        self.set_class(self._filter.is_open, "-filtering")
        self._set_few(self.app.size.height)  # which the screen learns later
        reading = self.session.is_reading
        self.set_class(reading, "-reading")
        self.set_class(not reading and not len(self.rows), "-empty")
        is_away = any(not place.is_first for place in self.session.places)
        noticed = bool(self.session.notices) or is_away
        self.set_class(noticed and bool(len(self.rows)), "-noticed")
        for pane in Pane:
            self.set_class(self.view.pane is pane, f"-pane-{pane}")

    def _set_few(self, height: int) -> None:
        rows = self.rows.lines
        self.set_class(bool(rows) and height - rows > _PREVIEW_LINES, "-few")

    def _show_frame(self) -> None:
        roots = self._roots
        runs, unread, mode = self.session.runs, self.session.unread, self.session.mode
        if self.session.slow_line:
            mode = f"slow line · {mode}"
        notices, places = self.session.notices, self.session.places
        if self.session.is_reading and not unread:
            runs = None
        counts = None if runs is None else tuple(column(runs, "status", lambda run: run.status))
        listed, query = len(self.rows), self.view.filter
        archived, is_partial = self.session.hidden_archived, self.session.is_partial
        kept = self.session.kept
        self._status_pane.show_line(
            (counts, listed, archived, query, mode, unread, is_partial, kept, places),
            lambda width: status_line(
                roots,
                runs,
                mode,
                width,
                unread=unread,
                is_partial=is_partial,
                kept=kept,
                listed=listed,
                archived=archived,
                query=query,
                places=places,
            ),
        )
        self._notices_pane.show_line(
            (notices, places), lambda width: notices_line(notices, places, width)
        )
        if self.rows.total:
            mistake = str(self.session.mistake or "")
            self._empty_pane.show(
                (query, mistake, archived),
                lambda width, height: no_match_lines(query, mistake, archived, width),
            )
        else:
            others, said = self.session.others, (*notices, *(place.text for place in places))
            self._empty_pane.show(
                (said, others),
                lambda width, height: empty_lines(roots, said, width, others),
            )
        self.show_footer(f"{len(self.view.marks):,} marked" if self.view.marks else "")

    def _show_selected(self) -> None:
        run = self.session.selected
        state = self.session.state_of(run)
        note, charts = self.plotted.note(), self.plots.notes
        self._header_pane.show_line(
            (run, note, charts, state),
            lambda width: header_line(run, note, width, charts, self.rows.short_name, state),
        )
        loaded = None if run is None else self.plotted.records_of(run.id)
        pace, complete = (loaded.pace, loaded.complete) if loaded else (None, False)
        self._summary_pane.show(
            (run, pace, complete, state),
            lambda width, height: detail_lines(run, width, pace, complete=complete, state=state),
        )
        room = max((self._summary_pane.size.width or self.size.width) - _TITLE_MARGIN, 0)
        title = "" if run is None else self.rows.short_name(run, room)
        if title != self._summary_title:
            # Each assignment repaints the pane, even an equal one.
            self._summary_title = title
            self._summary_pane.border_title = Content(f" {title} ")

    def _age_later(self) -> None:
        """Wake up when the age of a visible run reads otherwise, and not before."""
        if self._age_timer is not None:
            self._age_timer.stop()
            self._age_timer = None
        seconds = self._table.seconds_until_older()
        if seconds is not None and len(self.rows):
            self._age_timer = self.set_timer(max(seconds, 1.0), self._redraw_soon)

    # Short facts that the drawing needs.

    @property
    def situation(self) -> Situation:
        met = set()
        if self.rows.total:
            met.add(Need.RUNS)
        if self.view.marks:
            met.add(Need.MARKS)
        if self.view.filter or self.view.pane is not Pane.RUNS:
            met.add(Need.BACK)
        place = Place.ZOOM if self.view.charts.zoomed else Place.RUNS
        if self._filter.is_open:
            place = Place.FILTER
        return Situation(place, frozenset(met))

    # Keys.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        situation = self.situation
        key = key_of_action(action, parameters, situation.place)
        if key is None:
            return not any(key_of_action(action, parameters, place) for place in self.PLACES)
        return situation.allows(key)

    async def action_quit(self) -> None:
        await self.app.action_quit()

    def action_page(self, pages: int) -> None:
        if self.view.pane is Pane.SUMMARY and not self.view.charts.zoomed:
            self._summary_pane.scroll_pages(pages)
        else:
            self._table.action_move(pages * max(self._table.page_rows - 1, 1))

    def action_next_pane(self, step: int) -> None:
        # With room, the charts are beside the list anyway.
        panes = tuple(Pane) if self.has_class("-narrow") else (Pane.RUNS, Pane.SUMMARY)
        self.session.change(next_pane(self.view, panes, step))

    def action_step_back(self) -> None:
        if self.view.pane is Pane.RUNS or not len(self.rows):
            self.session.change(replace(self.view, filter=""))
        else:
            self.session.change(replace(self.view, pane=Pane.RUNS))

    def action_list_only(self) -> None:
        self.session.change(replace(self.view, list_only=not self.view.list_only))

    @on(ChartGrid.Rearranged)
    def _count_charts_anew(self) -> None:
        self._show_selected()

    @on(events.Resize)
    def _adapt_to_size(self, event: events.Resize) -> None:
        self._set_few(event.size.height)
        self.call_after_refresh(self._age_later)
        self.call_after_refresh(self._show_selected)
