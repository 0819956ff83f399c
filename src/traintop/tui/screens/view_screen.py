"""What the actions of the main screen work on; the screen itself is :mod:`.main`."""

from __future__ import annotations

from abc import abstractmethod

from traintop.tui.chart_source import ChartSource
from traintop.tui.charted import MARK_GLYPH, ChartedRuns
from traintop.tui.lines import Piece
from traintop.tui.screens.steady import SteadyScreen
from traintop.tui.state import RunRows, ViewState
from traintop.tui.themes import theme_name
from traintop.tui.widgets.line_pane import StyledLines


class ViewScreen(SteadyScreen):
    """A screen that shows a view of listed runs; every action is a step from view to view."""

    view: ViewState
    rows: RunRows
    charted: ChartedRuns
    source: ChartSource

    @abstractmethod
    def change(self, changed: ViewState) -> None:
        """Take over a view and show it."""

    def curve_marks(self) -> dict[str, Piece]:
        """What stands for the curves of each charted run in lists."""
        dark, letters = self.app.current_theme.dark, self.app.no_color
        ascii_only = StyledLines.ascii_only
        return self.charted.curve_marks(dark=dark, letters=letters, ascii_only=ascii_only)

    def shown_marks(self) -> dict[str, Piece]:
        """What stands before each marked run in lists."""
        if not self.view.marks:
            return {}  # without an import of the charts, for which the first frame does not wait
        marks, without_curves = self.curve_marks(), Piece(MARK_GLYPH, "accent")
        return {run_id: marks.get(run_id, without_curves) for run_id in self.view.marks}

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
