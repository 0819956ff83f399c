"""One opened run: what is known of it at once, and its records, which are read when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from traintop.analysis.chart_names import chart_title
from traintop.analysis.field_names import field_among
from traintop.analysis.frames import Columns, Tabular, record_columns
from traintop.analysis.plottable import Plottable
from traintop.field import Value
from traintop.fields import best_text
from traintop.metrics import column_name, metrics_of, primary_metric
from traintop.model import RunStatus, RunSummary
from traintop.progress import steps_text
from traintop.text import MISSING, number, safe_text, suggestions

if TYPE_CHECKING:
    from traintop.analysis.runs import OpenedRuns, Runs
    from traintop.analysis.why import Explanation
    from traintop.store.annotations import AnnotationChange, Saved
    from traintop.store.history import FloatColumn, History


class UnknownNameError(KeyError):
    """No run, or no metric, has a name; the message says which names are like it."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what, hint)
        self.what, self.hint = what, hint

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.what, self.hint)))


class Curve(NamedTuple):
    """The measured values of a metric, and their iterations: two arrays of one length."""

    iterations: FloatColumn
    values: FloatColumn


class Run(Tabular, Plottable):
    """One run: what is known of it at once, and its records, which are read when asked for.

    ``summary`` is as it was when the runs were opened. ``name`` is unique among them. As a data
    frame it is its records, a row for each iteration: the fields of a record, further metrics.
    """

    def __init__(self, summary: RunSummary, name: str, opened: OpenedRuns) -> None:
        self.summary = summary
        self.name = name
        self._opened = opened

    def __repr__(self) -> str:
        metric = primary_metric([self.summary])
        best = best_text(self.summary, metric, number)
        reached = f", best {chart_title(metric)} {best}" if best != MISSING else ""
        steps = steps_text(self.summary)
        return f"<Run {safe_text(self.name)}: {self.status.value}, {steps}{reached}>"

    @property
    def id(self) -> str:
        """The path of its file, or its address."""
        return self.summary.id

    @property
    def status(self) -> RunStatus:
        """Whether it goes on, or how it ended."""
        return self.summary.status

    @property
    def opened_with(self) -> Runs:
        """All runs that were opened together with this one."""
        return self._opened.runs

    @property
    def config(self) -> dict[str, Any]:
        """Its settings, as they were logged."""
        return dict(self.summary.config)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that it logged, losses first."""
        return (*metrics_of([self.summary]),)

    def value(self, name: str) -> Value:
        """Any field (docs/fields.md), last value of a metric, or setting; ``None`` without one."""
        return field_among(name, [self.summary]).value(self.summary)

    def history(self) -> History:
        """All its records as columns. Raises ``UnreadableRunError`` when its file is gone."""
        return self._opened.history(self.id)

    def portions(self, rows: int) -> Iterator[History]:
        """All its records in portions of about so many, in order: for runs of any length.

        Raises ``OutOfOrderError`` where a record belongs into an earlier portion: use
        :meth:`history` then; and ``UnreadableRunError`` when its file is gone.
        """
        return self._opened.portions(self.id, rows)

    def sample(self, points: int = 1000) -> History:
        """About so many of its records, from all over it: as quick for a long run as for any."""
        return self._opened.sample(self.id, points)

    def annotate(self, change: AnnotationChange) -> Saved:
        """Change its note, its tags, or whether it is archived; it says where that was saved.

        Raises ``UnreadableRunError`` when its file is gone, and ``OSError`` if nothing is saved.
        """
        return self._opened.catalog.annotate(self.id, change)

    def console(self) -> tuple[str, ...] | None:
        """The lines that its command printed under ``traintop run``; ``None`` without any.

        Raises ``UnreadableRunError`` where they cannot be read.
        """
        reader = self._opened.catalog.console(self.id)
        reader.follow()
        return reader.lines

    def patch(self) -> str | None:
        """What was changed of its code since its commit; ``None`` where that was not kept.

        Raises ``UnreadableRunError`` where its place does not answer.
        """
        return self._opened.catalog.patch(self.id)

    def _plotted(self) -> Sequence[Run]:
        return [self]

    def _repr_html_(self) -> str:
        from traintop.notebook.pages import run_page

        return run_page(self, self._opened.runs.summaries)

    def why(self, other: Run) -> Explanation:
        """What sets this run and another one apart, as ``traintop why``.

        Raises ``UnreadableRunError`` when the file of one is gone.
        """
        from traintop.analysis.why import why_of

        return why_of(self, other)

    def _columns(self) -> Columns:
        return record_columns([self.history()])

    def __getitem__(self, metric: str) -> Curve:
        """The values of a metric that were measured, ready to plot.

        Raises ``UnknownNameError``, a ``KeyError``, for a metric that was not logged.
        """
        history = self.history()
        name = column_name(metric, history.metrics)
        if name not in history.metrics:
            hint = suggestions(metric, history.metrics)
            raise UnknownNameError(f"run {self.name!r} has no metric {metric!r}", hint)
        rows = history.measured(name)
        return Curve(history.columns["iteration"][rows], history.columns[name][rows])
