"""What a chart is made from and what it is made into."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np

from traintop.analysis.series import FloatArray, finite, thin

_OVERVIEW_COLUMNS = 2048


@dataclass(frozen=True)
class Palette:
    """Colours of a chart, as "#rrggbb": curves by index, the frame, and what went wrong."""

    curves: tuple[str, ...]
    frame: str
    alert: str

    def color(self, index: int) -> str:
        """The colour of the curve with this index; the colours repeat."""
        return self.curves[index % len(self.curves)]


# After Okabe & Ito, "Color Universal Design" (2008), moved until each stood out from the background
# and from the others as seen with protanopia and deuteranopia. The same index is about the same hue
# in both, but for the yellow, which no light background shows.
DARK = Palette(
    ("#62b6f0", "#f59b1a", "#45d08c", "#c673ac", "#f0e442", "#d4583f", "#8c7cff", "#e6e6e6"),
    frame="#8a8a8a",
    alert="#ff5f5f",
)
LIGHT = Palette(
    ("#0087d4", "#b25803", "#00765d", "#bb3e9c", "#5a9e2e", "#942025", "#4a4ad0", "#1d1240"),
    frame="#6b6b6b",
    alert="#c00000",
)


@dataclass(frozen=True, eq=False)
class Series:
    """One curve. The arrays are of equal length and may hold NaN (not measured) and ±inf.

    An infinite value is drawn as a × at the edge of the chart; ``events`` are further x positions
    to mark so at the top, such as iterations whose loss was NaN. ``color`` is an index into the
    palette. ``dim`` is for the raw curve behind a smoothed one, and ``band`` holds the lower and
    the upper edge of an area behind the curve. ``label`` may be any text: it is made safe here.
    Raises ``ValueError`` when the lengths differ.

    What takes a look at every point is done once, so keep a series as long as its data is the
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
    def marks(self) -> tuple[FloatArray, FloatArray]:
        """The x to be marked at the top and at the bottom edge of the chart."""
        above, below = self.x[:0], self.x[:0]
        if len(self.measured[1]) < len(self.y) and np.isinf(self.y).any():
            above, below = (self.x[self.y == infinity] for infinity in (np.inf, -np.inf))
        if self.events is not None:
            above = np.concatenate([above, self.events])
        return above[np.isfinite(above)], below[np.isfinite(below)]

    @cached_property
    def edges(self) -> tuple[tuple[FloatArray, FloatArray], ...]:
        """The finite points of the lower and of the upper edge of the band; none without one."""
        return tuple(finite(self.x, edge) for edge in self.band or ())


@dataclass(frozen=True)
class ChartSpec:
    """What to draw. Limits and cursor are in units of x.

    ``robust`` keeps outliers from stretching the y axis (``analysis.series.robust_limits``). With
    a ``cursor`` the legend shows the values measured nearest to it, otherwise the last ones.
    """

    title: str
    series: tuple[Series, ...]
    x_label: str = "iteration"
    y_label: str = ""
    log_y: bool = False
    x_limits: tuple[float, float] | None = None
    robust: bool = False
    cursor: float | None = None
    legend: bool = True


@dataclass(frozen=True)
class Span:
    """A piece of a line in one style; ``color`` is "#rrggbb", or None for the default one."""

    text: str
    color: str | None = None
    dim: bool = False
    bold: bool = False


ChartLine: TypeAlias = tuple[Span, ...]
