"""The leaderboard as lines: rank, name, value, where it was reached, and what sets runs apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from traintop.analysis.differences import ABSENT, flat_settings, setting_text, telling_settings
from traintop.analysis.ranking import Leader
from traintop.text import MISSING, aligned, cell_width, duration, fit, fit_middle, safe_text, si
from traintop.tui.columns import run_name
from traintop.tui.lines import Line, Piece, Role, fit_line
from traintop.tui.status import STATUS_MARKS

_GUTTER = 2
_GAP = 2
_LEAST_NAME = 12
_USUAL_NAME = 32
_WIDEST_SETTING = 18


@dataclass(frozen=True, slots=True)
class _Column:
    heading: str
    texts: tuple[str, ...]
    align: Literal["left", "right"] = "right"
    role: Role = "text"

    @property
    def width(self) -> int:
        return max(map(cell_width, (self.heading, *self.texts)))


def leader_lines(
    leaders: Sequence[Leader],
    top: int,
    cursor: int,
    marks: Mapping[Path, str | None],
    width: int,
    height: int,
) -> tuple[Line, ...]:
    """The headings, and as many leaders from place ``top`` on as ``height`` holds below them.

    ``marks`` are the marked runs with the colours of their curves. The settings are those that
    tell the best ones apart, as many as fit.
    """
    rows = max(height - 1, 0)
    shown = leaders[top : top + rows]
    if not shown:
        return ()
    columns = _columns_that_fit(leaders[:rows], shown, top, width)
    heading = _joined([Piece(_cell(c, c.heading), "muted") for c in columns])
    lines: list[Line] = [(Piece(" " * _GUTTER), *heading)]
    for place, leader in enumerate(shown):
        is_cursor = top + place == cursor
        action = f"screen.pick({top + place})"
        gutter = (
            Piece("▌" if is_cursor else " ", "accent"),
            Piece("◆" if leader.run.path in marks else " ", "accent", marks.get(leader.run.path)),
        )
        cells = _joined(
            [
                Piece(
                    _cell(column, column.texts[place]),
                    "strong" if is_cursor and column.heading == "NAME" else column.role,
                    bold=column.heading == "NAME" and is_cursor,
                    action=action,
                )
                for column in columns
            ]
        )
        lines.append(fit_line((*gutter, *cells), width))
    return tuple(lines)


def _columns_that_fit(
    best: Sequence[Leader], shown: Sequence[Leader], top: int, width: int
) -> list[_Column]:
    marks = [STATUS_MARKS[leader.run.status] for leader in shown]
    names = [run_name(leader.run) for leader in shown]
    rank = _Column("#", tuple(str(top + place + 1) for place in range(len(shown))), role="muted")
    status = _Column("", tuple(mark.glyph for mark in marks), role="muted")
    value = _Column("VALUE", tuple(aligned(leader.value) for leader in shown), role="strong")
    at = _Column("AT", tuple(_at_text(leader.iteration) for leader in shown), role="muted")
    took = _Column("TIME", tuple(duration(leader.run.duration_seconds) for leader in shown))
    taken = sum(c.width + _GAP for c in (rank, status, value))
    name_width = min(max(map(cell_width, names)), _USUAL_NAME)
    name_width = max(min(name_width, width - _GUTTER - taken), _LEAST_NAME)
    name = _Column("NAME", tuple(fit_middle(text, name_width) for text in names), "left")
    room = width - _GUTTER - taken - max(name.width, len(name.heading))
    further = []
    for column in (at, took, *_setting_columns(best, shown)):
        if column.width + _GAP <= room:
            further.append(column)
            room -= column.width + _GAP
    return [rank, status, name, value, *further]


def _setting_columns(best: Sequence[Leader], shown: Sequence[Leader]) -> list[_Column]:
    names = telling_settings([flat_settings(leader.run.config) for leader in best])
    settings = [flat_settings(leader.run.config) for leader in shown]
    return [
        _Column(
            fit_middle(safe_text(name), _WIDEST_SETTING),
            tuple(_setting(one.get(name, ABSENT)) for one in settings),
        )
        for name in names
    ]


def _setting(value: object) -> str:
    return fit_middle(setting_text(value), _WIDEST_SETTING)


def _at_text(iteration: float | None) -> str:
    return MISSING if iteration is None else si(iteration)


def _cell(column: _Column, text: str) -> str:
    return fit(text, column.width, column.align)


def _joined(pieces: Sequence[Piece]) -> Line:
    gap = Piece(" " * _GAP)
    return tuple(part for piece in pieces for part in (gap, piece))[1:]
