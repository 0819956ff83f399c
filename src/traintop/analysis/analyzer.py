"""ExperimentAnalyzer: the runs of a log directory, compared and taken out as data."""

from __future__ import annotations

import functools
import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from traintop.analysis.export import write_csv
from traintop.analysis.field_names import field_among, is_known
from traintop.analysis.loading import load_experiment_log
from traintop.analysis.naming import find_run, unique_names
from traintop.analysis.ranking import leaders, sorted_runs
from traintop.analysis.records import Number, column_values, measured_values
from traintop.analysis.run_tables import comparison_table
from traintop.analysis.summary_text import summary_lines
from traintop.direction import Direction
from traintop.metrics import choose_directions_for, column_name
from traintop.model import RECORD_FIELDS, ExperimentLog, RunStatus, RunSummary
from traintop.store.catalog import RunCatalog
from traintop.store.history import History
from traintop.text import safe_text, suggestions
from traintop.tracking.environment import default_log_dir

if TYPE_CHECKING:
    import pandas

log = logging.getLogger("traintop")

_RUNS_IN_MEMORY = 16
_DIRECTIONS: Mapping[str, Direction] = {"min": "lower", "max": "higher"}


class ExperimentAnalyzer:
    """Loads, compares and exports the runs of a log directory.

    ::

        analyzer = ExperimentAnalyzer("experiment_logs")
        analyzer.load_all()
        print(analyzer.get_comparison_table())
        iterations, train_losses, val_losses = analyzer.get_loss_trajectories("baseline")

    Runs are named by their experiment. Of several runs of one experiment the newest has the plain
    name, and older ones have the time of their start behind it: ``baseline@20250222_140530``.
    Every method takes these names, and run ids (the file's name without ``.json``), and raises
    ``ValueError`` for a name that no run has. What is asked before anything was loaded loads all.

    Loading reads the two ends of each file; records are read when they are asked for.

    Args:
        log_dir: the directory, with those below it; ``$TRAINTOP_DIR``, else ``experiment_logs``,
            if ``None``.
    """

    def __init__(self, log_dir: str | os.PathLike[str] | None = None) -> None:
        self.log_dir = Path(log_dir) if log_dir is not None else default_log_dir()
        self._catalog = RunCatalog([self.log_dir])
        self._found: dict[str, RunSummary] = {}
        self._names: dict[str, str] = {}
        self._loaded: set[str] | None = None
        self._reported: set[str] = set()
        self._read_history = functools.lru_cache(_RUNS_IN_MEMORY)(self._read)
        self._read_log = functools.lru_cache(_RUNS_IN_MEMORY)(self._load_log)

    # -- loading

    def load_all(self) -> None:
        """Load every run of the directory, in its present state.

        A file that cannot be read is left out; the logger ``traintop`` warns of it once, with the
        reason.
        """
        self._scan()
        self._loaded = set(self._found)

    def load_specific(self, names: Iterable[str] | str) -> None:
        """Load some runs by name, in addition to those that are loaded.

        Raises ``ValueError`` for an unknown name; then none of them is loaded.
        """
        self._scan()
        wanted = [names] if isinstance(names, str) else names
        paths = {self._id_of(name) for name in wanted}
        self._loaded = paths | ((self._loaded or set()) & self._found.keys())

    def _scan(self) -> None:
        choose_directions_for([self.log_dir])
        snapshot = self._catalog.refresh()
        for notice in snapshot.notices:
            self._report(notice)
        readable = [run for run in snapshot.runs if run.status is not RunStatus.UNREADABLE]
        for run in snapshot.runs:
            if run.status is RunStatus.UNREADABLE:
                self._report(f"{run.id} {run.problem}; it is left out")
        self._found = {run.id: run for run in readable}
        self._names = unique_names(readable)
        self._read_history.cache_clear()
        self._read_log.cache_clear()

    def _report(self, trouble: str) -> None:
        if trouble not in self._reported:
            self._reported.add(trouble)
            log.warning("traintop: %s", safe_text(trouble, 500))

    def _runs(self) -> list[RunSummary]:
        """The loaded runs, the newest first."""
        if self._loaded is None:
            self.load_all()
        loaded = self._loaded or set()
        return [run for run_id, run in self._found.items() if run_id in loaded]

    def _id_of(self, name: str) -> str:
        if self._loaded is None and not self._found:
            self._scan()
        found = find_run(name, self._names)
        if found is None:
            hint = suggestions(name, self._names.values())
            raise ValueError(f"no run named {name!r} in {str(self.log_dir)!r}: {hint}")
        return found

    @property
    def logs(self) -> Mapping[str, ExperimentLog]:
        """The loaded runs by name, the newest first. A run's records are read when it is taken."""
        loaded = self._loaded or ()
        ids = {self._names[run_id]: run_id for run_id in self._found if run_id in loaded}
        return _LazyLogs(ids, self._read_log)

    # -- display

    def get_comparison_table(
        self, markdown: bool = False, *, sort: str = "best_val_loss", width: int | None = None
    ) -> str:
        """The loaded runs as a table, the best first, with ``*`` at the best of each column.

        ``sort`` is the name of a field (docs/fields.md); ``width`` is in cells, the terminal's if
        ``None``. Markdown has all columns. Raises ``ValueError`` for a name no run has.
        """
        runs = self._runs()
        if not runs:
            return f"No runs in {safe_text(self.log_dir, 500)}."
        cells = shutil.get_terminal_size().columns if width is None else width
        ordered = sorted_runs(runs, sort)
        return comparison_table(ordered, self._names, sort=sort, width=cells, markdown=markdown)

    def print_summary(self, name: str) -> None:
        """Print results, timing, settings and notes of one run."""
        path = self._id_of(name)
        print("\n".join(summary_lines(self._found[path], self._names[path])))

    def get_best_experiment(
        self, metric: str = "val_loss", mode: Literal["min", "max"] | None = None
    ) -> tuple[str, float] | Any:  # Any, not None: the pair may be unpacked without a check
        """The name of the run that reached the best value of a metric, and that value.

        ``metric`` is any metric, or ``duration`` (of finished runs, in seconds). Unless ``mode``
        says ``"min"`` or ``"max"``, it follows the metric: losses and times down, accuracies and
        rates up. NaN and ±inf never win. ``None`` when no loaded run has the metric. Raises
        ``ValueError`` when it takes a ``mode``, because the metric's name does not say.
        """
        if mode not in (None, "min", "max"):
            raise ValueError(f"mode must be 'min', 'max' or None, not {mode!r}")
        runs = self._runs()
        field = field_among(metric, runs)
        if not is_known(field, runs):
            return None
        direction = _DIRECTIONS[mode] if mode else field.direction
        if direction is None:
            raise ValueError(
                f"it is unknown whether lower or higher values of {metric!r} are better: "
                "pass mode='min' or mode='max'"
            )
        best = leaders(runs, metric, direction)[:1]
        return (self._names[best[0].run.id], best[0].value) if best else None

    # -- data extraction

    def get_loss_trajectories(self, name: str) -> tuple[list[Number], list[Number], list[Number]]:
        """Iterations, training losses and validation losses of a run, of equal length.

        They have one entry for each recorded iteration, sorted, with ``nan`` where nothing was
        measured: the lowest is ``numpy.nanmin(val_losses)``, for ``min`` may yield ``nan``.
        """
        history = self._history(name)
        return (
            column_values(history, "iteration"),
            column_values(history, column_name("train_loss", history.metrics)),
            column_values(history, column_name("val_loss", history.metrics)),
        )

    def get_throughput_trajectory(self, name: str) -> tuple[list[Number], list[Number]]:
        """Recorded iterations and tokens per second of a run, ``nan`` where not measured."""
        return self._aligned(name, "tokens_per_sec")

    def get_learning_rate_trajectory(self, name: str) -> tuple[list[Number], list[Number]]:
        """Recorded iterations and learning rates of a run, ``nan`` where not measured."""
        return self._aligned(name, "learning_rate")

    def _aligned(self, name: str, metric: str) -> tuple[list[Number], list[Number]]:
        history = self._history(name)
        values = column_values(history, column_name(metric, history.metrics))
        return column_values(history, "iteration"), values

    def get_trajectory(self, name: str, metric: str) -> tuple[list[Number], list[Number]]:
        """The values of any metric or other field that were measured, with their iterations.

        They are ready to plot. Raises ``ValueError`` for a metric that is no standard one and
        that the run does not have.
        """
        history = self._history(name)
        metric = column_name(metric, history.metrics)
        if metric not in RECORD_FIELDS and metric not in history.metrics:
            hint = suggestions(metric, dict.fromkeys((*history.metrics, *RECORD_FIELDS)))
            raise ValueError(f"run {name!r} has no metric {metric!r}: {hint}")
        iterations = column_values(history, "iteration")
        pairs = zip(iterations, measured_values(history, metric), strict=True)
        measured = [(iteration, value) for iteration, value in pairs if value is not None]
        return [iteration for iteration, _ in measured], [value for _, value in measured]

    def _read(self, run_id: str) -> History:
        return self._catalog.reader(run_id).history()

    def _load_log(self, run_id: str) -> ExperimentLog:
        return load_experiment_log(run_id)

    def _history(self, name: str) -> History:
        return self._read_history(self._id_of(name))

    # -- export

    def export_csv(self, name: str, path: str | os.PathLike[str]) -> Path:
        """Write the records of a run as CSV, whole or not at all; returns the file's path.

        The columns are ``iteration``, ``gradient_step``, ``wallclock_time``, ``train_loss``,
        ``val_loss``, ``learning_rate``, ``tokens_per_sec``, ``iter_time_ms``, then the run's
        further metrics. A cell is empty where nothing was measured.
        """
        return write_csv(self._history(name), Path(path))

    def to_dataframe(self, name: str | None = None) -> pandas.DataFrame:
        """The records of one run, or of all loaded runs, as a pandas DataFrame.

        One row for each iteration of a run, whose name is in the column ``run``; the other columns
        are those of :meth:`export_csv`, with NaN where nothing was measured. Raises
        ``ImportError`` when pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise ImportError("to_dataframe() needs pandas: pip install pandas") from None
        ids = [run.id for run in self._runs()] if name is None else [self._id_of(name)]
        frames = []
        for run_id in ids:
            history = self._read(run_id)
            metrics = [metric for metric in history.metrics if metric not in RECORD_FIELDS]
            columns = {
                column: column_values(history, column) for column in (*RECORD_FIELDS, *metrics)
            }
            frames.append(pandas.DataFrame({"run": self._names[run_id], **columns}))
        if not frames:
            return pandas.DataFrame(columns=["run", *RECORD_FIELDS])
        return pandas.concat(frames, ignore_index=True)


class _LazyLogs(Mapping[str, ExperimentLog]):
    """Logs by name, each read when it is taken."""

    def __init__(
        self, ids: Mapping[str, str], read: functools._lru_cache_wrapper[ExperimentLog]
    ) -> None:
        self._ids = ids
        self._read = read

    def __getitem__(self, name: str) -> ExperimentLog:
        return self._read(self._ids[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, name: object) -> bool:
        return name in self._ids
