"""A table in HTML, for notebooks: text is escaped, colours are those of the page around it."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

from traintop.tables import Column, Table
from traintop.text import fit_middle, safe_text

_LONGEST = 48
"""Characters that are shown of a text; the pointer resting on it shows more."""

_ALIGN = {"left": "text-align:left", "right": "text-align:right"}
_CELL = "padding:2px 10px;white-space:nowrap;vertical-align:middle"
_ASIDE = "padding:2px 10px 2px 0;white-space:nowrap;text-align:right;opacity:.65"
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
    columns = [replace(column, cells=column.cells[:most_rows]) for column in columns]
    body = [_row(columns, place) for place in range(len(columns[0].cells))]
    shown = (
        (len(body), len(table.columns[0].cells), "rows"),
        (len(columns), len(table.columns), "columns"),
    )
    cut = [f"{few:,} of {all_:,} {noun}" for few, all_, noun in shown if few < all_]
    heading = "".join(_heading(column) for column in columns)
    return Markup(
        '<div style="overflow-x:auto">'
        f'<table style="{_TABLE}"><thead><tr>{heading}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>{_note(cut)}"
    )


def _note(cut: Sequence[str]) -> str:
    return f'<div style="{_QUIET}">{" and ".join(cut)} are shown</div>' if cut else ""


def _heading(column: Column) -> str:
    style = f"{_ALIGN[column.heading_align or column.align]};{_padding(column)}"
    cells = 1 + len(_asides(column))
    return f'<th colspan="{cells}" style="{style}">{shortened(column.heading)}</th>'


def _row(columns: Iterable[Column], place: int) -> str:
    return f"<tr>{''.join(map(partial(_cells, place=place), columns))}</tr>"


def _cells(column: Column, place: int) -> str:
    """The text of a cell and each of its asides, which so are below one another."""
    cell = column.cells[place]
    text: str = cell.text if isinstance(cell.text, Markup) else shortened(cell.text)
    text = f"<b>{text}</b>" if cell.best else text
    quiet = f";{_QUIET}" if cell.quiet else ""
    asides = [cell.asides[part] if part < len(cell.asides) else "" for part in _asides(column)]
    return f'<td style="{_ALIGN[column.align]};{_padding(column)}{quiet}">{text}</td>' + "".join(
        f'<td style="{_ASIDE}"><small>{escaped(aside)}</small></td>' for aside in asides
    )


def _padding(column: Column) -> str:
    # So that the asides of the column before are not taken for its own.
    return f"{_CELL};padding-left:28px" if _asides(column) else _CELL


def _asides(column: Column) -> list[int]:
    """The parts of the asides that any of its cells has."""
    asides = [cell.asides for cell in column.cells]
    parts = range(max(map(len, asides), default=0))
    return [part for part in parts if any(one[part : part + 1] > ("",) for one in asides)]
