"""A table in HTML, for notebooks: text is escaped, colours are those of the page around it."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from traintop.tables import Align, Cell, Column, Table
from traintop.text import fit_middle, safe_text

_LONGEST = 48
"""Characters that are shown of a text; the pointer resting on it shows more."""

_ALIGN = {"left": "text-align:left", "right": "text-align:right"}
_CELL = "padding:2px 10px;white-space:nowrap;vertical-align:baseline"
_TABLE = "border-collapse:collapse;font-variant-numeric:tabular-nums"
_QUIET = "opacity:.65"


class Markup(str):
    """HTML that was made here, from text that is escaped already."""

    __slots__ = ()


def escaped(text: object, limit: int = 200) -> Markup:
    """Any text as one line of HTML, in an element or in the quotes of an attribute."""
    return Markup(html.escape(safe_text(text, limit)))


def shortened(text: str) -> Markup:
    """A text that may be long, with more of it as its title."""
    short = fit_middle(safe_text(text, 1000), _LONGEST)
    title = "" if short == text else f' title="{escaped(text, 500)}"'
    return Markup(f"<span{title}>{escaped(short)}</span>" if title else escaped(short))


def html_table(table: Table, *, most_rows: int = 50, most_columns: int = 12) -> Markup:
    """The table as an HTML element that needs no style sheet; the best cells are bold.

    Of more rows the first are shown, of more columns those of the lowest rank; a line says so.
    """
    places = range(1, len(table.columns))
    kept = sorted(places, key=lambda place: table.columns[place].rank)[: most_columns - 1]
    columns = [table.columns[place] for place in (0, *sorted(kept))]
    rows = [*zip(*(column.cells[:most_rows] for column in columns), strict=True)]
    body = [_row(columns, row) for row in rows]
    shown = (
        (len(rows), len(table.columns[0].cells), "rows"),
        (len(columns), len(table.columns), "columns"),
    )
    cut = [f"{few:,} of {all_:,} {noun}" for few, all_, noun in shown if few < all_]
    heading = "".join(_heading(column) for column in columns)
    return Markup(
        f'<table style="{_TABLE}"><thead><tr>{heading}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table>{_note(cut)}"
    )


def _note(cut: Sequence[str]) -> str:
    return f'<div style="{_QUIET}">{" and ".join(cut)} are shown</div>' if cut else ""


def _heading(column: Column) -> str:
    align = _ALIGN[column.heading_align or column.align]
    return f'<th style="{align};{_CELL}">{shortened(column.heading)}</th>'


def _row(columns: Iterable[Column], cells: Iterable[Cell]) -> str:
    pairs = zip(columns, cells, strict=True)
    return f"<tr>{''.join(_cell(column.align, cell) for column, cell in pairs)}</tr>"


def _cell(align: Align, cell: Cell) -> str:
    text: str = cell.text if isinstance(cell.text, Markup) else shortened(cell.text)
    if cell.best:
        text = f"<b>{text}</b>"
    if asides := " ".join(escaped(aside) for aside in cell.asides if aside):
        text = f'{text} <small style="{_QUIET}">{asides}</small>'
    quiet = f";{_QUIET}" if cell.quiet else ""
    return f'<td style="{_ALIGN[align]};{_CELL}{quiet}">{text}</td>'
