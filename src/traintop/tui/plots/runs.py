"""The runs whose curves are shown: their records as far as they are read, and their colours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from time import monotonic
from typing import TYPE_CHECKING

import msgspec

from traintop.analysis.axes import tokens_per_iteration
from traintop.analysis.chart_names import charts_of
from traintop.lines import Piece
from traintop.model import ALIVE, RunStatus, RunSummary
from traintop.progress import counts_epochs, start_order
from traintop.run_columns import changed_runs
from traintop.text import percentage, safe_text
from traintop.tui.kit.runs import MARK_GLYPH
from traintop.tui.kit.themes import Look
from traintop.tui.messages import HistoryLoaded
from traintop.tui.session import Session

if TYPE_CHECKING:
    from traintop.charts.curves import PlottedRun

WAIT_SECONDS = 0.25
"""How long the former charts stay while the records of a newly selected run are read."""


class _Reading(msgspec.Struct):
    """How far the reading of a plotted run is: its records, why there are none, and which share."""

    records: HistoryLoaded | None = None
    failure: str = ""
    share: float | None = None

    @property
    def unread(self) -> bool:
        """Whether nothing has come yet, neither records nor a reason."""
        return self.records is None and not self.failure


class PlottedRuns:
    """Keeps what the charts need of the runs that the view plots, and forgets the rest."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.runs: tuple[RunSummary, ...] = ()
        self._readings: dict[str, _Reading] = {}
        self._colors: dict[str, int] = {}
        self._colored: Sequence[RunSummary] = ()
        self._seen: Sequence[RunSummary] = ()
        self._distinct: tuple[Sequence[str], dict[str, int]] = (), {}
        self._waiting_since = 0.0

    @property
    def loaded(self) -> frozenset[str]:
        """The plotted runs of which records are there."""
        return frozenset(run_id for run_id, one in self._readings.items() if one.records)

    def records_of(self, run_id: str) -> HistoryLoaded | None:
        """The records of a plotted run as far as they are read, ``None`` before the first."""
        reading = self._readings.get(run_id)
        return None if reading is None else reading.records

    def failure_of(self, run_id: str) -> str:
        """Why the records of a run are not there; empty unless reading them failed."""
        reading = self._readings.get(run_id)
        return "" if reading is None else reading.failure

    @property
    def failed(self) -> list[str]:
        """The plotted runs that could not be read, although their places answer."""
        known = (run.id for run in self.runs if self._session.state_of(run) is None)
        return [run_id for run_id in known if self.failure_of(run_id)]

    @property
    def waiting(self) -> bool:
        """Whether the first plotted run was asked for a moment ago and is not there yet."""
        recently = monotonic() - self._waiting_since < WAIT_SECONDS
        return recently and any(one.unread for one in [*self._readings.values()][:1])

    @property
    def unread(self) -> bool:
        """Whether of some plotted run nothing has come yet, neither records nor a reason."""
        return any(one.unread for one in self._readings.values())

    def changed_in(self, runs: Sequence[RunSummary]) -> list[str]:
        """Which of the plotted runs are others in a newer snapshot."""
        before, self._seen = self._seen, runs
        if len(runs) != len(before):  # some came or went
            newer = {run.id: run for run in runs}
            return [run.id for run in self.runs if newer.get(run.id) is not run]
        others = chain(changed_runs(runs, before), changed_runs(before, runs))
        changed = {run.id for run in others}
        return [run.id for run in self.runs if run.id in changed]

    def follow_view(self) -> bool:
        """Plot what the view asks for, the selected run first; whether it is others than before."""
        runs = map(self._session.rows.run, self._session.view.plotted)
        self.runs = tuple(run for run in runs if run is not None)
        before, after = [*self._readings], [run.id for run in self.runs]
        if before == after:
            return False
        if before[:1] != after[:1]:
            self._waiting_since = monotonic()
        self._readings = {run_id: self._readings.get(run_id) or _Reading() for run_id in after}
        return True

    def add(self, loaded: HistoryLoaded) -> bool:
        """Add records; returns whether they are the first ones of a plotted run."""
        reading = self._readings.get(loaded.id)
        if reading is None:
            return False
        known = reading.records
        # The sample may arrive after the whole.
        if loaded.complete or known is None or not known.complete:
            reading.records, reading.failure = loaded, ""
        return known is None

    def progress(self, run_id: str, share: float) -> None:
        """Keep how much of a run is read."""
        if run_id in self._readings:
            self._readings[run_id].share = share

    def fail(self, run_id: str, reason: str) -> None:
        """Keep why the records of a run are not there."""
        if run_id in self._readings:
            self._readings[run_id].failure = reason

    def note(self) -> str:
        """How far the first plotted run is read, in words; empty when all records are there."""
        return self.note_of(self.runs[0].id) if self.runs else ""

    def note_of(self, run_id: str) -> str:
        """How far a plotted run is read, in words; empty when all records are there."""
        run, reading = self._session.rows.run(run_id), self._readings.get(run_id)
        if run is None or reading is None:
            return ""
        is_whole = reading.records is not None and reading.records.complete
        state = self._session.state_of(run)
        if state is not None and not is_whole:
            return f"{'sample' if reading.records else 'no curves'}: {safe_text(state.brief)}"
        if reading.failure:
            return f"no curves: {reading.failure}"
        if is_whole or run.status is RunStatus.UNREADABLE or self.waiting:
            return ""
        share = "" if reading.share is None else f" {percentage(reading.share)}"
        return f"{'sample, ' if reading.records else ''}reading{share}…"

    @property
    def names(self) -> frozenset[str]:
        """The names of all listed runs."""
        return self._session.rows.names

    def charts(self) -> tuple[str, ...]:
        """All charts that the runs have something to show in, the most useful first."""
        records = (one.records.history.metrics for one in self._readings.values() if one.records)
        return charts_of([*(run.stats for run in self.runs), *records])

    def curve_marks(self, look: Look) -> dict[str, Piece]:
        """The mark of each plotted run's curves in lists.

        It has their colour, and where there may be none, the marker that the charts have too.
        """
        from traintop.charts import DARK, LIGHT, run_markers

        colors = self._distinct_colors()
        glyphs: Iterable[str] = [MARK_GLYPH] * len(colors)
        if (look.letters or look.ascii_only) and len(colors) > 1:
            glyphs = run_markers([*colors.values()], look.ascii_only, look.letters)
        palette = DARK if look.dark else LIGHT
        return {
            run_id: Piece(glyph, "accent", palette.color(color))
            for (run_id, color), glyph in zip(colors.items(), glyphs, strict=True)
        }

    def with_records(self, labels: Mapping[str, str] | None = None) -> list[PlottedRun]:
        """The plotted runs whose records are there, as the charts know them.

        With ``labels`` those that these name, in their order, instead of all.
        """
        known = {run.id: run for run in self.runs if self._readings[run.id].records}
        if not known:
            return []  # without an import of the charts
        from traintop.charts.curves import PlottedRun

        colors = self._distinct_colors()
        if labels is None:
            labels = {run_id: self._session.rows.name(run) for run_id, run in known.items()}
        return [
            PlottedRun(
                run_id,
                records.revision,
                label,
                colors[run_id],
                tokens_per_iteration(known[run_id]),
                records.history,
                grows=known[run_id].status in ALIVE,
                counts_epochs=counts_epochs(known[run_id]),
            )
            for run_id, label in labels.items()
            if run_id in known and (records := self._readings[run_id].records)
        ]

    def _distinct_colors(self) -> dict[str, int]:
        before, runs = self._colored, self._session.runs or ()
        if any(run.id not in self._colors for run in changed_runs(runs, before)):
            self._colors = assign_colors(self._colors, runs)
            self._distinct = (), {}
        self._colored = runs
        # The marked ones first, in their own order, so that moving the cursor recolours none.
        marks = [run_id for run_id in self._session.view.marks if run_id in self._readings]
        plotted = [*dict.fromkeys((*marks, *self._readings))]
        if plotted != self._distinct[0]:
            self._distinct = plotted, distinct_colors(self._colors, plotted)
        return self._distinct[1]


