"""Output directories of a Trainer: which state counts, events beside it, restarts and faults."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.event_files import (
    START,
    hparams_event,
    scalar_event,
    text_event,
    version_event,
    write_events,
)

from traintop.fields import field_of
from traintop.metrics import best_value, last_value, names_of_metrics
from traintop.model import RunStatus, RunSummary
from traintop.progress import planned_steps, steps_done
from traintop.store.catalog import RunCatalog
from traintop.store.files import local
from traintop.store.files.local import LocalFiles
from traintop.store.formats import UnreadableRunError
from traintop.store.formats.trainer_state import TrainerState
from traintop.store.formats.transformers import TransformersFormat
from traintop.store.history import History

END = {"train_runtime": 9.5, "train_steps_per_second": 2.0, "train_loss": 2.5, "epoch": 3.0}


def log(steps: Iterable[int], loss: float = 3.0) -> list[dict[str, float]]:
    """What a Trainer logs at some steps."""
    return [{"loss": loss - step / 100, "epoch": step / 10, "step": step} for step in steps]


def write_state(directory: Path, history: list[dict[str, Any]], **more: Any) -> Path:
    """The state with this log in a directory."""
    step = history[-1]["step"] if history else 0
    state = {"global_step": step, "log_history": history, "max_steps": 60, "num_train_epochs": 3}
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "trainer_state.json"
    path.write_text(json.dumps(state | more, indent=2, sort_keys=True) + "\n")
    return path


def checkpoint(output: Path, steps: Iterable[int], loss: float = 3.0, age: float = 0) -> Path:
    """A checkpoint at the last of these steps, so many seconds old."""
    history = log(steps, loss)
    path = write_state(output / f"checkpoint-{history[-1]['step']}", history)
    made_old(path, age)
    return path


def made_old(path: Path, age: float) -> None:
    now = path.stat().st_mtime
    os.utime(path, (now - age, now - age))


def write_live(
    output: Path, metrics: Mapping[str, Iterable[tuple[int, float]]], start: float = START
) -> Path:
    """An event file as a Trainer writes it, which begins with the arguments."""
    directory = output / "runs" / f"Nov29_12-00-{start % 100:02.0f}_box"
    path = write_events(directory, metrics, start)
    events = path.read_bytes().removeprefix(version_event(start))
    path.write_bytes(version_event(start) + arguments(output) + events)
    return path


def arguments(output: Path, **more: Any) -> bytes:
    given = {"output_dir": f"./{output.name}", "per_device_train_batch_size": 8, "max_steps": -1}
    return text_event("args", json.dumps(given | more, indent=2))


def losses(steps: Iterable[int], loss: float = 3.0) -> dict[str, list[tuple[int, float]]]:
    return {"train/loss": [(step, loss - step / 100) for step in steps]}


class Watched:
    """A directory with one run, which is looked at again and again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.catalog = RunCatalog([directory])
        self.reader = self.catalog.reader(self.look().id)

    def look(self) -> RunSummary:
        [run] = self.catalog.refresh().runs
        return run

    def points(self, metric: str = "loss") -> dict[float, float]:
        """What is followed, which is what a new reader reads, and what the list says."""
        run = self.look()
        self.reader.follow()
        found = points_of(self.reader.history(), metric)
        assert found == points_of(self.catalog.reader(run.id).history(), metric)
        stats = run.stats[metric]
        assert (stats.count, stats.last) == (len(found), [*found.values()][-1])
        return {step: round(value, 6) for step, value in found.items()}


def points_of(history: History, metric: str) -> dict[float, float]:
    rows = history.measured(metric)
    steps = history.columns["iteration"][rows].tolist()
    return dict(zip(steps, history.columns[metric][rows].tolist(), strict=True))


def only_run(directory: Path) -> RunSummary:
    [run] = RunCatalog([directory]).refresh().runs
    return run


