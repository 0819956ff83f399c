"""One line of text that a person types: quiet, and harmless whatever is pasted into it."""

from __future__ import annotations

from textual import events
from textual.widgets import Input

from traintop.text import safe_text
from traintop.tui.places import INTERRUPT


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
        for key in ("enter", INTERRUPT):
            del self._bindings.key_to_bindings[key]

    def on_key(self, event: events.Key) -> None:
        if event.is_printable:
            event.prevent_default()

    def take(self, character: str) -> None:
        """Put in what was typed, in place of what is selected."""
        self.replace(character, *self.selection)

    def validate_value(self, value: str) -> str:
        return safe_text(value[: self._longest], self._longest)
