"""The background writer: takes what the training loop logged to the disk, whatever the disk does.

One thread for each run. Four times a second it takes the calls that wait, turns them into
records, and flushes them with one positioned write; it writes a sign of life when there is
nothing else to write. While the disk refuses, records wait in memory and the loop goes on. Where no
thread can be started, the calls of the training loop do the same, at most twice a second.

A signal handler or a finaliser may call anything here while the thread it runs in is inside the
same call. So nothing waits for a lock that its own thread may hold: ``queue.SimpleQueue`` is
re-entrant, as threading's events are not; the main thread, in which handlers run, has another one
compute what needs the lock; and a finaliser that runs in such a thread waits for nothing.
"""

from __future__ import annotations

import _thread
import contextlib
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from traintop import logfile
from traintop.model import MetricStats
from traintop.tracking.pace import LoggingPace
from traintop.tracking.recording import LoggedCall, Recording
from traintop.tracking.resumption import MOST_IN_ANY_ORDER, ResumedRun, exact_statistics
from traintop.tracking.run_clock import RunClock
from traintop.tracking.run_end import RunEnd
from traintop.tracking.run_file import RunFile
from traintop.tracking.run_state import RunState
from traintop.tracking.system import SystemMetrics

FLUSH_SECONDS = 0.25
"""How long a record waits before it is flushed; half of what is promised."""

HEARTBEAT_SECONDS = 10.0
"""How often ``updated_at`` is written although nothing was logged."""

MAX_PENDING_CALLS = 100_000
"""Calls that may wait for the writer's thread before the training loop feels it."""

_CHECK_SECONDS = 1.0  # how often the writer checks that the file is where it was
_CALLERS_SECONDS = 0.5  # how often the training loop's calls write where there is no thread
_LONGEST_RETRY_SECONDS = 5.0
_BLOCKED_SECONDS = 1.0  # a write that takes longer is taken for a disk that hangs
_BATCH = 100
_FLUSH_BYTES = 8 << 20


class _FlushRequest(NamedTuple):
    durable: bool
    answer: queue.SimpleQueue[bool]
    run_end: RunEnd | None = None


class Recorded(NamedTuple):
    """What a run has recorded so far; ``None`` iterations where only the file knows how many."""

    iterations: int | None = 0
    stats: dict[str, MetricStats] = {}  # noqa: RUF012 - it is never written to
    last_iteration: float | None = None


