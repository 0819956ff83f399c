"""The dialog in which one line of text is typed, over the screen that stays visible."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from traintop.tui.key_table import Place
from traintop.tui.keys import Situation, bindings_of
from traintop.tui.lines import Piece, fit_line
from traintop.tui.screens.steady import SteadyScreen
from traintop.tui.widgets.line_pane import LinePane
from traintop.tui.widgets.text_entry import TextEntry


class EntryScreen(SteadyScreen, ModalScreen[None]):
    """``done`` gets the text that enter confirms; escape leaves everything as it was.

    ``mistake_in`` says what is wrong with a text, so that it cannot be confirmed; else nothing.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of(Place.ENTRY)]

    def __init__(
        self,
        title: str,
        hint: str,
        text: str,
        *,
        longest: int,
        done: Callable[[str], None],
        mistake_in: Callable[[str], str] = lambda text: "",
    ) -> None:
        super().__init__()
        self._title = title
        self._hint = hint
        self._done = done
        self._mistake_in = mistake_in
        self._hint_pane = LinePane(id="entry-hint")
        self._entry = TextEntry(text, longest=longest)

    @property
    def situation(self) -> Situation:
        return Situation(Place.ENTRY)

    def compose(self) -> ComposeResult:
        with Container(id="entry") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = "enter keeps  esc leaves it as it was"
            yield self._entry
            yield self._hint_pane
        self._say(Piece(self._hint, "muted"))

    def _say(self, piece: Piece) -> None:
        self._hint_pane.show(piece, lambda width, height: (fit_line((piece,), width),))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.action_confirm_entry()

    def action_confirm_entry(self) -> None:
        text = self._entry.value.strip()
        mistake = self._mistake_in(text)
        if mistake:
            self._say(Piece(mistake, "bad"))
            return
        self.dismiss()
        self._done(text)

    def action_close(self) -> None:
        self.dismiss()
