"""The columns of the run list: what each shows, how wide it is, how it sorts.

All of it is pure: :func:`lay_out` decides which columns fit a width, :func:`format_row` and
:func:`format_heading` make the lines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from traintop.model import RunStatus, RunSummary
from traintop.text import MISSING, duration, fit, number, percentage, safe_text, si
from traintop.tui.age import age_seconds, age_text, parse_time
from traintop.tui.lines import Line, Piece, Role
from traintop.tui.status import STATUS_MARKS, STATUS_RANK

SortValue = float | str | None


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``importance`` decides which stay when the width is short (0 goes last)."""

    key: str
    heading: str
    width: int
    importance: int
    text: Callable[[RunSummary, datetime, int], str]
    sort_value: Callable[[RunSummary], SortValue]
    align: Literal["left", "right"] = "right"
    role: Callable[[RunSummary], Role] = lambda _: "text"
    descending: bool = False
    narrow_width: int | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns that are shown, each with its width, and the gap between two; in cells."""

    columns: tuple[tuple[Column, int], ...]
    gap: int

    def joined(self, pieces: Sequence[Piece]) -> Line:
        """The cells of a row with the gaps between them."""
        gap = Piece(" " * self.gap)
        return tuple(part for piece in pieces for part in (gap, piece))[1:]


_GAPS = (2, 1)
"""Cells between two columns: airy where all columns fit so, else tight."""

_NAME_WIDTH = 12
_NARROW_NAME_WIDTH = 6


def run_name(summary: RunSummary) -> str:
    """The name of a run as it is drawn: the experiment's, or the file's where there is none."""
    return safe_text(summary.name or summary.run_id)


def measured(value: float | None, width: int) -> str:
    """A value with as many of 4 significant digits as ``width`` cells hold.

    Trailing zeros are kept, so that the decimals of a column stand below one another.
    """
    if value is not None and 1e-3 <= abs(value) < 1e3:
        return f"{value:#.4g}"
    for digits in (4, 3, 2):
        text = number(value, digits)
        if len(text) <= width:
            return text
    return number(value, 1)


def steps_done(summary: RunSummary) -> float | None:
    """The iterations done: one more than the last index, which is 0-based."""
    if summary.iteration is None:
        return None
    whole = isinstance(summary.iteration, int)
    return summary.iteration + 1 if whole else summary.iteration


def _status_text(summary: RunSummary, now: datetime, width: int) -> str:
    mark = STATUS_MARKS[summary.status]
    return f"{mark.glyph} {mark.word}" if width > 2 else f"{mark.glyph}{mark.letter}"


def _step_text(summary: RunSummary, now: datetime, width: int) -> str:
    done = steps_done(summary)
    if done is None and summary.max_iters is None:
        return MISSING
    planned = "" if summary.max_iters is None else f"/{si(summary.max_iters)}"
    return f"{si(done if done is not None else 0)}{planned}"


def _eta_text(summary: RunSummary, now: datetime, width: int) -> str:
    return "?" if summary.status is RunStatus.STALLED else duration(summary.eta_seconds)


def _age_text(summary: RunSummary, now: datetime, width: int) -> str:
    return age_text(age_seconds(summary.start_time, now))


def _start_order(summary: RunSummary) -> SortValue:
    """Younger runs are smaller; the same order at any time, so that no clock is needed."""
    started = parse_time(summary.start_time)
    return None if started is None else (datetime.min - started).total_seconds()  # noqa: DTZ901


def _loss_role(value: float | None) -> Role:
    if value is None:
        return "muted"
    return "text" if math.isfinite(value) else "bad"


def _muted(summary: RunSummary) -> Role:
    return "muted"


_COLUMNS = (
    Column(
        "status",
        "STATUS",
        7,
        0,
        _status_text,
        lambda run: STATUS_RANK[run.status],
        align="left",
        role=lambda run: STATUS_MARKS[run.status].role,
        narrow_width=2,
    ),
    Column(
        "name",
        "NAME",
        _NAME_WIDTH,
        0,
        lambda run, now, width: run_name(run),
        lambda run: run_name(run).casefold(),
        align="left",
        role=lambda run: "bad" if run.status is RunStatus.UNREADABLE else "strong",
        narrow_width=_NARROW_NAME_WIDTH,
    ),
    Column("step", "STEP", 10, 3, _step_text, steps_done, descending=True),
    Column(
        "progress",
        "%",
        4,
        7,
        lambda run, now, width: percentage(run.progress),
        lambda run: run.progress,
        role=_muted,
        descending=True,
    ),
    Column(
        "loss",
        "LOSS",
        8,
        1,
        lambda run, now, width: measured(run.last_value("train_loss"), width),
        lambda run: run.last_value("train_loss"),
        role=lambda run: _loss_role(run.last_value("train_loss")),
    ),
    Column(
        "val",
        "BEST VAL",
        8,
        2,
        lambda run, now, width: measured(run.best_val_loss, width),
        lambda run: run.best_val_loss,
        role=lambda run: _loss_role(run.best_val_loss),
    ),
    Column(
        "throughput",
        "TOK/S",
        6,
        5,
        lambda run, now, width: si(run.last_value("tokens_per_sec")),
        lambda run: run.last_value("tokens_per_sec"),
        descending=True,
    ),
    Column("eta", "ETA", 6, 4, _eta_text, lambda run: run.eta_seconds),
    Column("age", "AGE", 4, 6, _age_text, _start_order, role=_muted),
)
COLUMNS: Mapping[str, Column] = MappingProxyType({column.key: column for column in _COLUMNS})
"""Every column by key, in the order in which they stand."""


def lay_out(width: int, keys: Sequence[str] = tuple(COLUMNS)) -> Layout:
    """The columns that fit ``width`` cells; the name takes what the others leave."""
    columns = [COLUMNS[key] for key in keys]
    gap = next((gap for gap in _GAPS if _taken(columns, gap) <= width), _GAPS[-1])
    chosen = [column for column in columns if column.importance == 0]
    narrow = _taken(chosen, gap) > width
    for column in sorted(columns, key=lambda column: column.importance):
        if column not in chosen and _taken([*chosen, column], gap) <= width:
            chosen.append(column)
    shown = [column for column in columns if column in chosen]
    widths = {column.key: (narrow and column.narrow_width) or column.width for column in shown}
    spare = width - sum(widths.values()) - gap * (len(shown) - 1)
    if "name" in widths:
        widths["name"] = max(widths["name"] + spare, 0)
    return Layout(tuple((column, widths[column.key]) for column in shown), gap)


def _taken(columns: Sequence[Column], gap: int) -> int:
    return sum(column.width for column in columns) + gap * max(len(columns) - 1, 0)


def format_row(summary: RunSummary, layout: Layout, now: datetime) -> Line:
    """One run as a line. Where a file cannot be read, the reason takes the place of figures."""
    if summary.status is RunStatus.UNREADABLE:
        return _format_unreadable(summary, layout, now)
    return layout.joined(
        [
            Piece(
                fit(column.text(summary, now, width), width, column.align),
                column.role(summary),
            )
            for column, width in layout.columns
        ]
    )


def _format_unreadable(summary: RunSummary, layout: Layout, now: datetime) -> Line:
    named = [(column, width) for column, width in layout.columns if column.importance == 0]
    pieces = [
        Piece(fit(column.text(summary, now, width), width), column.role(summary))
        for column, width in named
    ]
    figures = [width for column, width in layout.columns if column.importance > 0]
    if figures:
        room = sum(figures) + layout.gap * (len(figures) - 1)
        pieces.append(Piece(fit(safe_text(summary.problem), room), "muted"))
    return layout.joined(pieces)


def format_heading(layout: Layout, sort_key: str, descending: bool) -> Line:
    """The headings; the one that sorts carries an arrow and the accent colour."""
    pieces: list[Piece] = []
    for column, width in layout.columns:
        text = column.heading
        sorts = column.key == sort_key
        if sorts:
            text += "↓" if descending else "↑"
            text = text if len(text) <= width else text.replace(" ", "")
        cell = fit(text, width, column.align) if len(text) <= width else " " * width
        role: Role = "accent" if sorts else "muted"
        pieces.append(Piece(cell, role, action=f"screen.sort_by('{column.key}')"))
    return layout.joined(pieces)
