"""The records of a run as lines of numbers, the newest at the bottom; only those in view."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from traintop.analysis.records import column_values, measured_values
from traintop.field import Field
from traintop.fields import field_of
from traintop.lines import Line, Piece, Role, spread
from traintop.system_metrics import system_order
from traintop.text import MISSING, cell_width, count, fit, stopwatch

if TYPE_CHECKING:
    from traintop.store.history import History

_GAP = 2
_FIGURE = 9
_FEW, _MORE = 3, 11  # metrics beyond which those that do not fit are counted; cells of the count
_PLACES = (("iteration", "ITERATION", 9), ("wallclock_time", "TIME", 8))
"""The columns that identify a record: they stay when others are scrolled."""


class RecordsView(msgspec.Struct, frozen=True):
    """Which part of the records is shown.

    ``end`` is how many records there are up to the last one shown; ``None`` for all, which then
    follows new ones. ``first`` is how many metrics are scrolled out at the left.
    """

    end: int | None = None
    first: int = 0

    def scroll(self, lines: int, records: int, page: int) -> RecordsView:
        """So many lines further down (up when negative); at the bottom it follows again."""
        end = max((records if self.end is None else self.end) + lines, min(page, records))
        return replace(self, end=None if end >= records else end)

    def shift(self, columns: int, metrics: int) -> RecordsView:
        """So many metrics further right (left when negative)."""
        return replace(self, first=min(max(self.first + columns, 0), max(metrics - 1, 0)))

    def shown(self, records: int, page: int) -> range:
        """The records in view, by their places."""
        end = records if self.end is None else min(self.end, records)
        return range(max(end - page, 0), end)


def metrics_in(history: History) -> list[str]:
    """What was measured, the metrics that every loop has first; last what was sampled."""
    counted = ["gradient_step"] if history.columns["gradient_step"].any() else []
    return sorted([*history.metrics, *counted], key=system_order)


def record_lines(history: History, view: RecordsView, width: int, height: int) -> list[Line]:
    """The headings, and below them as many records as fit."""
    metrics = metrics_in(history)[view.first :]
    room = width - 1 - sum(cells + _GAP for _, _, cells in _PLACES)
    shown: list[tuple[str, Field, int]] = []
    for metric in metrics:
        field = field_of(metric)
        cells = max(_FIGURE, cell_width(field.label))
        room -= cells + _GAP
        counted = len(shown) >= _FEW and metric != metrics[-1]
        if room < (_MORE if counted else 0):
            break
        shown.append((metric, field, cells))
    left = len(metrics) - len(shown)
    more: Line = (Piece(f"→ {left} more ", "muted"),) if left else ()
    headings = [(label, cells) for _, label, cells in _PLACES]
    headings += [(field.label, cells) for _, field, cells in shown]
    first = _line([Piece(fit(label, cells, "right"), "muted") for label, cells in headings])
    lines = [spread(first, more, width) if more else first]
    in_view = view.shown(len(history), max(height - 1, 0))
    columns = {key: column[in_view.start : in_view.stop] for key, column in history.columns.items()}
    part = dataclasses.replace(history, columns=columns)
    rows = (
        *(column_values(part, key) for key, _, _ in _PLACES),
        *(measured_values(part, metric) for metric, _, _ in shown),
    )
    for iteration, seconds, *values in zip(*rows, strict=True):
        figures = (_value(*of[1:], value) for of, value in zip(shown, values, strict=True))
        lines.append(_line([*_place_of(iteration, seconds), *figures]))
    return lines


def _line(pieces: Sequence[Piece]) -> Line:
    gap = Piece(" " * _GAP)
    return (Piece(" "), *(part for piece in pieces for part in (piece, gap)))


def _place_of(iteration: float, seconds: float) -> list[Piece]:
    time = stopwatch(seconds) if math.isfinite(seconds) else MISSING
    (_, _, place_cells), (_, _, time_cells) = _PLACES
    return [
        Piece(fit(count(iteration), place_cells, "right"), "strong"),
        Piece(fit(time, time_cells, "right"), "muted"),
    ]


def _value(field: Field, cells: int, value: float | None) -> Piece:
    role: Role = "muted" if value is None else "text" if math.isfinite(value) else "bad"
    return Piece(fit(field.text(value, cells), cells, "right"), role)
