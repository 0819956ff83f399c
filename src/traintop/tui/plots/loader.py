"""Reading the records of the plotted runs, off the UI thread.

Two threads for each root: the *sampler* gives a long run its first picture in a few reads, the
*reader* then reads all of it and follows it while it grows. So moving the cursor never waits for a
long load, nor for a root that does not answer. Each thread has its own ``Run`` objects; what they
post is never changed afterwards.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from math import inf
from threading import Condition, Thread
from time import monotonic, sleep
from typing import TYPE_CHECKING

from textual.message import Message

from traintop.text import error_text
from traintop.tui.messages import HistoryLoaded, LoadFailed, ReadingProgress

if TYPE_CHECKING:
    from traintop.model import RunSummary
    from traintop.store.formats import RunReader
    from traintop.store.history import History

SAMPLE_ABOVE_BYTES = 1_000_000
"""Shorter files are read whole at once: that is as quick as a sample."""

SAMPLE_ABOVE_RECORDS = 10_000
"""The same of a run in a database, which has no size of its own."""

SAMPLE_POINTS = 400

_KEPT_RUNS = 8
_SETTLE_SECONDS = 0.15

_FOLLOW_SECONDS = 0.5
"""From what a run had until what is new in it: curves that move more often only cost more."""

_PROGRESS_SECONDS = 0.25
_ANSWER_SECONDS = 0.06  # in which a key is answered
_TURN_SECONDS = 0.02  # of reading at least, however fast keys are pressed


class CancelledError(Exception):
    """The run that is being read is no longer shown."""


class RunLoader:
    """Loads what :meth:`show` asks for and posts :class:`HistoryLoaded` or :class:`LoadFailed`.

    Of a long reading it posts :class:`ReadingProgress`, and ends it when the run is left.
    """

    def __init__(
        self, reader_of: Callable[[str], RunReader], post: Callable[[Message], object]
    ) -> None:
        self._reader_of = reader_of
        self._post = post
        self._condition = Condition()
        self._wanted: dict[str, str] = {}  # runs and their roots
        self._served: set[str] = set()  # roots that have their threads
        self._long: set[str] = set()
        self._shown_at: dict[str, float] = {}
        self._to_sample: list[str] = []
        self._to_read: list[str] = []
        self._stopped = False
        self._started = False
        self._revision = 0
        self._rests_until = 0.0
        self._readers: OrderedDict[str, RunReader] = OrderedDict()

    def start(self) -> None:
        """Start the threads; what was asked for before is loaded now."""
        with self._condition:
            self._started = True
            self._serve()

    def stop(self) -> None:
        """Let the threads end after what they are at; daemons, so quitting does not wait."""
        with self._condition:
            self._stopped = True
            self._condition.notify_all()

    def show(self, runs: Sequence[RunSummary]) -> None:
        """Load these runs, the first one first; forget what was asked for before."""
        with self._condition:
            fresh = [run.id for run in runs if run.id not in self._wanted]
            self._wanted = {run.id: run.root for run in runs}
            self._shown_at = {key: at for key, at in self._shown_at.items() if key in self._wanted}
            self._long = {run.id for run in runs if _is_long(run)}
            self._to_sample = [run_id for run_id in fresh if run_id in self._long]
            waiting = [run_id for run_id in self._to_read if run_id in self._wanted]
            self._to_read = _unique([*fresh, *waiting])
            self._serve()
            self._condition.notify_all()

    def pause(self) -> None:
        """Pause reading for a moment, so that a key is answered; safe in any thread."""
        self._rests_until = monotonic() + _ANSWER_SECONDS

    def follow(self, run_ids: Sequence[str]) -> None:
        """Read what is new in those of the runs that are shown."""
        with self._condition:
            changed = [run_id for run_id in run_ids if run_id in self._wanted]
            self._to_read = _unique([*self._to_read, *changed])
            self._condition.notify_all()

    def _serve(self) -> None:
        """Start the threads of the roots that have none yet."""
        for root in {*self._wanted.values()} - self._served if self._started else ():
            self._served.add(root)
            for name, work in (("sampler", self._sample_all), ("reader", self._read_all)):
                Thread(target=work, args=[root], name=f"traintop-{name}", daemon=True).start()

    def _next_of(self, waiting: Sequence[str], root: str) -> str | None:
        """The first one that lies in a root."""
        return next((run_id for run_id in waiting if self._wanted[run_id] == root), None)

    def _sample_all(self, root: str) -> None:
        _import_slow_parts()
        while (run_id := self._next_sample(root)) is not None:
            try:
                self._load_sample(run_id)
            except Exception:  # the reader meets the same trouble and says so
                continue

    def _next_sample(self, root: str) -> str | None:
        with self._condition:
            while not self._stopped:
                if (run_id := self._next_of(self._to_sample, root)) is not None:
                    self._to_sample.remove(run_id)
                    return run_id
                self._condition.wait()
            return None

    def _load_sample(self, run_id: str) -> None:
        history = self._reader_of(run_id).sample(SAMPLE_POINTS)
        with self._condition:
            whole = run_id in self._readers
        if not whole:
            self._publish(run_id, history, complete=False)

    def _read_all(self, root: str) -> None:
        _import_slow_parts()
        while (run_id := self._next_read(root)) is not None:
            try:
                self._load_whole(run_id)
            except CancelledError:
                continue  # so that what is wanted now need not wait
            except Exception as error:
                with self._condition:
                    self._readers.pop(run_id, None)
                # An error that names the file is about the one that the person looks at.
                reason = error_text(error).removeprefix(f"{run_id} ")
                self._post(LoadFailed(run_id, reason))

    def _next_read(self, root: str) -> str | None:
        with self._condition:
            while not self._stopped:
                first = self._next_of(self._to_read, root)
                if first is None:
                    self._condition.wait()
                    continue
                if first in self._readers:
                    rest = self._shown_at.get(first, -inf) + _FOLLOW_SECONDS - monotonic()
                    if rest > 0:
                        self._condition.wait(rest)
                        continue
                elif first in self._long:
                    # A cursor that only passes by should not cost the whole reading of a long run.
                    self._condition.wait(_SETTLE_SECONDS)
                    if self._next_of(self._to_read, root) != first:
                        continue
                self._to_read.remove(first)
                return first
            return None

    def _load_whole(self, run_id: str) -> None:
        with self._condition:
            known = self._readers.get(run_id)
            shown = run_id in self._shown_at
        reader = known or self._reader_of(run_id)
        changed = known is None or reader.follow()
        if shown and not changed:
            return  # a sign of life without a record
        history = reader.history(self._check_and_report(run_id))
        with self._condition:
            self._shown_at[run_id] = monotonic()
            self._readers[run_id] = reader
            self._readers.move_to_end(run_id)
            while len(self._readers) > max(_KEPT_RUNS, len(self._wanted)):
                self._readers.popitem(last=False)
        self._publish(run_id, history, complete=True)

    def _check_and_report(self, run_id: str) -> Callable[[float], None]:
        """What posts how far a read is; ``CancelledError`` when its run is no longer shown."""
        rested_at, posted_at = -inf, monotonic()

        def reached(share: float) -> None:
            nonlocal rested_at, posted_at
            now = monotonic()
            if now < self._rests_until and now - rested_at > _TURN_SECONDS:
                sleep(self._rests_until - now)
                rested_at = monotonic()
            with self._condition:
                if self._stopped or run_id not in self._wanted:
                    raise CancelledError
            if monotonic() - posted_at >= _PROGRESS_SECONDS:
                posted_at = monotonic()
                self._post(ReadingProgress(run_id, share))

        return reached

    def _publish(self, run_id: str, history: History, *, complete: bool) -> None:
        from traintop.analysis.percentiles import pace_of

        pace = pace_of(history)
        with self._condition:
            if run_id not in self._wanted:
                return
            self._revision += 1
            revision = self._revision
        self._post(HistoryLoaded(run_id, history, pace, revision, complete=complete))


def _is_long(run: RunSummary) -> bool:
    if run.file_size:
        return run.file_size > SAMPLE_ABOVE_BYTES
    return (run.count or 0) > SAMPLE_ABOVE_RECORDS


def _unique(run_ids: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(run_ids))


def _import_slow_parts() -> None:
    """Pay for numpy and plotext here, where nobody waits, and after the first frame.

    In each thread, before it posts anything: otherwise the UI's pays when it draws that.
    """
    import traintop.charts.curves  # noqa: F401
    from traintop.charts import ChartSpec, draw_chart

    draw_chart(ChartSpec("", ()), 40, 10)  # the first chart imports plotext
