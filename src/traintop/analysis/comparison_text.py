"""A comparison in words: the texts of its cells, and the whole as text, Markdown, CSV or JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from traintop.analysis.compare import Cell, Column, Comparison, Row, Unit
from traintop.analysis.differences import Absent, setting_cell
from traintop.analysis.export import csv_lines
from traintop.analysis.markdown import code_span, table
from traintop.text import (
    aligned,
    cell_width,
    duration,
    fit,
    fit_middle,
    number,
    safe_json,
    safe_text,
    setting_text,
    si,
)
from traintop.values import jsonable

PENDING = "…"
"""What stands where records that are not read yet will tell."""

BEST_MARK = "*"
_SPELLED_OUT = 999_999.5
_LONGEST_NAME = 28
_WIDEST_VALUE = 24
_GAP = "  "

_SECTION_LABELS: Mapping[str, str] = MappingProxyType(
    {"train_loss": "train loss", "val_loss": "val loss", "learning_rate": "lr"}
)


class CellTexts(NamedTuple):
    """What is written of a cell; empty where there is nothing to say."""

    value: str
    delta: str = ""
    percent: str = ""


def section_words(section: str) -> str:
    """The name of a section, which may be that of a metric, as a person reads it."""
    return _SECTION_LABELS.get(section) or safe_text(section)


def row_label(row: Row) -> str:
    """The name of a row, with that of its section before it."""
    return " ".join(part for part in (section_words(row.section), safe_text(row.label)) if part)


def column_label(column: Column) -> str:
    """The name of a column; of a group with the number of its runs."""
    return safe_text(column.name) + (f" ×{len(column.runs)}" if len(column.runs) > 1 else "")


def cell_texts(row: Row, cell: Cell) -> CellTexts:
    """The texts of one cell."""
    if row.unit == "setting":
        return CellTexts(setting_text(cell.value))
    if cell.pending:
        return CellTexts(PENDING)
    value = _value_text(row.unit, cell.value)
    if cell.spread is not None:
        value += f" ±{_amount_text(row.unit, cell.spread)}"
    if cell.delta is None:
        return CellTexts(value)
    return CellTexts(value, _delta_text(row.unit, cell.delta), _percent_text(cell.percent))


def _value_text(unit: Unit, value: float | None) -> str:
    if unit in ("value", "milliseconds"):
        return aligned(value, 5 if unit == "value" else 4)
    return _amount_text(unit, value, 4)


def _amount_text(unit: Unit, amount: float | None, digits: int = 2) -> str:
    if unit == "seconds":
        return duration(amount)
    if unit == "iteration" and amount is not None and abs(amount) < _SPELLED_OUT:
        return f"{amount:,.0f}"
    if unit in ("iteration", "rate"):
        return si(amount)
    return number(amount, digits)


def _delta_text(unit: Unit, delta: float) -> str:
    if delta == 0:
        return "0"
    return f"{'-' if delta < 0 else '+'}{_amount_text(unit, abs(delta), 3)}"


def _percent_text(percent: float | None) -> str:
    if percent is None:
        return ""
    if percent == 0:
        return "0%"
    if abs(percent) >= 99.95:
        return f"{'-' if percent < 0 else '+'}{si(abs(percent))}%"
    return f"{percent:+.1f}%"


# The whole


def comparison_text(comparison: Comparison, width: int) -> str:
    """The comparison in lines of at most ``width`` cells.

    Columns that do not fit beside one another stand below one another, each time with the labels
    and the baseline. The best of each row has a ``*``.
    """
    labels = [
        fit(row_label(row), _longest(map(row_label, comparison.rows))) for row in comparison.rows
    ]
    columns = [_text_column(comparison, position) for position in range(len(comparison.columns))]
    head = [" " * cell_width(labels[0]) if labels else "", *labels]
    blocks = [
        "\n".join(
            fit(_GAP.join(parts).rstrip(), width).rstrip()
            for parts in zip(head, columns[0], *(columns[place] for place in places), strict=True)
        )
        for places in _places_that_fit(columns, width - cell_width(head[0]))
    ]
    if any(cell.best for row in comparison.rows for cell in row.cells):
        blocks[-1] += f"\n{fit(f'{BEST_MARK} best of its row', width).rstrip()}"
    return "\n\n".join(blocks)


def _places_that_fit(columns: Sequence[Sequence[str]], room: int) -> Iterator[list[int]]:
    """The columns beside the baseline, in portions that fit; at least one in each."""
    widths = [len(_GAP) + cell_width(column[0]) for column in columns]
    waiting = list(range(1, len(columns)))
    while True:
        portion: list[int] = []
        left = room - widths[0]
        while waiting and (not portion or widths[waiting[0]] <= left):
            portion.append(waiting.pop(0))
            left -= widths[portion[-1]]
        yield portion
        if not waiting:
            return


def _text_column(comparison: Comparison, position: int) -> list[str]:
    """The heading and the cells of one column, all of one width."""
    heading = fit_middle(column_label(comparison.columns[position]), _LONGEST_NAME)
    cells = aligned_cells(comparison, position)
    lines = [
        " ".join(part for part in (f"{value}{BEST_MARK if best else ' '}", *against) if part)
        for value, best, *against in cells
    ]
    width = _longest([heading, *lines])
    return [fit(line, width) for line in (heading, *lines)]


class AlignedCell(NamedTuple):
    """A cell's texts, each as wide as those above and below it."""

    value: str
    best: bool
    delta: str
    percent: str


