"""The help: the keys of the place it was called from, and the meaning of the status marks."""

from __future__ import annotations

from collections.abc import Sequence

from traintop.analysis.alerts import ALERT_WORDS
from traintop.fields import STATUS_WORDS
from traintop.lines import EMPTY_LINE, Line, Piece, Role, beside
from traintop.text import cell_width, fit, wrap
from traintop.tui.kit.dialogs import ListDialog
from traintop.tui.kit.keys import Place, keys_of
from traintop.tui.kit.runs import (
    ALERT_MARKS,
    LAST_KNOWN_MARK,
    LAST_KNOWN_WORD,
    ROW_MARKS,
    STATUS_MARKS,
)

_TWO_COLUMNS = 76
_COLUMN_GAP = 2
_STATUS_WIDTH = 9


def help_lines(place: Place, width: int) -> tuple[Line, ...]:
    """The help of a place in ``width`` cells: two columns where they fit, else one."""
    keys = keys_of(place)
    half = (width - _COLUMN_GAP) // 2
    inner = width if width < _TWO_COLUMNS else half
    key_width = max((cell_width(key.shown) for key in keys), default=0) + 2
    groups: dict[str, list[Line]] = {}
    for key in keys:
        lines = _entry_lines(key.shown, "accent", key_width, key.help, inner)
        groups.setdefault(key.group, []).extend(lines)
    blocks = [_block(title, lines) for title, lines in groups.items()]
    blocks.append(_block("Status", _status_lines(inner)))
    if place is Place.RUNS:
        blocks.append(_block("Before the status", _row_mark_lines(inner)))
    if inner == width:
        return tuple(line for block in blocks for line in block)
    total = sum(map(len, blocks))
    left: list[Line] = []
    right: list[Line] = []
    for block in blocks:
        column = left if len(left) + len(block) <= (total + 1) // 2 + 2 and not right else right
        column.extend(block)
    gap = [(Piece(" " * _COLUMN_GAP),)] * max(len(left), len(right))
    return beside((left, gap, right), (half, _COLUMN_GAP, width - half - _COLUMN_GAP))


def _block(title: str, lines: Sequence[Line]) -> list[Line]:
    return [(Piece(title, "strong", bold=True),), *lines, EMPTY_LINE]


def _entry_lines(name: str, role: Role, name_width: int, words: str, width: int) -> list[Line]:
    """A name and what it means, in as many lines as that takes."""
    parts = wrap(words, max(width - name_width, 1)) or [""]
    names = [name] + [""] * (len(parts) - 1)
    return [
        (Piece(fit(name, name_width), role, bold=True), Piece(part))
        for name, part in zip(names, parts, strict=True)
    ]


def _status_lines(width: int) -> list[Line]:
    marks = [(mark, STATUS_WORDS[status]) for status, mark in STATUS_MARKS.items()]
    marks[1:1] = [(mark, ALERT_WORDS[kind]) for kind, mark in ALERT_MARKS.items()]
    marks.append((LAST_KNOWN_MARK, LAST_KNOWN_WORD))
    return [
        line
        for mark, word in marks
        for line in _entry_lines(
            f"{mark.glyph} {word}", mark.role, _STATUS_WIDTH, mark.meaning, width
        )
    ]


def _row_mark_lines(width: int) -> list[Line]:
    return [
        line
        for glyph, meaning in ROW_MARKS.items()
        for line in _entry_lines(glyph, "accent", _STATUS_WIDTH, meaning, width)
    ]


class HelpScreen(ListDialog):
    """Lists keys and status marks; scrolls where they are more than the screen holds."""

    PLACES = (Place.HELP,)

    def __init__(self, place: Place) -> None:
        super().__init__(f"traintop · keys: {place.value}", "j k scroll  esc closes", id="help")
        self._place = place

    @property
    def content(self) -> Place:
        return self._place

    def lines(self, width: int) -> Sequence[Line]:
        return help_lines(self._place, width)

    def action_scroll_help(self, lines: int) -> None:
        self.pane.scroll_lines(lines)