def test_the_checkpoints_of_an_output_directory_are_one_run(tmp_path: Path) -> None:
    for last in (20, 100, 40):
        checkpoint(tmp_path / "out", range(10, last + 1, 10))
    run = only_run(tmp_path)
    assert (run.title, run.iteration, run.count) == ("out", 100, 10)
    assert (run.config, run.status) == ({"max_steps": 60, "num_train_epochs": 3}, "running")
    assert run.environment["written_by"] == "Transformers"


def test_a_state_in_the_directory_itself_is_its_run(tmp_path: Path) -> None:
    checkpoint(tmp_path / "out", [10, 20])
    write_state(tmp_path / "out", [*log([10, 20, 30]), {**END, "step": 30}])
    run = only_run(tmp_path)
    assert (run.title, run.iteration, run.status) == ("out", 30, RunStatus.FINISHED)


def test_the_last_checkpoint_on_a_hub_is_of_the_run(tmp_path: Path) -> None:
    write_state(tmp_path / "out" / "last-checkpoint", log([10, 20, 30]))
    write_state(tmp_path / "out", log([10, 20]))
    checkpoint(tmp_path / "out", [10])
    run = only_run(tmp_path)
    assert (run.title, run.iteration) == ("out", 30)


def test_steps_are_those_done_of_those_planned(tmp_path: Path) -> None:
    write_state(tmp_path, [*log([1, 10, 20]), {"eval_loss": 2.0, "step": 25}])
    run = only_run(tmp_path)
    assert (steps_done(run), planned_steps(run)) == (25, 60)


def test_the_mean_over_a_training_is_no_train_loss_of_a_step(tmp_path: Path) -> None:
    write_state(tmp_path, [*log([10, 20]), {**END, "step": 20}])
    run = only_run(tmp_path)
    assert last_value(run, "train_loss") == 2.8 == best_value(run, "train_loss")
    assert field_of("train_loss").get(run, None) == 2.8  # type: ignore[arg-type]
    assert last_value(run, "train/train_loss") == 2.5
    assert {"train_loss", "train/train_loss"} <= {*names_of_metrics(run.stats)}


def test_the_mean_stands_for_a_loss_that_was_never_logged(tmp_path: Path) -> None:
    write_state(tmp_path, [{**END, "step": 20}])
    assert last_value(only_run(tmp_path), "train_loss") == 2.5


@pytest.mark.parametrize(
    ("history", "status"),
    [
        (log([50, 60]), "running"),  # the last checkpoint, before the end
        ([*log([50, 60]), {**END, "step": 60}], "finished"),
        ([*log([30]), {**END, "step": 30}], "finished"),  # stopped early
        ([*log([60]), {**END, "step": 60}, {"eval_loss": 2.0, "step": 60}], "finished"),
        ([*log([30]), {**END, "step": 30}, *log([40])], "running"),  # and trained further
        ([{"train_runtime": 1.0, **one} for one in log([10, 20])], "running"),  # with tokens seen
    ],
)
def test_a_run_has_ended_when_its_last_entry_says_so(
    tmp_path: Path, history: list[dict[str, Any]], status: str
) -> None:
    write_state(tmp_path, history)
    assert only_run(tmp_path).status == status


def test_the_best_checkpoint_is_a_note(tmp_path: Path) -> None:
    write_state(tmp_path, log([10]), best_metric=1.25, best_model_checkpoint="out/checkpoint-10")
    assert only_run(tmp_path).notes == "best checkpoint: out/checkpoint-10 (1.25)"


def test_settings_of_a_trial_are_settings(tmp_path: Path) -> None:
    write_state(tmp_path, log([10]), trial_params={"learning_rate": 1e-4})
    assert only_run(tmp_path).config["learning_rate"] == 1e-4


def test_bare_names_are_numbers(tmp_path: Path) -> None:
    write_state(tmp_path, [{"loss": float("nan"), "grad_norm": float("inf"), "step": 1}])
    run = only_run(tmp_path)
    assert (run.stats["loss"].nonfinite, run.stats["grad_norm"].nonfinite) == (1, 1)


