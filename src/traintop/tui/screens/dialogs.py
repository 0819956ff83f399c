"""Small dialogs over a screen: one of several answers, and how far a long export is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.screen import ModalScreen

from traintop.tui.keys import Situation, bindings_of
from traintop.tui.lines import Line, Piece, clickable, fit_line
from traintop.tui.messages import ExportProgress
from traintop.tui.places import Place
from traintop.tui.screens.steady import DialogScreen, SteadyScreen
from traintop.tui.widgets.line_pane import LinePane, ScrollingPane

if TYPE_CHECKING:
    from traintop.tui.exporting import RunsExport


class ChoiceScreen(DialogScreen):
    """Lists answers, the first one selected; calls ``take`` with the number of the chosen one."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Place.CHOICE)]

    def __init__(self, title: str, choices: Sequence[str], take: Callable[[int], None]) -> None:
        super().__init__()
        self._title = title
        self._choices = tuple(choices)
        self._take = take
        self._selected = 0

    @property
    def situation(self) -> Situation:
        return Situation(Place.CHOICE)

    def compose(self) -> ComposeResult:
        pane = ScrollingPane(id="choices")
        pane.border_title = Content(self._title)
        pane.border_subtitle = "enter takes  esc closes"
        yield pane

    def on_mount(self) -> None:
        self._show()

    def _show(self) -> None:
        selected = self._selected
        choices = self._choices

        def draw(width: int, height: int) -> tuple[Line, ...]:
            return tuple(
                clickable(_choice_line(choice, place == selected), f"screen.choose({place})", width)
                for place, choice in enumerate(choices)
            )

        self.query_one("#choices", ScrollingPane).show(selected, draw)

    def action_move(self, step: int) -> None:
        self._selected = (self._selected + step) % len(self._choices)
        self._show()

    def action_choose(self, place: int | None = None) -> None:
        self.dismiss()
        self._take(self._selected if place is None else place)


def _choice_line(choice: str, is_selected: bool) -> Line:
    return (
        Piece("▌ " if is_selected else "  ", "accent"),
        Piece(choice, "strong" if is_selected else "text", bold=is_selected),
    )


class ProgressScreen(SteadyScreen, ModalScreen[None]):
    """How far an export is, while it takes long; it can be stopped here."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Place.PROGRESS)]

    def __init__(self, export: RunsExport) -> None:
        super().__init__()
        self.export = export
        self._pane = LinePane(id="progress")

    @property
    def situation(self) -> Situation:
        return Situation(Place.PROGRESS)

    def compose(self) -> ComposeResult:
        self._pane.border_title = "writing CSV"
        self._pane.border_subtitle = "esc stops"
        yield self._pane

    def show(self, progress: ExportProgress) -> None:
        """Show a newer state."""
        words = f"run {progress.run:,} of {progress.runs:,}, " if progress.runs > 1 else ""
        line: Line = (Piece(f"{words}{progress.records:,} records written"),)
        self._pane.show(line, lambda width, height: (fit_line(line, width),))

    def action_stop(self) -> None:
        self.export.stop()
