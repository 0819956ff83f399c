"""The help: the keys of the place it was called from, and the meaning of the status marks."""

from __future__ import annotations

from traintop.tui.key_table import Place
from traintop.tui.keys import keys_of
from traintop.tui.lines import EMPTY_LINE, Line, Piece, beside
from traintop.tui.status import STATUS_MARKS

_KEY_WIDTH = 11
_TWO_COLUMNS = 76
_COLUMN_GAP = 2


def help_lines(place: Place, width: int) -> tuple[Line, ...]:
    """The help of a place in ``width`` cells: two columns where they fit, else one."""
    groups: dict[str, list[Line]] = {}
    for key in keys_of(place):
        line = (Piece(f"{key.shown:<{_KEY_WIDTH}}", "accent"), Piece(key.help))
        groups.setdefault(key.group, []).append(line)
    blocks = [_block(title, lines) for title, lines in groups.items()]
    blocks.append(_block("Status", _status_lines()))
    if width < _TWO_COLUMNS:
        return tuple(line for block in blocks for line in block)
    total = sum(map(len, blocks))
    left: list[Line] = []
    right: list[Line] = []
    for block in blocks:
        column = left if len(left) + len(block) <= (total + 1) // 2 + 2 and not right else right
        column.extend(block)
    half = (width - _COLUMN_GAP) // 2
    gap = [(Piece(" " * _COLUMN_GAP),)] * max(len(left), len(right))
    return beside((left, gap, right), (half, _COLUMN_GAP, width - half - _COLUMN_GAP))


def _block(title: str, lines: list[Line]) -> list[Line]:
    return [(Piece(title, "strong", bold=True),), *lines, EMPTY_LINE]


def _status_lines() -> list[Line]:
    return [
        (
            Piece(f"{mark.glyph} {mark.word:<{_KEY_WIDTH - 2}}", mark.role),
            Piece(mark.meaning),
        )
        for mark in STATUS_MARKS.values()
    ]
