"""A comparison as Python has it: text on a terminal, a table in a notebook, or a document."""

from __future__ import annotations

import shutil

from traintop.analysis.compare import Comparison
from traintop.analysis.comparison_text import (
    comparison_csv,
    comparison_markdown,
    comparison_table,
)
from traintop.html import html_table
from traintop.latex import latex_table

_MOST_ROWS = 200


class RunComparison:
    """Runs, or groups of them, against a baseline: settings that differ, what each reached.

    ``print`` shows it as ``traintop compare`` does. ``comparison`` has its rows and cells.
    """

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison

    def __repr__(self) -> str:
        columns, rows = len(self.comparison.columns), len(self.comparison.rows)
        return f"<RunComparison of {columns:,} columns, {rows:,} rows>"

    def __str__(self) -> str:
        return self.text()

    def text(self, width: int | None = None) -> str:
        """Lines of at most ``width`` cells, the terminal's if ``None``; ``*`` at the best."""
        cells = shutil.get_terminal_size().columns if width is None else width
        return comparison_table(self.comparison, short=True).stacked_text(cells)

    def markdown(self) -> str:
        """A Markdown table; the best of each row is bold."""
        return comparison_markdown(self.comparison)

    def latex(self) -> str:
        """A LaTeX table for the package booktabs; the best of each row is bold."""
        return latex_table(comparison_table(self.comparison))

    def csv(self) -> str:
        """A line of CSV for each row, the numbers in full precision."""
        return comparison_csv(self.comparison)

    def _repr_html_(self) -> str:
        return html_table(comparison_table(self.comparison), most_rows=_MOST_ROWS)
