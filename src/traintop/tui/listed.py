"""The newest snapshot of the runs, and which of them are listed in which order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from traintop.analysis.query import filter_runs
from traintop.analysis.query_tokens import QueryError
from traintop.tui import state
from traintop.tui.state import RunRows, ViewState

if TYPE_CHECKING:
    from traintop.model import RunSummary
    from traintop.store.catalog import Snapshot


class ListedRuns:
    """Keeps what the watcher saw last, and lists it for a view.

    ``rows`` are the listed runs, and ``mistake`` says why the view's filter lists none. ``mode``
    says how changes are noticed.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._snapshot: Snapshot | None = None
        self.mode = ""
        self.rows = RunRows()
        self.mistake: QueryError | None = None

    def take(self, snapshot: Snapshot, mode: str) -> None:
        """Keep a newer snapshot, which :meth:`list_for` lists."""
        self._snapshot, self.mode = snapshot, mode

    def list_for(self, view: ViewState) -> ViewState:
        """List the runs as the view asks for; the view as it is among these rows."""
        if self._snapshot is None:
            return view
        before, runs = self.rows, self._snapshot.runs
        try:
            self.rows, self.mistake = state.listed_rows(runs, view, self._clock()), None
        except QueryError as mistake:
            # The filter is about something that no run has any more, or none has yet.
            self.rows, self.mistake = RunRows((), hidden=runs), mistake
        return state.with_rows(view, before, self.rows)

    def mistake_in(self, query: str) -> QueryError | None:
        """What is wrong with a filter, given the runs there are now."""
        try:
            filter_runs(self.runs or (), query, self._clock())
        except QueryError as mistake:
            return mistake
        return None

    @property
    def runs(self) -> tuple[RunSummary, ...] | None:
        """All runs that were seen, ``None`` before the first look."""
        return None if self._snapshot is None else self._snapshot.runs

    @property
    def unread(self) -> int:
        """How many files the first look left for later."""
        return 0 if self._snapshot is None else self._snapshot.unread

    @property
    def notices(self) -> tuple[str, ...]:
        """What is wrong with the directories, in words."""
        return () if self._snapshot is None else self._snapshot.notices

    @property
    def expected(self) -> bool:
        """Whether nothing is listed because the runs have yet to be read."""
        return self._snapshot is None or (not len(self.rows) and self._snapshot.unread > 0)

    def archived_out_of_sight(self, view: ViewState) -> int:
        """How many runs are not listed because they are archived."""
        if view.show_archived:
            return 0
        return sum(run.annotations.archived for run in self.runs or ())
