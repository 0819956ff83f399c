"""Dialogs of lines, one of which the cursor is on; and the one that asks for one of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Sequence

from textual.app import ComposeResult
from textual.content import Content

from traintop.lines import Line, Piece, clickable
from traintop.tui.kit.keys import Place
from traintop.tui.kit.pane import ScrollingPane
from traintop.tui.kit.screen import DialogScreen


class ListDialog(DialogScreen):
    """Shows its lines in a pane with a title, and keeps the line of the cursor in view."""

    cursor: int = 0

    def __init__(self, title: str, hint: str, *, id: str) -> None:  # noqa: A002
        super().__init__()
        self.pane = ScrollingPane(id=id)
        self.pane.border_title = Content(title)
        self.pane.border_subtitle = hint

    @abstractmethod
    def lines(self, width: int) -> Sequence[Line]:
        """The lines in so many cells."""

    @property
    @abstractmethod
    def content(self) -> Hashable:
        """What the lines depend on beside the cursor."""

    def compose(self) -> ComposeResult:
        yield self.pane

    def on_mount(self) -> None:
        self.draw()

    def draw(self) -> None:
        """Show the lines as they are now."""
        self.pane.show((self.content, self.cursor), lambda width, height: self.lines(width))
        self.pane.scroll_to_line(self.cursor)

    def move_cursor(self, line: int, count: int) -> None:
        """Put the cursor on a line, or on the nearest one there is."""
        self.cursor = min(max(line, 0), max(count - 1, 0))
        self.draw()


class ChoiceScreen(ListDialog):
    """Lists answers, the first one selected; calls ``take`` with the number of the chosen one."""

    PLACES = (Place.CHOICE,)

    def __init__(self, title: str, choices: Sequence[str], take: Callable[[int], None]) -> None:
        super().__init__(title, "enter chooses  esc closes", id="choices")
        self._choices = tuple(choices)
        self._take = take

    @property
    def content(self) -> Hashable:
        return self._choices

    def lines(self, width: int) -> Sequence[Line]:
        return [
            clickable(_choice_line(choice, place == self.cursor), f"screen.choose({place})", width)
            for place, choice in enumerate(self._choices)
        ]

    def action_move(self, step: int) -> None:
        self.cursor = (self.cursor + step) % len(self._choices)
        self.draw()

    def action_choose(self, place: int | None = None) -> None:
        self.dismiss()
        self._take(self.cursor if place is None else place)


def _choice_line(choice: str, is_selected: bool) -> Line:
    return (
        Piece("▌ " if is_selected else "  ", "accent"),
        Piece(choice, "strong" if is_selected else "text", bold=is_selected),
    )
