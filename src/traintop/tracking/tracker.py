"""ExperimentTracker: what a training loop calls."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from traintop.model import EVAL_TRAIN_LOSS, ExperimentConfig, MetricStats
from traintop.tracking.capture import capture
from traintop.tracking.configuration import as_experiment_config
from traintop.tracking.environment import log_directory, process_rank
from traintop.tracking.live_run import LiveRun, RunFacts
from traintop.tracking.resumption import Checkpoint, statistics_of_file
from traintop.tracking.run_end import EndStatus, status_of
from traintop.tracking.run_search import find_run, read_config
from traintop.tracking.summary import location_text, summary_statistics, summary_text, written_text
from traintop.tracking.system import DEFAULT_INTERVAL
from traintop.tracking.warn_once import WarnOnce
from traintop.tracking.writer import MAX_PENDING_CALLS
from traintop.values import jsonable, short_text

_NOT_GIVEN = 0.0
"""The default 0.0 of the documented signature; its identity differs from that of a measured 0.0."""

_monotonic = time.monotonic
_FLOAT = frozenset({float})
_SAVE_TIMEOUT_SECONDS = 30.0


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
        notes: what there is to say of the run from its start on.
        facts: what is known of the run beside its settings and its process, which are found out:
            ``{"group": "ablation", "tags": ["baseline"]}``. An ``id`` is one to resume it by.
        system_interval: seconds between two samples of the system metrics (GPUs, CPU, memory,
            disks, network), which are recorded beside what is logged; ``None`` for none.

    Raises ``TypeError`` or ``ValueError`` for settings it cannot use.
    """

    def __init__(
        self,
        config: object,
        log_dir: str | os.PathLike[str] | None = None,
        *,
        all_ranks: bool = False,
        quiet: bool = False,
        notes: str = "",
        facts: Mapping[str, Any] | None = None,
        system_interval: float | None = DEFAULT_INTERVAL,
    ) -> None:
        if system_interval is not None and not system_interval > 0:
            raise ValueError(f"system_interval must be above 0 or None, not {system_interval!r}")
        self.config: ExperimentConfig = as_experiment_config(config)
        self.log_dir = log_directory(log_dir)
        self._quiet = quiet
        self._said: str | None = None  # what was last printed of the run
        self._warn_once = WarnOnce()
        writes = all_ranks or process_rank() == 0
        said = RunFacts(notes, facts or {}, system_interval)
        self._run = LiveRun(self, self.config, self.log_dir, said, self._warn_once, writes=writes)

    @classmethod
    def resume(
        cls,
        path_or_name: str | os.PathLike[str],
        log_dir: str | os.PathLike[str] | None = None,
        *,
        gradient_step: int | None = None,
        iteration: float | None = None,
        again: bool = False,
        all_ranks: bool = False,
        quiet: bool = False,
        system_interval: float | None = DEFAULT_INTERVAL,
    ) -> Self:
        """Go on with a run's own file, after a crash or preemption.

        Of a name, it is the newest run in ``log_dir`` that did not finish; from step 0 it would be
        a new run, and none is found. A path or a run id leads to any run, and ``again`` to the
        newest of a name even so, or of an ``id`` among the facts of its runs.

        ``gradient_step`` is the number of optimizer steps at the checkpoint that the run goes on
        from, or ``iteration`` the last one before it: what was recorded beyond it is void, and
        steps that are replayed count once, for every reader. Nothing is void unless either is
        given. Where an iteration is not one optimizer step, give both.

        Raises ``FileNotFoundError`` when there is no such run, ``RunFileBusyError`` while another
        process writes it, ``ValueError`` when this tracker did not write it.
        """
        checkpoint = Checkpoint.at(gradient_step, iteration)
        path = Path(path_or_name)
        if not os.path.isfile(path):  # a name may be too long for a path, which pathlib raises
            name = os.fspath(path_or_name)
            path = find_run(name, log_directory(log_dir), checkpoint, again=again)
        how: dict[str, Any] = {
            "all_ranks": all_ranks,
            "quiet": quiet,
            "system_interval": system_interval,
        }
        return cls._resume(path, None, checkpoint, **how)

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
        system_interval: float | None = DEFAULT_INTERVAL,
    ) -> Self:
        """Go on with the unfinished run of this experiment, or start a new one if there is none.

        ``gradient_step`` or ``iteration`` is that of the checkpoint, as for :meth:`resume`; with 0
        it is a new run. Settings that changed since the run's start are recorded as changed.

        Raises as the constructor does, and ``RunFileBusyError`` while another process writes the
        run.
        """
        settings, checkpoint = as_experiment_config(config), Checkpoint.at(gradient_step, iteration)
        how: dict[str, Any] = {
            "all_ranks": all_ranks,
            "quiet": quiet,
            "system_interval": system_interval,
        }
        directory = log_directory(log_dir)
        try:
            path = find_run(settings.experiment_name, directory, checkpoint, again=False)
        except FileNotFoundError:
            return cls(settings, directory, **how)
        return cls._resume(path, settings, checkpoint, **how)

    @classmethod
    def _resume(
        cls,
        path: Path,
        config: ExperimentConfig | None,
        checkpoint: Checkpoint,
        **how: Any,
    ) -> Self:
        tracker = cls(config or read_config(path), path.parent, **how)
        tracker._run.resume(path, checkpoint)
        return tracker

    # -- life of a run

    def start(self) -> None:
        """Begin timing, and create the run's file."""
        run = self._run
        if run.clock is not None:
            self._warn_once("start", "start() was called again; the run goes on")
            return
        run.start()
        if run.is_written and run.path is not None:
            self._say("writing", location_text(run.path))

    def finish(
        self,
        train_loss: Any = None,
        val_loss: Any = None,
        notes: str = "",
        *,
        error: str = "",
        interrupted: str = "",
    ) -> None:
        """Mark the run as finished, with its final losses and what there is to say of it.

        With an ``error``, which says why, it failed; with a reason in ``interrupted``, it was
        given up before its end.
        """
        run = self._started()
        if run.accepting:
            status: EndStatus = "failed" if error else "interrupted" if interrupted else "finished"
            run.end(
                status, error or interrupted, train_loss=train_loss, val_loss=val_loss, notes=notes
            )
        else:
            self._refuse("finish")
        run.look_at_others()
        self._say_written()

    def save(self) -> Path:
        """Have all that was logged on the disk itself; returns the run's file.

        May be called at any time and more than once. Where nothing is written (another rank, a
        forked child, a disk that refuses) it returns where the file would be.
        """
        run = self._started()
        writer = run.writer
        waits = writer is not None and not writer.ended
        if writer and waits and not writer.flush(durable=True, timeout=_SAVE_TIMEOUT_SECONDS):
            self._warn_once("save", "save(): the run is not on disk yet; still trying")
            return self.path
        run.look_at_others()
        self._say_written()
        return self.path

    def _say_written(self) -> None:
        """Print what is on disk, once of a run that goes on and once of one that ended."""
        end, writer = self._run.run_end, self._run.writer
        what = end.status if end else "saved so far"
        if self._quiet or self._said == what:
            return
        if writer is not None and writer.path is not None and (writer.ended or not end):
            self._say(what, written_text(what, writer.statistics()[0], writer.path))

    def _say(self, what: str, text: str) -> None:
        if not self._quiet and self._said != what:
            self._said = what
            with contextlib.suppress(OSError, ValueError):  # stderr may be closed
                print(text, file=sys.stderr)

    @property
    def path(self) -> Path:
        """The run's file, or where it would be."""
        path = self._run.path or self._started().path
        assert path is not None
        return path

    def _started(self) -> LiveRun:
        if self._run.clock is None:
            self.start()
        return self._run

    def __enter__(self) -> Self:
        self._started().is_managed = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._run.accepting:
            self._run.end(*status_of(exception))
        self.save()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # of a constructor that raised, or at exit
            self._run.let_go()

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
        run = self._run
        if not run.accepting:
            self._begin_or_refuse("log_metrics")
        if metrics:
            further = {**metrics, **further}
        pending = run.pending
        pending.append(
            (
                iteration if type(iteration) is int else capture(iteration),
                run.gradient_step,
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
                further
                if not further or _FLOAT.issuperset(map(type, further.values()))  # as most are
                else {name: capture(value) for name, value in further.items()},
            )
        )
        if len(pending) > MAX_PENDING_CALLS and run.writer is not None:
            run.writer.wait_for_room()

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
        if self._run.writer is not None:
            self._run.writer.wake()

    def update_config(self, changes: Mapping[str, Any]) -> None:
        """Set or change settings; after the start they are recorded as set later, or as changed."""
        run = self._run
        if run.clock is not None and not run.accepting:
            self._refuse("update_config")
            return
        known = jsonable(self.config.to_dict())
        given = {str(name): value for name, value in changes.items()}
        new = {
            name: value
            for name, value in given.items()
            if name not in known or known[name] != jsonable(value)
        }
        self.config = self.config._replace(**given)
        run.update_config(self.config, new)

    def alert(self, title: object, text: object = "") -> None:
        """Tell whoever watches the run: a notice in the UI, an event, and what their rules do.

        Of each, the first 300 characters count; a run keeps the last 20 alerts.
        """
        if not self._run.accepting:
            self._begin_or_refuse("alert")
        self._run.alert(short_text(title), short_text(text))

    def increment_gradient_step(self) -> None:
        """Count one ``optimizer.step()``."""
        self._run.gradient_step += 1

    def rewind(self, iteration: float, *, gradient_step: int | None = None) -> None:
        """Go back to a checkpoint: what was logged beyond its iteration is void from now on.

        Its records stay in the file, and count for no reader. ``gradient_step`` is the number of
        optimizer steps at the checkpoint; the one that was logged at that iteration unless given,
        which is read from the file.
        """
        run = self._run
        if not run.accepting:
            self._begin_or_refuse("rewind")
        try:
            checkpoint = Checkpoint.at(
                gradient_step, math.nan if iteration is None else iteration, least=0
            )
        except ValueError as error:
            self._warn_once("rewind", f"rewind(): {error}; nothing was rewound")
            return
        run.rewind(checkpoint.iteration or 0, checkpoint.gradient_step)

    def _begin_or_refuse(self, method: str) -> None:
        if self._run.clock is None and not self._run.is_copy:
            self._warn_once("late start", f"{method}() was called before start(): started now")
            self.start()
        else:
            # The writer has stopped: what comes now would only fill the memory.
            self._run.pending = deque(maxlen=0)
            self._refuse(method)

    def _refuse(self, method: str) -> None:
        if self._run.is_copy:
            self._warn_once(
                "copy",
                f"{method}() in process {os.getpid()}: nothing is written: this is a copy of "
                f"the tracker that writes {self._run.path or 'the run'}; log there",
            )
        elif method == "finish":
            self._warn_once("finish", "finish() was called again; the first call counts")
        else:
            self._warn_once("late call", f"{method}() was called after finish(): it is ignored")

    # -- what is known so far

    def get_elapsed_time(self) -> float:
        """Seconds since ``start()``, up to ``finish()``; 0 before."""
        run = self._run
        if run.run_end is not None:
            return run.run_end.duration_seconds
        return run.clock.elapsed() if run.clock else 0.0

    def get_summary_stats(self) -> dict[str, Any]:
        """Totals, best losses, and where measured the statistics of losses, times, throughput.

        Keys: ``total_iterations``, ``total_gradient_steps``, ``total_duration_seconds``,
        ``best_train_loss``, ``best_val_loss``; ``train_loss_stats``, ``val_loss_stats`` (min, max,
        mean, std), ``iter_time_stats_ms`` (mean, std) and ``throughput_stats_tokens_per_sec``
        (mean, max). NaN and ±inf count in none of them; ``std`` is that of the population.
        """
        return self._summary(*self._statistics())

    def get_metric_stats(self) -> dict[str, MetricStats]:
        """The statistics of every metric so far, by its name."""
        return self._statistics()[1]

    @property
    def resumed(self) -> bool:
        """Whether it goes on with a run that was there."""
        return self._run.resumed

    @property
    def last_iteration(self) -> float | None:
        """The highest iteration that was recorded, also before a resumption; else ``None``."""
        writer = self._started().writer
        return writer.statistics().last_iteration if writer else None

    def _statistics(self) -> tuple[int, dict[str, MetricStats]]:
        """How many iterations were recorded, and the statistics of each metric."""
        writer = self._run.writer
        count, stats, _ = writer.statistics() if writer else (0, {}, None)
        if count is None:  # values came late or were replayed: only the file knows
            self.save()
            count, stats = statistics_of_file(self.path)
        return count, stats

    def _summary(self, count: int, stats: dict[str, MetricStats]) -> dict[str, Any]:
        return {
            "total_iterations": count,
            "total_gradient_steps": self._run.gradient_step,
            "total_duration_seconds": self.get_elapsed_time(),
            **summary_statistics(stats, self._run.final_losses),
        }

    def print_summary(self) -> None:
        """Print the totals and statistics of this run."""
        count, stats = self._statistics()
        summary = self._summary(count, stats)
        print(summary_text(self.config.experiment_name, self.path, summary, stats))

    def __reduce__(self) -> tuple[Any, ...]:
        # To a spawned worker or a deep copy of a model that holds the tracker: the run stays here.
        return (_copied_tracker, (self.config, self.log_dir, self._run.path))


def _copied_tracker(
    config: ExperimentConfig, log_dir: Path, path: Path | None
) -> ExperimentTracker:
    tracker = ExperimentTracker(config, log_dir, quiet=True)
    tracker._run.become_copy(path)
    return tracker
