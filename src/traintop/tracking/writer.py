"""The background writer: takes what the training loop logged to the disk, whatever the disk does.

One thread for each run. Four times a second it takes the calls that wait, turns them into
records, and flushes them with one positioned write; it writes a sign of life when there is
nothing else to write. While the disk refuses, records wait in memory and the loop goes on.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from traintop import logfile
from traintop.model import MetricStats
from traintop.tracking.ending import Ending
from traintop.tracking.recording import LoggedCall, Recording
from traintop.tracking.resumption import InterruptedRun
from traintop.tracking.run_clock import RunClock
from traintop.tracking.run_file import RunFile
from traintop.tracking.statistics import best_loss

FLUSH_SECONDS = 0.25
"""How long a record waits before it is flushed; half of what is promised."""

HEARTBEAT_SECONDS = 10.0
"""How often ``updated_at`` is written although nothing was logged."""

MAX_PENDING_CALLS = 100_000
"""Calls that may wait for the writer's thread before the training loop feels it."""

_LONGEST_RETRY_SECONDS = 5.0
_BLOCKED_SECONDS = 1.0  # a write that takes longer is taken for a disk that hangs
_BATCH = 100
_FLUSH_BYTES = 8 << 20


class _FlushRequest(NamedTuple):
    durable: bool
    done: threading.Event
    ending: Ending | None = None


