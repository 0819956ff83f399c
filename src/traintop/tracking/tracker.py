"""ExperimentTracker: what a training loop calls."""

from __future__ import annotations

import functools
import os
import sys
import time
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
from traintop.tracking.environment import default_log_dir, describe_environment, process_rank
from traintop.tracking.exit_hooks import register
from traintop.tracking.resumption import (
    InterruptedRun,
    find_run,
    open_interrupted_run,
    read_config,
    read_interrupted_run,
    statistics_of_file,
)
from traintop.tracking.run_clock import RunClock
from traintop.tracking.run_end import EndStatus, RunEnd, status_of
from traintop.tracking.run_file import RunFile, file_stem
from traintop.tracking.summary import location_text, summary_statistics, summary_text
from traintop.tracking.warn_once import WarnOnce, log
from traintop.tracking.writer import MAX_PENDING_CALLS, RunWriter
from traintop.values import jsonable

_NOT_GIVEN = 0.0
"""The default 0.0 of the documented signature; its identity differs from that of a measured 0.0."""

_monotonic = time.monotonic
_START_TIMEOUT_SECONDS = 1.0
_SAVE_TIMEOUT_SECONDS = 30.0
_END_TIMEOUT_SECONDS = 10.0
_LONGEST_ERROR = 10_000
_LONGEST_NOTES = 500_000  # in bytes of JSON, for readers look for a tail in the last 4 MiB
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
    process ends.

    Args:
        config: the settings: an ``ExperimentConfig``, mapping, dataclass, ``Namespace``, or
            OmegaConf config that has an ``experiment_name``.
        log_dir: where the file is made; ``$TRAINTOP_DIR``, else ``experiment_logs``, if ``None``.
        all_ranks: write one file for every rank of a distributed run.
        quiet: do not print where the run is written.

    Raises ``TypeError`` or ``ValueError`` for settings it cannot use.
    """

    def __init__(
        self,
        config: object,
        log_dir: str | os.PathLike[str] | None = None,
        *,
        all_ranks: bool = False,
        quiet: bool = False,
    ) -> None:
        self.config: ExperimentConfig = as_experiment_config(config)
        self.log_dir = Path(log_dir) if log_dir is not None else default_log_dir()
        self._quiet = quiet
        self._owns_file = all_ranks or process_rank() == 0
        self._gradient_step = 0
        self._clock: RunClock | None = None
        self._writer: RunWriter | None = None
        self._pending: deque[tuple[Any, ...]] = deque(maxlen=0)  # the writer's, once there is one
        self._interrupted: InterruptedRun | None = None
        self._resumed_at: int | None = None  # the gradient step of a checkpoint
        self._accepting = False
        self._run_end: RunEnd | None = None
        self._warn_once = WarnOnce()

    @classmethod
    def resume(
        cls,
        path_or_name: str | os.PathLike[str],
        log_dir: str | os.PathLike[str] | None = None,
        *,
        gradient_step: int | None = None,
        quiet: bool = False,
    ) -> Self:
        """Go on with a run's own file, after a crash or preemption.

        Steps that are replayed from a checkpoint count once for every reader. ``gradient_step``
        is the number of optimizer steps at that checkpoint: what was recorded beyond it is void
        then. The run's last one, and nothing is void, unless given. The file is read in the
        background.

        Raises ``FileNotFoundError`` when there is no such run, ``RunFileBusyError`` while another
        process writes it, ``ValueError`` when this tracker did not write it.
        """
        directory = Path(log_dir) if log_dir is not None else default_log_dir()
        path = find_run(path_or_name, directory)
        if process_rank() != 0:
            return cls(read_config(path), path.parent, quiet=quiet)
        interrupted = open_interrupted_run(path)
        tracker = cls(read_config(path), path.parent, quiet=quiet)
        tracker._interrupted = interrupted
        register(tracker)
        tracker._resumed_at = gradient_step
        steps = interrupted.tail.gradient_step if gradient_step is None else gradient_step
        tracker._gradient_step = steps
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
        self._accepting = True
        if not self._owns_file:
            return
        self._writer = self._make_writer(self._clock)
        self._pending = self._writer.pending
        register(self)
        self._writer.start(_START_TIMEOUT_SECONDS)
        self._pending = self._writer.pending  # another one where there is no thread
        if not self._quiet and (self._writer.path or interrupted):
            print(location_text(self.path), file=sys.stderr)

    def _make_writer(self, clock: RunClock) -> RunWriter:
        run = self._interrupted
        create = functools.partial(self._create_file, clock)
        if run is None:
            return RunWriter(clock, create, self._gradient_steps, [])
        resumption = {
            **current_process(),
            "time": clock.now(),
            "utc_offset": clock.utc_offset,
        }
        resumptions = [*run.tail.resumed[-_MOST_RESUMPTIONS:], resumption]
        resume = functools.partial(read_interrupted_run, run, self._resumed_at)
        return RunWriter(clock, create, self._gradient_steps, resumptions, resume, run.tail)

    def _create_file(self, clock: RunClock, tail: logfile.Tail) -> RunFile:
        head = logfile.Head(
            config=jsonable(self.config.to_dict()),
            start_time=clock.started.isoformat(timespec="microseconds"),
            run={
                **jsonable(describe_environment()),
                "utc_offset": clock.utc_offset,
                "given": jsonable(self.config._given),
            },
        )
        stem = file_stem(self.config.experiment_name, clock.started)
        return RunFile.create(self.log_dir, stem, logfile.encode_head(head), tail)

    def finish(self, train_loss: Any = None, val_loss: Any = None, notes: str = "") -> None:
        """Mark the run as finished, with its final losses and what there is to say of it."""
        self._end("finished", train_loss=train_loss, val_loss=val_loss, notes=notes)

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
            self._warn_once("finish", "finish() was called again; the first call counts")
            return
        self._run_end = RunEnd(
            status,
            end_time=clock.now(),
            duration_seconds=clock.elapsed(),
            train_loss=self._final("train_loss", train_loss),
            val_loss=self._final("val_loss", val_loss),
            notes=_bounded(str(jsonable("" if notes is None else str(notes)[:_LONGEST_NOTES]))),
            error=str(jsonable(error[:_LONGEST_ERROR])),
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
        if writer is None or writer.ended:
            return self.path
        if not writer.flush(durable=True, timeout=_SAVE_TIMEOUT_SECONDS):
            self._warn_once("save", "save(): the run is not on disk yet; still trying")
        return self.path

    @property
    def path(self) -> Path:
        """The run's file, or where it would be."""
        if self._writer is not None and self._writer.path is not None:
            return self._writer.path
        if self._interrupted is not None:
            return self._interrupted.path
        started = self._started_clock().started
        return self.log_dir / f"{file_stem(self.config.experiment_name, started)}.json"

    def _started_clock(self) -> RunClock:
        if self._clock is None:
            self.start()
        assert self._clock is not None
        return self._clock

    def __enter__(self) -> Self:
        self._started_clock()
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

    def _gradient_steps(self) -> int:
        return self._gradient_step

    def _begin_or_refuse(self, method: str) -> None:
        if self._clock is None:
            self._warn_once("late start", f"{method}() was called before start(): started now")
            self.start()
        else:
            # The writer has stopped: what comes now would only fill the memory.
            self._pending = deque(maxlen=0)
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

    # -- the end of the process, and forked children

    def end_at_exit(self, status: EndStatus, error: str, timeout: float) -> None:
        """The process ends: write what is known of why, within ``timeout`` seconds."""
        deadline = _monotonic() + timeout
        self._warn_once.silence("late call")  # a loop may run on for a moment
        if self._accepting:
            self._end(status, error, timeout=timeout)
        writer = self._writer
        if writer is None or writer.ended or self._run_end is None:
            return
        # Once more, for an interrupt may have come before the writer had it.
        if not writer.end(self._run_end, timeout=max(deadline - _monotonic(), 0.0)):
            log.warning("traintop: the end of %s could not be written", self.path)

    def disable(self) -> None:
        """This is a forked child: the run belongs to the parent."""
        if self._writer is not None:
            self._writer.release_inherited_file()
        if self._interrupted is not None:  # it may not have been started yet
            self._interrupted.close()
        self._writer = None
        self._owns_file = False
        self._pending = deque(maxlen=0)

    def __reduce__(self) -> tuple[Any, ...]:
        # To a spawned worker or a deep copy of a model that holds the tracker: the run stays here.
        return (_disabled_tracker, (self.config, self.log_dir))


def _bounded(text: str) -> str:
    """As much of a text as may be written: a control character takes six bytes."""
    while len(written := msgspec.json.encode(text)) > _LONGEST_NOTES:
        text = text[: len(text) * _LONGEST_NOTES // len(written)]
    return text


def _disabled_tracker(config: ExperimentConfig, log_dir: Path) -> ExperimentTracker:
    tracker = ExperimentTracker(config, log_dir, quiet=True)
    tracker.disable()
    return tracker
