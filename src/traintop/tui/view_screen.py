"""The screens that show a view of the runs: what they all have, and those over the main one."""

from __future__ import annotations

from abc import abstractmethod

from traintop.lines import Piece
from traintop.tui.kit.pane import StyledLines
from traintop.tui.kit.screen import SteadyScreen
from traintop.tui.kit.themes import theme_name
from traintop.tui.plots.runs import MARK_GLYPH, ChartedRuns
from traintop.tui.plots.source import ChartSource
from traintop.tui.view import RunRows, ViewState


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
        from traintop.tui.kit.help import HelpScreen  # as all dialogs: not for the first frame

        self.app.push_screen(HelpScreen(self.situation.place))

    async def action_palette(self) -> None:
        from traintop.tui.kit.palette import ActionPalette  # not needed for the first frame

        # Awaited, so that what is typed right after the key lands in it.
        await self.app.push_screen(ActionPalette())

    def action_toggle_theme(self) -> None:
        self.app.theme = theme_name(dark=not self.app.current_theme.dark)
        self.change(self.view)

    def action_dismiss_notices(self) -> None:
        self.app.clear_notifications()

    def action_repaint(self) -> None:
        self.refresh(repaint=True, layout=True)


class OverlayScreen(ViewScreen):
    """Shows the view, the rows and the records of the screen below, and changes them there.

    That screen calls :meth:`draw` whenever they changed, so that one pace of redrawing holds for
    both.
    """

    def __init__(self, below: ViewScreen) -> None:
        super().__init__()
        self._below = below

    @property
    def view(self) -> ViewState:  # type: ignore[override]
        return self._below.view

    @property
    def rows(self) -> RunRows:  # type: ignore[override]
        return self._below.rows

    @property
    def charted(self) -> ChartedRuns:  # type: ignore[override]
        return self._below.charted

    @property
    def source(self) -> ChartSource:  # type: ignore[override]
        return self._below.source

    def change(self, changed: ViewState) -> None:
        self._below.change(changed)

    def action_close(self) -> None:
        self.dismiss()

    @abstractmethod
    def draw(self) -> None:
        """Show what is known now."""
