"""ExperimentAnalyzer: the runs of a log directory, compared and taken out as data."""

from __future__ import annotations

import functools
import logging
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from traintop.analysis.export import write_csv
from traintop.analysis.field_names import field_among, is_known
from traintop.analysis.loading import log_of
from traintop.analysis.records import Number, column_values, measured_values
from traintop.analysis.run import Run, UnknownNameError
from traintop.analysis.run_tables import comparison_table
from traintop.analysis.runs import OpenedRuns, Records, Runs
from traintop.analysis.summary_text import summary_lines
from traintop.metrics import column_name
from traintop.model import RECORD_FIELDS, ExperimentLog
from traintop.run_ids import is_remote
from traintop.text import safe_text, suggestions
from traintop.tracking.environment import default_root

if TYPE_CHECKING:
    import pandas

    from traintop.store.history import History

log = logging.getLogger("traintop")

_LOGS_IN_MEMORY = 16


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
        log_dir: the directory, with those below it, or a root elsewhere, as ``ssh://gpu07/runs``;
            ``$TRAINTOP_DIR``, else ``experiment_logs``, if ``None``.
    """

    def __init__(self, log_dir: str | os.PathLike[str] | None = None) -> None:
        root = os.fspath(log_dir) if log_dir is not None else default_root()
        self.log_dir: str | Path = root if is_remote(root) else Path(root)
        self._opened: OpenedRuns | None = None
        self._loaded: set[str] | None = None
        self._reported: set[str] = set()
        self._log_of = functools.lru_cache(_LOGS_IN_MEMORY)(self._load_log)

    # -- loading

    def load_all(self) -> None:
        """Load every run of the directory, in its present state.

        A file that cannot be read is left out; the logger ``traintop`` warns of it once, with the
        reason.
        """
        self._loaded = {*self._scan().names}

    def load_specific(self, names: Iterable[str] | str) -> None:
        """Load some runs by name, in addition to those that are loaded.

        Raises ``ValueError`` for an unknown name; then none of them is loaded.
        """
        found = self._scan()
        wanted = [names] if isinstance(names, str) else names
        chosen = {self._find(name).id for name in wanted}
        self._loaded = chosen | ((self._loaded or set()) & found.names.keys())

    def _scan(self) -> Runs:
        """All runs as they are now."""
        if self._opened is None:
            self._opened = OpenedRuns([self.log_dir])
        else:
            self._opened.refresh()
        for trouble in self._opened.troubles:
            if trouble not in self._reported:
                self._reported.add(trouble)
                log.warning("traintop: %s", trouble)
        return self._opened.runs

    def _runs(self) -> Runs:
        """The loaded runs, the newest first."""
        if self._loaded is None:
            self.load_all()
        return self._found(self._loaded or ())

    def _found(self, ids: Collection[str]) -> Runs:
        runs = self._opened.runs if self._opened is not None else self._scan()
        return runs.select(run for run in runs if run.id in ids)

    def _find(self, name: str) -> Run:
        runs = self._opened.runs if self._opened is not None else self._scan()
        try:
            return runs.find(name)
        except UnknownNameError as error:
            raise ValueError(f"{error.what} in {str(self.log_dir)!r}: {error.hint}") from None

    def _load_log(self, run: Run) -> ExperimentLog:
        return log_of(run)

    @property
    def logs(self) -> Mapping[str, ExperimentLog]:
        """The loaded runs by name, the newest first. A run's records are read when it is taken."""
        loaded = self._found(self._loaded) if self._loaded else ()
        return _LazyLogs({run.name: run for run in loaded}, self._log_of)

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
        ordered = runs.sort(sort).summaries
        return comparison_table(ordered, runs.names, sort=sort, width=cells, markdown=markdown)

    def print_summary(self, name: str) -> None:
        """Print results, timing, settings and notes of one run."""
        run = self._find(name)
        print("\n".join(summary_lines(run.summary, run.name)))

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
        if not is_known(field_among(metric, runs.summaries), runs.summaries):
            return None
        best = runs.ranked(metric, mode)[:1]
        return (runs.names[best[0].run.id], best[0].value) if best else None

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

    def _history(self, name: str) -> History:
        return self._find(name).history()

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
        return Records(self._runs() if name is None else [self._find(name)]).to_pandas()


class _LazyLogs(Mapping[str, ExperimentLog]):
    """Logs by name, each read when it is taken."""

    def __init__(self, runs: Mapping[str, Run], read: Callable[[Run], ExperimentLog]) -> None:
        self._runs = runs
        self._read = read

    def __getitem__(self, name: str) -> ExperimentLog:
        return self._read(self._runs[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._runs)

    def __len__(self) -> int:
        return len(self._runs)

    def __contains__(self, name: object) -> bool:
        return name in self._runs
