"""epokio: its logger writes CSV files, its scan and its page of a run read them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import epokio
from asked import RECORDS_OF_LISTED_RUN, OpenRun, Scalars, Tool, answer, log_run, loss
from epokio.rundetail import detail
from epokio.scan import scan


def begin(home: Path, name: str) -> OpenRun:
    run = epokio.start(home / name)

    def log(step: int, values: Scalars) -> None:
        run.log(step + 1, **values)

    return OpenRun(log, run.finish)


def write_runs(home: Path, count: int) -> None:
    log_run(TOOL, home, "run-00000", RECORDS_OF_LISTED_RUN)
    for number in range(1, count):
        shutil.copytree(home / "run-00000", home / f"run-{number:05d}")


def last_losses(home: Path) -> Iterator[float | None]:
    """Its list has the best score of a run; the last value of a metric is on the run's page."""
    for run in scan(home):
        yield _losses(run.path)[-1]


def write_curve(home: Path, count: int) -> None:
    """As its logger does, which writes the whole file anew at each call."""
    run = epokio.start(home / "long-run")
    run.rows = [
        {"epoch": step + 1, "time": step / 10, "train/total_loss": loss(step)}
        for step in range(count)
    ]
    run.finish()


def curve(home: Path) -> int:
    (run,) = home.iterdir()
    return len(_losses(run))


def _losses(run: Path) -> list[float]:
    return detail(run)["columns"]["train/total_loss"]


TOOL = Tool(begin, write_runs, last_losses, write_curve, curve)

if __name__ == "__main__":
    answer(TOOL)
