"""A screen over the main one, which goes on underneath and hands down the news."""

from __future__ import annotations

from abc import abstractmethod

from traintop.tui.chart_source import ChartSource
from traintop.tui.charted import ChartedRuns
from traintop.tui.screens.view_screen import ViewScreen
from traintop.tui.state import RunRows, ViewState


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
