"""One line of text that a person types: quiet, and harmless whatever is pasted into it."""

from __future__ import annotations

from textual.widgets import Input

from traintop.text import safe_text


class TextEntry(Input):
    """An input of one line without a frame; what is not printable is replaced as it arrives."""

    DEFAULT_CSS = """
    TextEntry, TextEntry:focus {
        height: 1;
        border: none;
        padding: 0;
        background: $surface;
        background-tint: transparent;
    }
    """

    def __init__(self, text: str, *, longest: int, placeholder: str = "") -> None:
        self._longest = longest
        super().__init__(text, placeholder=placeholder, select_on_focus=False, compact=True)
        # A blinking cursor costs bytes for as long as the line is open.
        self.cursor_blink = False

    def validate_value(self, value: str) -> str:
        return safe_text(value[: self._longest], self._longest)
