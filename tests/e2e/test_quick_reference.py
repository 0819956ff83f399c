"""The quick reference, to the letter: every Python block of the page, executed as printed."""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from traintop import ExperimentAnalyzer, ExperimentConfig, ExperimentTracker
from traintop.model import RECORD_FIELDS

PAGE = Path(__file__).parents[2] / "docs" / "quick-reference.md"

IMPORT_PATHS = {
    "cs336_basics": lambda block: block,
    "traintop": lambda block: re.sub(r"cs336_basics\.\w+", "traintop", block),
}

# `experiment_name: str,` within a call: such blocks list a signature and are no program.
_PARAMETER = re.compile(r"^\s+(?P<name>\w+): (?P<type>\w+)(?: = (?P<default>[^,]+))?,$", re.M)


class Block(NamedTuple):
    heading: str
    code: str


def _blocks() -> list[Block]:
    text = PAGE.read_text(encoding="utf-8")
    heading_or_block = r"^#+ (?P<heading>[^\n]*)$|^```python\n(?P<code>.*?)^```$"
    found = re.finditer(heading_or_block, text, re.M | re.S)
    heading, blocks = "", []
    for match in found:
        if match["code"] is None:
            heading = match["heading"]
        else:
            blocks.append(Block(heading, match["code"]))
    return blocks


BLOCKS = _blocks()
PROGRAMS = [block for block in BLOCKS if not _PARAMETER.search(block.code)]
SIGNATURES = {block.heading: block.code for block in BLOCKS if block not in PROGRAMS}


def _surroundings() -> dict[str, Any]:
    """The names that a training script around the blocks has."""
    return {
        "Path": Path,
        "args": argparse.Namespace(
            wandb_run_name="wandb_name", d_model=64, num_heads=4, log_interval=1
        ),
        "iter_num": 10,
        "loss": np.float32(3.5),
        "lr": 1e-3,
        "batch_size": 64,
        "context_length": 256,
        "iter_time": 0.5,
        "train_loss": 3.25,
        "val_loss": 3.5,
        "final_train_loss": 3.0,
        "final_val_loss": 3.125,
        "avg_loss": 3.5,
        "avg_time": 0.25,
        "tokens_per_sec": 65536.0,
        "losses": {"train": 2.5, "val": 2.75},
    }


def _log_runs_that_the_page_names() -> None:
    for name in ("experiment_name", "exp_name", "exp1", "exp2"):
        with ExperimentTracker(ExperimentConfig(name), quiet=True) as tracker:
            tracker.log_eval(0, train_loss=5.0, val_loss=5.5)


def test_the_page_has_the_blocks_that_are_tried() -> None:
    assert len(BLOCKS) == 23
    assert set(SIGNATURES) == {"ExperimentConfig", "ExperimentTracker Methods"}


