"""The charts in their pane, with their keys: which are shown, which part of x, and how."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace
from textual.timer import Timer

from traintop.analysis.chart_names import shown_charts
from traintop.tui import chart_view
from traintop.tui.chart_view import ChartView, Extent
from traintop.tui.kit.themes import look_of
from traintop.tui.messages import CurvesPrepared, TextExportRequested
from traintop.tui.plots.grid import ChartGrid
from traintop.tui.plots.runs import WAIT_SECONDS
from traintop.tui.plots.source import ChartSource, Labels, chart_notes
from traintop.tui.session import Session
from traintop.tui.view import smooth_by

if TYPE_CHECKING:
    from traintop.analysis.axes import XAxis
    from traintop.charts import ChartSpec


class PlotPane(ChartGrid):
    """The charts of the plotted runs, and what keys and the mouse do to them.

    Each is one pure step of the session's view. Those that need records wait for the first ones.
    """

    def __init__(self, session: Session, source: ChartSource, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._session = session
        self._source = source
        self._preparing = False
        self._kept_actions: tuple[Callable[[], None], ...] = ()
        self._waiting: Timer | None = None

    # What is shown.

    @property
    def labels(self) -> Labels:
        """The runs in the charts, by their names there; ``None`` for all plotted ones."""
        return None

    @property
    def charts(self) -> tuple[str, ...]:
        """The charts that the person wants to see, of those that the runs have."""
        return shown_charts(self._source.runs.charts(), self._view.chosen)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is unusual about the charts, in words."""
        charts = self.charts
        view, page = self._session.view, self.page_of(self._view.focus, charts)
        return chart_notes(view, page, len(charts), self._source.x_source(view))

    def draw(self) -> None:
        """Show the charts as they are known now; the former ones for a moment after a change."""
        if self._waiting is not None:
            self._waiting.stop()
            self._waiting = None
        if self._source.runs.waiting:
            self._waiting = self.set_timer(WAIT_SECONDS, self._draw_after_waiting)
        elif not self._source.runs.loaded:
            self.show_nothing()
        else:
            cells = [self._source.cell(chart, self._session.view) for chart in self.charts]
            alone = self._view.zoomed
            self.show_charts(cells, self._view.focus, ready=self._source.prepared, alone=alone)

    def _draw_after_waiting(self) -> None:
        if not self._source.runs.waiting:
            self.draw()
            self.post_message(self.Rearranged())

    @property
    def _view(self) -> ChartView:
        return self._session.view.charts

    @property
    def _extent(self) -> Extent | None:
        """What the charts cover on x, ``None`` while they have nothing to show."""
        return self._source.extent(self._session.view, self.labels)

    def _change(self, changed: ChartView) -> None:
        if changed != self._view:
            self._session.change(replace(self._session.view, charts=changed))

    # Keys that come before the first records of their runs.

    @property
    def _awaits_records(self) -> bool:
        return self._source.runs.unread and self._extent is None

    def _with_records(self, act: Callable[[], None]) -> None:
        """Act when there are records."""
        if self._awaits_records:
            self._kept_actions = (*self._kept_actions, act)
        else:
            act()

    def run_deferred_actions(self) -> None:
        """Do what keys asked for while there were no records."""
        if self._kept_actions and not self._awaits_records:
            kept, self._kept_actions = self._kept_actions, ()
            for act in kept:
                act()

    def _with_extent(self, step: Callable[[Extent], ChartView]) -> None:
        """Take a step of the view that needs to know what the charts cover, when that is known."""

        def act() -> None:
            extent = self._extent
            if extent is not None:
                self._change(step(extent))

        self._with_records(act)

    # Keys.

    def action_toggle_zoom(self) -> None:
        self._change(replace(self._view, zoomed=not self._view.zoomed))

    def action_unzoom(self) -> None:
        self._change(replace(self._view, zoomed=False))

    def action_next_chart(self, step: int) -> None:
        self._change(chart_view.focus_next(self._view, self.charts, step))

    def action_choose_charts(self) -> None:
        from traintop.tui.plots.chooser import ChartChooser  # not for the first frame

        def apply(chosen: tuple[str, ...]) -> None:
            self._change(replace(self._view, chosen=chosen))

        charts = self._source.runs.charts()
        self.app.push_screen(ChartChooser(charts, self._view.chosen, apply))

    def action_next_x_axis(self) -> None:
        self._with_records(self._next_x_axis)

    def _next_x_axis(self) -> None:
        axis, names = self._session.view.x_axis, self._source.x_axes()
        place = names.index(axis.name) + 1 if axis.name in names else 0
        self._change_axis(replace(axis, name=names[place % len(names)]))

    def action_toggle_log_x(self) -> None:
        self._with_records(self._toggle_log_x)

    def _toggle_log_x(self) -> None:
        axis = self._session.view.x_axis
        self._change_axis(replace(axis, log=not axis.log))

    def _change_axis(self, axis: XAxis) -> None:
        view = self._session.view
        part = self._source.on_axis(view, axis)
        self._session.change(replace(view, x_axis=axis, charts=part))

    def action_toggle_log(self) -> None:
        self._session.change(replace(self._session.view, log_y=not self._session.view.log_y))

    def action_toggle_robust(self) -> None:
        self._session.change(replace(self._session.view, robust=not self._session.view.robust))

    def action_smooth(self, step: int) -> None:
        self._session.change(smooth_by(self._session.view, step))

    def action_zoom_x(self, step: int) -> None:
        factor = chart_view.ZOOM_FACTOR**-step
        self._with_extent(lambda extent: chart_view.zoom(self._view, extent, factor))

    def action_pan(self, step: int) -> None:
        share = step * chart_view.PAN_SHARE
        self._with_extent(lambda extent: chart_view.pan(self._view, extent, share))

    def action_move_cursor(self, cells: int) -> None:
        def step(extent: Extent) -> ChartView:
            x = self._source.cursor_after(self._session.view, extent, cells, self.columns)
            return chart_view.put_cursor(self._view, extent, x)

        self._with_extent(step)

    def action_reset_x(self) -> None:
        self._with_records(lambda: self._change(chart_view.without_window(self._view)))

    def action_export_chart(self) -> None:
        self._with_records(self._export_chart)

    def _export_chart(self) -> None:
        if not self.screen.is_active:
            return  # what is typed now is meant for another screen
        spec = self.spec_in_focus()
        if spec is None or not spec.series:
            self.notify("No chart to export: its records are not read yet.", markup=False)
            return
        from traintop.tui.kit.dialogs import ChoiceScreen

        look = look_of(self.app)

        def write(choice: int) -> None:
            stem, suffix, text = chart_file(
                spec, FORMS[choice], dark=look.dark, ascii_only=look.ascii_only
            )
            self.app.post_message(TextExportRequested(stem, suffix, text))

        self.app.push_screen(ChoiceScreen("export the chart as", FORMS, write))

    # The mouse.

    def point_at(self, chart: str, x: float | None) -> None:
        part, extent = replace(self._view, focus=chart), self._extent
        if x is not None and extent is not None:
            part = chart_view.put_cursor(part, extent, x)
        self._change(part)

    def zoom_around(self, x: float, *, closer: bool) -> None:
        extent, factor = self._extent, chart_view.ZOOM_FACTOR ** (-1 if closer else 1)
        if extent is not None:
            self._change(chart_view.zoom(self._view, extent, factor, x))

    # Curves over very many records are prepared in a thread, one batch after the other.

    def prepare_curves(self) -> None:
        if not self._preparing and self._source.waits:
            self._preparing = True
            self.run_worker(self._prepare, thread=True, group="curves", exit_on_error=False)

    def _prepare(self) -> None:
        try:
            self._source.prepare()
        finally:
            self.post_message(CurvesPrepared())

    def on_curves_prepared(self) -> None:
        self._preparing = False
        self.draw()


Form = Literal["SVG", "text"]
FORMS: tuple[Form, ...] = ("SVG", "text")

_WIDTH, _HEIGHT = 120, 35


def chart_file(
    spec: ChartSpec, form: Form, *, dark: bool, ascii_only: bool
) -> tuple[str, str, str]:
    """What the name of the file begins with, its suffix, and what is in it."""
    from traintop.charts import DARK, LIGHT, chart_svg, chart_text, draw_chart

    title = spec.name or spec.title
    words = title.partition("   ")[0]  # without the values behind them
    stem = f"chart_{re.sub(r'[^A-Za-z0-9.-]+', '_', words).strip('_') or 'metric'}"
    spec = replace(spec, title=title, label_width=0)
    if form == "SVG":
        return stem, ".svg", chart_svg(spec, palette=DARK if dark else LIGHT)
    lines = draw_chart(spec, _WIDTH, _HEIGHT, ascii_only=ascii_only, letters=True)
    return stem, ".txt", f"{chart_text(lines)}\n"