class RunWriter:
    """Owns a run's file and recording. The tracker only appends to ``pending`` and asks.

    ``create_file`` gets the tail of a run without records, and may raise ``OSError``: then it is
    asked again later. ``gradient_steps`` tells the optimizer steps so far, and ``resumptions`` are
    the processes that resumed the run, this one last.
    """

    def __init__(
        self,
        clock: RunClock,
        create_file: Callable[[bytes], RunFile],
        gradient_steps: Callable[[], int],
        resumptions: list[dict[str, Any]],
    ) -> None:
        self.pending: deque[tuple[Any, ...]] = deque()
        self._clock = clock
        self._create_file = create_file
        self._gradient_steps = gradient_steps
        self._resumptions = resumptions
        self._file: RunFile | None = None
        self._recording = Recording(self._settled_records)
        self._notes = ""  # of a run that had ended before it went on
        self._ending: Ending | None = None
        self._lock = threading.Lock()  # guards the recording; never held during a write
        self._wake = threading.Event()
        self._ended = False
        self._requests: deque[_FlushRequest] = deque()
        self._changed = True
        self._written_at = -HEARTBEAT_SECONDS
        self._retry_at = 0.0
        self._retry_seconds = FLUSH_SECONDS
        self._refused = False
        self._writing_since: float | None = None
        self._lost_calls = 0
        self._tried = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traintop-writer", daemon=True)

    # -- asked by the tracker, in the training loop's thread

    @property
    def path(self) -> Path | None:
        """The file, ``None`` before the disk took it."""
        return self._file.path if self._file else None

    def continue_with(self, run: InterruptedRun) -> None:
        """Go on with a run, before ``start``."""
        file, records_at, last = run.file, run.records_at, run.last
        self._notes, self._recording.dropped = run.tail.notes, run.tail.dropped
        size, gaps = self._recording.restore(
            lambda size: file.read(records_at, records_at + size), file.size - records_at, last
        )
        file.resume_at(records_at + size, records_at)
        with contextlib.suppress(OSError):  # then they stay, and what is behind them too
            for start, end in gaps:
                file.close_gap(records_at + start, records_at + end)
        self._file = file

    @property
    def ended(self) -> bool:
        """Whether the end of the run is written."""
        return self._ended

    def start(self, timeout: float) -> None:
        """Start the thread, and give it time to create the file or to find that it cannot."""
        self._thread.start()
        self._wake.set()
        self._tried.wait(timeout)

    def wake(self) -> None:
        """Have what is pending flushed now rather than within a quarter of a second."""
        self._wake.set()

    def flush(self, *, durable: bool, timeout: float) -> bool:
        """Wait until all that was logged is in the file, on the disk itself if ``durable``.

        Returns whether that was achieved in ``timeout`` seconds.
        """
        return self._ask(_FlushRequest(durable, threading.Event()), timeout)

    def end(self, ending: Ending, timeout: float) -> bool:
        """Write how the run ended, and stop. Returns whether the disk took it in time.

        It is tried on until the disk takes it, or the process is gone.
        """
        return self._ask(_FlushRequest(True, threading.Event(), ending), timeout)

    def _ask(self, request: _FlushRequest, timeout: float) -> bool:
        self._requests.append(request)
        self._wake.set()
        # The thread answers what it finds after it has ended, so that no request is left alone.
        return self._ended or request.done.wait(timeout)

    def relieve(self) -> None:
        """Too many calls wait: give a healthy writer time; drop the newest if the disk hangs."""
        while len(self.pending) > MAX_PENDING_CALLS // 2:
            if self._hangs():
                if len(self.pending) > MAX_PENDING_CALLS:
                    self.pending.pop()
                    self._lost_calls += 1
                    self._recording.tell_dropped()
                return
            self._wake.set()
            time.sleep(0.001)

    def _hangs(self) -> bool:
        since = self._writing_since
        blocked = since is not None and time.monotonic() - since > _BLOCKED_SECONDS
        return blocked or not self._thread.is_alive()

    def statistics(self) -> tuple[int, dict[str, MetricStats]]:
        """How many iterations were recorded so far, and the statistics of every metric."""
        while True:
            with self._lock:
                if self._take_pending() or self._hangs():
                    return self._recording.count, self._recording.stats()
            self._wake.set()
            time.sleep(0.001)

    @property
    def final_losses(self) -> dict[str, float | None]:
        """The losses that the run was said to end with, by metric."""
        ending = self._ending
        return {
            "train_loss": ending.train_loss if ending else None,
            "val_loss": ending.val_loss if ending else None,
        }

    def release_inherited_file(self) -> None:
        """In a forked child: give up the copy of the descriptor, and with it of the lock."""
        if self._file is not None:
            self._file.close()

    # -- the writer's thread

    def _run(self) -> None:
        while not self._ended:
            self._wake.wait(FLUSH_SECONDS)
            self._wake.clear()
            self.turn()
        while self._requests:
            self._requests.popleft().done.set()

    def turn(self) -> None:
        """One round of the thread: take what is pending, flush it if that is due."""
        requests = [self._requests.popleft() for _ in range(len(self._requests))]
        with self._lock:
            took_all = self._take_pending()
        if not took_all:  # first make room for the rest
            self._requests.extendleft(requests)
            self._wake.set()
            requests = []
        now = time.monotonic()
        due = self._changed or now - self._written_at >= HEARTBEAT_SECONDS
        if requests or (due and now >= self._retry_at):
            self._flush(requests)

    def _take_pending(self) -> bool:
        """Turn calls into records; the lock is held. Whether it took all of them."""
        for taken in range(1, len(self.pending) + 1):
            iteration, gradient_step, moment, *values = self.pending.popleft()
            elapsed = round(self._clock.at(moment), 6)
            try:
                self._recording.add(LoggedCall(iteration, gradient_step, elapsed, *values))
            except Exception as error:  # one odd record must not silence the rest of the run
                self._recording.tell.once("record", f"a record is left out: {error!r}")
            self._changed = True
            if taken % _BATCH == 0:
                time.sleep(0)  # lets the training loop have the interpreter
            if self._recording.waiting_bytes > _FLUSH_BYTES and not self._refused:
                return False
        return True

    def _flush(self, requests: list[_FlushRequest]) -> None:
        endings = [request.ending for request in requests if request.ending is not None]
        self._ending = endings[-1] if endings else self._ending
        self._writing_since = time.monotonic()
        try:
            self._write(durable=any(request.durable for request in requests))
        except Exception as error:  # a logger must not die, whatever a filesystem raises
            self._refused = True
            self._retry_at = time.monotonic() + self._retry_seconds
            self._retry_seconds = min(self._retry_seconds * 2, _LONGEST_RETRY_SECONDS)
            self._requests.extendleft(requests)
            self._recording.tell.once(
                "disk",
                f"cannot write the run: {error}; training goes on, records wait in memory and "
                "are written when the disk is back",
            )
            return
        finally:
            self._writing_since = None
            self._tried.set()
        self._retry_seconds = FLUSH_SECONDS
        self._retry_at = 0.0
        self._refused = False
        if endings and self._file is not None:
            self._file.close()
            self._ended = True
        for request in requests:
            request.done.set()

    def _write(self, *, durable: bool) -> None:
        if self._file is None:
            self._file = self._create_file(logfile.encode_tail(self._tail()))
        else:
            self._file.restore_if_deleted()
        with self._lock:
            settled = self._recording.settled_bytes()
            rest = self._recording.open_bytes() + logfile.encode_tail(self._tail())
            self._changed = False
        try:
            self._file.write(settled, rest)
        except BaseException:
            self._changed = True
            raise
        with self._lock:
            self._recording.forget(settled)
        self._written_at = time.monotonic()
        if durable:
            self._file.synchronise()

    def _settled_records(self) -> Iterator[bytes]:
        return self._file.settled_records() if self._file else iter(())

    def _tail(self) -> logfile.Tail:
        recording, ending = self._recording, self._ending
        stats = recording.stats()
        now = self._clock.now()
        final = self.final_losses
        return logfile.Tail(
            end_time=ending.end_time if ending else None,
            duration_seconds=round(ending.duration_seconds if ending else self._clock.elapsed(), 6),
            best_train_loss=best_loss("train_loss", stats, final),
            best_val_loss=best_loss("val_loss", stats, final),
            final_train_loss=final["train_loss"],
            final_val_loss=final["val_loss"],
            notes=(ending.notes if ending else "") or self._notes,
            status=ending.status if ending else "running",
            error=ending.error if ending else "",
            updated_at=now,
            resumed=self._resumptions,
            gradient_step=self._gradient_steps(),
            iterations_per_second=recording.iterations_per_second(),
            count=recording.count,
            dropped=recording.dropped + self._lost_calls,
            stats=stats,
            last_record=logfile.record_row(recording.last) if recording.last else {},
        )
