"""The dialog in which one line of text is typed, over the screen that stays visible."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.screen import ModalScreen

from traintop.text import safe_text, wrap
from traintop.tui.keys import Situation, bindings_of
from traintop.tui.lines import Line, Piece, Role, fit_line
from traintop.tui.places import Place
from traintop.tui.screens.steady import SteadyScreen
from traintop.tui.widgets.line_pane import LinePane
from traintop.tui.widgets.text_entry import TextEntry

_LONGEST_PROBLEM = 4096


class EntryScreen(SteadyScreen, ModalScreen[None]):
    """``done`` gets the text that enter confirms; escape leaves everything as it was.

    ``mistake_in`` says what is wrong with a text, so that it cannot be confirmed; else nothing.
    ``problem`` is why the text that was confirmed before could not be kept. When ``replaced``, the
    text is selected, for whoever types another one.
    """

    AUTO_FOCUS = "TextEntry"
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

    @property
    def situation(self) -> Situation:
        return Situation(Place.ENTRY)

    def compose(self) -> ComposeResult:
        with Container(id="entry") as box:
            box.border_title = Content(self._title)
            box.border_subtitle = "enter keeps  esc leaves it as it was"
            yield self._entry
            yield self._hint_pane
        if self._problem:
            self._say(f"Not kept, {safe_text(self._problem, _LONGEST_PROBLEM)}", "bad")
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
