"""One line of text that a person types, and the dialog around it."""

from __future__ import annotations

from collections.abc import Callable

from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from traintop.lines import Line, Piece, Role, fit_line
from traintop.text import safe_text, wrap
from traintop.tui._textual import unbind
from traintop.tui.kit.keys import INTERRUPT, Place
from traintop.tui.kit.pane import LinePane
from traintop.tui.kit.screen import PlaceScreen


class TextEntry(Input):
    """An input of one line without a frame; what is not printable is replaced as it arrives.

    The App hands it each character when its turn has come (:meth:`take`), and enter belongs to
    the screen: with Textual's own way, what is typed ahead overtakes the keys before it. So does
    ctrl+c, which copies for Textual.
    """

    DEFAULT_CSS = """
    TextEntry, TextEntry:focus {
        height: 1;
        border: none;
        padding: 0;
        background: $surface;
        background-tint: transparent;
    }
    """

    def __init__(self, text: str, *, longest: int, replaced: bool = False) -> None:
        """What is typed replaces the ``text`` at once when ``replaced``, else it is added to it."""
        self._longest = longest
        super().__init__(text, select_on_focus=replaced, compact=True)
        # A blinking cursor costs bytes for as long as the line is open.
        self.cursor_blink = False
        unbind(self, "enter", INTERRUPT)

    def on_key(self, event: events.Key) -> None:
        if event.is_printable:
            event.prevent_default()

    def take(self, character: str) -> None:
        """Put in what was typed, in place of what is selected."""
        self.replace(character, *self.selection)

    def validate_value(self, value: str) -> str:
        return safe_text(value[: self._longest], self._longest)


_LONGEST_PROBLEM = 4096


class EntryScreen(PlaceScreen, ModalScreen[None]):
    """``done`` gets the text that enter confirms; escape leaves everything as it was.

    ``mistake_in`` says what is wrong with a text, so that it cannot be confirmed; else nothing.
    ``problem`` is why the text that was confirmed before could not be kept. When ``replaced``, the
    text is selected, for whoever types another one.
    """

    AUTO_FOCUS = "TextEntry"
    PLACES = (Place.ENTRY,)

    def __init__(
        self,
        title: str,
        hint: str,
        text: str,
        *,
        longest: int,
        done: Callable[[str], None],
        mistake_in: Callable[[str], str] = lambda text: "",
        problem: str = "",
        replaced: bool = False,
    ) -> None:
        super().__init__(classes="-problem" if problem else None)
        self._title = title
        self._hint = hint
        self._done = done
        self._mistake_in = mistake_in
        self._problem = problem
        self._hint_pane = LinePane(id="entry-hint")
        self._entry = TextEntry(text, longest=longest, replaced=replaced)

    def compose(self) -> ComposeResult:
        with Container(id="entry") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = "enter saves  esc cancels"
            yield self._entry
            yield self._hint_pane
        if self._problem:
            self._say(f"Not saved, {safe_text(self._problem, _LONGEST_PROBLEM)}", "bad")
        else:
            self._say(self._hint, "muted")

    def _say(self, text: str, role: Role) -> None:
        def draw(width: int, height: int) -> tuple[Line, ...]:
            if height == 1:
                return (fit_line((Piece(text, role),), width),)
            return tuple((Piece(line, role),) for line in wrap(text, width)[:height])

        self._hint_pane.show((text, role), draw)

    def action_confirm_entry(self) -> None:
        text = self._entry.value.strip()
        mistake = self._mistake_in(text)
        if mistake:
            self._say(mistake, "bad")
            return
        self.dismiss()
        self._done(text)

    def action_close(self) -> None:
        self.dismiss()
