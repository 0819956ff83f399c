"""The leaderboard as lines: rank, name, value, where it was reached, and what sets runs apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace

from traintop.analysis.differences import ABSENT, distinctive_settings
from traintop.analysis.ranking import Leader
from traintop.fields import Field
from traintop.lines import Line, Piece, Role, clickable, fit_line
from traintop.text import (
    MISSING,
    cell_width,
    duration,
    fit,
    fit_middle,
    safe_text,
    setting_text,
    si,
)
from traintop.tui.kit.runs import STATUS_MARKS, alike_words, fit_name, run_name
from traintop.values import flat_settings

_GUTTER = 3
_MARGIN = 1
_GAP = 2
_LEAST_NAME = 12
_SHORT_NAME = 18
_USUAL_NAME = 32
_WIDEST_SETTING = 18


class _Column(msgspec.Struct, frozen=True):
    """A heading, and below it a cell for each leader that is shown."""

    heading: str
    cells: tuple[Piece, ...]
    align: Literal["left", "right"] = "right"

    @property
    def width(self) -> int:
        return max(map(cell_width, (self.heading, *(cell.text for cell in self.cells))))

    def padded(self, piece: Piece) -> Piece:
        """The piece in the width of the column."""
        return replace(piece, text=fit(piece.text, self.width, self.align))


def leader_lines(
    field: Field,
    leaders: Sequence[Leader],
    top: int,
    cursor: int,
    marks: Mapping[str, Piece],
    width: int,
    height: int,
    told_apart: int | None = None,
) -> tuple[Line, ...]:
    """The headings, and as many leaders from place ``top`` on as ``height`` holds below them.

    They lead by ``field``.
    ``marks`` are the marked runs with what stands for their curves. The settings are those that
    tell the first ``told_apart`` leaders apart, or else as many as ``height`` holds; of these
    settings as many as fit.
    """
    rows = max(height - 1, 0)
    shown = leaders[top : top + rows]
    if not shown:
        return ()
    columns = _columns_that_fit(field, leaders[: told_apart or rows], shown, top, width)
    heading = _joined([column.padded(Piece(column.heading, "muted")) for column in columns])
    lines: list[Line] = [(Piece(" " * _GUTTER), *heading)]
    for place, leader in enumerate(shown):
        run_id = leader.run.id
        gutter = (
            Piece("▌" if top + place == cursor else " ", "accent"),
            marks.get(run_id, Piece(" ")),
            Piece(" "),
        )
        cells = _joined([column.padded(column.cells[place]) for column in columns])
        marking = clickable(gutter, f"screen.pick_and_mark({top + place})", _GUTTER)
        picking = clickable(cells, f"screen.pick({top + place})", max(width - _GUTTER, 0))
        lines.append(fit_line((*marking, *picking), width))
    return tuple(lines)


def _columns_that_fit(
    field: Field, best: Sequence[Leader], shown: Sequence[Leader], top: int, width: int
) -> list[_Column]:
    marks = [STATUS_MARKS[leader.run.status] for leader in shown]
    names = [run_name(leader.run) for leader in shown]
    ranks = range(top + 1, top + 1 + len(shown))
    rank = _Column("#", _cells(map(str, ranks), "muted"))
    status = _Column("", tuple(Piece(mark.glyph, mark.role) for mark in marks))
    value = _Column("VALUE", _cells((field.text(leader.value) for leader in shown), "strong"))
    at = _Column("AT", _cells((_at_text(leader.iteration) for leader in shown), "muted"))
    took = _Column("TIME", _cells(duration(leader.run.duration_seconds) for leader in shown))
    candidates = [at, took, *_setting_columns(best, shown)]
    room = width - _GUTTER - _MARGIN - sum(column.width + _GAP for column in (rank, status, value))
    longest = min(max(map(cell_width, names)), _USUAL_NAME)
    # A long name gives way to the setting that says the most.
    beside = room - sum(column.width + _GAP for column in candidates[:3])
    if min(longest, _SHORT_NAME) <= beside:
        longest = min(longest, beside)
    name_width = max(min(longest, room), _LEAST_NAME)
    alike = alike_words([run_name(leader.run) for leader in best])
    name = _Column("NAME", _cells(fit_name(text, name_width, alike) for text in names), "left")
    room -= name.width
    further = []
    for column in candidates:
        if column.width + _GAP <= room:
            further.append(column)
            room -= column.width + _GAP
    return [rank, status, name, value, *further]


def _setting_columns(best: Sequence[Leader], shown: Sequence[Leader]) -> list[_Column]:
    names = distinctive_settings([flat_settings(leader.run.config) for leader in best])
    settings = [flat_settings(leader.run.config) for leader in shown]
    return [
        _Column(
            fit_middle(safe_text(name), _WIDEST_SETTING),
            _cells(_setting(one.get(name, ABSENT)) for one in settings),
        )
        for name in names
    ]


def _cells(texts: Iterable[str], role: Role = "text") -> tuple[Piece, ...]:
    return tuple(Piece(text, role) for text in texts)


def _setting(value: object) -> str:
    return fit_middle(setting_text(value), _WIDEST_SETTING)


def _at_text(iteration: float | None) -> str:
    return MISSING if iteration is None else si(iteration)


def _joined(pieces: Sequence[Piece]) -> Line:
    gap = Piece(" " * _GAP)
    return tuple(part for piece in pieces for part in (gap, piece))[1:]
