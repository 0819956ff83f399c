"""The runs whose curves are shown: their records as far as they are read, and their colours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING

from traintop.analysis.chart_names import charts_of
from traintop.lines import Piece
from traintop.model import RunStatus, RunSummary
from traintop.text import percentage
from traintop.tui.kit.runs import run_name
from traintop.tui.kit.themes import Look
from traintop.tui.session import Session

if TYPE_CHECKING:
    from traintop.tui.messages import HistoryLoaded

MARK_GLYPH = "◆"

WAIT_SECONDS = 0.25
"""How long the former charts stay while the records of a newly selected run are read."""


class PlottedRuns:
    """Keeps what the charts need of the runs that the view plots, and forgets the rest."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.runs: tuple[RunSummary, ...] = ()
        self._records: dict[str, HistoryLoaded] = {}
        self._failures: dict[str, str] = {}
        self._shares: dict[str, float] = {}
        self._colors: dict[str, int] = {}
        self._colored: Sequence[RunSummary] | None = None
        self._waiting_since = 0.0

    @property
    def run_ids(self) -> tuple[str, ...]:
        return tuple(run.id for run in self.runs)

    @property
    def loaded(self) -> frozenset[str]:
        """The plotted runs of which records are there."""
        return frozenset(self._records)

    def records_of(self, run_id: str) -> HistoryLoaded | None:
        """The records of a plotted run as far as they are read, ``None`` before the first."""
        return self._records.get(run_id)

    def failure_of(self, run_id: str) -> str:
        """Why the records of a run are not there; empty unless reading them failed."""
        return self._failures.get(run_id, "")

    def css_colors(self, *, dark: bool) -> dict[str, str]:
        """The colour of the curves of each plotted run."""
        from traintop.charts import DARK, LIGHT

        palette = DARK if dark else LIGHT
        colors = self._distinct_colors(self.run_ids)
        return {run_id: palette.color(color) for run_id, color in colors.items()}

    @property
    def waiting(self) -> bool:
        """Whether the first plotted run was asked for a moment ago and is not there yet."""
        first = self.run_ids[:1]
        known = any(run_id in self._records or run_id in self._failures for run_id in first)
        return bool(first) and not known and monotonic() - self._waiting_since < WAIT_SECONDS

    @property
    def unread(self) -> bool:
        """Whether of some plotted run nothing has come yet, neither records nor a reason."""
        return any(
            run_id not in self._records and run_id not in self._failures for run_id in self.run_ids
        )

    def _distinct_colors(self, run_ids: Sequence[str]) -> dict[str, int]:
        runs = self._session.runs
        if runs is not self._colored:
            self._colors = assign_colors(self._colors, runs or ())
            self._colored = runs
        return distinct_colors(self._colors, run_ids)

    def changed_in(self, runs: Sequence[RunSummary]) -> list[str]:
        """Which of the plotted runs are others in a newer snapshot."""
        newer = {run.id: run for run in runs}
        return [run.id for run in self.runs if newer.get(run.id) is not run]

    def follow_view(self) -> bool:
        """Plot what the view asks for, the selected run first; whether it is others than before."""
        runs = map(self._session.rows.run, self._session.view.plotted)
        before, self.runs = self.run_ids, tuple(run for run in runs if run is not None)
        after = self.run_ids
        if before == after:
            return False
        if before[:1] != after[:1]:
            self._waiting_since = monotonic()
        self._records = {run_id: one for run_id, one in self._records.items() if run_id in after}
        self._failures = {run_id: one for run_id, one in self._failures.items() if run_id in after}
        self._shares = {run_id: one for run_id, one in self._shares.items() if run_id in after}
        return True

    def add(self, loaded: HistoryLoaded) -> bool:
        """Take over records; whether they are the first ones of their run."""
        known = self._records.get(loaded.id)
        # The sample may arrive after the whole.
        if loaded.id in self.run_ids and not (known and known.complete and not loaded.complete):
            self._records[loaded.id] = loaded
            self._failures.pop(loaded.id, None)
        return known is None

    def progress(self, run_id: str, share: float) -> None:
        """Keep how much of a run is read."""
        if run_id in self.run_ids:
            self._shares[run_id] = share

    def fail(self, run_id: str, reason: str) -> None:
        """Keep why the records of a run are not there."""
        self._failures[run_id] = reason

    def note(self) -> str:
        """What is to be said of the first plotted run's records; empty when all are there."""
        for run in self.runs[:1]:
            if run.id in self._failures:
                return f"no curves: {self._failures[run.id]}"
            if run.status is RunStatus.UNREADABLE or self.waiting:
                return ""
            if run.id not in self._records:
                return f"reading{self._share_of(run.id)}…"
            if not self._records[run.id].complete:
                return f"sample, reading{self._share_of(run.id)}…"
        return ""

    def _share_of(self, run_id: str) -> str:
        share = self._shares.get(run_id)
        return "" if share is None else f" {percentage(share)}"

    def charts(self) -> tuple[str, ...]:
        """All charts that the runs have something to show in, the most useful first."""
        records = (one.history.metrics for one in self._records.values())
        return charts_of([*(run.stats for run in self.runs), *records])

    def curve_marks(self, look: Look) -> dict[str, Piece]:
        """What stands for the curves of each plotted run in lists.

        Its colour tells them, and where there may be none, the marker that the charts have too.
        """
        from traintop.charts import run_markers

        colors = self.css_colors(dark=look.dark)
        glyphs = dict.fromkeys(colors, MARK_GLYPH)
        if (look.letters or look.ascii_only) and len(colors) > 1:
            indices = self._distinct_colors(self.run_ids)
            markers = run_markers([*indices.values()], look.ascii_only, look.letters)
            glyphs = dict(zip(indices, markers, strict=True))
        return {run_id: Piece(glyphs[run_id], "accent", color) for run_id, color in colors.items()}

    def drawn(
        self, labels: Mapping[str, str] | None = None
    ) -> list[tuple[RunSummary, str, int, HistoryLoaded]]:
        """The plotted runs whose records are there, with their names, colours and records.

        With ``labels`` those that these name, in their order, instead of all.
        """
        colors = self._distinct_colors(self.run_ids)
        known = {run.id: run for run in self.runs if run.id in self._records}
        if labels is None:
            labels = {run_id: run_name(run) for run_id, run in known.items()}
        return [
            (known[run_id], label, colors[run_id], self._records[run_id])
            for run_id, label in labels.items()
            if run_id in known
        ]