# Checkpoints that come and go.


def test_new_checkpoints_are_followed_and_old_ones_may_go(tmp_path: Path) -> None:
    first = checkpoint(tmp_path, [10, 20])
    run = Watched(tmp_path)
    checkpoint(tmp_path, [10, 20, 30, 40])
    shutil.rmtree(first.parent)
    assert list(run.points()) == [10, 20, 30, 40]
    assert run.look().id == str(tmp_path)


def test_a_run_goes_when_its_last_checkpoint_went(tmp_path: Path) -> None:
    first = checkpoint(tmp_path, [10, 20])
    run = Watched(tmp_path)
    shutil.rmtree(first.parent)
    assert not run.catalog.refresh().runs
    with pytest.raises(UnreadableRunError, match="does not exist"):
        run.catalog.reader(str(tmp_path)).history()


@pytest.mark.parametrize("network", [None, "nfs4"])
def test_a_training_from_the_start_takes_the_place_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: str | None
) -> None:
    monkeypatch.setattr(local, "network_filesystem", lambda _: network)
    checkpoint(tmp_path, [10, 20, 30, 40], age=100)
    run = Watched(tmp_path)
    checkpoint(tmp_path, [10, 20], loss=5.0)
    assert run.points() == {10: 4.9, 20: 4.8}


def test_copied_checkpoints_are_in_the_order_of_their_steps(tmp_path: Path) -> None:
    checkpoint(tmp_path, range(10, 101, 10), age=5)  # copied before the other, for 1 precedes 5
    checkpoint(tmp_path, range(10, 51, 10))
    assert only_run(tmp_path).iteration == 100


def test_a_state_that_is_just_written_waits(tmp_path: Path) -> None:
    checkpoint(tmp_path, [10, 20])
    run = Watched(tmp_path)
    path = checkpoint(tmp_path, [10, 20, 30])
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        seen = run.look()
        assert (seen.iteration, seen.problem) == (20, "")
    path.write_bytes(whole)
    assert list(run.points()) == [10, 20, 30]


def test_a_state_that_stays_cut_short_is_told(tmp_path: Path) -> None:
    checkpoint(tmp_path, [10, 20], age=20)
    path = checkpoint(tmp_path, [10, 20, 30])
    path.write_bytes(path.read_bytes()[:100])
    made_old(path, 10)
    run = only_run(tmp_path)
    assert (run.iteration, run.status) == (20, "running")
    assert run.problem.startswith("holds checkpoint-30/trainer_state.json, which is not the state")


def test_a_state_counts_as_cut_short_when_it_is_still(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, [10, 20])
    path.write_bytes(path.read_bytes()[:100])
    entry, state = LocalFiles().stat(str(path)), TrainerState()
    for age, unread in ((0.5, 0), (5.0, 1)):
        assert not [*state.read(LocalFiles(), [entry._replace(changed=time.time() - age)])]
        assert len(state.unread) == unread


def test_a_new_checkpoint_is_followed_when_an_old_one_goes(tmp_path: Path) -> None:
    made = []

    class Counted(TransformersFormat):
        def follower(self) -> Any:
            made.append(super().follower())
            return made[-1]

    counted, files = Counted(), LocalFiles()
    paths = [checkpoint(tmp_path, range(10, last + 1, 10)) for last in (10, 20, 30, 40)]
    for kept in (paths[:2], paths[1:3], paths[2:]):
        summary = counted.summary(files, [files.stat(str(path)) for path in kept])
    assert (summary.iteration, len(made)) == (40, 1)


def test_what_did_not_change_is_not_read_again(tmp_path: Path, opened: list[str]) -> None:
    events = write_live(tmp_path, losses([5, 10, 15, 20]))
    for last in (5, 10):
        checkpoint(tmp_path, range(5, last + 1, 5), age=60)
    run = Watched(tmp_path)
    made_old(events, 30)
    run.look()
    opened.clear()
    checkpoint(tmp_path, [5, 10, 15])
    (tmp_path / "checkpoint-5" / "trainer_state.json").unlink()
    run.look()
    assert {*opened} == {"trainer_state.json"}
    opened.clear()
    with events.open("ab") as file:
        file.write(scalar_event("train/loss", 25, 2.75))
    assert run.look().iteration == 25
    assert {*opened} == {events.name}


