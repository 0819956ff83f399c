"""traintop itself, by its public names."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy  # noqa: F401  # traintop imports it when it reads; nobody's imports are measured
from asked import RECORDS_OF_LISTED_RUN, OpenRun, Scalars, Tool, answer, log_run, loss

from traintop import ExperimentConfig, ExperimentTracker, open_runs
from traintop.logfile import HEAD_END, SEPARATOR, Tail, encode_flush, encode_record
from traintop.model import MetricsSnapshot


def begin(home: Path, name: str) -> OpenRun:
    config = ExperimentConfig(name)
    tracker = ExperimentTracker(config, log_dir=home, quiet=True, system_interval=None)
    tracker.start()

    def log(step: int, values: Scalars) -> None:
        tracker.log_metrics(
            step,
            train_loss=values["loss"],
            learning_rate=values["learning_rate"],
            tokens_per_sec=values["tokens_per_sec"],
            iter_time_ms=values["iter_time_ms"],
            grad_norm=values["grad_norm"],
        )

    return OpenRun(log, tracker.finish)


def write_runs(home: Path, count: int) -> None:
    log_run(TOOL, home, "run-00000", RECORDS_OF_LISTED_RUN)
    (file,) = home.glob("*.json")
    for number in range(1, count):
        shutil.copyfile(file, home / file.name.replace("run-00000", f"run-{number:05d}"))


def last_losses(home: Path) -> Iterator[float | None]:
    for run in open_runs(home):
        yield run.value("train_loss")


def write_curve(home: Path, count: int) -> None:
    """The records of a run that was just begun and finished, with as many lines between them."""
    begin(home, "long-run").end()
    (file,) = home.glob("*.json")
    head, end, _ = file.read_bytes().partition(HEAD_END)
    with open(file, "wb") as out:
        out.write(head + end)
        for step in range(count):
            line = encode_record(MetricsSnapshot(step, step, step / 10, train_loss=loss(step)))
            out.write((SEPARATOR if step else b"") + line)
        tail = Tail(status="finished", count=count)
        out.write(encode_flush(b"", tail, out.tell()))


def curve(home: Path) -> int:
    (run,) = open_runs(home)
    _, losses = run["train_loss"]
    return len(losses)


TOOL = Tool(begin, write_runs, last_losses, write_curve, curve)

if __name__ == "__main__":
    answer(TOOL)
