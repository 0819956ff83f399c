"""The line in which a filter is typed, and below it what the filter does, or what is wrong."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Container, Horizontal

from traintop.analysis.query_tokens import LONGEST_QUERY, QueryError
from traintop.lines import Line, Piece, fit_line, line_width
from traintop.text import cell_width
from traintop.tui.kit.entry import TextEntry
from traintop.tui.kit.pane import LinePane

_PROMPT = " / "
_EXAMPLES = (
    "words match names, or: val_loss < 3.2 and d_model == 512 and status == running",
    "words match names, or: val_loss < 3.2 and d_model == 512",
    "words, or: val_loss < 3.2",
)
"""The first that has room is shown: half an example would be a wrong one."""


class FilterLine(Container):
    """Takes the keyboard while it is there; its screen decides what the text means."""

    DEFAULT_CSS = """
    FilterLine { height: 2; background: $surface; }
    FilterLine Horizontal { height: 1; }
    FilterLine #filter-prompt { width: 3; }
    FilterLine #filter-note { height: 1; }
    """

    def __init__(self, text: str) -> None:
        super().__init__(id="filter")
        self.entry = TextEntry(text, longest=LONGEST_QUERY)
        self._prompt = LinePane(id="filter-prompt")
        self._note = LinePane(id="filter-note")

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield self._prompt
            yield self.entry
        yield self._note

    def on_mount(self) -> None:
        self._prompt.show(_PROMPT, lambda width, height: ((Piece(_PROMPT, "accent"),),))

    @property
    def text(self) -> str:
        return self.entry.value

    def show_count(self, listed: int, total: int) -> None:
        """Say how many runs the filter lets through."""
        content = (listed, total, not self.text)
        self._note.show(content, lambda width, height: (count_line(*content, width),))

    def show_mistake(self, mistake: QueryError) -> None:
        """Say what is wrong with the filter, and where."""
        content = (str(mistake), cell_width(self.text[: mistake.position]))
        self._note.show(content, lambda width, height: (mistake_line(*content, width),))


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
