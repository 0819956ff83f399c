"""Dialogs of lines, one of which the cursor is on; and the one that asks for one of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Sequence

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input

from traintop.lines import Line, Piece, clickable, fit_line
from traintop.text import safe_text
from traintop.tui.kit.entry import TextEntry
from traintop.tui.kit.keys import Place
from traintop.tui.kit.pane import ScrollingPane
from traintop.tui.kit.screen import DialogScreen

_LONGEST_SEARCH = 200
_SEARCH_ACTIONS = frozenset({"search", "keep", "close", "move_choice"})


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
        self.pane.show(
            (self.content, self.cursor),
            lambda width, height: [fit_line(line, width) for line in self.lines(width)],
        )
        self.pane.scroll_to_line(self.cursor)

    def move_cursor(self, line: int, count: int) -> None:
        """Put the cursor on a line, or on the nearest one there is."""
        self.cursor = min(max(line, 0), max(count - 1, 0))
        self.draw()


class SearchDialog(ListDialog):
    """A dialog of many lines: a search line leaves those that have all of its words."""

    def __init__(self, title: str, hint: str, *, id: str) -> None:  # noqa: A002
        super().__init__(title, f"/ search  {hint}", id=id)
        self._title = title
        self._line: TextEntry | None = None
        self.sought = ""
        """The words that were typed into the search line."""

    @property
    @abstractmethod
    def texts(self) -> Sequence[str]:
        """What each line is found by."""

    @property
    def found(self) -> list[int]:
        """The places of the lines that are shown."""
        words = self.sought.casefold().split()
        texts = [text.casefold() for text in self.texts]
        return [place for place, text in enumerate(texts) if all(word in text for word in words)]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """Whether a key does something: those about a line do while one is found."""
        return action in _SEARCH_ACTIONS or self.cursor in self.found

    def draw(self) -> None:
        """Show the lines that are found."""
        found = self.found

        def draw(width: int, height: int) -> Sequence[Line]:
            lines = self.lines(width)
            missing = Piece(f"  no match for {safe_text(self.sought)}", "muted")
            return [lines[place] for place in found] or [(missing,)]

        self.pane.show((self.content, self.cursor, self.sought), draw)
        self.pane.scroll_to_line(found.index(self.cursor) if self.cursor in found else 0)
        searched = f" · {safe_text(self.sought)}" if self.sought else ""
        self.pane.border_title = Content(f"{self._title}{searched}")

    def place_after(self, lines: int) -> int:
        """The place so many lines below the cursor (above, when negative), stopping at the ends."""
        found = self.found
        here = found.index(self.cursor) if self.cursor in found else 0
        return found[min(max(here + lines, 0), len(found) - 1)] if found else self.cursor

    async def action_search(self) -> None:
        if self._line is None:
            self._line = TextEntry(self.sought, longest=_LONGEST_SEARCH)
            self._line.placeholder = "words to search for"
            self.add_class("-searching")
            await self.mount(self._line, before=self.pane)
            self.set_focus(self._line)

    def on_input_changed(self, event: Input.Changed) -> None:
        self._search(event.value)

    def _search(self, query: str) -> None:
        self.sought = query
        self.action_move_choice(0)
        self.draw()

    @abstractmethod
    def action_move_choice(self, lines: int) -> None:
        """Put the cursor so many lines further down."""

    def action_keep(self) -> None:
        """Leave the search line, which goes on; without one, close."""
        if self._line is None:
            self.dismiss()
            return
        self.set_focus(None)
        self._line.remove()
        self._line = None
        self.remove_class("-searching")

    def action_close(self) -> None:
        """Leave the search line, then the search, then the dialog."""
        if self._line is None and not self.sought:
            self.dismiss()
            return
        if self._line is not None:
            self.action_keep()
        self._search("")


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