def test_a_run_without_any_whole_state_is_told(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, [10, 20])
    path.write_text("[1, 2]")
    made_old(path, 10)
    run = only_run(tmp_path)
    assert run.status is RunStatus.UNREADABLE
    assert "Expected `object`" in run.problem


# Event files.


def test_events_below_an_output_directory_are_of_its_run(tmp_path: Path) -> None:
    write_live(tmp_path / "out", losses(range(5, 36, 5)))
    checkpoint(tmp_path / "out", range(5, 21, 5))
    run = only_run(tmp_path)
    assert (run.title, run.iteration, run.count) == ("out", 35, 7)
    assert run.environment["host"] == "box"
    assert (run.config["max_steps"], run.config["output_dir"]) == (60, "./out")
    assert run.stats.keys() == {"loss", "epoch"}


def test_events_have_the_names_of_the_state(tmp_path: Path) -> None:
    tags = ("train/loss", "eval/loss", "test/f1", "train/train_loss", "train/rewards/mean", "other")
    write_live(tmp_path / "out", {tag: [(1, 2.0)] for tag in tags})
    assert only_run(tmp_path).stats.keys() == {
        *("loss", "eval_loss", "test_f1", "train/train_loss", "rewards/mean", "other")
    }


def test_a_run_has_one_name_from_its_first_moment_on(tmp_path: Path) -> None:
    path = write_live(tmp_path / "out", losses([5]))
    whole = path.read_bytes()
    path.write_bytes(version_event())
    catalog = RunCatalog([tmp_path])
    [first] = catalog.refresh().runs
    assert first.title == "out/runs/Nov29_12-00-00_box"  # which may be anything yet
    path.write_bytes(whole)
    [run] = catalog.places[0].refresh_files([str(path)]).runs
    assert run.id == str(tmp_path / "out")
    checkpoint(tmp_path / "out", [5])
    assert catalog.refresh().runs[0].id == run.id


@pytest.mark.parametrize(
    ("run_name", "title"), [("tuned", "tuned"), ("./out", "out"), ("", "out"), (None, "out")]
)
def test_a_name_that_was_given_is_that_of_the_run(
    tmp_path: Path, run_name: str | None, title: str
) -> None:
    path = write_live(tmp_path / "out", losses([5]))
    path.write_bytes(version_event() + arguments(tmp_path / "out", run_name=run_name))
    run = only_run(tmp_path)
    assert run.title == title
    assert "run_name" not in run.config


@pytest.mark.parametrize("logging_dir", ["./logs", "logs/first"])
def test_events_in_a_logging_dir_are_of_the_run(tmp_path: Path, logging_dir: str) -> None:
    path = write_events(tmp_path / logging_dir, losses([5, 10]))
    where = arguments(tmp_path / "results", logging_dir=logging_dir)
    path.write_bytes(version_event() + where + path.read_bytes())
    assert only_run(tmp_path).title == logging_dir.removeprefix("./")
    checkpoint(tmp_path / "results", [5])
    run = only_run(tmp_path)
    assert (run.title, run.iteration) == ("results", 10)


def test_events_for_several_output_directories_stay_runs(tmp_path: Path) -> None:
    for number, name in enumerate(("first", "second")):
        path = write_events(tmp_path / "runs" / name, losses([5]))  # TENSORBOARD_LOGGING_DIR
        where = arguments(tmp_path / f"out-{number}")
        path.write_bytes(version_event() + where + path.read_bytes())
    titles = {run.title for run in RunCatalog([tmp_path]).refresh().runs}
    assert titles == {"runs/first", "runs/second"}


