"""Rows and headings of the run list: which columns fit a width, and the lines they make."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec
from msgspec.structs import replace

from traintop.analysis.ranking import RunGroup
from traintop.lines import Line, Piece, Role, fit_line, line_width
from traintop.model import RunStatus, RunSummary
from traintop.store.snapshot import PlaceState, state_of
from traintop.text import cell_width, fit, fit_middle, safe_text
from traintop.tui.columns import (
    BUILT_IN,
    DEFAULT_CHOICES,
    GPU_COLUMN,
    TREND_COLUMN,
    Column,
    ColumnChoice,
    RowContext,
    column_of,
)
from traintop.tui.main.status_line import status_counts

_GAPS = (2, 1)
"""Cells between two columns: airy where all columns fit so, else tight."""

_NARROWEST = 4
_WIDEST = 60
_USUAL_NAME = 40
_NAME_SHARE = 3  # of the cells for a reason the name of its file gets one in so many
_NARROWEST_CUT = 2


class RowLayout(msgspec.Struct, frozen=True):
    """The columns that are shown, each with its width, and the gap between two; in cells."""

    columns: tuple[tuple[Column, int], ...]
    gap: int

    def joined(self, pieces: Sequence[Piece]) -> Line:
        """The cells of a row with the gaps between them."""
        gap = Piece(" " * self.gap)
        return tuple(part for piece in pieces for part in (gap, piece))[1:]


def chosen_columns(choices: Sequence[ColumnChoice]) -> tuple[Column, ...]:
    """The columns of a choice with the widths they are to have."""
    chosen = [(column_of(choice.key), choice.wider) for choice in choices]
    return tuple(
        replace(column, width=min(max(column.width + wider, _NARROWEST), _WIDEST))
        for column, wider in chosen
    )


@lru_cache(maxsize=8)
def lay_out(
    width: int,
    choices: tuple[ColumnChoice, ...] = DEFAULT_CHOICES,
    sort_key: str = "",
    name_width: int = 0,
    *,
    any_eta: bool = True,
    any_gpu: bool = False,
) -> RowLayout:
    """The columns that fit ``width`` cells; the name takes what the others leave, within reason.

    The column that sorts, ``sort_key``, comes before others: it explains the order. The time left
    comes last where no run has any (``any_eta``), and the GPUs have no column where no run has
    (``any_gpu``). Where the name would have less than
    ``name_width`` cells, in which names differ, the trend goes, then the percentage, and then an
    empty time left.
    """
    columns = [one for one in chosen_columns(choices) if any_gpu or one.key != GPU_COLUMN]
    gap = next((gap for gap in _GAPS if _taken(columns, gap) <= width), _GAPS[-1])
    chosen = [column for column in columns if column.importance == 0]
    narrow = _taken(chosen, gap) > width
    empty = "" if any_eta else "eta"

    def rank(column: Column) -> tuple[bool, bool, int]:
        return (column.key != sort_key, column.key == empty, column.importance)

    for column in sorted(columns, key=rank):
        if column not in chosen and _taken([*chosen, column], gap) <= width:
            chosen.append(column)
    for key in filter(None, (TREND_COLUMN, "progress", empty)):
        more = max(min(name_width, _USUAL_NAME) - BUILT_IN["name"].width, 0)
        if _taken(chosen, gap) + more > width and key != sort_key:
            chosen = [column for column in chosen if column.key != key]
    shown = [column for column in columns if column in chosen]
    widths = {column.key: (narrow and column.narrow_width) or column.width for column in shown}
    spare = width - sum(widths.values()) - gap * (len(shown) - 1)
    if "name" in widths:
        # Beyond that the figures would stand too far off to be read as one row with the name.
        widths["name"] = max(min(widths["name"] + spare, max(widths["name"], _USUAL_NAME)), 0)
    return RowLayout(tuple((column, widths[column.key]) for column in shown), gap)


def _taken(columns: Sequence[Column], gap: int) -> int:
    return sum(column.width for column in columns) + gap * max(len(columns) - 1, 0)


def format_row(summary: RunSummary, layout: RowLayout, context: RowContext) -> Line:
    """One run as a line. Where a file cannot be read, the reason takes the place of figures."""
    if summary.status is RunStatus.UNREADABLE:
        return _format_unreadable(summary, layout, context)
    return layout.joined(
        [
            Piece(
                fit(column.text(summary, context, width), width, column.field.align),
                column.role(summary, context),
            )
            for column, width in layout.columns
        ]
    )


def _format_unreadable(summary: RunSummary, layout: RowLayout, context: RowContext) -> Line:
    named = [(column, width) for column, width in layout.columns if column.importance == 0]
    figures = [width for column, width in layout.columns if column.importance > 0]
    room = sum(figures) + layout.gap * max(len(figures) - 1, 0)
    # The name is that of the file, and long; no figures need to stand below those of others.
    widths = {column.key: width for column, width in named}
    more = max(min(room // _NAME_SHARE, _USUAL_NAME - widths.get("name", _USUAL_NAME)), 0)
    pieces = []
    for column, width in named:
        wider = width + more if column.key == "name" else width
        pieces.append(
            Piece(fit(column.text(summary, context, wider), wider), column.role(summary, context))
        )
    if figures:
        pieces.append(Piece(fit(safe_text(summary.problem), room - more), "muted"))
    return layout.joined(pieces)


def format_heading(layout: RowLayout, sort_key: str, descending: bool) -> Line:
    """The headings; the one that sorts carries an arrow and the accent colour."""
    pieces: list[Piece] = []
    for column, width in layout.columns:
        text = column.field.label
        sorts = column.key == sort_key
        if sorts:
            arrow = "↓" if descending else "↑"
            text = text if cell_width(text) < width else text.replace(" ", "")
            text = fit(text, min(cell_width(text), max(width - 1, 0))) + arrow
        # Two cells have no room for an ellipsis that says something.
        cell = fit(text if width > _NARROWEST_CUT else text[:width], width, column.field.align)
        role: Role = "accent" if sorts else "muted"
        # The key may come from a file, so the action knows the column by its place.
        action = f"screen.sort_by_place({len(pieces)})"
        pieces.append(Piece(cell, role, action=action))
    return layout.joined(pieces)


def format_group(group: RunGroup, places: Sequence[PlaceState], width: int) -> Line:
    """The heading of a group: what its runs share, how many need a look, and whether it is away."""
    away = _away(group.runs, places)
    said: Line = (Piece(f"  {away}", "warn"),) if away else ()
    count = Piece(f"  {group.run_count}", "muted")
    endings = [(count, *counts, *said) for counts in status_counts(group.runs, places)]
    room = [width - line_width(ending) for ending in endings]
    fitting = (place for place, cells in enumerate(room) if cell_width(group.title) <= cells)
    place = next(fitting, len(endings) - 1)
    title = fit_middle(group.title, max(room[place], width // 2))
    return fit_line((Piece(title, "strong", bold=True), *endings[place]), width)


def _away(runs: Sequence[RunSummary], places: Sequence[PlaceState]) -> str:
    """How the places of some runs are that cannot be looked at now; which ones, if not all."""
    one_of_each_root = {run.root: run.id for run in runs} if places else {}
    states = {state_of(run_id, places): None for run_id in one_of_each_root.values()}
    away = [state for state in states if state is not None]
    if len(away) == len(states) == 1:
        return safe_text(away[0].words)
    return " · ".join(safe_text(f"{state.place} {state.words}") for state in away)
