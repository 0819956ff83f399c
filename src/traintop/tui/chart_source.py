"""The charts of the charted runs for a view, and what keys need to know of their x.

Charts are made when they are drawn. Curves over very many records are prepared in a thread first;
meanwhile the former picture stays, and every key is answered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from msgspec.structs import replace

from traintop.analysis.axes import X_AXES, XAxis, tokens_per_iteration
from traintop.tui.chart_view import ChartView, Extent, limits_of_view, without_window
from traintop.tui.charted import ChartedRuns
from traintop.tui.state import ViewState

if TYPE_CHECKING:
    from traintop.charts import ChartSpec
    from traintop.charts.curves import ChartChoice, ChartedRun, ChartMaker, CurveKey

Labels: TypeAlias = Mapping[Path, str] | None
"""The names of some of the charted runs, ``None`` for all of them as they are called."""

_LABEL_WIDTH = 6
"""Cells for the labels of y: few need more, and so the curves of all charts stand in line."""


class ChartSource:
    """Makes charts over the runs that are charted now."""

    def __init__(self, charted: ChartedRuns) -> None:
        self._charted = charted
        self._made_maker: ChartMaker | None = None
        self._wanted: dict[str, tuple[CurveKey, ...]] = {}
        self.prepared = 0
        """How often curves were prepared; more of them means that waiting charts can be drawn."""

    @property
    def _maker(self) -> ChartMaker:
        if self._made_maker is None:
            from traintop.charts.curves import ChartMaker

            self._made_maker = ChartMaker()
        return self._made_maker

    def content(self, chart: str, view: ViewState, labels: Labels = None) -> tuple[object, ...]:
        """What a chart depends on: equal when it would be drawn alike."""
        drawn = self._charted.drawn(labels)
        runs = tuple((label, one.path, one.revision) for _, label, _, one in drawn)
        part = view.charts
        window = (part.span, part.end, part.cursor)
        return (chart, view.x_axis, view.log_y, view.robust, view.smoothing, window, runs)

    def spec_maker(
        self, chart: str, view: ViewState, labels: Labels = None
    ) -> Callable[[], ChartSpec | None]:
        """The chart as it is asked for now, made only when it is drawn.

        With ``labels`` it has the runs that these name, in their order, instead of all. ``None``
        comes back while curves of it have to be prepared.
        """

        def make() -> ChartSpec | None:
            runs, choice = self._runs(labels), self._choice(view, labels)
            self._wanted[chart] = self._maker.missing(chart, runs, choice)
            if self._wanted[chart]:
                return None
            return replace(self._maker.chart(chart, runs, choice), label_width=_LABEL_WIDTH)

        return make

    @property
    def waits(self) -> bool:
        """Whether charts that were to be drawn have curves that are not prepared."""
        return any(self._wanted.values())

    def prepare(self) -> None:
        """Prepare the curves that charts wait for; takes long, so call it in a worker thread."""
        for chart, keys in list(self._wanted.items()):
            for key in keys:
                if self._wanted.get(chart) is keys:  # nobody changed the view meanwhile
                    self._maker.prepare(key)
        self.prepared += 1

    def extent(self, view: ViewState, labels: Labels = None) -> Extent | None:
        """What the records cover on the x axis, ``None`` while there are none."""
        runs = self._runs(labels)
        covered = self._maker.extent(runs, view.x_axis) if runs else None
        if covered is None:
            return None
        return Extent(*covered, self._maker.spacing(runs, view.x_axis))

    def cursor_after(self, view: ViewState, extent: Extent, cells: int, columns: int) -> float:
        """The record some cells right of the cursor (left, when negative) on a chart so wide.

        Without a cursor in view, the end of the view from which it then moves inwards.
        """
        low, high = limits_of_view(view.charts, extent)
        cursor = view.charts.cursor
        if cursor is None or not low <= cursor <= high:
            return low if cells > 0 else high
        distance = cells * (high - low) / max(columns, 1)
        return self._maker.record_near(self._runs(), view.x_axis, cursor, distance)

    def x_axes(self) -> tuple[XAxis, ...]:
        """The axes that at least one of the runs has a place on."""
        runs = self._runs()
        return tuple(
            axis
            for axis in X_AXES
            if axis == X_AXES[0] or any(self._maker.has_axis(run, axis) for run in runs)
        )

    def on_axis(self, view: ViewState, x_axis: XAxis) -> ChartView:
        """The same part of the first run on another axis; all of it where that cannot be told."""
        part, extent, runs = view.charts, self.extent(view), self._runs()
        if extent is None or (part.span is None and part.cursor is None):
            return without_window(part)
        cursor = extent.high if part.cursor is None else part.cursor
        positions = (*limits_of_view(part, extent), cursor)
        mapped = self._maker.on_other_axis(runs[0], view.x_axis, x_axis, positions)
        if mapped is None:
            return without_window(part)
        low, high, at = mapped
        if part.span is not None and not high > low:
            return without_window(part)
        return replace(
            part,
            span=None if part.span is None else high - low,
            end=None if part.end is None else high,
            cursor=None if part.cursor is None else at,
        )

    def _runs(self, labels: Labels = None) -> list[ChartedRun]:
        from traintop.charts.curves import ChartedRun

        return [
            ChartedRun(
                one.path,
                one.revision,
                label,
                color,
                tokens_per_iteration(run.config),
                one.history,
            )
            for run, label, color, one in self._charted.drawn(labels)
        ]

    def _choice(self, view: ViewState, labels: Labels) -> ChartChoice:
        from traintop.charts.curves import ChartChoice

        extent = self.extent(view, labels)
        zoomed_in = extent is not None and view.charts.span is not None
        return ChartChoice(
            x_axis=view.x_axis,
            log_y=view.log_y,
            robust=view.robust,
            weight=view.smoothing_weight,
            x_limits=limits_of_view(view.charts, extent) if zoomed_in and extent else None,
            cursor=view.charts.cursor,
        )
