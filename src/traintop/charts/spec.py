"""What a chart is made from: its curves, their words, and its colours."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cached_property
from typing import Literal

import msgspec
import numpy as np

from traintop.analysis.series import (
    ColumnBand,
    FloatArray,
    band,
    finite,
    thin,
    value_near,
)
from traintop.short_names import ShortNames, short_names
from traintop.text import aligned, number, safe_text, si

_OVERVIEW_COLUMNS = 8192


class Palette(msgspec.Struct, frozen=True):
    """Colours of a chart, as "#rrggbb": curves by index, the frame, and what went wrong.

    ``ink`` and ``paper`` are those of text and background where no terminal has its own.
    """

    curves: tuple[str, ...]
    frame: str
    alert: str
    ink: str
    paper: str

    def color(self, index: int) -> str:
        """The colour of the curve with this index; the colours repeat."""
        return self.curves[index % len(self.curves)]


# After Okabe & Ito, "Color Universal Design" (2008), moved until each stood out from the background
# and from the others, as seen with all receptors and without those of red, of green, or of blue:
# no two are nearer than 13 in CIEDE2000. The same index is about the same hue in both, but for the
# yellow, which no light background shows.
DARK = Palette(
    ("#67b7f0", "#f19919", "#52f7a2", "#bb70a1", "#faee20", "#df5a41", "#8478fe", "#ebebee"),
    frame="#8a8a8a",
    alert="#ff5f5f",
    ink="#d8dce2",
    paper="#13161b",
)
LIGHT = Palette(
    ("#0887da", "#904f08", "#07775e", "#cf5396", "#5d980e", "#79000d", "#3245c9", "#1b103e"),
    frame="#6b6b6b",
    alert="#c00000",
    ink="#1d2126",
    paper="#ffffff",
)


class Series(msgspec.Struct, frozen=True, eq=False, dict=True):
    """One curve. The arrays are of equal length and may hold NaN (not measured) and ±inf.

    An infinite value is drawn as a × at the edge of the chart; ``events`` are further x positions
    to mark so at the top, such as iterations whose loss was NaN. ``color`` is an index into the
    palette. ``dim`` is for the ``raw`` curve behind a smoothed one, and ``band`` holds the lower
    and the upper edge of an area behind the curve. ``label`` may be any text: it is made safe here.
    Raises ``ValueError`` when the lengths differ.

    What depends on every point is computed once, so keep a series as long as its data is the
    same: drawing it again, at another size or with a cursor, costs the same however long it is.
    """

    label: str
    x: FloatArray
    y: FloatArray
    color: int
    style: Literal["solid", "dotted"] = "solid"
    dim: bool = False
    band: tuple[FloatArray, FloatArray] | None = None
    events: FloatArray | None = None
    raw: Series | None = None

    def __post_init__(self) -> None:
        for values in (self.x, self.y, *(self.band or ())):
            if values.shape != (len(self.x),):
                raise ValueError(
                    f"the arrays of {self.label!r} differ: {len(self.x)} x, but {values.shape}"
                )

    @cached_property
    def measured(self) -> tuple[FloatArray, FloatArray]:
        """The finite points in ascending order of x."""
        return finite(self.x, self.y)

    @cached_property
    def overview(self) -> tuple[FloatArray, FloatArray]:
        """Few enough of the measured points to redraw at once, many enough for any screen."""
        return thin(*self.measured, _OVERVIEW_COLUMNS)

    @cached_property
    def means(self) -> ColumnBand:
        """What the measured points do within each column of an overview."""
        x, y = self.measured
        return band(x, y, _OVERVIEW_COLUMNS, (float(x[0]), float(x[-1])) if len(x) else (0.0, 1.0))

    @cached_property
    def median(self) -> float | None:
        """The median of the measured values, ``None`` without any."""
        y = self.measured[1]
        with np.errstate(over="ignore"):
            return float(np.median(y)) if len(y) else None

    @property
    def last(self) -> tuple[float, float] | None:
        """The last x, and what was measured there, be it NaN or infinite."""
        ends = [(float(x[-1]), float(y[-1])) for x, y in self._known if len(x)]
        return max(ends, default=None, key=lambda end: end[0])

    def last_text(
        self, write: Callable[[float | None], str], write_x: Callable[[float], str]
    ) -> str:
        """The last value that was measured; where it is NaN or infinite, with its place on x."""
        if self.last is None:
            return write(None)
        x, value = self.last
        return write(value) if math.isfinite(value) else f"{write(value)} @{write_x(x)}"

    @property
    def _known(self) -> tuple[tuple[FloatArray, FloatArray], ...]:
        """The measured points, and before them those at which NaN or ±inf was measured.

        The mean of a group may have both at one x: then the members that failed count.
        """
        return (self.raw or self).failures, self.measured

    @cached_property
    def failures(self) -> tuple[FloatArray, FloatArray]:
        """Where NaN (of which ``events`` know) or ±inf was measured, by x, and which of them."""
        infinite = np.isinf(self.y) if len(self.measured[1]) < len(self.y) else np.array([], int)
        x, y = self.x[infinite], self.y[infinite]
        if self.events is not None:
            x = np.concatenate([x, self.events])
            y = np.concatenate([y, np.full(len(self.events), np.nan)])
        known = np.isfinite(x)
        order = np.argsort(x[known], kind="stable")
        return x[known][order], y[known][order]

    @cached_property
    def marks(self) -> tuple[FloatArray, FloatArray]:
        """The x to be marked at the top and at the bottom edge of the chart."""
        x, y = self.failures
        below = y == -np.inf
        return x[~below], x[below]

    def value_at(self, position: float) -> float | None:
        """The value nearest to a position on x, also where that is NaN or infinite.

        ``None`` beyond the ends of the curve, further off than its values are apart.
        """
        candidates = []
        for x, y in self._known:
            if len(x):
                first, last = float(x[0]), float(x[-1])
                reach = last / max(len(x) - 1, 1) - first / max(len(x) - 1, 1)
                if first - reach <= position <= last + reach:
                    near = value_near(x, x, position)
                    candidates.append((abs(near - position), value_near(x, y, position)))
        return min(candidates, key=lambda pair: pair[0], default=(0.0, None))[1]

    def precompute(self) -> None:
        """Compute now what depends on every point, so that drawing need not."""
        _ = self.overview, self.means, self.marks, self.median

    @cached_property
    def edges(self) -> tuple[tuple[FloatArray, FloatArray], ...]:
        """The finite points of the lower and of the upper edge of the band; none without one."""
        return tuple(finite(self.x, edge) for edge in self.band or ())


def figure(value: float | None) -> str:
    """A value with four digits, the last zeros too, since those of a legend are compared.

    Whole numbers are counts, and stay so.
    """
    whole = value is None or value % 1.0 == 0.0
    return number(value) if whole else aligned(value, 4)


def place(x: float) -> str:
    """A place on x: whole numbers in full, with commas."""
    return f"{x:,.0f}" if x.is_integer() and abs(x) < 1e15 else number(x, 6)


def x_at_place(position: float, log_x: bool) -> float:
    """The x at a place on the axis, which is its logarithm on a logarithmic one.

    It is as exact as the logarithm, so that 123,456 is again a whole number.
    """
    return float(f"{10.0 ** min(position, 308.0):.12g}") if log_x else position


class ChartSpec(msgspec.Struct, frozen=True):
    """What to draw. The x of the series, limits and cursor are places on the x axis: on a
    logarithmic one (``log_x``) decimal logarithms. Ticks are labelled in ``x_unit`` of x.

    ``robust`` keeps outliers from stretching the y axis (``analysis.series.robust_limits``). With
    a ``cursor`` the legend shows the values measured nearest to it, otherwise the last ones; its
    last word is the ``note``. ``missing`` says why there is no curve. ``label_width`` is what
    labels of y take at least, in cells, so that charts below one another have their curves below
    one another. What labels share with the names ``beside`` the chart goes first where they are
    shortened. ``name`` takes the place of the title where nothing around the chart says whose it
    is, as in a file. With ``grows`` more values are to come: limits move in steps, so that most of
    them change little. ``value_text`` writes a value of y in the legend, and ``place_text`` the
    place of the cursor, given in units of x.
    """

    title: str
    series: tuple[Series, ...]
    x_label: str = "iteration"
    log_x: bool = False
    log_y: bool = False
    x_limits: tuple[float, float] | None = None
    robust: bool = False
    cursor: float | None = None
    note: str = ""
    missing: str = "no data"
    x_unit: float = 1.0
    label_width: int = 0
    beside: frozenset[str] = frozenset()
    name: str = ""
    grows: bool = False
    value_text: Callable[[float | None], str] = figure
    place_text: Callable[[float], str] = place

    @property
    def nothing_drawn(self) -> str:
        """Why no curve is drawn, if none is."""
        if any(len(one.measured[1]) for one in self.series):
            return "no value above 0 for a log axis"
        if any(np.isfinite(one.y).any() for one in self.series):
            return "no value has a place on this x axis"
        return "nothing was measured" if self.series else self.missing

    @property
    def short_labels(self) -> ShortNames:
        """What shortens the labels in the legend."""
        return short_names(frozenset(series.label for series in self.in_legend), self.beside)

    @property
    def in_legend(self) -> tuple[Series, ...]:
        """The series that the legend names: those in front, or all when none is.

        None where no curve has a label.
        """
        if not any(one.label for one in self.series):
            return ()
        return tuple(one for one in self.series if not one.dim) or self.series

    @property
    def cursor_text(self) -> str:
        """The place of the cursor in words, empty without one."""
        if self.cursor is None:
            return ""
        name = re.split(r", | \(", safe_text(self.x_label))[0]
        return f"{name} {self.place_text(x_at_place(self.cursor, self.log_x))}".strip()

    def legend_value(self, series: Series) -> str:
        """The value of a curve at the cursor, or its last one."""
        if self.cursor is None:
            write_x = si if self.place_text is place else self.place_text
            return series.last_text(self.value_text, lambda x: write_x(x_at_place(x, self.log_x)))
        return self.value_text(series.value_at(self.cursor))
