"""One run of this process: opened, started and ended, also when its loop or its process is gone."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import time
import weakref
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from traintop import logfile
from traintop.model import ExperimentConfig
from traintop.process import current_process
from traintop.tracking.capture import resolve
from traintop.tracking.environment import describe_environment
from traintop.tracking.exit_hooks import exception_that_left, register, runs_of_process
from traintop.tracking.launched import report_run
from traintop.tracking.resumption import (
    Checkpoint,
    InterruptedRun,
    gradient_step_at,
    open_interrupted_run,
    read_interrupted_run,
)
from traintop.tracking.run_clock import RunClock
from traintop.tracking.run_end import EndStatus, RunEnd, bounded_notes, run_end, status_of
from traintop.tracking.run_file import RunFile, file_stem
from traintop.tracking.run_search import changed_settings
from traintop.tracking.warn_once import WarnOnce, log
from traintop.tracking.writer import MAX_PENDING_CALLS, RunWriter
from traintop.values import jsonable

_START_TIMEOUT_SECONDS = 1.0
_END_TIMEOUT_SECONDS = 10.0
_REWIND_TIMEOUT_SECONDS = 30.0
_MOST_RESUMPTIONS = 1000


class RunFacts(NamedTuple):
    """What a person says of a run when it starts, beside its settings.

    ``system_interval`` are the seconds between two samples of the system, ``None`` for none.
    """

    notes: str
    facts: Mapping[str, Any]
    system_interval: float | None


class LiveRun:
    """One run of this process, which a tracker holds, and nobody else: see :meth:`let_go`.

    Where nothing ``writes`` it, as in other ranks and in copies, it is timed, and no more.
    """

    def __init__(
        self,
        tracker: object,
        config: ExperimentConfig,
        directory: Path,
        said: RunFacts,
        warn_once: WarnOnce,
        *,
        writes: bool,
    ) -> None:
        self.gradient_step = 0
        self.pending: deque[tuple[Any, ...]] = deque(maxlen=0)  # the writer's, once there is one
        self.accepting = False
        self.clock: RunClock | None = None  # None before the start
        self.writer: RunWriter | None = None
        self.run_end: RunEnd | None = None
        self.is_managed = False  # by a ``with`` block, which always ends it
        self.is_copy = False
        self.resumed = False
        self._tracker = weakref.ref(tracker)
        self._config = config
        self._directory = directory
        self._said = said
        self._warn_once = warn_once
        self._writes = writes
        self._path_elsewhere: Path | None = None  # of a run that another process writes
        self._interrupted: InterruptedRun | None = None
        self._checkpoint = Checkpoint()
        self._known_error = id(getattr(sys, "last_value", None))

    @property
    def path(self) -> Path | None:
        """The file, or where it would be; ``None`` where that is not known before the start."""
        if self.writer is not None and self.writer.path is not None:
            return self.writer.path
        if self._interrupted is not None:
            return self._interrupted.path
        if self._path_elsewhere is not None or self.clock is None:
            return self._path_elsewhere
        return (
            self._directory / f"{file_stem(self._config.experiment_name, self.clock.started)}.json"
        )

    @property
    def is_written(self) -> bool:
        """Whether there is a file."""
        return self.writer is not None and bool(self.writer.path or self._interrupted)

    @property
    def final_losses(self) -> dict[str, float | None]:
        """The losses that were given to ``finish``, by metric."""
        return self.writer.final_losses if self.writer else {}

    # -- its beginning

    def resume(self, path: Path, checkpoint: Checkpoint) -> None:
        """Go on with this file. Raises as :func:`open_interrupted_run` does."""
        if not self._writes:
            self._path_elsewhere = path
            return
        for other in runs_of_process():
            other.give_way(path)
        run = open_interrupted_run(path)
        register(self)
        self._interrupted, self._checkpoint = run, checkpoint
        self.resumed = True
        self.gradient_step = run.tail.gradient_step
        if checkpoint.gradient_step is not None:
            self.gradient_step = checkpoint.gradient_step
        elif checkpoint.iteration is not None:
            self.gradient_step = gradient_step_at(path, checkpoint.iteration)

    def start(self) -> None:
        """Begin timing, and make the file."""
        seconds_before = self._interrupted.tail.duration_seconds if self._interrupted else None
        self.clock = RunClock(seconds_before or 0.0)
        self.accepting = not self.is_copy
        if not self._writes:
            return
        self.writer = self._make_writer(self.clock)
        self.pending = self.writer.pending
        register(self)
        self.writer.start(_START_TIMEOUT_SECONDS)
        self.pending = self.writer.pending  # another one where there is no thread
        self.look_at_others()

    def _make_writer(self, clock: RunClock) -> RunWriter:
        run = self._interrupted
        facts = jsonable(self._said.facts)
        notes, interval = bounded_notes(self._said.notes), self._said.system_interval
        create = functools.partial(_create_file, self._config, self._directory, clock, facts)
        # A run that the loop lets go of is ended, so its thread must not hold it.
        this = weakref.ref(self)
        steps, when_idle = functools.partial(_steps, this), functools.partial(_look_for_loop, this)
        if run is None:
            known = logfile.Tail(notes=notes)
            return RunWriter(clock, create, steps, [], None, known, when_idle, interval)
        known = msgspec.structs.replace(
            run.tail,
            config_changes=changed_settings(run, self._config),
            notes=notes or run.tail.notes,
        )
        resumption = {**current_process(), "time": clock.now(), "utc_offset": clock.utc_offset}
        resumptions = [*known.resumed[-_MOST_RESUMPTIONS:], facts | resumption]
        run = run._replace(tail=known)
        report_run(run.path)
        resume = functools.partial(read_interrupted_run, run, *self._checkpoint)
        return RunWriter(clock, create, steps, resumptions, resume, known, when_idle, interval)

    # -- while it goes on

    def update_config(self, config: ExperimentConfig, changes: Mapping[str, Any]) -> None:
        """These are the settings now; some of them changed."""
        self._config = config
        if self.writer is not None and changes:
            moment = time.monotonic()
            self.pending.append((None, self.gradient_step, moment, jsonable(changes)))
            self.writer.wake()

    def alert(self, title: str, text: str) -> None:
        """Have these texts in the file, with the moment and the newest iteration."""
        if self.writer is not None:
            self.pending.append((None, self.gradient_step, time.monotonic(), title, text))
            self.writer.wake()
            if len(self.pending) > MAX_PENDING_CALLS:
                self.writer.wait_for_room()

    def rewind(self, iteration: float, gradient_step: int | None) -> None:
        """What is beyond an iteration is void from now on; its step is read unless given."""
        if gradient_step is None and self.writer is not None and self.path is not None:
            self.writer.flush(durable=False, timeout=_REWIND_TIMEOUT_SECONDS)
            with contextlib.suppress(OSError):
                gradient_step = gradient_step_at(self.path, iteration)
        if gradient_step is not None:
            self.gradient_step = gradient_step
        self.pending.append((iteration, self.gradient_step, time.monotonic()))
        if self.writer is not None:
            self.writer.wake()

    # -- its end

    def end(
        self,
        status: EndStatus,
        error: str = "",
        *,
        train_loss: Any = None,
        val_loss: Any = None,
        notes: object = "",
        timeout: float = _END_TIMEOUT_SECONDS,
    ) -> None:
        """The run ends now; waits so many seconds until that is written."""
        assert self.clock is not None
        end = run_end(
            status,
            error,
            self.clock,
            time.monotonic(),
            gradient_step=self.gradient_step,
            train_loss=self._final("train_loss", train_loss),
            val_loss=self._final("val_loss", val_loss),
            notes=notes,
        )
        if not self._end(end, timeout):
            self._warn_once("end", "the end of the run is not on disk yet; still trying")

    def _final(self, metric: str, value: Any) -> float | None:
        try:
            return resolve(value)
        except ValueError as reason:
            self._warn_once(metric, f"the final {metric} {reason}; it is ignored")
            return None

    def _end(self, end: RunEnd, timeout: float) -> bool:
        self.run_end, self.accepting = end, False
        return self.writer is None or self.writer.end(end, timeout)

    def end_at_exit(self, status: EndStatus, error: str, timeout: float) -> None:
        """The process ends: write what is known of why, within ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        self._warn_once.silence("late call")  # a loop may run on for a moment
        writer = self.writer
        if self.accepting:
            if writer is not None and writer.suspension is not None:
                self._end(writer.suspension, timeout)
            else:
                self.end(status, error, timeout=timeout)
        if writer is None or writer.ended or self.run_end is None:
            return
        # Once more, for an interrupt may have come before the writer had it.
        if not writer.end(self.run_end, timeout=max(deadline - time.monotonic(), 0.0)):
            log.warning("traintop: the end of %s could not be written", self.path)

    # -- a loop that is gone

    def look_at_others(self) -> None:
        """Have all runs of the process see whether their loops are gone."""
        for other in runs_of_process():
            other.suspend_if_abandoned()

    def suspend_if_abandoned(self) -> None:
        """Say that the run ended, unless it logs again, when its loop seems to be gone.

        That is when an exception left a frame that uses its tracker, as that of a notebook's cell
        does, or when the process started another run since this one last logged: of the same
        experiment, or one that has logged more than one record.
        """
        writer, tracker = self.writer, self._tracker()
        if not self.accepting or self.is_managed or writer is None or writer.suspension:
            return
        error = None if tracker is None else exception_that_left(tracker)
        if error is not None and id(error) != self._known_error:
            self._known_error = id(error)
            writer.suspend(self._abandoned(*status_of(error)), _START_TIMEOUT_SECONDS)
        elif any(
            other.is_instead_of(self._config, writer.called_at) for other in runs_of_process()
        ):
            end = self._abandoned("interrupted", "another run was started in its place")
            writer.suspend(end, _START_TIMEOUT_SECONDS)

    def is_instead_of(self, config: ExperimentConfig, moment: float) -> bool:
        """Whether this run was started after a moment, and seems to be in the place of another."""
        if self.writer is None or self.clock is None or moment >= self.clock.origin:
            return False
        return config.experiment_name == self._config.experiment_name or self.writer.calls > 1

    def give_way(self, path: Path) -> None:
        """Another tracker of this process goes on with this file: end the run if it logged."""
        writer = self.writer
        if not self.accepting or self.is_managed or writer is None or writer.path is None:
            return
        if os.path.realpath(writer.path) == os.path.realpath(path) and (
            writer.suspension or writer.calls or writer.pending
        ):
            self._end_abandoned("another tracker went on with the run", _END_TIMEOUT_SECONDS)

    def let_go(self) -> None:
        """Nobody holds the tracker any more."""
        if self.accepting:
            self._end_abandoned("its loop ended without finish()", _START_TIMEOUT_SECONDS)
        elif self.writer is None and self._interrupted is not None:
            self._interrupted.close()

    def _end_abandoned(self, why: str, timeout: float) -> None:
        """End the run as it was suspended, or else with the last call that logged."""
        if self.writer is not None:
            end = self.writer.suspension or self._abandoned("interrupted", why)
            self._end(end, timeout)

    def _abandoned(self, status: EndStatus, error: str) -> RunEnd:
        assert self.writer is not None
        assert self.clock is not None
        moment = self.writer.called_at
        return run_end(status, error, self.clock, moment, gradient_step=self.gradient_step)

    # -- forked children and other copies

    def disable(self) -> None:
        """This is a forked child: the run belongs to the parent."""
        path = self.path
        if self.writer is not None and self.writer.path is not None:
            self.writer.release_inherited_file()
        elif self._interrupted is not None:  # the writer does not have its file yet
            self._interrupted.close()
        self.writer = self._interrupted = None
        self.become_copy(path)

    def become_copy(self, path: Path | None) -> None:
        """Another process writes the run, into this file."""
        self._path_elsewhere, self.is_copy = path, True
        self._writes = self.accepting = False
        self.pending = deque(maxlen=0)


def _create_file(
    config: ExperimentConfig,
    directory: Path,
    clock: RunClock,
    facts: dict[str, Any],
    tail: logfile.Tail,
) -> RunFile:
    head = logfile.Head(
        config=jsonable(config.to_dict()),
        start_time=clock.started.isoformat(timespec="microseconds"),
        run={
            **facts,
            **jsonable(describe_environment()),
            "utc_offset": clock.utc_offset,
            "given": jsonable(config._given),
        },
    )
    stem = file_stem(config.experiment_name, clock.started)
    file = RunFile.create(directory, stem, logfile.encode_head(head), tail)
    report_run(file.path)
    return file


def _steps(run: weakref.ref[LiveRun]) -> int:
    alive = run()
    return alive.gradient_step if alive is not None else 0


def _look_for_loop(run: weakref.ref[LiveRun]) -> None:
    if (alive := run()) is not None:
        alive.suspend_if_abandoned()