def aligned_cells(comparison: Comparison, position: int) -> list[AlignedCell]:
    """The cells of one column, their parts right-aligned below one another."""
    cells = [row.cells[position] for row in comparison.rows]
    texts = [cell_texts(row, cell) for row, cell in zip(comparison.rows, cells, strict=True)]
    values = [fit_middle(text.value, _WIDEST_VALUE) for text in texts]
    value, delta, percent = map(
        _longest, (values, (text.delta for text in texts), (text.percent for text in texts))
    )
    return [
        AlignedCell(
            fit(shown, value, "right"),
            cell.best,
            fit(text.delta, delta, "right"),
            fit(text.percent, percent, "right"),
        )
        for shown, text, cell in zip(values, texts, cells, strict=True)
    ]


def _longest(texts: Iterable[str]) -> int:
    return max(map(cell_width, texts), default=0)


def comparison_markdown(comparison: Comparison) -> str:
    """The comparison as a Markdown table; the best of each row is bold."""
    headings = ["", *(code_span(column_label(column)) for column in comparison.columns)]
    rows = [
        [code_span(row_label(row)), *(_markdown_cell(row, cell) for cell in row.cells)]
        for row in comparison.rows
    ]
    return "\n".join(table(headings, rows)) + "\n"


def _markdown_cell(row: Row, cell: Cell) -> str:
    if row.unit == "setting":
        return code_span(setting_text(cell.value))
    value, delta, percent = cell_texts(row, cell)
    against = ", ".join(part for part in (delta, percent) if part)
    text = f"**{value}**" if cell.best else value
    return f"{text} ({against})" if against else text


def comparison_csv(comparison: Comparison) -> str:
    """The comparison as CSV: a line for each row, the numbers in full precision.

    Beside the value of a group stand its standard deviation and the number of runs, beside that
    of a column other than the baseline its distance from it. ``best`` names the winner.
    """
    heading: list[object] = ["section", "row"]
    for position, column in enumerate(comparison.columns):
        heading.append(column.name)
        if len(column.runs) > 1:
            heading += [f"{column.name} std", f"{column.name} n"]
        if position:
            heading += [f"{column.name} delta", f"{column.name} percent"]
    rows = [_csv_row(comparison.columns, row) for row in comparison.rows]
    return csv_lines([[*heading, "best"], *rows])


def _csv_row(columns: Sequence[Column], row: Row) -> list[object]:
    cells: list[object] = [row.section or "settings", row.label]
    for position, (column, cell) in enumerate(zip(columns, row.cells, strict=True)):
        cells.append(setting_cell(cell.value) if row.unit == "setting" else cell.value)
        if len(column.runs) > 1:
            cells += [cell.spread, None if row.unit == "setting" else cell.n]
        if position:
            cells += [cell.delta, cell.percent]
    best = [column.name for column, cell in zip(columns, row.cells, strict=True) if cell.best]
    return [*cells, ", ".join(best)]


def comparison_json(comparison: Comparison) -> str:
    """The comparison as JSON: its columns, and its rows of cells; NaN and ±inf by name."""
    document = {
        "columns": [
            {"name": column.name, "runs": [run.summary.id for run in column.runs]}
            for column in comparison.columns
        ],
        "rows": [
            {
                "section": row.section or "settings",
                "row": row.label,
                "better": row.better,
                "cells": [_json_cell(row, cell) for cell in row.cells],
            }
            for row in comparison.rows
        ],
    }
    encoded = msgspec.json.encode(jsonable(document))
    return safe_json(msgspec.json.format(encoded, indent=2).decode())


def _json_cell(row: Row, cell: Cell) -> dict[str, Any]:
    if row.unit == "setting":
        return {} if isinstance(cell.value, Absent) else {"value": cell.value}
    return {
        "value": cell.value,
        "n": cell.n,
        "std": cell.spread,
        "delta": cell.delta,
        "percent": cell.percent,
        "best": cell.best,
    }
