"""One run over the whole screen: all that is known of it, and its last records as numbers."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace
from textual.app import ComposeResult

from traintop.lines import Line, Piece
from traintop.model import RunSummary
from traintop.store.console import ConsoleReader
from traintop.text import counted
from traintop.tui.kit.keys import Need, Place, Situation
from traintop.tui.kit.pane import LinePane, ScrollingPane
from traintop.tui.kit.screen import SessionScreen
from traintop.tui.main.details import detail_lines, header_line
from traintop.tui.main.records import RecordsView, metrics_in, record_lines
from traintop.tui.messages import HistoryLoaded
from traintop.tui.plots.runs import PlottedRuns
from traintop.tui.session import Session

_PARTS = ("both", "records", "details")


class RunScreen(SessionScreen):
    """Shows the run that the view has opened; its records follow the file as ``tail -f`` does.

    They are those that the charts have, so opening it reads nothing.
    """

    VERTICAL_BREAKPOINTS = [(0, "-low"), (14, "-short"), (26, "-tall")]  # noqa: RUF012
    PLACES = (Place.RUN,)

    def __init__(
        self,
        session: Session,
        plotted: PlottedRuns,
        console_of: Callable[[str], ConsoleReader],
    ) -> None:
        super().__init__(session)
        self._plotted = plotted
        self._console_of = console_of
        self._part = _PARTS[0]
        self._records = RecordsView()
        self._header_pane = LinePane(id="status")
        self._details_pane = ScrollingPane(id="run-details")
        self._records_pane = LinePane(id="run-records")

    def compose(self) -> ComposeResult:
        yield self._header_pane
        yield self._details_pane
        yield self._records_pane
        yield self.footer

    def on_mount(self) -> None:
        self.draw()

    def on_screen_resume(self) -> None:
        self.draw()  # its run may have vanished while a dialog was over it

    @property
    def situation(self) -> Situation:
        return Situation(Place.RUN, frozenset({Need.RUNS}))

    @property
    def _loaded(self) -> HistoryLoaded | None:
        return self._plotted.records_of(self.view.opened or "")

    def draw(self) -> None:
        run = self.rows.run(self.view.opened)
        if run is None:
            self.action_close()
            return
        for part in _PARTS:
            self.set_class(self._part == part, f"-part-{part}")
        loaded = self._loaded
        pace, complete = (loaded.pace, loaded.complete) if loaded else (None, False)
        state = self.session.state_of(run)
        self._details_pane.show(
            (run, pace, complete, state),
            lambda width, height: detail_lines(run, width, pace, complete=complete, state=state),
        )
        self._show_records(run, loaded)
        self.show_footer()

    def _show_records(self, run: RunSummary, loaded: HistoryLoaded | None) -> None:
        view, note = self._records, self._plotted.note_of(run.id)
        records = 0 if loaded is None else len(loaded.history)

        def draw(width: int, height: int) -> list[Line]:
            if loaded is None or not records:
                return [(Piece(f"  {note or 'no record yet'}", "muted"),)]
            return record_lines(loaded.history, view, width, height)

        revision = None if loaded is None else loaded.revision
        self._records_pane.show((run.id, revision, view, note), draw)
        end = records if view.end is None else min(view.end, records)
        words = counted(records, "record") if end == records else f"up to {end:,} of {records:,}"
        aside = (words,) if records else ()
        state = self.session.state_of(run)
        self._header_pane.show_line(
            (run, note, aside, state),
            lambda width: header_line(run, note, width, aside, self.rows.short_name, state),
        )

    # Keys.

    def action_scroll(self, lines: int) -> None:
        if self._part == "details":
            self._details_pane.scroll_lines(lines)
        elif self._loaded is not None:
            records, page = len(self._loaded.history), self._records_pane.content_height() - 1
            self._records = self._records.scroll(lines, records, max(page, 1))
            self.draw()

    def action_scroll_pages(self, pages: int) -> None:
        pane = self._details_pane if self._part == "details" else self._records_pane
        self.action_scroll(pages * max(pane.content_height() - 2, 1))

    def action_go_to_end(self, direction: int) -> None:
        lines = len(self._details_pane.lines())
        if self._loaded is not None:
            lines = max(lines, len(self._loaded.history))
        self.action_scroll(direction * lines)

    def action_shift_metrics(self, columns: int) -> None:
        if self._loaded is not None:
            metrics = len(metrics_in(self._loaded.history))
            self._records = self._records.shift(columns, metrics)
            self.draw()

    def action_show_output(self) -> None:
        from traintop.tui.main.output_screen import OutputScreen

        self.app.push_screen(OutputScreen(self.session, self._console_of))

    def action_next_part(self) -> None:
        self._part = _PARTS[(_PARTS.index(self._part) + 1) % len(_PARTS)]
        self.draw()

    def action_close(self) -> None:
        self.dismiss()
        if self.view.opened is not None and self.is_mounted:
            self.session.change(replace(self.view, opened=None))

    def on_mouse_scroll_down(self) -> None:
        self.action_scroll(3)

    def on_mouse_scroll_up(self) -> None:
        self.action_scroll(-3)
