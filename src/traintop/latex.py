"""A table in LaTeX, for a paper: booktabs, the best of each column in bold."""

from __future__ import annotations

from collections.abc import Iterable

from traintop.tables import Cell, Table
from traintop.text import safe_text

_LONGEST = 200
_ESCAPED = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        "<": "$<$",
        ">": "$>$",
        "|": "$|$",
        "±": r" $\pm$ ",
        "×": r"$\times$",
        "–": "--",
        "…": r"\dots{}",
    }
)


def latex_table(table: Table) -> str:
    """A ``tabular`` environment that needs ``\\usepackage{booktabs}``; text is escaped."""
    columns = table.columns
    sides = "".join("l" if column.align == "left" else "r" for column in columns)
    headings = [_escaped(column.heading) for column in columns]
    rows = zip(*(map(_cell, column.cells) for column in columns), strict=True)
    lines = [
        rf"\begin{{tabular}}{{{sides}}}",
        r"\toprule",
        _row(headings),
        r"\midrule",
        *table.in_sections([*map(_row, rows)], lambda title: _title_row(title, len(columns))),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _row(cells: Iterable[str]) -> str:
    return rf"{' & '.join(cells)} \\"


def _title_row(title: str, columns: int) -> str:
    return rf"\multicolumn{{{columns}}}{{l}}{{\textit{{{_escaped(title)}}}}} \\"


def _cell(cell: Cell) -> str:
    text = _escaped(cell.text)
    if cell.best:
        text = rf"\textbf{{{text}}}"
    asides = ", ".join(map(_escaped, filter(None, cell.asides)))
    return f"{text} ({asides})" if asides else text


def _escaped(text: str) -> str:
    return " ".join(safe_text(text, _LONGEST).translate(_ESCAPED).split())
