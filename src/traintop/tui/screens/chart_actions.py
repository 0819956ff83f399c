"""The keys of the charts: what they show and how. Each is one pure step of the view."""

from __future__ import annotations

from dataclasses import replace

from traintop.tui import state as view
from traintop.tui.screens.view_screen import ViewScreen


class ChartActions(ViewScreen):
    """Actions by the names that the table of keys has for them."""

    def action_toggle_zoom(self) -> None:
        self.change(view.toggle_zoom(self.view))

    def action_unzoom(self) -> None:
        self.change(replace(self.view, zoomed=None))

    def action_next_chart(self, step: int) -> None:
        self.change(view.next_chart(self.view, self.charted.charts(), step))

    def action_next_x_axis(self) -> None:
        self.change(view.next_x_axis(self.view))

    def action_toggle_log(self) -> None:
        self.change(replace(self.view, log_y=not self.view.log_y))

    def action_toggle_robust(self) -> None:
        self.change(replace(self.view, robust=not self.view.robust))

    def action_smooth(self, step: int) -> None:
        self.change(view.smooth_by(self.view, step))
