"""One opened run: what is known of it at once, and its records, which are read when asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from traintop.analysis.field_names import field_among
from traintop.field import Value
from traintop.metrics import column_name, metrics_of
from traintop.model import RunStatus, RunSummary
from traintop.text import safe_text, suggestions

if TYPE_CHECKING:
    from traintop.analysis.runs import OpenedRuns
    from traintop.store.history import FloatColumn, History


class UnknownNameError(KeyError):
    """No run, or no metric, has a name; the message says which names are like it."""

    def __str__(self) -> str:
        return str(self.args[0])


class Curve(NamedTuple):
    """The measured values of a metric, and their iterations: two arrays of one length."""

    iterations: FloatColumn
    values: FloatColumn


class Run:
    """One run: what is known of it at once, and its records, which are read when asked for.

    ``summary`` is as it was when the runs were opened. ``name`` is unique among them.
    """

    def __init__(self, summary: RunSummary, name: str, opened: OpenedRuns) -> None:
        self.summary = summary
        self.name = name
        self._opened = opened

    def __repr__(self) -> str:
        return f"<Run {safe_text(self.name)} {self.status.value}>"

    @property
    def id(self) -> str:
        """The path of its file, or its address."""
        return self.summary.id

    @property
    def status(self) -> RunStatus:
        """Whether it goes on, or how it ended."""
        return self.summary.status

    @property
    def config(self) -> dict[str, Any]:
        """Its settings, as they were logged."""
        return self.summary.config

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

    def __getitem__(self, metric: str) -> Curve:
        """The values of a metric that were measured, ready to plot.

        Raises ``UnknownNameError``, a ``KeyError``, for a metric that was not logged.
        """
        history = self.history()
        name = column_name(metric, history.metrics)
        if name not in history.metrics:
            hint = suggestions(metric, history.metrics)
            raise UnknownNameError(f"run {self.name!r} has no metric {metric!r}: {hint}")
        rows = history.measured(name)
        return Curve(history.columns["iteration"][rows], history.columns[name][rows])
