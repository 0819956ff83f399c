"""A directory with a hundred runs of seven tools: one list, one comparison, one table."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.runs import track_run

from traintop.cli import main

FOREIGN = Path(__file__).parents[1] / "foreign"
RUNS = {
    "tensorboard": "tensorboard/restarted",
    "transformers": "transformers/with_tensorboard",
    "lightning": "lightning/lightning_logs/version_0",
    "keras": "keras/training.csv",
    "ultralytics": "ultralytics/runs/detect/train",
    "jsonl": "json_lines/metrics.jsonl",
}
"""A run of each tool, as the tool wrote it; W&B names its runs itself."""

COPIES = 14


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    logs = tmp_path_factory.mktemp("logs")
    for tool, source in RUNS.items():
        for number in range(COPIES):
            target = logs / tool / str(number)
            if (FOREIGN / source).is_dir():
                shutil.copytree(FOREIGN / source, target)
            else:
                target.mkdir(parents=True)
                shutil.copy(FOREIGN / source, target / f"log{Path(source).suffix}")
    for number in range(COPIES):
        shutil.copytree(FOREIGN / "wandb", logs / "wandb" / str(number), symlinks=True)
    for number in range(COPIES):
        track_run(logs / "ours", f"ours-{number}")
    return logs


def traintop(*arguments: object) -> str:
    result = CliRunner().invoke(main, [*map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_all_runs_are_in_one_list(logs: Path) -> None:
    runs = json.loads(traintop("list", logs, "--json"))["runs"]
    tools = [Path(run["path"]).relative_to(logs).parts[0] for run in runs]
    counts = {tool: tools.count(tool) for tool in sorted(set(tools))}
    wandb = counts.pop("wandb")
    assert counts == dict.fromkeys(sorted({*RUNS, "ours"}), COPIES)
    assert wandb % COPIES == 0
    assert wandb >= COPIES
    assert not [run["run"] for run in runs if run["problem"]]
    best = [run["best_val_loss"] for run in runs if run["best_val_loss"] is not None]
    assert best == sorted(best)


def test_one_run_of_each_tool_is_compared(logs: Path) -> None:
    found = json.loads(traintop("list", logs, "--json", "--sort", "name"))["runs"]
    names = {Path(run["path"]).relative_to(logs).parts[0]: run["run"] for run in found}
    table = csv.DictReader(io.StringIO(traintop("compare", logs, *names.values(), "--csv")))
    losses = next(row for row in table if (row["section"], row["row"]) == ("train_loss", "best"))
    assert all(losses[name] for tool, name in names.items() if tool != "ultralytics"), losses


def test_all_records_are_in_one_table(logs: Path, tmp_path: Path) -> None:
    traintop("export", logs, "--out", tmp_path / "all.csv")
    with (tmp_path / "all.csv").open(newline="") as file:
        runs = {row["run"] for row in csv.DictReader(file)}
    assert len(runs) == len(json.loads(traintop("list", logs, "--json"))["runs"])
    assert len(runs) >= 100
