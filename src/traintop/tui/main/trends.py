"""Sparklines of the losses in the list: sampled off the UI thread, for the rows on screen only.

A thread for each root: none waits for one that does not answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Condition, Thread
from time import monotonic
from typing import TYPE_CHECKING

from textual.message import Message

from traintop.metrics import column_name
from traintop.model import ALIVE, RunStatus
from traintop.tui.columns import TREND_WIDTH
from traintop.tui.messages import TrendsLoaded

if TYPE_CHECKING:
    from traintop.model import RunSummary
    from traintop.store.formats import RunReader
    from traintop.store.history import History

SAMPLE_POINTS = 3 * TREND_WIDTH
"""Places of a file that are looked at for a sparkline."""

RESAMPLE_SECONDS = 5.0
"""The shortest time between two samples of a live run."""

_VISIBLE_GROWTH = 1 / (2 * TREND_WIDTH)
"""How much longer a live run must be than when it was sampled: by half a column."""

_BATCH = 8
_KEPT_RUNS = 2000


class TrendLoader:
    """Samples the runs that :meth:`show` names and posts :class:`TrendsLoaded`.

    A run is sampled again when it has ended, and while it goes on when so much was added that its
    sparkline differs, but not more often than every few seconds: places elsewhere take money.
    """

    def __init__(
        self,
        reader_of: Callable[[str], RunReader],
        post: Callable[[Message], object],
        *,
        ascii_only: bool,
    ) -> None:
        self._reader_of = reader_of
        self._post = post
        self._ascii_only = ascii_only
        self._condition = Condition()
        self._in_view: tuple[RunSummary, ...] = ()
        self._served: set[str] = set()  # roots that have their thread
        self._known: dict[str, tuple[int | None, float]] = {}  # count, and when it was sampled
        self._failed: set[str] = set()
        self._stopped = False
        self._started = False

    def start(self) -> None:
        """Start the threads; what was asked for before is loaded now."""
        with self._condition:
            self._started = True
            self._serve()

    def stop(self) -> None:
        """Let the threads end after the runs they are at."""
        with self._condition:
            self._stopped = True
            self._condition.notify_all()

    def show(self, runs: Sequence[RunSummary]) -> None:
        """Have the sparklines of these runs, and forget what was asked for before."""
        with self._condition:
            self._in_view = tuple(runs)
            for run_id in self._failed:  # as when their place was away
                self._known.pop(run_id, None)
            self._failed.clear()
            self._serve()
            self._condition.notify_all()

    def _serve(self) -> None:
        """Start the threads of the roots that have none yet."""
        for root in {run.root for run in self._in_view} - self._served if self._started else ():
            self._served.add(root)
            Thread(target=self._run, args=[root], name="traintop-trends", daemon=True).start()

    def _run(self, root: str) -> None:
        while batch := self._next_batch(root):
            trends = {run.id: self._trend_of(run.id) for run in batch}
            self._post(TrendsLoaded(trends))

    def _next_batch(self, root: str) -> list[RunSummary]:
        """The next runs of a root to sample, waiting for some; none at the end."""
        with self._condition:
            while not self._stopped:
                now = monotonic()
                in_root = (run for run in self._in_view if run.root == root)
                stale = [run for run in in_root if self._is_stale(run)]
                due = [run for run in stale if self._due_at(run) <= now][:_BATCH]
                if due:
                    while len(self._known) > _KEPT_RUNS:
                        del self._known[next(iter(self._known))]
                    self._known.update({run.id: (run.count, now) for run in due})
                    return due
                wait = min((self._due_at(run) - now for run in stale), default=None)
                self._condition.wait(wait)
            return []

    def _is_stale(self, run: RunSummary) -> bool:
        known = self._known.get(run.id)
        if run.status is RunStatus.UNREADABLE or known is None:
            return run.status is not RunStatus.UNREADABLE
        if run.count is None or known[0] is None or run.status not in ALIVE:
            return run.count != known[0]
        return abs(run.count - known[0]) > known[0] * _VISIBLE_GROWTH

    def _due_at(self, run: RunSummary) -> float:
        known = self._known.get(run.id)
        return 0.0 if known is None else known[1] + RESAMPLE_SECONDS

    def _trend_of(self, run_id: str) -> str:
        try:
            sample = self._reader_of(run_id).sample(SAMPLE_POINTS)
            return trend_text(sample, ascii_only=self._ascii_only)
        except Exception:  # whatever one file holds, the other runs get their sparklines
            with self._condition:
                self._failed.add(run_id)
            return ""


def trend_text(history: History, *, ascii_only: bool) -> str:
    """The course of the train loss as a sparkline; "!" where it was NaN or infinite."""
    import numpy as np

    from traintop.charts import sparkline

    name = column_name("train_loss", history.metrics)
    loss = history.columns[name][history.measured(name)]
    marked = np.where(np.isnan(loss), np.inf, loss)
    return sparkline(marked, TREND_WIDTH, ascii_only).rstrip() if len(marked) else ""
