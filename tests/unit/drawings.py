"""Charts for tests, the runs they are of, and what is drawn of them, as rows of text."""

from __future__ import annotations

import numpy as np

from traintop.analysis.series import FloatArray
from traintop.charts import ChartSpec, Series, draw_chart
from traintop.charts.curves import PlottedRun
from traintop.lines import Line, line_text
from traintop.store.history import History, Values
from traintop.text import cell_width


def floats(*values: float) -> FloatArray:
    return np.array(values, dtype=np.float64)


def a_run(
    name: str = "a",
    tokens: float | None = None,
    *,
    rows: int = 100,
    counts_epochs: bool = False,
    **columns: Values,
) -> PlottedRun:
    history = History.from_columns(
        {
            "iteration": range(rows),
            "gradient_step": range(1, rows + 1),
            "wallclock_time": [i * 2.0 for i in range(rows)],
            "train_loss": [4 - i / rows for i in range(rows)],
            **columns,
        }
    )
    return PlottedRun(f"{name}.json", 1, name, 0, tokens, history, counts_epochs=counts_epochs)


def curve(y: FloatArray, x: FloatArray | None = None, label: str = "train") -> Series:
    return Series(label, np.arange(len(y), dtype=float) if x is None else x, y, color=0)


def chart(*series: Series, **settings: object) -> ChartSpec:
    return ChartSpec("loss", series, **settings)  # type: ignore[arg-type]


def text_of(lines: tuple[Line, ...]) -> list[str]:
    return [line_text(line) for line in lines]


def drawn(spec: ChartSpec, width: int, height: int, ascii_only: bool = False) -> list[str]:
    rows = text_of(draw_chart(spec, width, height, ascii_only=ascii_only))
    assert len(rows) == height
    assert [cell_width(row) for row in rows] == [width] * height
    return rows


def plot_area(rows: list[str]) -> list[str]:
    """The rows right of the y axis, above the x axis."""
    bottom = next(row for row in rows if "└" in row)
    left = bottom.index("└") + 1
    return [row[left:] for row in rows if row[left - 1] in "│┤"]


def ink(rows: list[str]) -> set[tuple[int, int]]:
    return {
        (row, column)
        for row, line in enumerate(rows)
        for column, character in enumerate(line)
        if character != " "
    }


SMOOTH = 2 + 3 * np.exp(-np.arange(500) / 80)
