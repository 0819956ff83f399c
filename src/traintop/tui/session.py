"""What all screens show: the newest snapshot of the runs, and the view of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from traintop.analysis.query import filter_runs
from traintop.analysis.query_tokens import QueryError
from traintop.metrics import choose_directions
from traintop.store.snapshot import PlaceState, Snapshot, state_of
from traintop.tui.rows import RunRows
from traintop.tui.view import (
    ViewState,
    are_archived,
    listing_key,
    move_to,
    visible_rows,
    with_rows,
)

if TYPE_CHECKING:
    from traintop.analysis.alerts import AlertKind
    from traintop.model import RunSummary


class Session:
    """Holds the snapshot and the view; screens read both, and change the view here.

    ``rows`` are the listed runs, and ``mistake`` says why the view's filter lists none. ``mode``
    says how changes are noticed, and ``alerts`` what is wrong with runs that go on. ``on_change``
    is called after each change of the view.
    """

    def __init__(self, clock: Callable[[], datetime], view: ViewState) -> None:
        self.clock = clock
        self.view = view
        self.rows = RunRows()
        self.mistake: QueryError | None = None
        self.mode = ""
        self.slow_line = False
        """Whether the line to the terminal takes less than there is to show."""
        self.alerts: Mapping[str, AlertKind] = {}
        self.awaited: str | None = None
        """A run that is selected as soon as it is read."""
        self.on_change: Callable[[], None] = lambda: None
        self._snapshot: Snapshot | None = None
        self._goes_on = False  # a snapshot brings runs that the one before it left unread
        self._cursor_is_placed = False
        choose_directions(dict(view.directions))

    def take_snapshot(self, snapshot: Snapshot, mode: str) -> None:
        """Keep a newer snapshot, which :meth:`list_runs` lists."""
        self._goes_on = self._goes_on or self.unread > 0
        self._snapshot, self.mode = snapshot, mode

    def list_runs(self) -> None:
        """List the runs of the newest snapshot as the view asks for.

        The cursor stays on its run; while others are still being read, on the first row until
        somebody places it.
        """
        if self._snapshot is None:
            return
        before, runs = self.rows, self._snapshot.runs
        try:
            self.rows = visible_rows(runs, self.view, self.clock(), self.alerts)
            self.mistake = None
        except QueryError as mistake:
            # The filter is about something that no run has any more, or none has yet.
            self.rows, self.mistake = RunRows((), hidden=runs), mistake
        self.view = with_rows(self.view, before, self.rows)
        if self._goes_on and not self._cursor_is_placed:
            self.view = move_to(self.view, self.rows, 0)
        self._goes_on = False
        awaited = self.rows.run(self.awaited)
        if awaited is not None:
            self.awaited, self.view = None, self._view_at(awaited)
            self._cursor_is_placed = True
            self.list_runs()

    def change(self, view: ViewState) -> None:
        """Set the view, and show it."""
        before, self.view = self.view, view
        if (view.selected, view.opened) != (before.selected, before.opened):
            self._cursor_is_placed = True
        if view.directions != before.directions:
            choose_directions(dict(view.directions))
        if listing_key(view) != listing_key(before):
            self.list_runs()
        self.on_change()

    def go_to(self, run_id: str) -> None:
        """Select a run, listed or not."""
        run = self.rows.run(run_id)
        if run is not None:
            self.change(self._view_at(run))

    def _view_at(self, run: RunSummary) -> ViewState:
        """The view with the cursor on a run, and without the filter that hides it."""
        view = replace(self.view, selected=run.id)
        if self.rows.position(run.id) is not None:
            return view
        return replace(view, filter="", show_archived=run.annotations.archived)

    def mistake_in(self, query: str) -> QueryError | None:
        """What is wrong with a filter, given the runs there are now."""
        try:
            filter_runs(self.runs or (), query, self.clock(), self.alerts)
        except QueryError as mistake:
            return mistake
        return None

    @property
    def runs(self) -> tuple[RunSummary, ...] | None:
        """All runs that were seen, ``None`` before the first look."""
        return None if self._snapshot is None else self._snapshot.runs

    @property
    def selected(self) -> RunSummary | None:
        """The run that the cursor of the list is on."""
        return self.rows.run(self.view.selected)

    @property
    def unread(self) -> int:
        """How many files the first look left for later."""
        return 0 if self._snapshot is None else self._snapshot.unread

    @property
    def notices(self) -> tuple[str, ...]:
        """What is wrong with the directories, in words."""
        return () if self._snapshot is None else self._snapshot.notices

    @property
    def places(self) -> tuple[PlaceState, ...]:
        """The places that cannot be looked at now."""
        return () if self._snapshot is None else self._snapshot.places

    def state_of(self, run: RunSummary | None) -> PlaceState | None:
        """Why a run is shown as it was; ``None`` where it is as it is now."""
        return None if run is None else state_of(run.id, self.places)

    @property
    def is_partial(self) -> bool:
        """Whether there are more files than were found so far."""
        return self._snapshot is not None and self._snapshot.is_partial

    @property
    def kept(self) -> int:
        """How many runs are listed as an earlier start has kept them."""
        return 0 if self._snapshot is None else self._snapshot.kept

    @property
    def others(self) -> str:
        """What is there where no run is, in words."""
        return "" if self._snapshot is None else self._snapshot.others

    @property
    def is_reading(self) -> bool:
        """Whether nothing is listed because the runs have yet to be read."""
        if self._snapshot is None:
            return True
        if self._snapshot.kept:
            return False
        waits = self._snapshot.unread > 0 or any(place.is_first for place in self.places)
        return waits and not len(self.rows)

    @property
    def hidden_archived(self) -> int:
        """How many runs are not listed because they are archived."""
        if self.view.show_archived:
            return 0
        return sum(are_archived(self.runs or ()))
