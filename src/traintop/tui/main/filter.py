"""Filtering the list: a line opens below it, and the list follows what is typed.

Below the line is what the filter does, or what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace
from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.screen import Screen
from textual.timer import Timer

from traintop.analysis.query_tokens import LONGEST_QUERY, QueryError
from traintop.lines import Line, Piece, fit_line, line_width
from traintop.text import cell_width
from traintop.tui.kit.entry import TextEntry
from traintop.tui.kit.pane import LinePane
from traintop.tui.session import Session

_PREVIEW_SECONDS = 0.06
"""Typing waits so long for the next character before the list follows: no key waits for it."""

_PROMPT = " / "
_EXAMPLES = (
    "words match names, or: val_loss < 3.2 and d_model == 512 and status == running",
    "words match names, or: val_loss < 3.2 and d_model == 512",
    "words, or: val_loss < 3.2",
)
"""The first that has room is shown: half an example would be a wrong one."""


class FilterController:
    """Opens the line in a screen, and lists what the text in it matches."""

    def __init__(self, session: Session, screen: Screen[None]) -> None:
        self._session = session
        self._screen = screen
        self._line: FilterLine | None = None
        self._before = ""
        self._mistake: QueryError | None = None

    @property
    def is_open(self) -> bool:
        """Whether a filter is being typed."""
        return self._line is not None

    def draw(self) -> None:
        """Say under the line what the filter does."""
        if self._line is None:
            return
        if self._mistake is not None:
            self._line.show_mistake(self._mistake)
        else:
            self._line.show_count(len(self._session.rows), self._session.rows.total)

    async def action_filter(self) -> None:
        if self._line is None:
            self._before = self._session.view.filter
            self._line = FilterLine(self._before, self._follow_typing)
            # Awaited, so that what is typed right after the key lands in the line.
            await self._screen.mount(self._line, before="#footer")
            self._screen.set_focus(self._line.entry)
            self._session.change(self._session.view)

    def action_keep_filter(self) -> None:
        if self._line is not None:
            self._follow(self._line.text)
            if self._mistake is None:
                self._close()

    def action_drop_filter(self) -> None:
        self._close()
        self._follow(self._before)

    def _follow_typing(self) -> None:
        if self._line is not None:
            self._follow(self._line.text)

    def _follow(self, text: str) -> None:
        """List what the text matches; a mistake leaves the list as it is."""
        self._mistake = self._session.mistake_in(text)
        if self._mistake is None:
            self._session.change(replace(self._session.view, filter=text.strip()))
        else:
            self.draw()

    def _close(self) -> None:
        if self._line is not None:
            self._screen.set_focus(None)  # at once: what is typed ahead is for the list already
            self._line.remove()
            self._line = None
        self._mistake = None
        self._session.change(self._session.view)


class FilterLine(Container):
    """Takes the keyboard while it is there; ``follow`` is called soon after something was typed."""

    DEFAULT_CSS = """
    FilterLine { height: 2; background: $surface; }
    FilterLine Horizontal { height: 1; }
    FilterLine #filter-prompt { width: 3; }
    FilterLine #filter-note { height: 1; }
    """

    def __init__(self, text: str, follow: Callable[[], None]) -> None:
        super().__init__(id="filter")
        self._follow = follow
        self._preview: Timer | None = None
        self.entry = TextEntry(text, longest=LONGEST_QUERY)
        self._prompt = LinePane(id="filter-prompt")
        self._note = LinePane(id="filter-note")

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield self._prompt
            yield self.entry
        yield self._note

    def on_mount(self) -> None:
        self._prompt.show_line(_PROMPT, lambda width: (Piece(_PROMPT, "accent"),))

    def on_input_changed(self) -> None:
        if self._preview is not None:
            self._preview.stop()
        self._preview = self.set_timer(_PREVIEW_SECONDS, self._follow)

    @property
    def text(self) -> str:
        """What is typed so far."""
        return self.entry.value

    def show_count(self, listed: int, total: int) -> None:
        """Say how many runs the filter lets through."""
        content = (listed, total, not self.text)
        self._note.show_line(content, lambda width: count_line(*content, width))

    def show_mistake(self, mistake: QueryError) -> None:
        """Say what is wrong with the filter, and where."""
        content = (str(mistake), cell_width(self.text[: mistake.position]))
        self._note.show_line(content, lambda width: mistake_line(*content, width))


def count_line(listed: int, total: int, explained: bool, width: int) -> Line:
    """How many runs are listed; with an example of the language for whoever typed nothing yet."""
    count = Piece(f"{' ' * len(_PROMPT)}{listed:,} of {total:,} runs", "good" if listed else "warn")
    if explained:
        room = width - line_width((count,))
        fitting = (f"   {example}" for example in _EXAMPLES if cell_width(example) + 3 <= room)
        return fit_line((count, Piece(next(fitting, ""), "muted")), width)
    return fit_line((count,), width)


def mistake_line(message: str, cell: int, width: int) -> Line:
    """The message, with a pointer to the cell of the text above where there is room for it."""
    pointed = f"{' ' * (len(_PROMPT) + cell)}^ {message}"
    plain = f"{' ' * len(_PROMPT)}{message}"
    return fit_line((Piece(pointed if cell_width(pointed) <= width else plain, "warn"),), width)
