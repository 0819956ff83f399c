"""What the actions of the main screen work on; the screen itself is :mod:`.main`."""

from __future__ import annotations

from abc import abstractmethod

from traintop.tui.chart_source import ChartSource
from traintop.tui.charted import ChartedRuns
from traintop.tui.screens.steady import SteadyScreen
from traintop.tui.state import RunRows, ViewState
from traintop.tui.themes import theme_name


class ViewScreen(SteadyScreen):
    """A screen that shows a view of listed runs; every action is a step from view to view."""

    view: ViewState
    rows: RunRows
    charted: ChartedRuns
    source: ChartSource

    @abstractmethod
    def change(self, changed: ViewState) -> None:
        """Take over a view and show it."""

    def action_help(self) -> None:
        from traintop.tui.screens.help import HelpScreen  # as all dialogs: not for the first frame

        self.app.push_screen(HelpScreen(self.situation.place))

    async def action_palette(self) -> None:
        from traintop.tui.action_palette import ActionPalette  # not needed for the first frame

        # Awaited, so that what is typed right after the key lands in it.
        await self.app.push_screen(ActionPalette())

    def action_toggle_theme(self) -> None:
        self.app.theme = theme_name(dark=not self.app.current_theme.dark)
        self.change(self.view)

    def action_dismiss_notices(self) -> None:
        self.app.clear_notifications()

    def action_repaint(self) -> None:
        self.refresh(repaint=True, layout=True)