def shown_marks(marks: Sequence[str], plotted: PlottedRuns, look: Look) -> dict[str, Piece]:
    """The mark before each marked run in lists."""
    if not marks:
        return {}  # without an import of the charts, for which the first frame does not wait
    curves, without_curves = plotted.curve_marks(look), Piece(MARK_GLYPH, "accent")
    return {run_id: curves.get(run_id, without_curves) for run_id in marks}


COLORS = 8
"""How many series colours the palette of the charts has."""

_INDICES = 8 * COLORS
"""So many curves differ from one another, in colour or in marker."""


def assign_colors(known: Mapping[str, int], runs: Iterable[RunSummary]) -> dict[str, int]:
    """The colour of each run: the next one for each new run, in the order of their starts.

    Runs that started one after the other, as a sweep does, so differ, and a run keeps its colour
    whatever appears later.
    """
    runs = (*runs,)
    if len(runs) == len(known) and all(run.id in known for run in runs):
        return {**known}
    assigned = {run.id: known[run.id] for run in runs if run.id in known}
    fresh = [run for run in runs if run.id not in assigned]
    fresh.sort(key=start_order)
    for number, run in enumerate(fresh, start=len(known)):
        assigned[run.id] = number % COLORS
    return assigned


def distinct_colors(assigned: Mapping[str, int], plotted: Sequence[str]) -> dict[str, int]:
    """The palette indices of the plotted runs, which differ as long as there are colours.

    Beyond that colours repeat, by further indices that have other markers. The first runs come
    first in the choice, so that none is recoloured by those behind it.
    """
    chosen: dict[str, int] = {}
    used: set[int] = set()
    for run_id in plotted:
        wanted = assigned.get(run_id, 0) % COLORS
        turned = [(wanted + step) % COLORS for step in range(COLORS)]
        again = range(wanted + COLORS, _INDICES, COLORS)
        choices = (*turned, *again, *range(COLORS, _INDICES))
        chosen[run_id] = next((index for index in choices if index not in used), wanted)
        used.add(chosen[run_id])
    return chosen
