"""Styled lines: what panes and charts are made of, free of Textual.

A pane is a tuple of lines, a line a tuple of pieces, and a piece a string with the *role* it
plays. Widgets translate roles into the colours of the theme; tests read the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from traintop.text import cell_width, fit

Role = Literal["text", "muted", "strong", "accent", "good", "warn", "bad"]
ROLES: tuple[Role, ...] = ("text", "muted", "strong", "accent", "good", "warn", "bad")

Look: TypeAlias = tuple[Role, str | None, bool, bool, str | None]
"""All of a piece but its text: role, colour, bold, dim, action."""


class Piece(msgspec.Struct, frozen=True, gc=False):
    """A run of text in one style. ``color`` (css hex) overrides the colour of the role.

    ``action`` is the Textual action that a click runs; it only ever comes from our own tables.
    """

    text: str
    role: Role = "text"
    color: str | None = None
    bold: bool = False
    dim: bool = False
    action: str | None = None

    @property
    def look(self) -> Look:
        """All that two pieces must share to be drawn alike."""
        return (self.role, self.color, self.bold, self.dim, self.action)


Line = tuple[Piece, ...]
EMPTY_LINE: Line = ()


def line_width(line: Line) -> int:
    """The terminal cells of a line."""
    return sum(cell_width(piece.text) for piece in line)


def line_text(line: Line) -> str:
    """The characters of a line."""
    return "".join(piece.text for piece in line)


def fit_line(line: Line, width: int) -> Line:
    """The line cut to ``width`` cells, ending in "…" where more than blanks is lost."""
    if line_width(line) <= width:
        return line
    *before, last = line
    if not last.text.strip(" "):
        return fit_line((*before,), width)
    line = (*before, replace(last, text=last.text.rstrip(" ")))
    if line_width(line) <= width:
        return line
    kept: list[Piece] = []
    room = width
    for position, piece in enumerate(line):
        cells = cell_width(piece.text)
        # The last piece that fits exactly still needs its "…" when something follows.
        fits = cells < room or (cells == room and position == len(line) - 1)
        if not fits:
            kept.append(replace(piece, text=fit(piece.text + "…", room)))
            break
        kept.append(piece)
        room -= cells
    return tuple(kept)


def pad_line(line: Line, width: int) -> Line:
    """The line in exactly ``width`` cells: cut, or filled up with blanks."""
    line = fit_line(line, width)
    missing = width - line_width(line)
    return (*line, Piece(" " * missing)) if missing > 0 else line


def spread(left: Line, right: Line, width: int) -> Line:
    """``left`` and ``right`` at the two ends of ``width`` cells; the right one is dropped first."""
    gap = width - line_width(left) - line_width(right)
    if gap < 1:
        return fit_line(left, width)
    return (*left, Piece(" " * gap), *right)


def clickable(line: Line, action: str, width: int) -> Line:
    """The line over ``width`` cells, each of which does the action when it is clicked."""
    return tuple(replace(piece, action=action) for piece in pad_line(line, width))


def beside(columns: Sequence[Sequence[Line]], widths: Sequence[int]) -> tuple[Line, ...]:
    """Blocks of lines side by side, each in the cells that ``widths`` gives it."""
    height = max((len(column) for column in columns), default=0)
    return tuple(
        tuple(
            piece
            for column, width in zip(columns, widths, strict=True)
            for piece in pad_line(column[row] if row < len(column) else EMPTY_LINE, width)
        )
        for row in range(height)
    )


def changed_span(before: Line, after: Line) -> tuple[int, int]:
    """The first cell that differs, and the cell after the last one; equal ones for no change.

    Lines are compared cell by cell where all characters are one cell wide, else as a whole.
    """
    if before == after:
        return 0, 0
    old, new = _cells(before), _cells(after)
    width = max(len(old), len(new))
    if width != max(line_width(before), line_width(after)):
        return 0, max(line_width(before), line_width(after))
    blank = (" ", Piece("").look)
    old += [blank] * (width - len(old))
    new += [blank] * (width - len(new))
    differing = [cell for cell in range(width) if old[cell] != new[cell]]
    return (differing[0], differing[-1] + 1) if differing else (0, 0)


def _cells(line: Line) -> list[tuple[str, Look]]:
    looks = ((piece.text, piece.look) for piece in line)
    return [(character, look) for text, look in looks for character in text]
