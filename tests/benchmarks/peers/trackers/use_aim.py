"""Aim: a RocksDB database for each run, and an index, which ``aim up`` keeps."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

from aim import Repo, Run
from aim.sdk.index_manager import RepoIndexManager
from aim.sdk.types import QueryReportMode
from asked import RECORDS_OF_LISTED_RUN, OpenRun, Scalars, Tool, answer, log_run, loss

_LOSSES = "metric.name == 'loss'"


def begin(home: Path, name: str) -> OpenRun:
    run = Run(
        repo=_repo(home),
        system_tracking_interval=None,
        log_system_params=False,
        capture_terminal_logs=False,
    )
    run.name = name

    def log(step: int, values: Scalars) -> None:
        run.track(values, step=step)

    return OpenRun(log, run.close)


def write_runs(home: Path, count: int) -> None:
    for number in range(count):
        log_run(TOOL, home, f"run-{number:05d}", RECORDS_OF_LISTED_RUN)
    _index(home)


def last_losses(home: Path) -> Iterator[float | None]:
    for metric in _losses(home):
        yield metric.values.last()[1]


def write_curve(home: Path, count: int) -> None:
    run = begin(home, "long-run")
    for step in range(count):
        run.log(step, {"loss": loss(step)})
    run.end()
    _index(home)


def curve(home: Path) -> int:
    metric = next(_losses(home), None)
    if metric is None:  # of a run that was killed
        _index(home)
        (metric,) = _losses(home)
    return len(metric.values.sparse_numpy()[1])


@functools.cache
def _repo(home: Path) -> Repo:
    return Repo.from_path(str(home), init=True)


def _losses(home: Path) -> Iterator:
    found = Repo.from_path(str(home)).query_metrics(_LOSSES, report_mode=QueryReportMode.DISABLED)
    for of_run in found.iter_runs():
        yield from of_run


def _index(home: Path) -> None:
    """As the server does: a run that has no entry there has no metrics for a query."""
    repo = Repo.from_path(str(home))
    index = RepoIndexManager.get_index_manager(repo)
    for run in repo.list_all_runs():
        index.index(run)
    repo.container_pool.clear()


TOOL = Tool(begin, write_runs, last_losses, write_curve, curve)

if __name__ == "__main__":
    answer(TOOL)