def test_events_that_have_just_begun_are_of_their_run(tmp_path: Path) -> None:
    checkpoint(tmp_path / "out", [5])
    write_events(tmp_path / "out" / "runs" / "Nov29_12-00-00_box", {})
    assert only_run(tmp_path).title == "out"


@pytest.mark.parametrize(
    ("logs", "title"), [("out/runs/Nov29_12-00-00_box", "out"), ("logs", "logs")]
)
def test_settings_in_a_directory_below_are_of_the_run(
    tmp_path: Path, logs: str, title: str
) -> None:
    path = write_events(tmp_path / logs, losses([5, 10]))
    below = write_events(tmp_path / logs / "1700000000.12", {})
    where = arguments(tmp_path / "out", logging_dir=f"./{logs}")
    path.write_bytes(version_event() + where + path.read_bytes())
    below.write_bytes(version_event() + hparams_event("dropout", 0.5))
    run = only_run(tmp_path)
    assert (run.title, run.config["dropout"]) == (title, 0.5)


def test_events_of_another_tool_stay_a_run(tmp_path: Path) -> None:
    write_events(tmp_path / "runs" / "Nov29_12-00-00_box", losses([5]))
    checkpoint(tmp_path / "out", [5])
    assert len(RunCatalog([tmp_path]).refresh().runs) == 2


def test_live_events_are_followed_beyond_the_state(tmp_path: Path) -> None:
    path = write_live(tmp_path, losses([5, 10]))
    checkpoint(tmp_path, [5, 10])
    run = Watched(tmp_path)
    for step in (15, 20):
        with path.open("ab") as file:
            file.write(scalar_event("train/loss", step, 3 - step / 100))
        assert list(run.points())[-1] == step
    checkpoint(tmp_path, [5, 10, 15, 20])
    assert run.points() == {step: round(3 - step / 100, 6) for step in (5, 10, 15, 20)}
    assert run.look().config["max_steps"] == 60


def test_a_state_has_what_was_logged_before_the_events(tmp_path: Path) -> None:
    checkpoint(tmp_path, [5, 10, 15, 20])
    run = Watched(tmp_path)
    write_live(tmp_path, losses([25, 30]))
    assert list(run.points()) == [5, 10, 15, 20, 25, 30]


def test_a_killed_training_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    write_live(tmp_path, losses(range(5, 36, 5)))
    checkpoint(tmp_path, range(5, 21, 5))
    run = Watched(tmp_path)
    assert list(run.points())[-1] == 35
    write_live(tmp_path, losses([25, 30], loss=4.0), START + 3600)
    assert run.points() == {
        **{step: round(3 - step / 100, 6) for step in (5, 10, 15, 20)},
        25: 3.75,
        30: 3.7,
    }


def test_directories_are_in_the_order_of_time_not_of_months(tmp_path: Path) -> None:
    november = write_live(tmp_path, losses([5, 10, 15]))
    december = write_live(tmp_path, losses([10], loss=4.0), START + 60)
    december.parent.rename(december.parent.with_name("Dec01_12-00-00_box"))
    assert "Nov" in november.parent.name
    assert Watched(tmp_path).points() == {5: 2.95, 10: 3.9}


def test_old_checkpoints_hide_no_new_training(tmp_path: Path) -> None:
    history = [*log(range(5, 61, 5)), {**END, "step": 60}]
    write_state(tmp_path, history, best_metric=1.0, best_model_checkpoint="checkpoint-5")
    checkpoint(tmp_path, range(5, 61, 5))
    for path in tmp_path.rglob("*.json"):
        made_old(path, 3600)
    run = Watched(tmp_path)
    assert run.look().status is RunStatus.FINISHED
    begun = write_live(tmp_path, {})
    assert (run.look().status, run.look().iteration) == (RunStatus.FINISHED, 60)
    begun.unlink()
    write_live(tmp_path, losses([5, 10], loss=4.0))
    assert run.points() == {5: 3.95, 10: 3.9}
    live = run.look()
    assert (live.status, live.notes, planned_steps(live)) == (RunStatus.RUNNING, "", None)
    checkpoint(tmp_path, [5, 10], loss=4.0)
    assert run.points() == {5: 3.95, 10: 3.9}
    assert planned_steps(run.look()) == 60


