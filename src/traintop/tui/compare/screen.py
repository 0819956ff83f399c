"""The comparison: the curves of some runs over one another, and what sets them apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, partial

from msgspec.structs import replace
from textual.app import ComposeResult

from traintop.analysis.compare import Column, Comparison, Target
from traintop.analysis.comparison_text import (
    column_label,
    comparison_csv,
    comparison_markdown,
    section_words,
)
from traintop.charts import ChartSpec
from traintop.charts.group_curves import GroupCurves
from traintop.lines import Line, Piece, line_width, spread
from traintop.metrics import metrics_of
from traintop.progress import progress
from traintop.text import number
from traintop.tui.compare.runs import (
    CompareChoice,
    ComparisonMaker,
    cursor_column,
    move_cursor,
    next_metric,
)
from traintop.tui.compare.table import CompareTable, compare_table
from traintop.tui.kit.dialogs import ChoiceScreen
from traintop.tui.kit.entry import EntryScreen
from traintop.tui.kit.keys import Need, Place, Situation
from traintop.tui.kit.pane import LinePane, ScrollingPane
from traintop.tui.kit.screen import SessionScreen
from traintop.tui.kit.themes import look_of
from traintop.tui.messages import TextExportRequested
from traintop.tui.plots.pane import PlotPane
from traintop.tui.plots.source import ChartCell, ChartSource
from traintop.tui.session import Session

_LONGEST_NUMBER = 40
_PARTS = ("both", "table", "chart")
_EXPORTS = (("CSV", ".csv", comparison_csv), ("Markdown", ".md", comparison_markdown))


class CompareScreen(SessionScreen):
    """Chart over table; the baseline is the first column."""

    VERTICAL_BREAKPOINTS = [(0, "-low"), (14, "-short"), (26, "-tall")]  # noqa: RUF012
    PLACES = (Place.COMPARE,)

    def __init__(self, session: Session, source: ChartSource, words: str) -> None:
        """``words`` say which runs are compared."""
        super().__init__(session)
        self._plotted = source.runs
        self._words = words
        self._chosen = len(session.view.compared)
        self.choice = CompareChoice()
        self._runs = ComparisonMaker()
        self.comparison = Comparison((), (), ())
        self.target: Target | None = None
        self._content: tuple[object, ...] = ()
        self._part = _PARTS[0]
        self._status_pane = LinePane(id="status")
        self._plot = ComparisonPlot(session, source, id="compare-chart")
        self.use_actions(self._plot)
        self._headings_pane = LinePane(id="compare-headings")
        self._rows_pane = ScrollingPane(id="compare-rows")

    def compose(self) -> ComposeResult:
        yield self._status_pane
        yield self._plot
        yield self._headings_pane
        yield self._rows_pane
        yield self.footer

    def on_mount(self) -> None:
        self.draw()

    def on_screen_resume(self) -> None:
        self.draw()  # its runs may have vanished while a dialog was over it

    def draw(self) -> None:
        if not self.view.compared:
            self.action_close()
            return
        comparison, target = self._runs.comparison(self.view, self.rows, self._plotted, self.choice)
        if comparison is not self.comparison:
            self._content = _content_of(comparison)
        self.comparison, self.target = comparison, target
        for part in _PARTS:
            self.set_class(self._part == part, f"-part-{part}")
        self._show_lines()
        self._plot.show_comparison(comparison.columns, self.metric, grouped=self.choice.grouped)
        self._plot.run_deferred_actions()

    def _show_lines(self) -> None:
        comparison, target, metric = self.comparison, self.target, self.metric
        gone = self._chosen - len(self.view.compared)
        words = f"{self._words}{f', {gone} of them gone' if gone else ''}"
        words += ", grouped over seeds" if self.choice.grouped else ""
        note = "  ".join(self._plot.notes)
        heading = (words, metric, target, note)
        self._status_pane.show_line(heading, lambda width: _status_line(*heading, width))
        cursor = cursor_column(self.choice, comparison.columns)
        names = self.rows.names
        marks = self._plotted.curve_marks(look_of(self.app))

        def mark_of(column: Column) -> Piece | None:
            return marks.get(column.runs[0].summary.id)

        @cache  # the headings and the rows are one table
        def table(width: int) -> CompareTable:
            return compare_table(comparison, cursor, mark_of, width, names)

        content = (self._content, cursor, tuple(marks.items()))
        self._headings_pane.show(content, lambda width, height: table(width).headings)
        self._rows_pane.show(content, lambda width, height: table(width).rows)
        self.show_footer()

    @property
    def metric(self) -> str:
        """The metric of the chart and of the target."""
        return self.choice.metric_of(self._metrics)

    @property
    def _metrics(self) -> list[str]:
        return metrics_of(run for run in map(self.rows.run, self.view.compared) if run is not None)

    @property
    def situation(self) -> Situation:
        return Situation(Place.COMPARE, frozenset({Need.RUNS}))

    # Keys.

    def choose(self, choice: CompareChoice) -> None:
        """Apply a choice and show it."""
        self.choice = choice
        self.draw()

    def action_move_column(self, step: int) -> None:
        self.choose(move_cursor(self.choice, self.comparison.columns, step))

    def action_pick_column(self, place: int) -> None:
        for column in self.comparison.columns[place : place + 1]:  # none when it vanished meanwhile
            self.choose(replace(self.choice, cursor=column.runs[0].summary.id))

    def action_scroll_rows(self, lines: int) -> None:
        self._rows_pane.scroll_lines(lines)

    def action_scroll_pages(self, pages: int) -> None:
        self._rows_pane.scroll_pages(pages)

    def action_toggle_groups(self) -> None:
        self.choose(replace(self.choice, grouped=not self.choice.grouped))

    def action_next_metric(self, step: int) -> None:
        self.choose(next_metric(self.choice, self._metrics, step))

    async def action_ask_target(self) -> None:
        def take(text: str) -> None:
            self.choose(replace(self.choice, target=float(text) if text else None))

        await self.app.push_screen(
            EntryScreen(
                f"{section_words(self.metric)} to reach",
                "shows when each run first reached it; empty: a value that all reached",
                "" if self.target is None else number(self.target.value, 6),
                longest=_LONGEST_NUMBER,
                done=take,
                mistake_in=_mistake_in_number,
                replaced=True,
            )
        )

    def action_pin_column(self) -> None:
        columns = self.comparison.columns
        if not columns:
            return
        run_id = columns[cursor_column(self.choice, columns)].runs[0].summary.id
        self.choice = replace(self.choice, cursor=run_id)
        self.session.change(replace(self.view, baseline=run_id))

    def action_export(self) -> None:
        comparison = self.comparison

        def write(choice: int) -> None:
            _, suffix, written = _EXPORTS[choice]
            self.app.post_message(TextExportRequested("comparison", suffix, written(comparison)))

        names = [name for name, _, _ in _EXPORTS]
        self.app.push_screen(ChoiceScreen("export the comparison as", names, write))

    def action_close(self) -> None:
        self.dismiss()

    def action_next_part(self) -> None:
        self._part = _PARTS[(_PARTS.index(self._part) + 1) % len(_PARTS)]
        self.draw()


def _mistake_in_number(text: str) -> str:
    """What keeps a text from being a finite number; nothing for none at all."""
    try:
        return "" if not text or math.isfinite(float(text)) else "must be a finite number"
    except ValueError:
        return "not a number; try 3.2 or 1e-4"


def _content_of(comparison: Comparison) -> tuple[object, ...]:
    """What the table depends on: equal when it would be drawn alike."""
    columns = (
        (column.name, *((run.summary.status, progress(run.summary)) for run in column.runs))
        for column in comparison.columns
    )
    # As text, because settings may be lists, and so that NaN equals NaN.
    return (*columns, repr(comparison.rows))


def _status_line(words: str, metric: str, target: Target | None, note: str, width: int) -> Line:
    left: Line = (Piece(" compare", "accent", bold=True), Piece(f"  {words}"))
    reached = "" if target is None else f"  target {number(target.value, 5)}"
    right: Line = (Piece(f"{section_words(metric)}{reached} ", "muted"),)
    noted: Line = (Piece(f"{note}  ", "accent"), *right) if note else right
    fits = line_width(left) + line_width(noted) < width
    return spread(left, noted if fits else right, width)


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
        if spec is None:
            return None
        groups = [
            (column_label(column), [run.summary.id for run in column.runs]) for column in columns
        ]
        return self._curves.spec(spec, groups)