class RunWriter:
    """Owns a run's file and recording. The tracker only appends to ``pending`` and asks.

    ``create_file`` gets the tail of a run without records; a run that goes on is read by
    ``resume``, and ``known`` is its tail. Both may raise ``OSError``: then they are asked again
    later. ``gradient_steps`` and ``resumptions`` are those of :class:`RunState`. ``when_idle`` is
    called now and then while nothing is logged, and the system metrics are sampled each
    ``system_interval`` seconds.
    """

    def __init__(
        self,
        clock: RunClock,
        create_file: Callable[[logfile.Tail], RunFile],
        gradient_steps: Callable[[], int],
        resumptions: list[dict[str, Any]],
        resume: Callable[[], ResumedRun] | None = None,
        known: logfile.Tail | None = None,
        when_idle: Callable[[], None] | None = None,
        system_interval: float | None = None,
    ) -> None:
        self.pending: deque[tuple[Any, ...]] = deque()
        known = known or logfile.Tail()
        self._state = RunState(clock, gradient_steps, resumptions, known)
        self._clock = clock
        self._create_file = create_file
        self._when_idle = when_idle
        self._resume = resume  # None once the run is read, or for a new one
        self._file: RunFile | None = None
        pauses = known.pauses
        pace = LoggingPace(clock.elapsed(), pauses.longest if pauses else None)
        self._recording = Recording(pace, known.left_out)
        self._system = SystemMetrics(system_interval, known.stats) if system_interval else None
        self._suspended_at = 0.0
        self._suspended_as: RunEnd | None = None
        self.calls = 0
        """How many were taken."""
        self._called_at = time.monotonic()
        self._lock = threading.RLock()  # guards the recording; never held during a write
        self._inside: int | None = None  # the thread that has the lock, and is at work on it
        self._last_answer = Recorded()
        self._wakeups: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._ended = False
        self._requests: deque[_FlushRequest] = deque()
        self._changed = True
        self._written_at = -HEARTBEAT_SECONDS
        self._checked_at = 0.0
        self._retry_at = 0.0
        self._retry_seconds = FLUSH_SECONDS
        self._refused = False
        self._gave_up = False  # a caller waited in vain since the disk last took something
        self._busy_since: float | None = None
        self._lost_calls = 0
        self._first_attempt: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._running_once = threading.RLock()
        self._is_running_once = False

    # -- asked by the tracker, in the training loop's thread

    @property
    def path(self) -> Path | None:
        """The file, ``None`` before the disk took it."""
        return self._file.path if self._file else None

    @property
    def ended(self) -> bool:
        """Whether the end of the run is written."""
        return self._ended

    @property
    def called_at(self) -> float:
        """When the run last logged, or began to, on the monotonic clock."""
        with contextlib.suppress(IndexError):
            return float(self.pending[-1][2])
        return self._called_at

    @property
    def suspension(self) -> RunEnd | None:
        """How the run seems to have ended, unless it logged since."""
        return self._suspended_as if self.called_at <= self._suspended_at else None

    @property
    def final_losses(self) -> dict[str, float | None]:
        """The losses that were given to ``finish``, by metric."""
        return self._state.final_losses

    def suspend(self, run_end: RunEnd, timeout: float) -> None:
        """Say that the run ended, unless it logs again."""
        self._suspended_at, self._suspended_as = time.monotonic(), run_end
        self._submit(_FlushRequest(True, queue.SimpleQueue()), timeout)

    def start(self, timeout: float) -> None:
        """Start the thread, and give it time to make the file or to find that it cannot."""
        thread = threading.Thread(target=self._run, name="traintop-writer", daemon=True)
        self._thread = thread
        try:
            thread.start()
        except RuntimeError:  # the system has none left, or the interpreter ends
            self._thread = None
            self.pending = _WritingDeque(self)
            self.run_once()
        else:
            self.wake()
            _wait(self._first_attempt, timeout)

    def wake(self) -> None:
        """Have what is pending flushed now rather than within a quarter of a second."""
        if self._wakeups.empty():
            self._wakeups.put(None)

    def flush(self, *, durable: bool, timeout: float) -> bool:
        """Wait until all that was logged is in the file, on the disk itself if ``durable``.

        Returns whether that was achieved, at once where the disk refuses. A disk that hangs is
        waited for once, up to ``timeout`` seconds, until it takes something again.
        """
        if self._gave_up and self._is_stuck():
            return False
        done = self._submit(_FlushRequest(durable, queue.SimpleQueue()), timeout)
        self._gave_up = not done
        return done

    def end(self, run_end: RunEnd, timeout: float) -> bool:
        """Write how the run ended, and stop. Returns whether the disk took it in time.

        It is tried on until the disk takes it, or the process is gone.
        """
        return self._submit(_FlushRequest(True, queue.SimpleQueue(), run_end), timeout)

    def _submit(self, request: _FlushRequest, timeout: float) -> bool:
        self._requests.append(request)
        if self._thread is None:
            while self.run_once() and request in self._requests and not self._refused:
                pass  # it takes several rounds if much is pending
            timeout = 0.0
        elif self._is_here():
            return False  # it would wait for itself
        self.wake()
        # The thread answers what it finds after it has ended, so that no request is left alone.
        return self._ended or bool(_wait(request.answer, timeout))

    def wait_for_room(self) -> None:
        """Too many calls wait: give a healthy writer time; drop the newest if the disk hangs."""
        while len(self.pending) > MAX_PENDING_CALLS // 2:
            if not self._is_waited_for():
                if len(self.pending) > MAX_PENDING_CALLS:
                    self.pending.pop()
                    self._lost_calls += 1
                    self._recording.warn_dropped()
                return
            self.wake()
            time.sleep(0.001)

    def _is_stuck(self) -> bool:
        since = self._busy_since
        blocked = since is not None and time.monotonic() - since > _BLOCKED_SECONDS
        return blocked or self._thread is None or not self._thread.is_alive()

    def statistics(self) -> Recorded:
        """What was recorded so far: how many iterations, the statistics of every metric."""
        if self._inside == threading.get_ident():
            return self._last_answer
        answer: queue.SimpleQueue[Recorded] = queue.SimpleQueue()
        if self._thread is not None and not sys.is_finalizing():
            with contextlib.suppress(RuntimeError):  # the system has no thread left
                _thread.start_new_thread(lambda: answer.put(self._known_statistics()), ())
                return answer.get()
        return self._known_statistics()

    def _known_statistics(self) -> Recorded:
        while self._resume is not None and self._is_waited_for():
            time.sleep(0.001)
        while True:
            with self._at_work():
                if self._record_pending() or not self._is_waited_for():
                    statistics = self._recording.statistics
                    newest = statistics.newest
                    self._last_answer = Recorded(
                        statistics.count,
                        statistics.summaries(),
                        None if newest is None else newest.iteration,
                    )
                    return self._last_answer
            self.wake()
            time.sleep(0.001)

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[None]:
        """Has the lock."""
        with self._lock:
            self._inside = threading.get_ident()
            try:
                yield
            finally:
                self._inside = None

    def _is_waited_for(self) -> bool:
        """Whether the thread will do what is waited for."""
        return not self._is_stuck() and not self._is_here()

    def _is_here(self) -> bool:
        """Whether a handler or finaliser asks, in the thread or in what needs the lock."""
        here = threading.get_ident()
        return here == self._inside or (self._thread is not None and here == self._thread.ident)

    def release_inherited_file(self) -> None:
        """In a forked child: give up the copy of the descriptor, and with it of the lock."""
        if self._file is not None:
            self._file.close()

    # -- the writer's thread

    def _run(self) -> None:
        while not self._ended:
            _wait(self._wakeups, FLUSH_SECONDS)
            self.run_once()
        while self._requests:
            self._requests.popleft().answer.put(True)

    def run_once(self) -> bool:
        """One round of the thread: take what is pending, flush it if that is due.

        Where there is no thread, a call of the training loop makes it, one at a time. Returns
        whether it could.
        """
        if not self._running_once.acquire(blocking=False):
            return False
        try:
            if self._is_running_once or self._inside == threading.get_ident():
                return False
            self._is_running_once = True
            try:
                self._run_once()
            finally:
                self._is_running_once = False
            return True
        finally:
            self._running_once.release()

    def _run_once(self) -> None:
        requests = [self._requests.popleft() for _ in range(len(self._requests))]
        if self._resume is None:
            with self._at_work():
                took_all = self._record_pending()
                self._add_sample()
            if not took_all:  # first make room for the rest
                self._requests.extendleft(requests)
                self.wake()
                requests = []
        now = time.monotonic()
        due = self._changed or now - self._written_at >= HEARTBEAT_SECONDS
        if due and not self._changed and self._when_idle is not None:
            self._when_idle()
        checks = self._file is not None and now - self._checked_at >= _CHECK_SECONDS
        if requests or ((due or checks) and now >= self._retry_at):
            self._flush(requests, due=due)

    def _record_pending(self) -> bool:
        """Turn calls into records; the lock is held. Whether it took all of them."""
        for taken in range(1, len(self.pending) + 1):
            iteration, gradient_step, moment, *values = self.pending.popleft()
            self._called_at = moment
            self.calls += 1
            elapsed = round(self._clock.at(moment), 6)
            try:
                if len(values) > 2:
                    self._recording.add(LoggedCall(iteration, gradient_step, elapsed, *values))
                elif len(values) == 2:
                    newest = self._recording.statistics.newest
                    self._state.add_alert(moment, newest.iteration if newest else None, *values)
                elif values:
                    self._change_settings(*values)
                else:
                    self._recording.rewind(iteration)
                    self._state.rewinds += 1
            except Exception as error:  # one odd record must not silence the rest of the run
                self._recording.warn_once("record", f"a record is skipped: {error!r}")
            self._changed = True
            if taken % _BATCH == 0:
                time.sleep(0)  # lets the training loop have the interpreter
            if self._recording.waiting_bytes > _FLUSH_BYTES and not self._refused:
                return False
        return True

    def _add_sample(self) -> None:
        """Have what was sampled of the system in the record of the moment; the lock is held.

        It is written with what is due next: a run that logs nothing must still look idle.
        """
        system = self._system
        if system is None or not self.calls or self.suspension or self._thread is None:
            return
        if values := system.due():
            self._recording.add_sample(values)
            self._state.gpus_sampled_at = system.gpus_sampled_at

    def _change_settings(self, changes: dict[str, Any]) -> None:
        try:
            self._state.change_settings(changes)
        except ValueError as reason:
            self._recording.warn_once("settings", str(reason))

    def _flush(self, requests: list[_FlushRequest], *, due: bool) -> None:
        run_ends = [request.run_end for request in requests if request.run_end is not None]
        self._state.run_end = run_ends[-1] if run_ends else self._state.run_end
        self._busy_since = None if self._resume else time.monotonic()
        try:
            self._write(durable=any(request.durable for request in requests), due=due)
        except Exception as error:  # a logger must not die, whatever a filesystem raises
            self._refused = True
            self._retry_at = time.monotonic() + self._retry_seconds
            self._retry_seconds = min(self._retry_seconds * 2, _LONGEST_RETRY_SECONDS)
            for request in requests:
                if request.run_end is None:
                    request.answer.put(False)
                else:
                    self._requests.append(request)
            self._recording.warn_once(
                "disk",
                f"cannot write the run: {error}; training continues, and records wait in memory "
                "until the disk works again",
            )
            return
        finally:
            self._busy_since = None
            if self._first_attempt.empty():
                self._first_attempt.put(None)
        self._retry_seconds = FLUSH_SECONDS
        self._retry_at = 0.0
        self._refused = False
        if run_ends and self._file is not None:
            self._file.close()
            self._ended = True
        for request in requests:
            request.answer.put(True)

    def _write(self, *, durable: bool, due: bool) -> None:
        if self._resume is not None:
            self._continue_run(self._resume())
        if self._file is None:
            self._file = self._create_file(self._state.tail(self._recording))
        now = time.monotonic()
        due_to_check = now - self._checked_at >= _CHECK_SECONDS
        if durable or due_to_check or self._file.is_truncated:
            self._checked_at = now
            if trouble := self._file.restore():
                due = True
                self._recording.warn_once("moved", trouble)
                self._recording.statistics.stale |= self._file.lost > 0
        if not (due or durable):
            return
        self._write_records(self._file, settled=durable)
        stale = self._recording.statistics.stale
        if self._state.run_end and stale and self._file.lines <= MOST_IN_ANY_ORDER:
            self._recording.restore(exact_statistics(self._file.regions), None, [])
            self._write_records(self._file, settled=True)
        if durable:
            self._file.fsync()

    def _write_records(self, file: RunFile, *, settled: bool) -> None:
        waits = True
        while waits:
            with self._at_work():
                if settled:
                    self._recording.settle(saved=True)
                lines = self._recording.lines()
                waits = self._recording.waiting > len(lines)
                lost = self._lost_calls + file.lost
                tail = self._state.tail(self._recording, self.suspension, lost, complete=not waits)
                self._changed = False
            try:
                file.write(lines, tail)
            except BaseException:
                self._changed = True
                raise
            with self._at_work():
                self._recording.forget(len(lines))
        self._written_at = time.monotonic()

    def _continue_run(self, run: ResumedRun) -> None:
        self._file, self._state.rewinds = run.file, run.rewinds
        with self._at_work():
            self._recording.restore(run.statistics, run.open_record, run.lines)
        self._resume = None
        self._changed = True


class _WritingDeque(deque[tuple[Any, ...]]):
    """Calls that wait where there is no thread: now and then, one that comes writes them."""

    def __init__(self, writer: RunWriter) -> None:
        super().__init__(writer.pending)
        self._writer = writer
        self._due = 0.0

    def append(self, call: tuple[Any, ...], /) -> None:
        super().append(call)
        now = time.monotonic()
        if now >= self._due:
            self._due = now + _CALLERS_SECONDS
            self._writer.run_once()


def _wait(answers: queue.SimpleQueue[Any], timeout: float) -> Any:
    """The next answer, ``None`` if none comes in so many seconds."""
    with contextlib.suppress(queue.Empty):
        return answers.get(timeout=max(timeout, 0.0))
    return None
