"""DVCLive, outside of a repository of DVC: TSV files, and a JSON file of the last values."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from asked import RECORDS_OF_LISTED_RUN, OpenRun, Scalars, Tool, answer, log_run, loss
from dvclive import Live
from dvclive.utils import parse_json, parse_tsv


def begin(home: Path, name: str) -> OpenRun:
    live = Live(str(home / name), save_dvc_exp=False, dvcyaml=None, report=None)

    def log(step: int, values: Scalars) -> None:
        for metric, value in values.items():
            live.log_metric(metric, value)
        live.next_step()

    return OpenRun(log, live.end)


def write_runs(home: Path, count: int) -> None:
    log_run(TOOL, home, "run-00000", RECORDS_OF_LISTED_RUN)
    for number in range(1, count):
        shutil.copytree(home / "run-00000", home / f"run-{number:05d}")


def last_losses(home: Path) -> Iterator[float | None]:
    for run in home.iterdir():
        yield parse_json(run / "metrics.json").get("loss")


def write_curve(home: Path, count: int) -> None:
    begin(home, "long-run").log(0, {"loss": loss(0)})
    with open(_losses(home), "a") as file:
        file.writelines(f"{step}\t{loss(step)}\n" for step in range(1, count))


def curve(home: Path) -> int:
    return len(parse_tsv(_losses(home)))


def _losses(home: Path) -> Path:
    (run,) = home.iterdir()
    return run / "plots" / "metrics" / "loss.tsv"


TOOL = Tool(begin, write_runs, last_losses, write_curve, curve)

if __name__ == "__main__":
    answer(TOOL)
