"""Files of other tools, as the tools themselves wrote them: every number is what they read back."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from traintop.model import RunSummary
from traintop.progress import planned_steps, steps_done
from traintop.store.catalog import RunCatalog
from traintop.store.history import History
from traintop.times import posix_time

FOREIGN = Path(__file__).parents[1] / "foreign"


def expected(tool: str) -> dict[str, Any]:
    runs: dict[str, Any] = json.loads((FOREIGN / tool / "expected.json").read_text())["runs"]
    return runs


def wanted_points(points: list[list[Any]]) -> dict[float, float]:
    return {step: float(value) for step, value in points}


def differences(found: dict[float, float], wanted: dict[float, float]) -> Iterator[str]:
    for step in sorted(found.keys() | wanted.keys()):
        mine, theirs = found.get(step, "nothing"), wanted.get(step, "nothing")
        if mine != theirs and not (math.isnan(float(mine)) and math.isnan(float(theirs))):
            yield f"at {step}: {mine}, not {theirs}"


def points_of(directory: Path) -> dict[str, dict[float, float]]:
    """The points of each metric of the one run in a directory."""
    catalog = RunCatalog([directory])
    [run] = catalog.refresh().runs
    return points_in(catalog.reader(run.id).history())


def points_in(history: History) -> dict[str, dict[float, float]]:
    found = {}
    for metric in history.metrics:
        rows = np.flatnonzero(history.measured(metric))
        steps = history.columns["iteration"][rows].tolist()
        found[metric] = dict(zip(steps, history.columns[metric][rows].tolist(), strict=True))
    return found


@pytest.mark.parametrize("run", ["restarted", "tensorboardx", "hparams"])
def test_event_files_have_the_numbers_of_tensorboard(run: str) -> None:
    found = points_of(FOREIGN / "tensorboard" / run)
    for metric, points in expected("tensorboard")[run]["metrics"].items():
        assert not [*differences(found[metric], wanted_points(points))], metric


def test_a_restart_without_purge_has_the_later_values() -> None:
    """Where TensorBoard shows both values of a step, the later one counts."""
    found = points_of(FOREIGN / "tensorboard" / "restarted_without_purge")
    wanted = expected("tensorboard")["restarted_without_purge"]["metrics"]
    for metric, points in wanted.items():
        assert not [*differences(found[metric], wanted_points(points))], metric


def test_what_add_scalars_and_add_hparams_write_is_one_run() -> None:
    found = points_of(FOREIGN / "tensorboard" / "hparams")
    runs = expected("tensorboard")
    for name, directory in (("both/train", "both_train"), ("both/val", "both_val")):
        [points] = runs[f"hparams/{directory}"]["metrics"].values()
        assert not [*differences(found[name], wanted_points(points))]
    [run] = RunCatalog([FOREIGN / "tensorboard" / "hparams"]).refresh().runs
    assert run.config == runs["hparams/settings"]["settings"]


def test_training_and_validation_of_keras_are_one_run() -> None:
    found, runs = points_of(FOREIGN / "tensorboard" / "tf2"), expected("tensorboard")
    for name, (directory, metric) in {
        "epoch_loss": ("train", "epoch_loss"),
        "val/epoch_loss": ("validation", "epoch_loss"),
    }.items():
        points = runs[f"tf2/{directory}"]["metrics"][metric]
        assert not [*differences(found[name], wanted_points(points))]


@pytest.mark.parametrize("run", ["with_tensorboard", "interrupted", "llama_factory"])
def test_output_directories_have_the_numbers_of_the_trainer(run: str) -> None:
    found = points_of(FOREIGN / "transformers" / run)
    for metric, points in expected("transformers")[run]["metrics"].items():
        name = "train/train_loss" if metric == "train_loss" else metric
        wanted = wanted_points(points)
        if run == "with_tensorboard":  # whose event files have 32 bits of each number
            wanted = {step: float(np.float32(value)) for step, value in wanted.items()}
        assert not [*differences(found[name], wanted)], metric


def test_output_directories_say_how_far_they_are() -> None:
    runs = RunCatalog([FOREIGN / "transformers"]).refresh().runs
    far = {
        run.title: (steps_done(run), planned_steps(run), run.status == "finished")
        for run in runs
        if run.id != str(FOREIGN / "transformers")  # what one of them printed
    }
    assert far == {
        "counting": (60, 60, True),
        "llama_factory": (60, 60, True),
        "interrupted": (40, 60, False),
    }


@pytest.mark.parametrize("run", [*expected("json_lines")])
def test_json_lines_have_the_numbers_that_were_written(run: str) -> None:
    found = points_of(FOREIGN / "json_lines" / run)
    wanted = expected("json_lines")[run]["metrics"]
    assert found.keys() == wanted.keys()
    for metric, points in wanted.items():
        assert not [*differences(found[metric], wanted_points(points))], metric


@pytest.mark.parametrize("version", ["version_0", "version_1"])
def test_lightning_has_the_numbers_and_settings_of_pandas(version: str) -> None:
    run = f"lightning_logs/{version}"
    directory, wanted = FOREIGN / "lightning" / run, expected("lightning")[run]
    found = points_of(directory)
    for metric, points in wanted["metrics"].items():
        assert not [*differences(found[metric], wanted_points(points))], metric
    [summary] = RunCatalog([directory]).refresh().runs
    assert (summary.title, summary.config) == (version, wanted["settings"])


@pytest.mark.parametrize("name", ["training.csv", "resumed.csv"])
def test_keras_has_the_numbers_of_pandas(name: str) -> None:
    found = points_of(FOREIGN / "keras" / name)
    for metric, points in expected("keras")[name]["metrics"].items():
        assert not [*differences(found[metric], wanted_points(points))], metric


@pytest.mark.parametrize("run", [*expected("ultralytics")])
def test_ultralytics_has_the_numbers_and_settings_of_its_own(run: str) -> None:
    wanted = expected("ultralytics")[run]
    [summary] = RunCatalog([FOREIGN / "ultralytics" / run]).refresh().runs
    assert summary.config == wanted["settings"]
    found = points_of(FOREIGN / "ultralytics" / run)
    for metric, points in wanted["metrics"].items():
        if metric != "time":  # which is when the records were made
            assert not [*differences(found[metric], wanted_points(points))], metric


@pytest.mark.parametrize(
    ("tool", "run"), [(tool, run) for tool in ("wandb", "wandb_0_16") for run in expected(tool)]
)
def test_files_of_wandb_say_what_its_own_classes_read(tool: str, run: str) -> None:
    directory, wanted = FOREIGN / tool / run, expected(tool)[run]
    found = points_of(directory)
    assert found.keys() == wanted["metrics"].keys() - {"_runtime", "_timestamp"}
    for metric, points in found.items():
        assert not [*differences(points, wanted_points(wanted["metrics"][metric]))], metric
    [summary] = RunCatalog([directory]).refresh().runs
    assert summary.config == wanted["settings"] | {"experiment_name": wanted["name"]}
    assert summary.status in (wanted["status"], "running", "stalled")
    assert (wanted["status"] is None) == (summary.status in ("running", "stalled"))
    assert (summary.notes, [*summary.tags]) == (wanted["notes"], wanted["tags"])
    facts = summary.environment
    for name in ("host", "project", "group", "git_commit"):
        assert facts.get(name, "") == wanted.get(name, ""), name
    assert posix_time(summary.start_time) == pytest.approx(posix_time(wanted["started"]))


def test_the_latest_run_of_wandb_counts_once() -> None:
    runs = RunCatalog([FOREIGN / "wandb"]).refresh().runs
    assert {run.id for run in runs} == {str(FOREIGN / "wandb" / run) for run in expected("wandb")}


def points_of_run(tool: str, run: str) -> tuple[RunSummary, dict[str, dict[float, float]]]:
    """A run of several in a folder, and the points of each of its metrics."""
    catalog = RunCatalog([FOREIGN / tool])
    [summary] = [one for one in catalog.refresh().runs if one.id == str(FOREIGN / tool / run)]
    return summary, points_in(catalog.reader(summary.id).history())


@pytest.mark.parametrize("run", [*expected("mlflow")])
def test_both_stores_of_mlflow_say_what_its_client_reads(run: str) -> None:
    wanted = expected("mlflow")[run]
    summary, found = points_of_run("mlflow", run)
    assert found.keys() == wanted["metrics"].keys()
    for metric, points in wanted["metrics"].items():
        largest = sys.float_info.max
        finite = {step: value for step, value in wanted_points(points).items() if value < largest}
        known = {step: value for step, value in found[metric].items() if value < largest}
        assert not [*differences(known, finite)], metric
    assert {name: str(value) for name, value in summary.config.items() if name != "tags"} == {
        **wanted["settings"],
        "experiment_name": wanted["name"],
    }
    status = "running" if summary.status == "stalled" else summary.status  # for nobody ended it
    assert status == wanted["status"]
    assert posix_time(summary.start_time) == pytest.approx(wanted["started"] / 1000)
    assert summary.notes == wanted["tags"].get("mlflow.note.content", "")


@pytest.mark.parametrize("run", [*expected("trackio")])
def test_databases_of_trackio_say_what_it_reads(run: str) -> None:
    wanted = expected("trackio")[run]
    database = run.partition("#")[0]
    summary, found = points_of_run("trackio", f"{database}#{wanted['id']}")
    assert found.keys() == wanted["metrics"].keys()
    for metric, points in wanted["metrics"].items():
        assert not [*differences(found[metric], wanted_points(points))], metric
    given = {name: one for name, one in wanted["settings"].items() if not name.startswith("_")}
    assert summary.config == {**given, "experiment_name": wanted["name"]}
    assert posix_time(summary.start_time) == posix_time(wanted["settings"]["_Created"])


@pytest.mark.parametrize("run", [*expected("optuna")])
def test_databases_of_optuna_say_what_it_reads(run: str) -> None:
    wanted = expected("optuna")[run]
    summary, found = points_of_run("optuna", run.replace("/", "-"))
    points = wanted_points(wanted["metrics"]["intermediate_value"])
    assert not [*differences(found.pop("intermediate_value", {}), points)]
    assert [*found.pop("value", {}).values()] == (
        [] if wanted["value"] is None else [wanted["value"]]
    )
    attributes = {"user_attrs": wanted["user_attrs"]} if wanted["user_attrs"] else {}
    name = {"experiment_name": run.partition("#")[2].replace("/", "-")}
    assert summary.config == {**wanted["settings"], **attributes, **name}
    status = {"pruned": "interrupted"}.get(wanted["status"], wanted["status"])
    assert ("running" if summary.status == "quiet" else summary.status) == status
    assert summary.environment["directions"]["value"] == "lower"


LOG_NAMES = {
    "time": "iter_time_ms",
    "ms": "iter_time_ms",
    "norm": "grad_norm",
    "gnorm": "grad_norm",
    "val loss": "val_loss",
    "train loss": "eval_train_loss",
    "trl": "train_loss",
    "tok/s": "tokens_per_sec",
    "tel": "val_loss",
    "validate loss": "val/loss",
    "elapsed time per iteration (ms)": "iter_time_ms",
    "lm loss PPL": "validation/ppl",
    "lm loss value": "validation/loss",
    "valid loss": "valid/loss",
    "valid ppl": "valid/ppl",
    "valid best_loss": "valid/best_loss",
    "valid_loss": "valid/loss",
    "valid_ppl": "valid/ppl",
    "valid_best_loss": "valid/best_loss",
}
NO_METRICS = {"train_time", "num_updates", "wall", "valid num_updates", "valid_num_updates"}


@pytest.mark.parametrize("run", [*expected("text_logs")])
def test_text_logs_have_the_numbers_that_were_printed(run: str) -> None:
    found = points_of(FOREIGN / "text_logs" / run)
    for metric, points in expected("text_logs")[run]["metrics"].items():
        if metric not in NO_METRICS:
            name = LOG_NAMES.get(metric, metric)
            assert not [*differences(found[name], wanted_points(points))], metric
