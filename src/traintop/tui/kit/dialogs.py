"""Small dialogs over a screen: one of several answers, and how far a long export is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.content import Content

from traintop.lines import Line, Piece, clickable
from traintop.tui.kit.keys import Place
from traintop.tui.kit.pane import ScrollingPane
from traintop.tui.kit.screen import DialogScreen

if TYPE_CHECKING:
    pass


class ChoiceScreen(DialogScreen):
    """Lists answers, the first one selected; calls ``take`` with the number of the chosen one."""

    PLACES = (Place.CHOICE,)

    def __init__(self, title: str, choices: Sequence[str], take: Callable[[int], None]) -> None:
        super().__init__()
        self._title = title
        self._choices = tuple(choices)
        self._take = take
        self._selected = 0

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