def test_a_training_that_goes_on_has_the_steps_of_its_arguments(tmp_path: Path) -> None:
    checkpoint(tmp_path, [5, 60])
    path = write_live(tmp_path, losses([65]))
    further = arguments(tmp_path, max_steps=120)
    path.write_bytes(version_event() + further + path.read_bytes())
    assert planned_steps(only_run(tmp_path)) == 60  # the arguments that stand last count
    path.write_bytes(path.read_bytes() + further)
    assert planned_steps(only_run(tmp_path)) == 120


def test_a_state_goes_on_where_events_end(tmp_path: Path) -> None:
    made_old(write_live(tmp_path, losses([5, 10])), 3600)
    checkpoint(tmp_path, [5, 10])
    run = Watched(tmp_path)
    checkpoint(tmp_path, [5, 10, 15, 20])  # by a program without TensorBoard
    assert list(run.points()) == [5, 10, 15, 20]


def test_events_that_end_a_training_finish_the_run(tmp_path: Path) -> None:
    end = {f"train/{name}": [(60, value)] for name, value in END.items()}
    write_live(tmp_path, {**losses([30, 60]), **end})
    run = only_run(tmp_path)
    assert (run.status, last_value(run, "train_loss")) == (RunStatus.FINISHED, pytest.approx(2.4))
    assert run.end_time is not None


@pytest.mark.parametrize(
    ("last", "is_end", "status"), [(60, False, "running"), (30, True, "finished")]
)
def test_a_training_anew_ends_by_itself(
    tmp_path: Path, last: int, is_end: bool, status: str
) -> None:
    end = {f"train/{name}": value for name, value in END.items()}
    first = {name: [(60, value)] for name, value in end.items()}
    write_live(tmp_path, {**losses([30, 60]), **first})
    again = {name: [(last, value)] for name, value in end.items()} if is_end else {}
    write_live(tmp_path, {**losses([10, last]), **again}, START + 3600)
    assert only_run(tmp_path).status == status


def test_an_evaluation_after_the_end_leaves_it_the_end(tmp_path: Path) -> None:
    end = {f"train/{name}": [(60, value)] for name, value in END.items()}
    write_live(tmp_path, {**losses([30, 60]), **end, "eval/loss": [(60, 2.0)]})
    write_live(tmp_path, {"eval/loss": [(60, 2.0)]}, START + 3600)
    run = only_run(tmp_path)
    assert (run.status, last_value(run, "train_loss")) == (RunStatus.FINISHED, pytest.approx(2.4))


def test_a_sample_of_many_events_has_the_names_of_the_run(tmp_path: Path) -> None:
    rates = [(step, 1 / step) for step in range(1, 5001)]
    write_live(tmp_path, {**losses(range(1, 5001)), "train/learning_rate": rates})
    run = only_run(tmp_path)
    sample = RunCatalog([tmp_path])
    sample.refresh()
    history = sample.reader(run.id).sample(20)
    assert 20 <= len(history) < 5000
    assert {*history.metrics} == {"loss", "learning_rate"}


def test_the_events_may_go_away(tmp_path: Path) -> None:
    path = write_live(tmp_path, losses([5, 10, 15]))
    checkpoint(tmp_path, [5, 10])
    run = Watched(tmp_path)
    shutil.rmtree(path.parent.parent)
    assert list(run.points()) == [5, 10]


# The log of LLaMA-Factory.


def log_line(step: int, loss: float | None = None, elapsed: int = 0, **more: Any) -> str:
    line = {"current_steps": step, "total_steps": 60, "percentage": step / 0.6, **more}
    times = {"elapsed_time": str(timedelta(seconds=elapsed)), "remaining_time": "0:01:00"}
    return json.dumps(line | times | ({} if loss is None else {"loss": loss, "lr": 1e-4})) + "\n"


