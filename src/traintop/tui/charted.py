"""The runs whose curves are shown: their records as far as they are read, and their colours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from traintop.analysis.chart_names import charts_of
from traintop.model import RunStatus, RunSummary
from traintop.text import percentage
from traintop.tui.columns import run_name
from traintop.tui.lines import Piece
from traintop.tui.run_colors import assign_colors, distinct_colors

if TYPE_CHECKING:
    from traintop.tui.messages import HistoryLoaded

MARK_GLYPH = "◆"

PATIENCE_SECONDS = 0.25
"""How long the former charts stay while the records of a newly selected run are read."""


class ChartedRuns:
    """Keeps what the charts need of the charted runs, and forgets the rest."""

    def __init__(self) -> None:
        self.runs: tuple[RunSummary, ...] = ()
        self._records: dict[Path, HistoryLoaded] = {}
        self._failures: dict[Path, str] = {}
        self._shares: dict[Path, float] = {}
        self._colors: dict[Path, int] = {}
        self._listed: Sequence[RunSummary] = ()
        self._colored: Sequence[RunSummary] = ()
        self._waiting_since = 0.0

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(run.path for run in self.runs)

    @property
    def loaded(self) -> frozenset[Path]:
        """The charted runs of which records are there."""
        return frozenset(self._records)

    def records_of(self, path: Path) -> HistoryLoaded | None:
        """The records of a charted run as far as they are read, ``None`` before the first."""
        return self._records.get(path)

    def failure_of(self, path: Path) -> str:
        """Why the records of a run are not there; empty unless reading them failed."""
        return self._failures.get(path, "")

    def css_colors(self, *, dark: bool) -> dict[Path, str]:
        """The colour of the curves of each charted run."""
        from traintop.charts import DARK, LIGHT

        palette = DARK if dark else LIGHT
        colors = self._distinct_colors(self.paths)
        return {path: palette.color(color) for path, color in colors.items()}

    @property
    def waiting(self) -> bool:
        """Whether the first charted run was asked for a moment ago and is not there yet."""
        first = self.paths[:1]
        known = any(path in self._records or path in self._failures for path in first)
        return bool(first) and not known and monotonic() - self._waiting_since < PATIENCE_SECONDS

    @property
    def unread(self) -> bool:
        """Whether of some charted run nothing has come yet, neither records nor a reason."""
        return any(path not in self._records and path not in self._failures for path in self.paths)

    def list_runs(self, runs: Sequence[RunSummary]) -> None:
        """Take over the listed runs, which get their colours when the first of them is drawn."""
        self._listed = runs

    def _distinct_colors(self, paths: Sequence[Path]) -> dict[Path, int]:
        if self._listed is not self._colored:
            self._colors = assign_colors(self._colors, self._listed)
            self._colored = self._listed
        return distinct_colors(self._colors, paths)

    def chart(self, runs: Iterable[RunSummary]) -> bool:
        """Chart these runs, the selected one first; whether they are others than before."""
        before, self.runs = self.paths, tuple(runs)
        after = self.paths
        if before == after:
            return False
        if before[:1] != after[:1]:
            self._waiting_since = monotonic()
        self._records = {path: one for path, one in self._records.items() if path in after}
        self._failures = {path: one for path, one in self._failures.items() if path in after}
        self._shares = {path: one for path, one in self._shares.items() if path in after}
        return True

    def add(self, loaded: HistoryLoaded) -> bool:
        """Take over records; whether they are the first ones of their run."""
        known = self._records.get(loaded.path)
        # The sample may arrive after the whole.
        if loaded.path in self.paths and not (known and known.complete and not loaded.complete):
            self._records[loaded.path] = loaded
            self._failures.pop(loaded.path, None)
        return known is None

    def progress(self, path: Path, share: float) -> None:
        """Keep how much of a run is read."""
        if path in self.paths:
            self._shares[path] = share

    def fail(self, path: Path, reason: str) -> None:
        """Keep why the records of a run are not there."""
        self._failures[path] = reason

    def note(self) -> str:
        """What is to be said of the first charted run's records; empty when all are there."""
        for run in self.runs[:1]:
            if run.path in self._failures:
                return f"no curves: {self._failures[run.path]}"
            if run.status is RunStatus.UNREADABLE or self.waiting:
                return ""
            if run.path not in self._records:
                return f"reading{self._share_of(run.path)}…"
            if not self._records[run.path].complete:
                return f"sample, reading{self._share_of(run.path)}…"
        return ""

    def _share_of(self, path: Path) -> str:
        share = self._shares.get(path)
        return "" if share is None else f" {percentage(share)}"

    def charts(self) -> tuple[str, ...]:
        """All charts that the runs have something to show in, the most useful first."""
        metrics = [name for one in self._records.values() for name in one.history.metrics]
        return charts_of(self.runs, metrics)

    def curve_marks(self, *, dark: bool, letters: bool, ascii_only: bool) -> dict[Path, Piece]:
        """What stands for the curves of each charted run in lists.

        Its colour tells them, and where there may be none, the marker that the charts have too.
        """
        from traintop.charts import run_markers

        colors = self.css_colors(dark=dark)
        glyphs = dict.fromkeys(colors, MARK_GLYPH)
        if (letters or ascii_only) and len(colors) > 1:
            indices = self._distinct_colors(self.paths)
            markers = run_markers([*indices.values()], ascii_only, letters)
            glyphs = dict(zip(indices, markers, strict=True))
        return {path: Piece(glyphs[path], "accent", color) for path, color in colors.items()}

    def drawn(
        self, labels: Mapping[Path, str] | None = None
    ) -> list[tuple[RunSummary, str, int, HistoryLoaded]]:
        """The charted runs whose records are there, with their names, colours and records.

        With ``labels`` those that these name, in their order, instead of all.
        """
        colors = self._distinct_colors(self.paths)
        known = {run.path: run for run in self.runs if run.path in self._records}
        if labels is None:
            labels = {path: run_name(run) for path, run in known.items()}
        return [
            (known[path], label, colors[path], self._records[path])
            for path, label in labels.items()
            if path in known
        ]
