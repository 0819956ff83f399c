"""The chart of a comparison: the curves of its columns over one another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from traintop.analysis.compare import Column
from traintop.charts import ChartSpec
from traintop.tui.compare.runs import GroupCurves
from traintop.tui.plots.pane import PlotPane
from traintop.tui.plots.source import ChartCell, ChartSource
from traintop.tui.session import Session


class ComparisonPlot(PlotPane):
    """One chart, with a curve for each column: of a group the mean, with a band around it."""

    def __init__(self, session: Session, source: ChartSource, *, id: str) -> None:  # noqa: A002
        super().__init__(session, source, id=id)
        self._columns: Sequence[Column] = ()
        self._metric = ""
        self._grouped = False
        self._curves = GroupCurves()

    def show_comparison(self, columns: Sequence[Column], metric: str, *, grouped: bool) -> None:
        """Show a metric of these columns."""
        self._columns, self._metric, self._grouped = columns, metric, grouped
        self.draw()

    @property
    def charts(self) -> tuple[str, ...]:
        return (self._metric,)

    @property
    def labels(self) -> dict[str, str]:
        if self._grouped:
            return {run_id: run_id for run_id in self._session.view.compared}
        return {column.runs[0].summary.id: column.name for column in self._columns}

    def draw(self) -> None:
        cell = self._source.cell(self._metric, self._session.view, self.labels)
        if self._grouped:
            grouping = tuple(tuple(run.name for run in column.runs) for column in self._columns)
            cell = ChartCell(
                self._metric,
                (cell.content, grouping),
                (cell.view, grouping),
                partial(self._group, cell.make_spec, self._columns),
                partial(self._group, cell.make_interim, self._columns),
            )
        self.show_charts([cell], self._metric, ready=self._source.prepared)

    def _group(
        self, make: Callable[[], ChartSpec | None], columns: Sequence[Column]
    ) -> ChartSpec | None:
        spec = make()
        return None if spec is None else self._curves.spec(spec, columns)
