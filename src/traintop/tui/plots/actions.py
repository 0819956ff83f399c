"""The keys of the charts: what they show and how. Each is one pure step of the view."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace
from textual import on

from traintop.analysis.chart_names import shown_charts
from traintop.tui import chart_view
from traintop.tui.chart_view import ChartView, Extent
from traintop.tui.messages import CurvesPrepared, TextExportRequested
from traintop.tui.plots.grid import ChartGrid
from traintop.tui.plots.source import Labels
from traintop.tui.view import smooth_by
from traintop.tui.view_screen import ViewScreen

if TYPE_CHECKING:
    from traintop.charts import ChartSpec


class ChartActions(ViewScreen):
    """Actions by the names that the table of keys has for them."""

    _preparing = False
    _kept: tuple[Callable[[], None], ...] = ()

    @property
    @abstractmethod
    def grid(self) -> ChartGrid:
        """The charts."""

    @abstractmethod
    def draw_charts(self) -> None:
        """Show the charts as they are known now."""

    @property
    def chart_labels(self) -> Labels:
        """The runs in the charts, by their names there; ``None`` for all charted ones."""
        return None

    @property
    def extent(self) -> Extent | None:
        """What the charts cover on x, ``None`` while they have nothing to show."""
        return self.source.extent(self.view, self.chart_labels)

    def change_charts(self, changed: ChartView) -> None:
        """Take over which charts are shown, and which part of x."""
        if changed != self.view.charts:
            self.change(replace(self.view, charts=changed))

    @property
    def _awaits_records(self) -> bool:
        return self.charted.unread and self.extent is None

    def _with_records(self, act: Callable[[], None]) -> None:
        """Act when there are records: a key may come before the first ones of its runs."""
        if self._awaits_records:
            self._kept = (*self._kept, act)
        else:
            act()

    def act_on_records(self) -> None:
        """Do what keys asked for while there were no records."""
        if self._kept and not self._awaits_records:
            kept, self._kept = self._kept, ()
            for act in kept:
                act()

    def action_toggle_zoom(self) -> None:
        self.change_charts(replace(self.view.charts, zoomed=not self.view.charts.zoomed))

    def action_unzoom(self) -> None:
        self.change_charts(replace(self.view.charts, zoomed=False))

    def action_next_chart(self, step: int) -> None:
        self.change_charts(chart_view.focus_next(self.view.charts, self.shown_charts(), step))

    def action_choose_charts(self) -> None:
        from traintop.tui.plots.chooser import ChartChooser  # not for the first frame

        def apply(chosen: tuple[str, ...]) -> None:
            self.change_charts(replace(self.view.charts, chosen=chosen))

        charts = self.charted.charts()
        self.app.push_screen(ChartChooser(charts, self.view.charts.chosen, apply))

    def action_next_x_axis(self) -> None:
        self._with_records(self._next_x_axis)

    def _next_x_axis(self) -> None:
        axes = self.source.x_axes()
        place = axes.index(self.view.x_axis) + 1 if self.view.x_axis in axes else 0
        following = axes[place % len(axes)]
        part = self.source.on_axis(self.view, following)
        self.change(replace(self.view, x_axis=following, charts=part))

    def action_toggle_log(self) -> None:
        self.change(replace(self.view, log_y=not self.view.log_y))

    def action_toggle_robust(self) -> None:
        self.change(replace(self.view, robust=not self.view.robust))

    def action_smooth(self, step: int) -> None:
        self.change(smooth_by(self.view, step))

    def action_zoom_x(self, step: int) -> None:
        self._with_records(partial(self._zoom, chart_view.ZOOM_FACTOR**-step))

    def action_pan(self, step: int) -> None:
        self._with_records(partial(self._pan, step * chart_view.PAN_SHARE))

    def _pan(self, share: float) -> None:
        extent = self.extent
        if extent is not None:
            self.change_charts(chart_view.pan(self.view.charts, extent, share))

    def action_move_cursor(self, cells: int) -> None:
        self._with_records(partial(self._move_cursor, cells))

    def _move_cursor(self, cells: int) -> None:
        extent = self.extent
        if extent is not None:
            x = self.source.cursor_after(self.view, extent, cells, self.grid.columns)
            self.change_charts(chart_view.put_cursor(self.view.charts, extent, x))

    def action_reset_x(self) -> None:
        self._with_records(self._reset_x)

    def _reset_x(self) -> None:
        self.change_charts(chart_view.without_window(self.view.charts))

    def action_export_chart(self) -> None:
        self._with_records(self._export_chart)

    def _export_chart(self) -> None:
        if not self.is_active:
            return  # what is typed now is meant for another screen
        spec = self.grid.spec_in_focus()
        if spec is None or not spec.series:
            self.notify("No chart to write: its records are not read yet.", markup=False)
            return
        from traintop.tui.kit.dialogs import ChoiceScreen

        dark, ascii_only = self.app.current_theme.dark, self.grid.ascii_only

        def write(choice: int) -> None:
            stem, suffix, text = chart_file(spec, FORMS[choice], dark=dark, ascii_only=ascii_only)
            self.app.post_message(TextExportRequested(stem, suffix, text))

        self.app.push_screen(ChoiceScreen("write the chart as", FORMS, write))

    def shown_charts(self) -> tuple[str, ...]:
        """The charts that the person wants to see, of those that the runs have."""
        return shown_charts(self.charted.charts(), self.view.charts.chosen)

    @on(ChartGrid.Pointed)
    def _focus_and_put_cursor(self, message: ChartGrid.Pointed) -> None:
        part, extent = replace(self.view.charts, focus=message.chart), self.extent
        if message.x is not None and extent is not None:
            part = chart_view.put_cursor(part, extent, message.x)
        self.change_charts(part)

    @on(ChartGrid.Wheeled)
    def _zoom_around(self, message: ChartGrid.Wheeled) -> None:
        self._zoom(chart_view.ZOOM_FACTOR ** (-1 if message.closer else 1), message.x)

    def _zoom(self, factor: float, around: float | None = None) -> None:
        extent = self.extent
        if extent is not None:
            self.change_charts(chart_view.zoom(self.view.charts, extent, factor, around))

    # Curves over very many records are prepared in a thread, one batch after the other.

    @on(ChartGrid.Waits)
    def _prepare_curves(self) -> None:
        if not self._preparing and self.source.waits:
            self._preparing = True
            self.run_worker(self._prepare, thread=True, group="curves", exit_on_error=False)

    def _prepare(self) -> None:
        try:
            self.source.prepare()
        finally:
            self.post_message(CurvesPrepared())

    def on_curves_prepared(self) -> None:
        self._preparing = False
        self.draw_charts()


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
