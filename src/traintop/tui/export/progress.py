"""How far a long export is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.screen import ModalScreen

from traintop.lines import Line, Piece, fit_line
from traintop.tui.kit.keys import Place
from traintop.tui.kit.pane import LinePane
from traintop.tui.kit.screen import PlaceScreen
from traintop.tui.messages import ExportProgress

if TYPE_CHECKING:
    from traintop.tui.export.exports import Export


class ProgressScreen(PlaceScreen, ModalScreen[None]):
    """How far an export is, while it takes long; it can be stopped here."""

    PLACES = (Place.PROGRESS,)

    def __init__(self, export: Export) -> None:
        super().__init__()
        self.export = export
        self._pane = LinePane(id="progress")

    def compose(self) -> ComposeResult:
        self._pane.border_title = "writing CSV"
        self._pane.border_subtitle = "esc stops"
        yield self._pane

    def show(self, progress: ExportProgress) -> None:
        """Show a newer state."""
        words = f"run {progress.run:,} of {progress.runs:,}, " if progress.runs > 1 else ""
        line: Line = (Piece(f"{words}{progress.records:,} records written"),)
        self._pane.show_line(line, lambda width: fit_line(line, width))

    def action_stop(self) -> None:
        self.export.stop()