@pytest.mark.parametrize("import_path", IMPORT_PATHS)
def test_every_block_runs_as_printed(
    import_path: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRAINTOP_DIR", raising=False)
    _log_runs_that_the_page_names()
    names = _surroundings()
    for block in PROGRAMS:
        code = IMPORT_PATHS[import_path](block.code)
        exec(compile(code, f"{PAGE.name}: {block.heading}", "exec"), names)

    assert names["iterations"] == [0]
    assert names["train_losses"] == [5.0]
    assert names["val_losses"] == [5.5]
    assert issubclass(names["ExperimentTracker"], ExperimentTracker)
    output = capsys.readouterr().out
    assert "Best: my_experiment (3.500000)" in output  # as recorded; finish() was given 3.125
    assert "Run experiment_name" in output
    assert "Run my_experiment" in output
    for name in ("results.csv", "file.csv"):
        header, row = (tmp_path / name).read_text().splitlines()
        assert header == ",".join((*RECORD_FIELDS, "eval_train_loss"))
        assert row.startswith("0,0,")

    (snippet,) = (tmp_path / "experiment_logs").glob("experiment_wandb_name_*.json")
    (record,) = json.loads(snippet.read_text())["metrics_history"]
    losses = [record[name] for name in ("train_loss", "eval_train_loss", "val_loss")]
    assert losses == [3.5, 2.5, 2.75]


def test_the_saved_file_is_the_described_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = _surroundings()
    for block in PROGRAMS[:5]:
        exec(block.code, names)

    (path,) = (tmp_path / "experiment_logs").iterdir()
    assert re.fullmatch(r"experiment_my_experiment_\d{8}_\d{6}\.json", path.name)
    saved = json.loads(path.read_text())
    contents = PAGE.read_text(encoding="utf-8").partition("Each file contains:\n")[2]
    described = re.findall(r"^- \*\*(.+?)\*\*:", contents.partition("---")[0], re.M)
    keys = [key for entry in described for key in entry.split(", ")]
    assert len(keys) == 8
    assert saved.keys() >= set(keys)
    assert saved["config"] == names["config"].to_dict()
    assert saved["config"]["max_learning_rate"] == 6e-4
    assert saved["notes"] == "Description of this experiment"
    assert (saved["best_val_loss"], saved["final_val_loss"]) == (3.5, 3.125)
    assert names["tracker"].get_summary_stats()["best_val_loss"] == 3.5
    (record,) = saved["metrics_history"]
    assert record.pop("wallclock_time") >= 0
    assert record == {
        "iteration": 10,
        "gradient_step": 1,
        "train_loss": 3.5,
        "val_loss": 3.5,
        "learning_rate": 1e-3,
        "tokens_per_sec": 64 * 256 / 0.5,
        "iter_time_ms": 500.0,
        "eval_train_loss": 3.25,
    }


def test_the_metrics_table_names_the_fields_of_a_record(tmp_path: Path) -> None:
    with ExperimentTracker(ExperimentConfig("run"), tmp_path, quiet=True) as tracker:
        tracker.log_metrics(0, 1.0, 1.0, 1.0, 1.0)
        tracker.log_eval(0, val_loss=1.0)
    (record,) = json.loads(tracker.path.read_text())["metrics_history"]
    page = PAGE.read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| (\w+) \| (int|float) \|", page, re.M))
    assert list(record) == list(listed)
    assert {name: type(value).__name__ for name, value in record.items()} == listed


def test_listed_settings_have_the_listed_types_and_defaults() -> None:
    listed = list(_PARAMETER.finditer(SIGNATURES["ExperimentConfig"]))
    assert [parameter["name"] for parameter in listed if parameter["default"] is None] == [
        "experiment_name"
    ]
    config = ExperimentConfig(experiment_name="baseline")
    assert [parameter["name"] for parameter in listed] == list(config._fields)
    for parameter in listed[1:]:
        value = getattr(config, parameter["name"])
        assert value == ast.literal_eval(parameter["default"])
        assert type(value).__name__ == parameter["type"]


def test_listed_tracker_methods_have_the_listed_parameters() -> None:
    calls = re.findall(
        r"^tracker\.(\w+)\(\n(.*?)^\)", SIGNATURES["ExperimentTracker Methods"], re.M | re.S
    )
    assert [method for method, _ in calls] == ["log_metrics", "log_eval"]
    for method, listing in calls:
        signature = inspect.signature(getattr(ExperimentTracker, method)).parameters
        positional = [
            (parameter.name, parameter.default)
            for parameter in signature.values()
            if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        ][1:]
        listed = [
            (
                parameter["name"],
                ast.literal_eval(parameter["default"])
                if parameter["default"]
                else inspect.Parameter.empty,
            )
            for parameter in _PARAMETER.finditer(listing)
        ]
        assert positional == listed


def test_the_other_listed_tracker_calls_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    listing = SIGNATURES["ExperimentTracker Methods"]
    calls = [line for line in listing.splitlines() if re.match(r"tracker.*\)\s*(#|$)", line)]
    assert len(calls) == 8
    names: dict[str, Any] = {
        "ExperimentTracker": ExperimentTracker,
        "config": ExperimentConfig("run"),
    }
    for call in calls:
        exec(call.replace("(...)", "(train_loss=1.0)"), names)
    assert names["tracker"].get_elapsed_time() >= 0
    assert names["tracker"].get_summary_stats()["total_gradient_steps"] == 1
    assert list(
        ExperimentAnalyzer().load_all() or Path("experiment_logs").absolute().iterdir()
    ) == [names["tracker"].path]


def test_everything_at_a_glance_exists() -> None:
    glance = PAGE.read_text(encoding="utf-8").rpartition("## API at a Glance")[2]
    owners = {"ExperimentTracker": ExperimentTracker, "ExperimentAnalyzer": ExperimentAnalyzer}
    owner: object = None
    listed = 0
    for line in glance.splitlines():
        if heading := re.match(r"(\w+):", line):
            owner = owners.get(heading[1])
        elif member := re.match(r"[├└]── (\w+)", line):
            assert hasattr(owner, member[1]), line
            listed += 1
    assert listed == 14
