"""A comparison as people and programs read it: text, Markdown, CSV and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from traintop import tables
from traintop.analysis.compare import (
    Cell,
    Column,
    Comparison,
    Row,
    amount_text,
    value_text,
)
from traintop.analysis.differences import Absent, setting_cell
from traintop.field import Kind
from traintop.metrics import METRICS
from traintop.short_names import short_names
from traintop.tables import Table
from traintop.text import (
    LONGEST_NAME,
    Default,
    count,
    fit_middle,
    safe_text,
    setting_text,
    si,
)

PENDING = "…"
"""Shown where records that are not read yet may hold a value."""

_LONGEST_NAME = 28
_WIDEST_VALUE = 24


def comparison_table(comparison: Comparison, *, short: bool = False) -> Table:
    """The comparison for people: a column for each of its columns, the baseline first.

    ``short`` names and settings are those of a terminal, whose stacked text repeats the labels and
    the baseline for columns that do not fit side by side.
    """
    column_of = short_column if short else _column
    labels = (
        f"{section_words(row.section)} {safe_text(row.label)}".strip() for row in comparison.rows
    )
    columns = [column_of(comparison, place) for place in range(len(comparison.columns))]
    return Table(
        [tables.Column.of_texts("", labels, "left", literal=True), *columns],
        "best of its row",
        "where the best was, and differences from the baseline",
    )


def comparison_markdown(comparison: Comparison) -> str:
    """The comparison as a Markdown table; the best of each row is bold."""
    return comparison_table(comparison).markdown() + "\n"


def comparison_csv(comparison: Comparison) -> str:
    """The comparison as CSV: a line for each row, the numbers in full precision.

    Beside the value of a run stands the iteration of its best, beside that of a group its standard
    deviation and the number of runs, beside that of a column other than the baseline its distance
    from it. ``best`` names the winner, and ``default`` the columns whose setting nobody gave.
    """
    headings = ["section", "row"]
    for place, column in enumerate(comparison.columns):
        headings.append(column.name)
        if len(column.runs) > 1:
            headings += [f"{column.name} std", f"{column.name} n"]
        else:
            headings.append(f"{column.name} iteration")
        if place:
            headings += [f"{column.name} delta", f"{column.name} percent"]
    rows = [_csv_row(comparison.columns, row) for row in comparison.rows]
    return Table.of_values([*headings, "best", "default"], rows).csv()


def _csv_row(columns: Sequence[Column], row: Row) -> list[object]:
    values: list[object] = [row.section or "settings", row.label]
    for place, (column, cell) in enumerate(zip(columns, row.cells, strict=True)):
        values.append(setting_cell(cell.value) if row.kind == "setting" else cell.value)
        if len(column.runs) > 1:
            values += [cell.spread, None if row.kind == "setting" else cell.n]
        else:
            values.append(cell.iteration)
        if place:
            values += [cell.delta, cell.percent]
    cells = [(column.name, cell) for column, cell in zip(columns, row.cells, strict=True)]
    best = [name for name, cell in cells if cell.best]
    default = [name for name, cell in cells if isinstance(cell.value, Default)]
    return [*values, ", ".join(best), ", ".join(default)]


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """The comparison for JSON: its columns, and its rows of cells."""
    return {
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


def _json_cell(row: Row, cell: Cell) -> dict[str, Any]:
    if isinstance(cell.value, Absent):
        return {}
    if isinstance(cell.value, Default):
        return {"value": cell.value.value, "default": True}
    if row.kind == "setting":
        return {"value": cell.value}
    return {
        "value": cell.value,
        "n": cell.n,
        "std": cell.spread,
        "iteration": cell.iteration,
        "delta": cell.delta,
        "percent": cell.percent,
        "best": cell.best,
    }


# Words


def section_words(section: str) -> str:
    """The name of a section, which may be that of a metric, as a person reads it."""
    return METRICS[section].words if section in METRICS else safe_text(section)


def column_label(column: Column) -> str:
    """The name of a column; of a group with the number of its runs."""
    return group_label(column.name, len(column.runs))


def group_label(name: str, runs: int) -> str:
    """The name of a group with the number of its runs, if it is more than one."""
    return safe_text(name, LONGEST_NAME) + (f" ×{runs}" if runs > 1 else "")


def _column(comparison: Comparison, place: int) -> tables.Column:
    heading = column_label(comparison.columns[place])
    members = len(comparison.columns[place].runs)
    cells = [table_cell(row, row.cells[place], members) for row in comparison.rows]
    return tables.Column(heading, cells, "right", "left", literal=True)


def short_column(comparison: Comparison, place: int) -> tables.Column:
    """The column in this place as text, with its name and long settings shortened."""
    column = _column(comparison, place)
    cells = [cell._replace(text=fit_middle(cell.text, _WIDEST_VALUE)) for cell in column.cells]
    names = short_names(frozenset(map(column_label, comparison.columns)))
    return tables.Column(names.fit(column.heading, _LONGEST_NAME), cells, "right", "left")


def table_cell(row: Row, cell: Cell, members: int = 1) -> tables.Cell:
    """What is written of a cell: its value, where it was, and its distances from the baseline.

    ``members`` are the runs of its column, of which not all may have a value.
    """
    if row.kind == "setting":
        quiet = isinstance(cell.value, Default)
        return tables.Cell(text=setting_text(cell.value), literal=True, quiet=quiet)
    if cell.pending:
        return tables.Cell(text=PENDING)
    text = value_text(row.kind, cell.value)
    if cell.spread is not None:
        text += f" ±{amount_text(row.kind, cell.spread)}"
    if 0 < cell.n < members:
        text += f" ({cell.n} of {members})"
    at = "" if cell.iteration is None else f"@{count(cell.iteration)}"
    delta = "" if cell.delta is None else _delta_text(row.kind, cell.delta)
    asides = (at, delta, _percent_text(cell.percent))
    return tables.Cell(text=text, best=cell.best, asides=asides)


def _delta_text(kind: Kind, delta: float) -> str:
    return "0" if delta == 0 else _signed(delta, amount_text(kind, abs(delta), 3))


def _percent_text(percent: float | None) -> str:
    if percent is None:
        return ""
    if percent == 0:
        return "0%"
    return (
        _signed(percent, si(abs(percent)) if abs(percent) >= 99.95 else f"{abs(percent):.1f}") + "%"
    )


def _signed(number: float, text: str) -> str:
    """The text of a number's magnitude with its sign, unless it reads as zero."""
    if not text.strip("0.s"):
        return text
    return f"{'-' if number < 0 else '+'}{text}"