def append(directory: Path, *lines: str) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / "trainer_log.jsonl"
    with path.open("a") as file:
        file.writelines(lines)
    return path


def test_the_log_of_llama_factory_is_live(tmp_path: Path) -> None:
    append(tmp_path / "out", log_line(5, 2.95, 10), log_line(10, 2.9, 20))
    run = Watched(tmp_path)
    first = run.look()
    assert (first.title, first.config) == ("out", {"max_steps": 60})
    assert first.environment["written_by"] == "LLaMA-Factory"
    assert first.stats.keys() == {"loss", "learning_rate"}
    assert first.iterations_per_second == 0.5
    append(tmp_path / "out", log_line(15, 2.85, 30), log_line(15, eval_loss=2.0, elapsed=31))
    assert run.points() == {5: 2.95, 10: 2.9, 15: 2.85}
    assert run.look().stats["eval_loss"].last == 2.0


def test_a_state_adds_what_the_log_has_not(tmp_path: Path) -> None:
    append(tmp_path, *(log_line(step, 3 - step / 100, step) for step in (5, 10, 15)))
    run = Watched(tmp_path)
    for last in (10, 15):
        history = [{**one, "grad_norm": 0.5} for one in log(range(5, last + 1, 5))]
        write_state(tmp_path / f"checkpoint-{last}", history)
        assert list(run.points("grad_norm")) == list(range(5, last + 1, 5))
    assert run.points() == {5: 2.95, 10: 2.9, 15: 2.85}


def test_a_log_that_goes_on_from_a_checkpoint_counts_from_there(tmp_path: Path) -> None:
    append(tmp_path, *(log_line(step, 3.0, step) for step in (5, 10, 15, 20)))
    run = Watched(tmp_path)
    append(tmp_path, log_line(15, 4.0, 2), log_line(20, 4.0, 4), log_line(25, 4.0, 6))
    assert run.points() == {5: 3, 10: 3, 15: 4, 20: 4, 25: 4}
    times = run.reader.history().columns["wallclock_time"].tolist()
    assert times == [5, 10, 22, 24, 26]


def test_a_log_that_is_written_anew_is_of_another_training(tmp_path: Path) -> None:
    path = append(tmp_path, *(log_line(step, 3.0) for step in (5, 10, 15, 20)))
    checkpoint(tmp_path, [5, 10, 15, 20], age=100)
    run = Watched(tmp_path)
    path.unlink()
    append(tmp_path, log_line(5, 4.0), log_line(10, 4.0))
    assert run.points() == {5: 4, 10: 4}


def test_events_have_more_than_the_log_beside_them(tmp_path: Path) -> None:
    write_live(tmp_path, {**losses([5, 10]), "train/grad_norm": [(5, 0.5), (10, 0.5)]})
    append(tmp_path, log_line(5, 7.0), log_line(10, 7.0))
    run = Watched(tmp_path)
    assert run.points() == {5: 2.95, 10: 2.9}
    assert run.look().environment["written_by"] == "LLaMA-Factory"


def test_a_log_goes_on_without_events(tmp_path: Path) -> None:
    made_old(write_live(tmp_path, losses([5, 10])), 3600)
    append(tmp_path, *(log_line(step, 3 - step / 100) for step in (5, 10)))
    run = Watched(tmp_path)
    append(tmp_path, log_line(15, 2.85))
    assert run.points() == {5: 2.95, 10: 2.9, 15: 2.85}


def test_a_log_of_another_tool_is_no_training_of_its_own(tmp_path: Path) -> None:
    append(tmp_path / "out", *(json.dumps({"step": step, "loss": 1.0}) + "\n" for step in (1, 2)))
    assert only_run(tmp_path).title == "out/trainer_log"


