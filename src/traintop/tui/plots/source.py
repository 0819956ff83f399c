"""The charts of the plotted runs for a view, and what keys need to know of their x.

Charts are made when they are drawn. Curves over very many records are prepared in a thread first;
meanwhile keys are answered with the curves that were shown before.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec
from msgspec.structs import replace

from traintop.analysis.axes import X_AXES, XAxis, x_label
from traintop.tui.chart_view import ChartView, Extent, limits_of_view, without_window
from traintop.tui.plots.runs import PlottedRuns
from traintop.tui.view import ViewState

if TYPE_CHECKING:
    from traintop.charts import ChartSpec
    from traintop.charts.curves import ChartMaker, ChartOptions, CurveKey, PlottedRun

Labels: TypeAlias = Mapping[str, str] | None
"""The names of some of the plotted runs, ``None`` for all of them as they are called."""

_LABEL_WIDTH = 6
"""Cells for the labels of y: few need more, and the curves of all charts are aligned."""


class ChartCell(msgspec.Struct, frozen=True):
    """A chart that can be shown.

    ``content`` is equal exactly when its specification would be, and ``view`` when that differs in
    the records or the smoothing only. ``make_spec`` gives ``None`` while curves of it have to be
    prepared; ``make_interim`` has the same view of the curves that were shown before, ``None``
    where there are none.
    """

    chart: str
    content: Hashable
    view: Hashable
    make_spec: Callable[[], ChartSpec | None]
    make_interim: Callable[[], ChartSpec | None]


class _Shown(NamedTuple):
    """Of which runs, and how smoothed, all charts had their curves when none waited last."""

    runs: tuple[PlottedRun, ...]
    weight: float


class ChartSource:
    """Makes charts over the runs that are plotted now."""

    def __init__(self, plotted: PlottedRuns) -> None:
        self.runs = plotted
        self._made_maker: ChartMaker | None = None
        self._wanted: dict[str, tuple[CurveKey, ...]] = {}
        self._shown = _Shown((), 0.0)
        self.prepared = 0
        """How often curves were prepared; more of them means that waiting charts can be drawn."""

    @property
    def _maker(self) -> ChartMaker:
        if self._made_maker is None:
            from traintop.charts.curves import ChartMaker

            self._made_maker = ChartMaker()
        return self._made_maker

    def cell(self, chart: str, view: ViewState, labels: Labels = None) -> ChartCell:
        """A chart as it is asked for now, made only when it is drawn.

        With ``labels`` it has the runs that these name, in their order, instead of all.
        """
        runs = self.runs.with_records(labels)
        part = view.charts
        window = (part.span, part.end, part.cursor)
        shown = (view.x_axis, view.log_y, view.robust, window, *(run.label for run in runs))
        records = tuple((run.id, run.revision, run.grows) for run in runs)
        return ChartCell(
            chart,
            (shown, view.smoothing, records),
            shown,
            lambda: self._spec(chart, view, labels),
            lambda: self._interim_spec(chart, view, labels),
        )

    def _spec(self, chart: str, view: ViewState, labels: Labels) -> ChartSpec | None:
        runs = tuple(self.runs.with_records(labels))
        options = self._options(view, labels, view.smoothing_weight)
        self._wanted[chart] = self._maker.missing(chart, runs, options)
        if self._wanted[chart]:
            return None
        if not self.waits:
            self._shown = _Shown(runs, options.weight)
        kept = {*runs, *self._shown.runs}
        self._maker.keep_only(kept, options.x_axis, (options.weight, self._shown.weight))
        return self._made(chart, runs, options)

    def _interim_spec(self, chart: str, view: ViewState, labels: Labels) -> ChartSpec | None:
        runs, options = self._shown.runs, self._options(view, labels, self._shown.weight)
        present = {(run.id, run.label) for run in self.runs.with_records(labels)}
        same = present == {(run.id, run.label) for run in runs}
        if not same or self._maker.missing(chart, runs, options):
            return None
        return self._made(chart, runs, options)

    def _made(self, chart: str, runs: Sequence[PlottedRun], options: ChartOptions) -> ChartSpec:
        spec = self._maker.chart(chart, runs, options)
        return replace(spec, label_width=_LABEL_WIDTH, beside=self.runs.names)

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
            if self._wanted.get(chart) is keys:
                self._wanted[chart] = ()
        self.prepared += 1

    def extent(self, view: ViewState, labels: Labels = None) -> Extent | None:
        """What the records cover on the x axis, ``None`` while there are none."""
        runs = self.runs.with_records(labels)
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
        return self._maker.record_near(self.runs.with_records(), view.x_axis, cursor, distance)

    def x_axes(self) -> tuple[str, ...]:
        """The axes to choose from for the runs whose records are there."""
        return self._maker.axes(self.runs.with_records()) or X_AXES[:1]

    def x_source(self, view: ViewState) -> str:
        """How the places on the x axis were computed, where its name does not say it."""
        runs = self.runs.with_records() if view.x_axis.name == "tokens" else []
        return self._maker.x_source(runs, view.x_axis) if runs else ""

    def on_axis(self, view: ViewState, x_axis: XAxis) -> ChartView:
        """The same part of the first run on another axis; all of it where that is not known."""
        part, extent, runs = view.charts, self.extent(view), self.runs.with_records()
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

    def _options(self, view: ViewState, labels: Labels, weight: float) -> ChartOptions:
        from traintop.charts.curves import ChartOptions

        extent = self.extent(view, labels)
        zoomed_in = extent is not None and view.charts.span is not None
        return ChartOptions(
            x_axis=view.x_axis,
            log_y=view.log_y,
            robust=view.robust,
            weight=weight,
            x_limits=limits_of_view(view.charts, extent) if zoomed_in and extent else None,
            cursor=view.charts.cursor,
        )


def chart_notes(state: ViewState, page: range, charts: int, x_source: str = "") -> tuple[str, ...]:
    """What is not usual about the charts, and which of all of them are shown; what matters first.

    The footer would have no room left for keys.
    """
    notes = []
    if state.x_axis.name != X_AXES[0]:
        source = f" ({x_source})" if x_source else ""
        notes.append(f"over {x_label(state.x_axis.name)}{source}")
    if state.x_axis.log:
        notes.append("log x")
    if state.log_y:
        notes.append("log y")
    if state.smoothing:
        notes.append(f"smooth {state.smoothing_weight:g}")
    if not state.robust:
        notes.append("outliers")
    if 1 < len(page) < charts and not state.charts.zoomed:
        notes.append(f"charts {page.start + 1}-{page.stop} of {charts}")
    return tuple(notes)
