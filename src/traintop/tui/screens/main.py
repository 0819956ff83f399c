"""The main screen: holds the newest snapshot, the records and the view; shows them in panes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.timer import Timer

from traintop.tui import state as view
from traintop.tui.chart_names import charts_of
from traintop.tui.columns import run_name
from traintop.tui.empty_state import empty_lines
from traintop.tui.keys import Need, Place, Situation, bindings_of, footer_line, key_of_action
from traintop.tui.lines import Line, Piece, fit_line
from traintop.tui.messages import (
    ChartedRunsChanged,
    ExportRequested,
    HistoryLoaded,
    LoadFailed,
    RunPicked,
)
from traintop.tui.palette import assign_colors, distinct_colors
from traintop.tui.run_details import detail_lines, header_line
from traintop.tui.screens.help import HelpScreen
from traintop.tui.screens.steady import SteadyScreen
from traintop.tui.state import LOSS_CHART, Pane, RunRows, ViewState
from traintop.tui.status_line import status_line
from traintop.tui.widgets.chart import Chart
from traintop.tui.widgets.line_pane import LinePane, ScrollingPane
from traintop.tui.widgets.run_table import RunTable

if TYPE_CHECKING:
    from traintop.charts import ChartSpec
    from traintop.model import RunSummary
    from traintop.store.catalog import Snapshot
    from traintop.tui.curves import ChartMaker

REDRAW_SECONDS = 0.25
"""The least time between two redraws that news from files cause; keys redraw at once."""

_PREVIEW_LINES = 14
"""A narrow screen with so many lines beside the rows of the list shows a chart below it."""


class MainScreen(SteadyScreen):
    """Runs, charts and summary; which of them share the screen is up to its size."""

    AUTO_FOCUS = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-medium"), (120, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-low"), (14, "-short"), (26, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Place.RUNS, Place.ZOOM)]

    def __init__(
        self, directories: Sequence[Path], clock: Callable[[], datetime] = datetime.now
    ) -> None:
        super().__init__()
        self._directories = tuple(directories)
        self._clock = clock
        self.view = ViewState()
        self.rows = RunRows()
        self.redraws = 0
        self._status_pane = LinePane(id="status")
        self._notices_pane = LinePane(id="notices")
        self._empty_pane = ScrollingPane(id="empty")
        self._table = RunTable(id="runs")
        self._summary_pane = ScrollingPane(id="summary")
        self._header_pane = LinePane(id="header")
        self._chart_panes = (Chart(id="first-chart"), Chart(id="second-chart"))
        self._footer_pane = LinePane(id="footer")
        self._mounted = False
        self._snapshot: Snapshot | None = None
        self._mode = ""
        self._records: dict[Path, HistoryLoaded] = {}
        self._failures: dict[Path, str] = {}
        self._colors: dict[Path, int] = {}
        self._charted: tuple[Path, ...] = ()
        self._chart_maker: ChartMaker | None = None
        self._drawn_at = float("-inf")
        self._pending: Timer | None = None
        self._aging: Timer | None = None

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
                with Container(id="charts"):
                    yield from self._chart_panes
        yield self._footer_pane

    def on_mount(self) -> None:
        self._mounted = True
        self._redraw()

    @property
    def loaded(self) -> frozenset[Path]:
        """The charted runs of which records are there."""
        return frozenset(self._records)

    @property
    def up_to_date(self) -> bool:
        """Whether all news that arrived have been drawn."""
        return self._mounted and self._pending is None

    # What comes from the threads at the edge.

    def show_snapshot(self, snapshot: Snapshot, mode: str) -> None:
        """Show what the watcher saw."""
        self._snapshot, self._mode = snapshot, mode
        self._redraw_soon()

    def show_history(self, loaded: HistoryLoaded) -> None:
        """Show the records of a run, unless a fuller picture of it is there."""
        known = self._records.get(loaded.path)
        if known is not None and known.complete and not loaded.complete:
            return
        self._failures.pop(loaded.path, None)
        self._records[loaded.path] = loaded
        self._redraw_soon()

    def show_failure(self, failure: LoadFailed) -> None:
        """Say why a run has no curves."""
        self._failures[failure.path] = failure.reason
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
        self._drawn_at = monotonic()
        self._take_over_snapshot()
        self._draw()

    def _take_over_snapshot(self) -> None:
        if self._snapshot is None:
            return
        rows = view.sort_runs(self._snapshot.runs, self.view.sort)
        self.view = view.with_rows(self.view, self.rows, rows)
        self.rows = rows
        self._colors = assign_colors(self._colors, self._snapshot.runs)

    # Drawing: every pane gets its content, and draws itself only if that is new.

    def _draw(self) -> None:
        self.redraws += 1
        self._set_classes()
        self._tell_charted()
        self._show_frame()
        now = self._clock()
        self._table.show(self.rows, self.view.selected, self._mark_colors(), self.view.sort, now)
        self._show_selected()
        self._show_charts()
        self._age_later()

    def _set_classes(self) -> None:
        zoomed = self.view.zoomed is not None
        self.set_class(zoomed, "-zoomed")
        self.set_class(self.size.height - len(self.rows) > _PREVIEW_LINES, "-few")
        self.set_class(self._snapshot is not None and not len(self.rows), "-empty")
        self.set_class(bool(self._notices) and bool(len(self.rows)), "-noticed")
        for pane in Pane:
            self.set_class(self.view.pane is pane, f"-pane-{pane}")

    def _show_frame(self) -> None:
        snapshot = self._snapshot
        directories = self._directories
        runs = None if snapshot is None else snapshot.runs
        mode, notices = self._mode, self._notices
        counts = None if runs is None else tuple(run.status for run in runs)
        self._status_pane.show(
            (counts, mode),
            lambda width, height: (status_line(directories, runs, mode, width),),
        )
        self._notices_pane.show(notices, lambda width, height: (_notice_line(notices, width),))
        self._empty_pane.show(
            notices, lambda width, height: empty_lines(directories, notices, width)
        )
        situation, note = self._situation, self._footer_note()
        self._footer_pane.show(
            (situation, note), lambda width, height: (footer_line(situation, note, width),)
        )

    def _show_selected(self) -> None:
        run = self.rows.run(self.view.selected)
        note = self._loading_note()
        self._header_pane.show((run, note), lambda width, height: (header_line(run, note, width),))
        self._summary_pane.show(run, lambda width, height: detail_lines(run, width))

    def _show_charts(self) -> None:
        first = self.view.zoomed or LOSS_CHART
        for widget, chart in zip(self._chart_panes, (first, self.view.second_chart), strict=True):
            if self._records:
                widget.show_chart(self._chart_content(chart), self._spec_maker(chart))
            else:
                widget.show_nothing()

    def _chart_content(self, chart: str) -> tuple[object, ...]:
        loaded = [self._records[path] for path in self._charted if path in self._records]
        names = tuple(run_name(run) for run in self._charted_runs())
        choices = (self.view.x_axis, self.view.log_y, self.view.smoothing)
        return (chart, choices, names, *((one.path, one.revision) for one in loaded))

    def _spec_maker(self, chart: str) -> Callable[[], ChartSpec]:
        """The chart as it is asked for now, made when it is drawn."""
        records, state = dict(self._records), self.view
        colors = distinct_colors(self._colors, self._charted)
        runs = [run for run in self._charted_runs() if run.path in records]

        def make() -> ChartSpec:
            from traintop.tui.curves import ChartedRun, ChartMaker

            self._chart_maker = self._chart_maker or ChartMaker()
            charted = [
                ChartedRun(
                    run.path,
                    records[run.path].revision,
                    run_name(run),
                    colors[run.path],
                    records[run.path].history,
                )
                for run in runs
            ]
            return self._chart_maker.chart(chart, charted, state)

        return make

    def _mark_colors(self) -> dict[Path, str | None]:
        """The marked runs with the colours of their curves."""
        if not self.view.marks:
            return {}
        from traintop.charts import DARK, LIGHT

        palette = DARK if self.app.current_theme.dark else LIGHT
        colors = distinct_colors(self._colors, self.view.charted)
        return {path: palette.color(colors[path]) for path in self.view.marks}

    def _charted_runs(self) -> list[RunSummary]:
        found = (self.rows.run(path) for path in self._charted)
        return [run for run in found if run is not None]

    def _tell_charted(self) -> None:
        charted = self.view.charted
        if charted != self._charted:
            self._charted = charted
            self._records = {p: r for p, r in self._records.items() if p in charted}
            self._failures = {p: r for p, r in self._failures.items() if p in charted}
            self.post_message(ChartedRunsChanged(tuple(self._charted_runs())))

    def _age_later(self) -> None:
        """Wake up when the age of a visible run reads otherwise, and not before."""
        if self._aging is not None:
            self._aging.stop()
            self._aging = None
        seconds = self._table.seconds_until_older()
        if seconds is not None and len(self.rows):
            self._aging = self.set_timer(max(seconds, 1.0), self._draw)

    # Short facts that the drawing needs.

    @property
    def _notices(self) -> tuple[str, ...]:
        return () if self._snapshot is None else self._snapshot.notices

    @property
    def _situation(self) -> Situation:
        met = set()
        if len(self.rows):
            met.add(Need.RUNS)
        if self.view.marks:
            met.add(Need.MARKS)
        if len(self._panes) > 1:
            met.add(Need.SEVERAL_PANES)
        place = Place.RUNS if self.view.zoomed is None else Place.ZOOM
        return Situation(place, frozenset(met))

    @property
    def _panes(self) -> tuple[Pane, ...]:
        """The panes that ``tab`` goes round: all that do not fit beside one another."""
        if self.has_class("-wide"):
            return (Pane.RUNS, Pane.SUMMARY) if self.has_class("-tall") else tuple(Pane)
        return (Pane.CHARTS, Pane.SUMMARY) if self.has_class("-medium") else tuple(Pane)

    def _footer_note(self) -> str:
        notes = []
        if self.view.marks:
            notes.append(f"{len(self.view.marks)} marked")
        if self.view.smoothing:
            notes.append(f"smooth {self.view.smoothing_weight:g}")
        return "  ".join(notes)

    def _loading_note(self) -> str:
        path = self.view.selected
        if path is None:
            return ""
        if path in self._failures:
            return f"no curves: {self._failures[path]}"
        loaded = self._records.get(path)
        return "" if loaded is None or loaded.complete else "sample; reading all records…"

    # Keys. Each is one pure step of the view.

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        situation = self._situation
        key = key_of_action(action, parameters, situation.place)
        if key is None:
            return not any(
                key_of_action(action, parameters, place) for place in (Place.RUNS, Place.ZOOM)
            )
        return situation.allows(key)

    def _change(self, changed: ViewState) -> None:
        resort = changed.sort != self.view.sort
        self.view = changed
        if resort:
            self._take_over_snapshot()
        self._draw()

    def action_move(self, rows: int) -> None:
        self._change(view.move_by(self.view, self.rows, rows))

    def action_page(self, pages: int) -> None:
        if self.view.pane is Pane.SUMMARY and self.view.zoomed is None:
            self._summary_pane.scroll_pages(pages)
        else:
            self.action_move(pages * max(self._table.page_rows - 1, 1))

    def action_go_to_end(self, direction: int) -> None:
        self.action_move(direction * len(self.rows))

    def action_next_pane(self, step: int) -> None:
        self._change(view.next_pane(self.view, self._panes, step))

    def action_mark(self) -> None:
        self._change(view.toggle_mark(self.view))

    def action_unmark_all(self) -> None:
        self._change(replace(self.view, marks=()))

    def action_sort_next(self) -> None:
        self._change(view.sort_next(self.view, self._table.column_keys))

    def action_sort_reverse(self) -> None:
        self.action_sort_by(self.view.sort.column)

    def action_sort_by(self, column: str) -> None:
        self._change(view.sort_by(self.view, column))

    def action_toggle_zoom(self) -> None:
        self._change(view.toggle_zoom(self.view))

    def action_unzoom(self) -> None:
        self._change(replace(self.view, zoomed=None))

    def action_next_chart(self, step: int) -> None:
        metrics = [m for loaded in self._records.values() for m in loaded.history.metrics]
        charts = charts_of(self._charted_runs(), metrics)
        self._change(view.next_chart(self.view, charts, step))

    def action_next_x_axis(self) -> None:
        self._change(view.next_x_axis(self.view))

    def action_toggle_log(self) -> None:
        self._change(replace(self.view, log_y=not self.view.log_y))

    def action_smooth(self, step: int) -> None:
        self._change(view.smooth_by(self.view, step))

    def action_export(self) -> None:
        if self.view.selected is not None:
            self.post_message(ExportRequested(self.view.selected))

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen(self._situation.place))

    def action_repaint(self) -> None:
        self.refresh(repaint=True, layout=True)

    def on_run_picked(self, message: RunPicked) -> None:
        self._change(replace(self.view, selected=message.path))

    @on(events.Resize)
    def _draw_for_new_size(self) -> None:
        self.call_after_refresh(self._draw)


def _notice_line(notices: Sequence[str], width: int) -> Line:
    from traintop.text import safe_text

    return fit_line((Piece(" "), Piece(" · ".join(map(safe_text, notices)), "warn")), width)
