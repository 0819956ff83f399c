"""ExperimentTracker: what a training loop calls."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import sys
import time
import weakref
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from traintop import logfile
from traintop.model import EVAL_TRAIN_LOSS, ExperimentConfig, MetricStats
from traintop.process import current_process
from traintop.tracking.capture import capture, resolve
from traintop.tracking.configuration import as_experiment_config
from traintop.tracking.environment import describe_environment, log_directory, process_rank
from traintop.tracking.exit_hooks import exception_that_left, register, runs_of_process
from traintop.tracking.resumption import (
    Checkpoint,
    InterruptedRun,
    gradient_step_at,
    open_interrupted_run,
    read_interrupted_run,
    statistics_of_file,
)
from traintop.tracking.run_clock import RunClock
from traintop.tracking.run_end import EndStatus, RunEnd, run_end, status_of
from traintop.tracking.run_file import RunFile, file_stem
from traintop.tracking.run_search import changed_settings, find_run, read_config
from traintop.tracking.summary import location_text, summary_statistics, summary_text, written_text
from traintop.tracking.warn_once import WarnOnce, log
from traintop.tracking.writer import MAX_PENDING_CALLS, RunWriter
from traintop.values import jsonable

_NOT_GIVEN = 0.0
"""The default 0.0 of the documented signature; its identity differs from that of a measured 0.0."""

_monotonic = time.monotonic
_START_TIMEOUT_SECONDS = 1.0
_SAVE_TIMEOUT_SECONDS = 30.0
_END_TIMEOUT_SECONDS = 10.0
_MOST_RESUMPTIONS = 1000


class ExperimentTracker:
    """Records one run into one file, which anyone may read while it grows.

    ::

        with ExperimentTracker(config) as tracker:
            for i in range(config.max_iters):
                ...
                tracker.log_metrics(iteration=i, train_loss=loss, learning_rate=lr)
                tracker.increment_gradient_step()

    A call costs about a microsecond: a background thread converts, encodes and writes, within
    half a second. Nothing here raises into a training loop because logging failed; each problem
    is a warning of the logger ``traintop``, once. In a forked child, in a copy (as another process
    gets it), and in processes of a rank other than 0 unless ``all_ranks``, every method works and
    nothing is written. A ``SIGTERM`` that the script does not handle is recorded before the
    process ends, and so is the end of a run whose loop is gone, as that of a notebook's cell.

    Args:
        config: the settings: an ``ExperimentConfig``, mapping, dataclass, ``Namespace``, or
            OmegaConf config that has an ``experiment_name``.
        log_dir: where the file is made; ``$TRAINTOP_DIR``, else ``experiment_logs``, if ``None``.
            It is made absolute here.
        all_ranks: write one file for every rank of a distributed run.
        quiet: do not print where the run is written, and that it was.

    Raises ``TypeError`` or ``ValueError`` for settings it cannot use.
    """

    _accepting = False

    def __init__(
        self,
        config: object,
        log_dir: str | os.PathLike[str] | None = None,
        *,
        all_ranks: bool = False,
        quiet: bool = False,
    ) -> None:
        self.config: ExperimentConfig = as_experiment_config(config)
        self.log_dir = log_directory(log_dir)
        self._quiet = quiet
        self._said: str | None = None  # what was last printed of the run
        self._owns_file = all_ranks or process_rank() == 0
        self._gradient_step = 0
        self._clock: RunClock | None = None
        self._writer: RunWriter | None = None
        self._pending: deque[tuple[Any, ...]] = deque(maxlen=0)  # the writer's, once there is one
        self._interrupted: InterruptedRun | None = None
        self._checkpoint = Checkpoint()
        self._is_managed = False  # by a ``with`` block, which always ends it
        self._known_error = id(getattr(sys, "last_value", None))
        self._path_elsewhere: Path | None = None  # of a copy: the file of the run
        self._is_copy = False
        self._run_end: RunEnd | None = None
        self._warn_once = WarnOnce()

    @classmethod
    def resume(
        cls,
        path_or_name: str | os.PathLike[str],
        log_dir: str | os.PathLike[str] | None = None,
        *,
        gradient_step: int | None = None,
        iteration: float | None = None,
        again: bool = False,
        quiet: bool = False,
    ) -> Self:
        """Go on with a run's own file, after a crash or preemption.

        Of a name, it is the newest run in ``log_dir`` that did not finish; from step 0 it would be
        a new run, and none is found. A path or a run id leads to any run, and ``again`` to the
        newest of a name even so.

        ``gradient_step`` is the number of optimizer steps at the checkpoint that the run goes on
        from, or ``iteration`` the last one before it: what was recorded beyond it is void, and
        steps that are replayed count once, for every reader. Nothing is void unless either is
        given. Where an iteration is not one optimizer step, give both.

        Raises ``FileNotFoundError`` when there is no such run, ``RunFileBusyError`` while another
        process writes it, ``ValueError`` when this tracker did not write it.
        """
        checkpoint = Checkpoint(gradient_step, iteration)
        path = Path(path_or_name)
        if not os.path.isfile(path):  # a name may be too long for a path, which pathlib raises
            name = os.fspath(path_or_name)
            path = find_run(name, log_directory(log_dir), checkpoint, again=again)
        return cls._resume(path, None, checkpoint, quiet=quiet)

    @classmethod
    def resume_or_start(
        cls,
        config: object,
        log_dir: str | os.PathLike[str] | None = None,
        *,
        gradient_step: int | None = None,
        iteration: float | None = None,
        all_ranks: bool = False,
        quiet: bool = False,
    ) -> Self:
        """Go on with the unfinished run of this experiment, or start a new one if there is none.

        ``gradient_step`` or ``iteration`` is that of the checkpoint, as for :meth:`resume`; with 0
        it is a new run. Settings that changed since the run's start are recorded as changed.

        Raises as the constructor does, and ``RunFileBusyError`` while another process writes the
        run.
        """
        settings, checkpoint = as_experiment_config(config), Checkpoint(gradient_step, iteration)
        directory = log_directory(log_dir)
        try:
            path = find_run(settings.experiment_name, directory, checkpoint, again=False)
        except FileNotFoundError:
            return cls(settings, directory, all_ranks=all_ranks, quiet=quiet)
        return cls._resume(path, settings, checkpoint, all_ranks=all_ranks, quiet=quiet)

    @classmethod
    def _resume(
        cls,
        path: Path,
        config: ExperimentConfig | None,
        checkpoint: Checkpoint,
        *,
        all_ranks: bool = False,
        quiet: bool,
    ) -> Self:
        settings = config or read_config(path)
        tracker = cls(settings, path.parent, all_ranks=all_ranks, quiet=quiet)
        if not tracker._owns_file:
            tracker._path_elsewhere = path
            return tracker
        for other in runs_of_process():
            other.give_way(path)
        run = open_interrupted_run(path)
        register(tracker)
        tail = msgspec.structs.replace(run.tail, config_changes=changed_settings(run, settings))
        tracker._interrupted = run._replace(tail=tail)
        tracker._checkpoint = checkpoint
        tracker._gradient_step = run.tail.gradient_step
        if checkpoint.gradient_step is not None:
            tracker._gradient_step = checkpoint.gradient_step
        elif checkpoint.iteration is not None:
            tracker._gradient_step = gradient_step_at(path, checkpoint.iteration)
        return tracker

    # -- life of a run

    def start(self) -> None:
        """Begin timing, and create the run's file."""
        if self._clock is not None:
            self._warn_once("start", "start() was called again; the run goes on")
            return
        interrupted = self._interrupted
        seconds_before = interrupted.tail.duration_seconds if interrupted else None
        self._clock = RunClock(seconds_before or 0.0)
        self._accepting = not self._is_copy
        if not self._owns_file:
            return
        self._writer = self._make_writer(self._clock)
        self._pending = self._writer.pending
        register(self)
        self._writer.start(_START_TIMEOUT_SECONDS)
        self._pending = self._writer.pending  # another one where there is no thread
        if self._writer.path or interrupted:
            self._say("writing", location_text(self.path))
        self._look_at_others()

    def _make_writer(self, clock: RunClock) -> RunWriter:
        run = self._interrupted
        create = functools.partial(_create_file, self.config, self.log_dir, clock)
        # A run that the loop lets go of is ended, so that its thread must not hold it.
        tracker = weakref.ref(self)
        steps = functools.partial(_gradient_steps, tracker)
        when_idle = functools.partial(_look_for_loop, tracker)
        if run is None:
            return RunWriter(clock, create, steps, [], when_idle=when_idle)
        resumption = {
            **current_process(),
            "time": clock.now(),
            "utc_offset": clock.utc_offset,
        }
        resumptions = [*run.tail.resumed[-_MOST_RESUMPTIONS:], resumption]
        resume = functools.partial(read_interrupted_run, run, *self._checkpoint)
        return RunWriter(clock, create, steps, resumptions, resume, run.tail, when_idle)

    def finish(self, train_loss: Any = None, val_loss: Any = None, notes: str = "") -> None:
        """Mark the run as finished, with its final losses and what there is to say of it."""
        self._end("finished", train_loss=train_loss, val_loss=val_loss, notes=notes)
        self._look_at_others()
        self._say_written()

    def _end(
        self,
        status: EndStatus,
        error: str = "",
        *,
        train_loss: Any = None,
        val_loss: Any = None,
        notes: object = "",
        timeout: float = _END_TIMEOUT_SECONDS,
    ) -> None:
        clock = self._started_clock()
        if not self._accepting:
            self._refuse("finish")
            return
        self._run_end = run_end(
            status,
            error,
            clock,
            _monotonic(),
            gradient_step=self._gradient_step,
            train_loss=self._final("train_loss", train_loss),
            val_loss=self._final("val_loss", val_loss),
            notes=notes,
        )
        self._accepting = False
        if self._writer is not None and not self._writer.end(self._run_end, timeout):
            self._warn_once("end", "the end of the run is not on disk yet; still trying")

    def _final(self, metric: str, value: Any) -> float | None:
        try:
            return resolve(value)
        except ValueError as reason:
            self._warn_once(metric, f"the final {metric} {reason}; it is ignored")
            return None

    def save(self) -> Path:
        """Have all that was logged on the disk itself; returns the run's file.

        May be called at any time and more than once. Where nothing is written (another rank, a
        forked child, a disk that refuses) it returns where the file would be.
        """
        self._started_clock()
        writer = self._writer
        waits = writer is not None and not writer.ended
        if writer and waits and not writer.flush(durable=True, timeout=_SAVE_TIMEOUT_SECONDS):
            self._warn_once("save", "save(): the run is not on disk yet; still trying")
            return self.path
        self._look_at_others()
        self._say_written()
        return self.path

    def _say_written(self) -> None:
        """Print what is on disk, once of a run that goes on and once of one that ended."""
        what = self._run_end.status if self._run_end else "saved so far"
        writer = self._writer
        if writer is not None and writer.path is not None and (writer.ended or not self._run_end):
            self._say(what, written_text(what, writer.statistics()[0], writer.path))

    def _say(self, what: str, text: str) -> None:
        if not self._quiet and self._said != what:
            self._said = what
            with contextlib.suppress(OSError, ValueError):  # stderr may be closed
                print(text, file=sys.stderr)

    @property
    def path(self) -> Path:
        """The run's file, or where it would be."""
        if self._writer is not None and self._writer.path is not None:
            return self._writer.path
        if self._interrupted is not None:
            return self._interrupted.path
        if self._path_elsewhere is not None:
            return self._path_elsewhere
        started = self._started_clock().started
        return self.log_dir / f"{file_stem(self.config.experiment_name, started)}.json"

    def _started_clock(self) -> RunClock:
        if self._clock is None:
            self.start()
        assert self._clock is not None
        return self._clock

    def __enter__(self) -> Self:
        self._started_clock()
        self._is_managed = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._accepting:
            self._end(*status_of(exception))
        self.save()

    # -- in the training loop

    def log_metrics(
        self,
        iteration: int,
        train_loss: Any = None,
        learning_rate: Any = _NOT_GIVEN,
        tokens_per_sec: Any = _NOT_GIVEN,
        iter_time_ms: Any = _NOT_GIVEN,
        *,
        metrics: Mapping[str, Any] | None = None,
        **further: Any,
    ) -> None:
        """Log what was measured at an iteration (0-based).

        Values are Python numbers, numpy scalars, or tensors of one element, which may live on a
        device: they are never waited for here. Further metrics are keywords, or a mapping where
        their names are no identifiers: ``metrics={"train/acc": 0.9}``. What is not given counts
        as not measured.
        """
        if not self._accepting:
            self._begin_or_refuse("log_metrics")
        if metrics:
            further = {**metrics, **further}
        pending = self._pending
        pending.append(
            (
                iteration if type(iteration) is int else capture(iteration),
                self._gradient_step,
                _monotonic(),
                train_loss if type(train_loss) is float else capture(train_loss),
                None,
                None
                if learning_rate is _NOT_GIVEN
                else learning_rate
                if type(learning_rate) is float
                else capture(learning_rate),
                None
                if tokens_per_sec is _NOT_GIVEN
                else tokens_per_sec
                if type(tokens_per_sec) is float
                else capture(tokens_per_sec),
                None
                if iter_time_ms is _NOT_GIVEN
                else iter_time_ms
                if type(iter_time_ms) is float
                else capture(iter_time_ms),
                {name: capture(value) for name, value in further.items()} if further else None,
            )
        )
        if len(pending) > MAX_PENDING_CALLS and self._writer is not None:
            self._writer.wait_for_room()

    def log_eval(
        self,
        iteration: int,
        train_loss: Any = None,
        val_loss: Any = None,
        *,
        metrics: Mapping[str, Any] | None = None,
        **further: Any,
    ) -> None:
        """Log an evaluation, which completes the record of its iteration and is flushed at once.

        Its estimate of the train loss is the metric ``eval_train_loss``, beside what the step
        logged, and the train loss of iterations whose step logged none.
        """
        evaluated = {**(metrics or {}), **further}
        estimate = evaluated.pop("train_loss", None)
        if train_loss is not None or estimate is not None:
            evaluated[EVAL_TRAIN_LOSS] = estimate if train_loss is None else train_loss
        if val_loss is not None:
            evaluated["val_loss"] = val_loss
        self.log_metrics(iteration, metrics=evaluated)
        if self._writer is not None:
            self._writer.wake()

    def increment_gradient_step(self) -> None:
        """Count one ``optimizer.step()``."""
        self._gradient_step += 1

    def rewind(self, iteration: float, *, gradient_step: int | None = None) -> None:
        """Go back to a checkpoint: what was logged beyond its iteration is void from now on.

        Its records stay in the file, and count for no reader. ``gradient_step`` is the number of
        optimizer steps at the checkpoint; the one that was logged at that iteration unless given,
        which is read from the file.
        """
        if not self._accepting:
            self._begin_or_refuse("rewind")
        if not isinstance(iteration, (int, float)) or not math.isfinite(iteration):
            self._warn_once("rewind", f"rewind() needs an iteration, not {iteration!r}")
            return
        if gradient_step is None and self._writer is not None:
            self._writer.flush(durable=False, timeout=_SAVE_TIMEOUT_SECONDS)
            with contextlib.suppress(OSError):
                gradient_step = gradient_step_at(self.path, iteration)
        if gradient_step is not None:
            self._gradient_step = gradient_step
        self._pending.append((iteration, self._gradient_step, _monotonic()))
        if self._writer is not None:
            self._writer.wake()

    def _begin_or_refuse(self, method: str) -> None:
        if self._clock is None and not self._is_copy:
            self._warn_once("late start", f"{method}() was called before start(): started now")
            self.start()
        else:
            # The writer has stopped: what comes now would only fill the memory.
            self._pending = deque(maxlen=0)
            self._refuse(method)

    def _refuse(self, method: str) -> None:
        if self._is_copy:
            self._warn_once(
                "copy",
                f"{method}() in process {os.getpid()}: nothing is written, for this is a copy of "
                f"the tracker that writes {self._path_elsewhere or 'the run'}; log there",
            )
        elif method == "finish":
            self._warn_once("finish", "finish() was called again; the first call counts")
        else:
            self._warn_once("late call", f"{method}() was called after finish(): it is ignored")

    # -- what is known so far

    def get_elapsed_time(self) -> float:
        """Seconds since ``start()``, up to ``finish()``; 0 before."""
        if self._run_end is not None:
            return self._run_end.duration_seconds
        return self._clock.elapsed() if self._clock else 0.0

    def get_summary_stats(self) -> dict[str, Any]:
        """Totals, best losses, and where measured the statistics of losses, times, throughput.

        Keys: ``total_iterations``, ``total_gradient_steps``, ``total_duration_seconds``,
        ``best_train_loss``, ``best_val_loss``; ``train_loss_stats``, ``val_loss_stats`` (min, max,
        mean, std), ``iter_time_stats_ms`` (mean, std) and ``throughput_stats_tokens_per_sec``
        (mean, max). NaN and ±inf count in none of them; ``std`` is that of the population.
        """
        return self._summary(*self._statistics())

    def _statistics(self) -> tuple[int, dict[str, MetricStats]]:
        """How many iterations were recorded, and the statistics of each metric."""
        count, stats = self._writer.statistics() if self._writer else (0, {})
        if count is None:  # values came late or were replayed: only the file knows
            self.save()
            count, stats = statistics_of_file(self.path)
        return count, stats

    def _summary(self, count: int, stats: dict[str, MetricStats]) -> dict[str, Any]:
        return {
            "total_iterations": count,
            "total_gradient_steps": self._gradient_step,
            "total_duration_seconds": self.get_elapsed_time(),
            **summary_statistics(stats, self._writer.final_losses if self._writer else {}),
        }

    def print_summary(self) -> None:
        """Print the totals and statistics of this run."""
        count, stats = self._statistics()
        summary = self._summary(count, stats)
        print(summary_text(self.config.experiment_name, self.path, summary, stats))

    # -- a loop that is gone

    def _look_at_others(self) -> None:
        for other in runs_of_process():
            other.suspend_if_abandoned()

    def suspend_if_abandoned(self) -> None:
        """Say that the run ended, unless it logs again, when its loop seems to be gone.

        That is when an exception left a frame that uses this tracker, as that of a notebook's cell
        does, or when the process started another run since this one last logged: of the same
        experiment, or one that has logged more than one record.
        """
        writer = self._writer
        if not self._accepting or self._is_managed or writer is None or writer.suspension:
            return
        error = exception_that_left(self)
        if error is not None and id(error) != self._known_error:
            self._known_error = id(error)
            writer.suspend(self._abandoned(*status_of(error)), _START_TIMEOUT_SECONDS)
        elif any(other.is_instead_of(self.config, writer.called_at) for other in runs_of_process()):
            end = self._abandoned("interrupted", "another run was started in its place")
            writer.suspend(end, _START_TIMEOUT_SECONDS)

    def is_instead_of(self, config: ExperimentConfig, moment: float) -> bool:
        """Whether this run was started after a moment, and seems to be in the place of another."""
        writer, clock = self._writer, self._clock
        if writer is None or clock is None or moment >= clock.origin:
            return False
        return config.experiment_name == self.config.experiment_name or writer.calls > 1

    def _abandoned(self, status: EndStatus, error: str) -> RunEnd:
        """The end of a run with the last call that logged."""
        assert self._writer is not None
        assert self._clock is not None
        moment = self._writer.called_at
        return run_end(status, error, self._clock, moment, gradient_step=self._gradient_step)

    def give_way(self, path: Path) -> None:
        """Another tracker of this process goes on with this file: end the run if it logged."""
        writer = self._writer
        if not self._accepting or self._is_managed or writer is None or writer.path is None:
            return
        if os.path.realpath(writer.path) == os.path.realpath(path) and (
            writer.suspension or writer.calls or writer.pending
        ):
            self._let_go("another tracker went on with the run", _END_TIMEOUT_SECONDS)

    def _let_go(self, why: str, timeout: float) -> None:
        if self._writer is not None and not self._end_suspended(timeout):
            self._run_end, self._accepting = self._abandoned("interrupted", why), False
            self._writer.end(self._run_end, timeout)

    def _end_suspended(self, timeout: float) -> bool:
        """End the run as it was suspended, if it was."""
        if self._writer is None or self._writer.suspension is None:
            return False
        self._run_end, self._accepting = self._writer.suspension, False
        self._writer.end(self._run_end, timeout)
        return True

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # of a constructor that raised, or at exit
            if self._accepting:
                self._let_go("its loop ended without finish()", _START_TIMEOUT_SECONDS)
            elif self._writer is None and self._interrupted is not None:
                self._interrupted.close()

    # -- the end of the process, and forked children

    def end_at_exit(self, status: EndStatus, error: str, timeout: float) -> None:
        """The process ends: write what is known of why, within ``timeout`` seconds."""
        deadline = _monotonic() + timeout
        self._warn_once.silence("late call")  # a loop may run on for a moment
        if self._accepting and not self._end_suspended(timeout):
            self._end(status, error, timeout=timeout)
        writer = self._writer
        if writer is None or writer.ended or self._run_end is None:
            return
        # Once more, for an interrupt may have come before the writer had it.
        if not writer.end(self._run_end, timeout=max(deadline - _monotonic(), 0.0)):
            log.warning("traintop: the end of %s could not be written", self.path)

    def disable(self) -> None:
        """This is a forked child: the run belongs to the parent."""
        path = self._known_path()
        if self._writer is not None:
            self._writer.release_inherited_file()
        if self._interrupted is not None:  # it may not have been started yet
            self._interrupted.close()
        self._writer = self._interrupted = None
        self._become_copy(path)

    def _become_copy(self, path: Path | None) -> None:
        self._path_elsewhere, self._is_copy = path, True
        self._owns_file = self._accepting = False
        self._pending = deque(maxlen=0)

    def _known_path(self) -> Path | None:
        """The run's file, unless it was not started."""
        is_known = self._clock or self._interrupted or self._path_elsewhere
        return self.path if is_known else None

    def __reduce__(self) -> tuple[Any, ...]:
        # To a spawned worker or a deep copy of a model that holds the tracker: the run stays here.
        return (_copied_tracker, (self.config, self.log_dir, self._known_path()))


def _create_file(
    config: ExperimentConfig, directory: Path, clock: RunClock, tail: logfile.Tail
) -> RunFile:
    head = logfile.Head(
        config=jsonable(config.to_dict()),
        start_time=clock.started.isoformat(timespec="microseconds"),
        run={
            **jsonable(describe_environment()),
            "utc_offset": clock.utc_offset,
            "given": jsonable(config._given),
        },
    )
    stem = file_stem(config.experiment_name, clock.started)
    return RunFile.create(directory, stem, logfile.encode_head(head), tail)


def _gradient_steps(tracker: weakref.ref[ExperimentTracker]) -> int:
    alive = tracker()
    return alive._gradient_step if alive is not None else 0


def _look_for_loop(tracker: weakref.ref[ExperimentTracker]) -> None:
    if (alive := tracker()) is not None:
        alive.suspend_if_abandoned()


def _copied_tracker(
    config: ExperimentConfig, log_dir: Path, path: Path | None
) -> ExperimentTracker:
    tracker = ExperimentTracker(config, log_dir, quiet=True)
    tracker._become_copy(path)
    return tracker
