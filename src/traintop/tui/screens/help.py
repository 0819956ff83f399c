"""The help: the keys of the place it was called from, over the screen that stays visible."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from traintop.tui.help_text import help_lines
from traintop.tui.keys import Situation, bindings_of
from traintop.tui.places import Place
from traintop.tui.screens.steady import DialogScreen
from traintop.tui.widgets.line_pane import ScrollingPane


class HelpScreen(DialogScreen):
    """Lists keys and status marks; scrolls where they are more than the screen holds."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Place.HELP)]

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place

    @property
    def situation(self) -> Situation:
        return Situation(Place.HELP)

    def compose(self) -> ComposeResult:
        pane = ScrollingPane(id="help")
        pane.border_title = f"traintop · keys: {self._place.value}"
        pane.border_subtitle = "j k scroll  esc closes"
        yield pane

    def on_mount(self) -> None:
        place = self._place
        self.query_one("#help", ScrollingPane).show(
            place, lambda width, height: help_lines(place, width)
        )

    def action_scroll_help(self, lines: int) -> None:
        self.query_one("#help", ScrollingPane).scroll_lines(lines)