@pytest.mark.parametrize(("tokens", "throughput"), [(640, 32.5), (0, None)])
def test_tokens_count_where_they_are_counted(
    tmp_path: Path, tokens: int, throughput: float | None
) -> None:
    more = {"throughput": f"{throughput or 0:.2f}", "total_tokens": tokens}
    append(tmp_path, log_line(5, 3.0, 20, **more))  # as texts, in older versions
    assert last_value(only_run(tmp_path), "throughput") == throughput


def test_a_log_may_be_emptied(tmp_path: Path) -> None:
    path = append(tmp_path, log_line(5, 3.0))
    checkpoint(tmp_path, [5, 10])
    run = Watched(tmp_path)
    path.write_bytes(b"")
    assert list(run.points()) == [5, 10]


def test_damaged_lines_of_a_log_are_told(tmp_path: Path) -> None:
    append(tmp_path, log_line(5, 3.0), '{"current_steps": 7, "loss\n', log_line(10, 2.9))
    run = only_run(tmp_path)
    assert run.problem == "has 1 damaged line in trainer_log.jsonl, left out"
    assert run.count == 2


@given(st.integers(0, 400), st.binary(max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_any_damage_to_a_log_leaves_the_other_lines(tmp_path: Path, at: int, junk: bytes) -> None:
    whole = "".join(log_line(step, 3.0, step) for step in (5, 10, 15)).encode()
    path = tmp_path / "trainer_log.jsonl"
    path.write_bytes(whole[:at] + junk + whole[at:])
    checkpoint(tmp_path, [5])
    run = only_run(tmp_path)
    assert (run.count or 0) >= 2 or b"\n" in junk


# What is hostile.


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["step", "loss", "iteration", "x"]), inner, max_size=3
            )
        ),
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_any_json_is_survived(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "trainer_state.json"
    keys = ("log_history", "global_step", "max_steps", "best_metric", "trial_params")
    for document in (value, dict.fromkeys(keys, value), {"log_history": [value]}):
        path.write_text(json.dumps(document))
        made_old(path, 10)
        run = only_run(tmp_path)
        assert "cannot be read" not in run.problem


@pytest.mark.parametrize("step", ["many", None, float("nan"), [1]])
def test_a_state_may_say_no_number_of_steps(tmp_path: Path, step: Any) -> None:
    checkpoint(tmp_path, [10, 20])
    write_state(tmp_path, log([10]), global_step=step)
    assert only_run(tmp_path).iteration == 20


def test_a_deeply_nested_entry_is_told(tmp_path: Path) -> None:
    path = tmp_path / "trainer_state.json"
    path.write_text('{"log_history": [{"step": 1, "x": ' + "[" * 100_000 + "]" * 100_000 + "}]}")
    made_old(path, 10)
    assert "nested too deeply" in only_run(tmp_path).problem


def test_a_huge_state_is_told_unread(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint-5" / "trainer_state.json"
    path.parent.mkdir()
    with path.open("wb") as file:
        file.truncate(10 * 2**30)
    made_old(path, 10)
    assert "states of up to 134 MB are read" in only_run(tmp_path).problem


def test_entries_may_lack_a_step_or_have_names_of_ours(tmp_path: Path) -> None:
    history = [{"loss": 1.0}, {"iteration": 9, "wallclock_time": -5, "loss": 2.0, "step": 7}]
    write_state(tmp_path, history, global_step=7)
    run = only_run(tmp_path)
    assert (run.iteration, run.count, run.stats["loss"].last) == (7, 1, 2.0)
    assert run.stats["train/iteration"].last == 9
    assert run.duration_seconds is None


def test_a_long_log_is_read_in_parts(tmp_path: Path) -> None:
    write_state(tmp_path, log(range(1, 25_001)))
    run = Watched(tmp_path)
    assert np.array_equal(run.reader.history().columns["iteration"], np.arange(1, 25_001))
    write_state(tmp_path, log(range(1, 25_101)))
    assert len(run.points()) == 25_100