def shown_marks(marks: Sequence[str], plotted: PlottedRuns, look: Look) -> dict[str, Piece]:
    """What stands before each marked run in lists."""
    if not marks:
        return {}  # without an import of the charts, for which the first frame does not wait
    curves, without_curves = plotted.curve_marks(look), Piece(MARK_GLYPH, "accent")
    return {run_id: curves.get(run_id, without_curves) for run_id in marks}


COLORS = 8
"""How many series colours the palette of the charts has."""

_INDICES = 3 * COLORS
"""So many curves get markers of their own, where these are letters."""


def assign_colors(known: Mapping[str, int], runs: Iterable[RunSummary]) -> dict[str, int]:
    """A palette index per run: the next one for each new run, in the order of their starts.

    Runs that started one after the other, as a sweep does, so differ, and a run keeps its colour
    whatever appears later.
    """
    assigned = {run.id: known[run.id] for run in runs if run.id in known}
    fresh = [run for run in runs if run.id not in assigned]
    fresh.sort(key=lambda run: (run.start_time or "", run.id))
    following = max(known.values(), default=-1) + 1
    for offset, run in enumerate(fresh):
        assigned[run.id] = following + offset
    return assigned


def distinct_colors(assigned: Mapping[str, int], plotted: Sequence[str]) -> dict[str, int]:
    """The palette indices of the plotted runs, told apart as long as there are colours.

    Beyond that colours repeat, by further indices that have other markers. The marked runs come
    first in the choice, so that moving the cursor never recolours them.
    """
    chosen: dict[str, int] = {}
    used: set[int] = set()
    for run_id in [*plotted[1:], *plotted[:1]]:
        wanted = assigned.get(run_id, 0) % COLORS
        turned = [(wanted + step) % COLORS for step in range(COLORS)]
        again = range(wanted + COLORS, _INDICES, COLORS)
        choices = (*turned, *again, *range(COLORS, _INDICES))
        chosen[run_id] = next((index for index in choices if index not in used), wanted)
        used.add(chosen[run_id])
    return chosen
