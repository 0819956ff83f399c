"""``traintop.init``, ``log`` and ``finish``, on real files and in real processes."""

from __future__ import annotations

import argparse
import contextlib
import copy
import dataclasses
import json
import logging
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.runs import OpenedRun

import traintop
from traintop import ExperimentConfig, ExperimentTracker
from traintop.integrations import run_values


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where runs are written; none goes on from one test to the next."""
    monkeypatch.setenv("TRAINTOP_DIR", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(run_values.warn_once, "_warned", set())
    yield tmp_path
    traintop.finish()


def written(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(directory.glob("*.json"))]


def metrics(document: dict[str, Any], *names: str) -> list[tuple[Any, ...]]:
    """Where each record stands, and what it has of these metrics."""
    records = document["metrics_history"]
    return [(one["iteration"], *(one.get(name) for name in names)) for one in records]


def test_each_call_without_a_step_is_a_record(logs: Path) -> None:
    traintop.init(name="plain", config={"lr": 0.1})
    for loss in (3.0, 2.0, 1.0):
        traintop.log({"loss": loss})
    traintop.finish()
    [run] = written(logs)
    assert metrics(run, "loss") == [(0, 3.0), (1, 2.0), (2, 1.0)]
    assert run["config"] == {"experiment_name": "plain", "lr": 0.1}
    assert run["status"] == "finished"


def test_calls_that_do_not_commit_are_one_record(logs: Path) -> None:
    traintop.init()
    traintop.log({"a": 1}, commit=False)
    traintop.log({"b": 2}, commit=False)
    traintop.log({"c": 3}, commit=False)
    traintop.log()
    traintop.log({"a": 4})
    traintop.finish()
    assert metrics(written(logs)[0], "a", "b", "c") == [(0, 1, 2, 3), (1, 4, None, None)]


def test_calls_of_one_step_are_one_record(logs: Path) -> None:
    run = traintop.init()
    traintop.log({"a": 1}, step=10)
    traintop.log({"b": 2}, step=10)
    assert run.step == 10
    traintop.log({"c": 3})  # completes the record of the step
    traintop.log({"a": 4})
    traintop.log({"a": 5}, step=20, commit=True)
    traintop.log({"a": 6})
    traintop.finish()
    [document] = written(logs)
    assert metrics(document, "a", "b", "c") == [
        (10, 1, 2, 3),
        (11, 4, None, None),
        (20, 5, None, None),
        (21, 6, None, None),
    ]


def test_a_value_of_an_earlier_step_stands_there(logs: Path) -> None:
    run = traintop.init()
    for i in range(5):
        traintop.log({"loss": i})
    traintop.log({"late": 1}, step=2)
    assert run.step == 5
    traintop.finish()
    log = traintop.load_experiment_log(next(logs.glob("*.json")))
    assert log.metrics_history[2].metrics == {"loss": 2, "late": 1}


def test_nested_metrics_are_named_by_their_path(logs: Path) -> None:
    traintop.init()
    traintop.log({"train/loss": 5.0, "train": {"loss": 1.0, "norm": {"all": 2}}, "lr": 0.1})
    traintop.finish()
    names = ("train/loss", "train/norm/all", "lr")
    assert metrics(written(logs)[0], *names) == [(0, 5.0, 2, 0.1)]


def test_what_is_no_number_is_told_once(logs: Path, caplog: pytest.LogCaptureFixture) -> None:
    traintop.init()
    for _ in range(3):
        traintop.log({"loss": 1.0, "said": "a word", "all": [1.0, 2.0], "image": object()})
    traintop.finish()
    assert metrics(written(logs)[0], "loss", "said") == [
        (0, 1.0, None),
        (1, 1.0, None),
        (2, 1.0, None),
    ]
    assert sorted(caplog.messages) == [
        "traintop: metric 'all' is of type list, not a number; such values are left out",
        "traintop: metric 'image' is of type object, not a number; such values are left out",
        "traintop: metric 'said' is the text 'a word'; such values are left out",
    ]


def test_a_metric_called_iteration_is_kept(logs: Path) -> None:
    traintop.init()
    traintop.log({"iteration": 500, "loss": 1.0})
    traintop.finish()
    assert metrics(written(logs)[0], "iter", "loss") == [(0, 500, 1.0)]


@pytest.mark.parametrize("data", [None, 3.0, [1, 2], "loss"])
def test_a_wrong_call_never_raises(logs: Path, data: Any, caplog: pytest.LogCaptureFixture) -> None:
    traintop.init()
    traintop.log(data)
    traintop.log({"loss": 1.0}, step="seven")  # type: ignore[arg-type]
    traintop.log({"loss": 2.0})
    traintop.finish()
    assert [values[1] for values in metrics(written(logs)[0], "loss")] == [2.0]
    assert "is left out" in caplog.text


def test_nothing_is_written_without_a_run(logs: Path, caplog: pytest.LogCaptureFixture) -> None:
    traintop.log({"loss": 1.0})
    traintop.config["lr"] = 0.1
    traintop.finish()
    assert written(logs) == []
    assert len(caplog.messages) == 2
    assert all("call traintop.init() first" in message for message in caplog.messages)


def test_a_second_init_goes_on_with_the_run(logs: Path) -> None:
    run = traintop.init(name="one", config={"lr": 0.1})
    traintop.log({"loss": 2.0})
    assert traintop.init() is run
    assert traintop.init(name="one", config={"lr": 0.1, "seed": 7}) is run
    traintop.log({"loss": 1.0})
    traintop.finish()
    [document] = written(logs)
    assert metrics(document, "loss") == [(0, 2.0), (1, 1.0)]
    assert document["config_changes"] == {"seed": 7}


@pytest.mark.parametrize("other", [{"name": "two"}, {"id": "b"}, {"config": {"lr": 0.2}}])
def test_an_init_of_another_run_finishes_the_first(logs: Path, other: dict[str, Any]) -> None:
    first = traintop.init(name="one", id="a", config={"lr": 0.1})
    traintop.log({"loss": 2.0})
    assert traintop.init(**other) is not first
    traintop.log({"loss": 1.0})
    traintop.finish()
    runs = written(logs)
    assert [one["status"] for one in runs] == ["finished", "finished"]
    assert sorted(metrics(one, "loss") for one in runs) == [[(0, 1.0)], [(0, 2.0)]]


def test_runs_can_follow_or_accompany_each_other(logs: Path) -> None:
    first = traintop.init(name="a")
    second = traintop.init(name="b", reinit=True)
    third = traintop.init(name="c", reinit="create_new")
    first.log({"loss": 1.0})  # too late
    traintop.log({"loss": 2.0})
    third.log({"loss": 3.0})
    assert second is not first
    traintop.finish()
    third.finish()
    assert [metrics(one, "loss") for one in written(logs)] == [[], [(0, 2.0)], [(0, 3.0)]]


def test_in_a_notebook_a_new_run_takes_the_place(
    logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    traintop.init(name="cell")
    traintop.log({"loss": 1.0})
    traintop.init(name="cell")
    traintop.finish()
    assert sorted(one["status"] for one in written(logs)) == ["finished", "interrupted"]


def test_the_settings_may_grow(logs: Path) -> None:
    traintop.init(config={"lr": 0.1, "model": {"layers": 2}})
    traintop.config.update(argparse.Namespace(lr=0.2, batch_size=8), allow_val_change=True)
    traintop.config["seed"] = 7
    traintop.config.warmup = 100
    traintop.config.setdefaults({"seed": 8, "epochs": 3})
    assert traintop.config.lr == traintop.config["lr"] == 0.2
    assert traintop.config["model"]["layers"] == 2
    assert dict(traintop.config)["warmup"] == 100
    assert traintop.config.get("nothing", 1) == 1
    with pytest.raises(AttributeError, match="nothing"):
        traintop.config.nothing  # noqa: B018
    traintop.finish()
    [run] = written(logs)
    changes = {"lr": 0.2, "batch_size": 8, "seed": 7, "warmup": 100, "epochs": 3}
    assert run["config_changes"] == changes
    summary = OpenedRun(next(logs.glob("*.json"))).summary()
    assert {name: summary.given[name] for name in changes} == changes


def test_settings_that_are_the_same_are_no_change(logs: Path) -> None:
    traintop.init(config={"lr": 0.1, "betas": (0.9, 0.95)})
    traintop.config.update({"lr": 0.1, "betas": (0.9, 0.95)})
    traintop.finish()
    assert written(logs)[0]["config_changes"] == {}


def test_copies_of_the_settings_are_of_no_run(logs: Path) -> None:
    traintop.init(config={"lr": 0.1})
    for copied in (copy.deepcopy(traintop.config), pickle.loads(pickle.dumps(traintop.config))):
        copied.lr = 0.5
        assert copied.lr == 0.5
    assert traintop.config.lr == 0.1


def test_too_many_later_settings_are_left_out(logs: Path, caplog: pytest.LogCaptureFixture) -> None:
    traintop.init()
    traintop.config["notes"] = "x" * 300_000
    traintop.config["lr"] = 0.1
    traintop.finish()
    assert written(logs)[0]["config_changes"] == {"lr": 0.1}
    assert "give them when the run starts" in caplog.text


def test_results_are_logged_at_the_last_step(logs: Path) -> None:
    run = traintop.init()
    traintop.log({"acc": 0.8})
    traintop.log({"acc": 0.7})
    assert traintop.summary["acc"] == 0.7
    traintop.summary["best_acc"] = 0.8
    traintop.summary["acc"] = 0.8
    run.summary.update({"said": "kept here"})
    traintop.summary.best_acc = 0.85
    assert traintop.summary.best_acc == 0.85
    assert traintop.summary["said"] == "kept here"
    traintop.finish()
    assert metrics(written(logs)[0], "acc", "best_acc", "summary/acc") == [
        (0, 0.8, None, None),
        (1, 0.7, 0.85, 0.8),
    ]


def test_a_run_can_be_renamed(logs: Path) -> None:
    run = traintop.init(name="first")
    run.name = "second"
    traintop.finish()
    assert OpenedRun(next(logs.glob("*.json"))).summary().name == "second"
    again = ExperimentTracker.resume("second", logs, again=True, quiet=True)
    assert again.config.experiment_name == "second"


def test_what_is_said_of_a_run_is_recorded(logs: Path) -> None:
    traintop.init("words", "named", "ablation", tags=["a", "b"], job_type="train", notes="Why.")
    assert written(logs)[0]["notes"] == "Why."
    traintop.finish()
    [run] = written(logs)
    known = {name: run["run"][name] for name in ("project", "group", "tags", "job_type")}
    assert known == {
        "project": "words",
        "group": "ablation",
        "tags": ["a", "b"],
        "job_type": "train",
    }
    assert run["notes"] == "Why."


def test_options_of_other_tools_are_told_once(logs: Path, caplog: pytest.LogCaptureFixture) -> None:
    traintop.init("words", space_id="somebody/somewhere", private=None)
    assert caplog.messages == ["traintop: init() takes no account of: space_id"]


def test_a_disabled_run_accepts_all_and_writes_nothing(logs: Path) -> None:
    run = traintop.init(config={"lr": 0.1}, mode="disabled")
    traintop.config["seed"] = 1
    traintop.log({"loss": 1.0})
    traintop.summary["best"] = 2.0
    assert (traintop.config.lr, traintop.config.seed, traintop.summary["best"]) == (0.1, 1, 2.0)
    assert (run.path, run.url) == (None, None)
    traintop.finish()
    assert written(logs) == []


def test_every_rank_that_starts_a_run_writes_it(
    logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "3")
    traintop.init(name="last_stage")
    traintop.log({"loss": 1.0})
    traintop.finish()
    [run] = written(logs)
    assert (run["run"]["rank"], metrics(run, "loss")) == (3, [(0, 1.0)])


def test_an_exit_code_is_a_failure(logs: Path) -> None:
    traintop.init()
    traintop.finish(exit_code=3)
    assert [(one["status"], one["error"]) for one in written(logs)] == [("failed", "exit code 3")]


def test_a_run_may_be_finished_twice(logs: Path, caplog: pytest.LogCaptureFixture) -> None:
    with traintop.init(name="whole") as run:
        run.log({"loss": 1.0})
        run.finish()
    run.finish(1)
    run.finish()
    assert written(logs)[0]["status"] == "finished"
    assert not caplog.records


def test_a_block_records_how_it_ended(logs: Path) -> None:
    with contextlib.suppress(ValueError), traintop.init() as run:
        run.log({"loss": 1.0})
        raise ValueError("no loss")
    [document] = written(logs)
    assert (document["status"], document["error"]) == ("failed", "ValueError: no loss")
    traintop.log({"loss": 2.0})  # there is no run any more
    assert len(written(logs)[0]["metrics_history"]) == 1


ENDINGS = {
    "": ("finished", "", 0),
    "import sys; sys.exit()": ("finished", "", 0),
    "import sys; sys.exit(2)": ("failed", "exit code 2", 2),
    "import sys; sys.exit('no data')": ("failed", "exit code 1", 1),
    "raise ValueError('diverged')": ("failed", "ValueError: diverged", 1),
    "raise KeyboardInterrupt": ("interrupted", "KeyboardInterrupt", 130),
    "import os, time; os.kill(os.getpid(), 15); time.sleep(60)": ("interrupted", "SIGTERM", -15),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_end_of_the_process_ends_the_run(logs: Path, ending: str) -> None:
    script = f"import traintop\ntraintop.init()\ntraintop.log({{'loss': 1.0}})\n{ending}"
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    [run] = written(logs)
    status, error, code = ENDINGS[ending]
    assert (run["status"], run["error"]) == (status, error)
    assert done.returncode in (code, -signal.SIGINT if code == 130 else code)
    assert metrics(run, "loss") == [(0, 1.0)]


def test_an_exit_that_was_caught_is_no_failure(logs: Path) -> None:
    script = """
import sys, traintop
traintop.init()
try:
    sys.exit(3)
except SystemExit:
    traintop.log({"loss": 1.0})
"""
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    [run] = written(logs)
    assert (run["status"], run["error"]) == ("finished", "")


def test_a_forked_child_neither_writes_nor_ends_the_run(logs: Path) -> None:
    script = """
import os, sys, traintop
traintop.init()
traintop.log({"loss": 1.0})
if os.fork() == 0:
    traintop.log({"loss": 9.0})
    sys.exit(5)
os.wait()
traintop.log({"loss": 2.0})
"""
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    [run] = written(logs)
    assert (run["status"], metrics(run, "loss")) == ("finished", [(0, 1.0), (1, 2.0)])


def test_a_forked_child_may_have_a_run_of_its_own(logs: Path) -> None:
    script = """
import os, sys, traintop
traintop.init()
if os.fork() == 0:
    traintop.init()
    traintop.log({"loss": 9.0})
    sys.exit(0)
os.wait()
traintop.log({"loss": 2.0})
"""
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    assert [one["status"] for one in written(logs)] == ["finished", "finished"]
    assert sorted(metrics(one, "loss") for one in written(logs)) == [[(0, 2.0)], [(0, 9.0)]]


@dataclasses.dataclass
class Arguments:
    experiment_name: str = "shaped"
    lr: float = 0.1


@pytest.mark.parametrize(
    "config",
    [
        Arguments(),
        ExperimentConfig("shaped", lr=0.1),
        argparse.Namespace(experiment_name="shaped", lr=0.1),
    ],
)
def test_settings_of_any_usual_shape_are_taken(logs: Path, config: object) -> None:
    traintop.init("words", config=config)
    assert dict(traintop.config) == {"experiment_name": "shaped", "lr": 0.1}
    traintop.finish()
    assert written(logs)[0]["config"] == {"experiment_name": "shaped", "lr": 0.1}


def test_only_settings_that_were_given_are_those_of_the_run(logs: Path) -> None:
    run = traintop.init("words", config={"experiment_name": None, "lr": 0.1}, mode="disabled")
    assert (run.name, run.config["lr"]) == ("words", 0.1)
    traintop.finish()
    traintop.init("words", config={"lr": 0.1})
    assert dict(traintop.config) == {"lr": 0.1}


def test_settings_of_another_shape_are_told(logs: Path, caplog: pytest.LogCaptureFixture) -> None:
    traintop.init("words", config="config.yaml")
    traintop.config.update({"lr": 0.1})
    traintop.finish()
    assert "settings are left out: config must be" in caplog.text
    assert written(logs)[0]["config_changes"] == {"lr": 0.1}


def test_a_run_goes_on_by_its_id(logs: Path) -> None:
    first = traintop.init(id="abc", name="long", config={"lr": 0.1})
    assert first.id == "abc"
    for loss in (3.0, 2.0):
        traintop.log({"loss": loss})
    traintop.finish()
    run = traintop.init(id="abc", resume="must", config={"lr": 0.2})
    assert (run.resumed, run.step, run.name) == (True, 2, "long")
    traintop.log({"loss": 1.0})
    traintop.finish()
    [document] = written(logs)
    assert metrics(document, "loss") == [(0, 3.0), (1, 2.0), (2, 1.0)]
    assert document["config_changes"] == {"lr": 0.2}


def test_a_run_goes_on_by_its_run_id_or_name(logs: Path) -> None:
    run_id = traintop.init(name="long").id
    traintop.finish()
    assert traintop.init(id=run_id, resume="allow").id == run_id
    traintop.finish()
    assert traintop.init(name="long", resume="must").id == run_id
    traintop.finish()
    assert len(written(logs)) == 1


def test_a_run_that_is_not_there_is_new_unless_it_must_be(logs: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no run 'abc' to resume"):
        traintop.init(id="abc", resume="must")
    run = traintop.init(id="abc", resume="allow")
    assert (run.resumed, run.step) == (False, 0)


def test_only_an_unfinished_run_goes_on_by_itself(logs: Path) -> None:
    for exit_code in (1, 0, 0):
        traintop.init(name="long", resume="auto")
        traintop.log({"loss": 1.0})
        traintop.finish(exit_code)
    assert [len(one["metrics_history"]) for one in written(logs)] == [2, 1]


def test_a_run_that_another_process_writes_is_left_alone(
    logs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    script = "import traintop; traintop.init(id='abc', name='busy'); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as other:
        assert other.stdout
        assert other.stdin
        other.stdout.readline()
        with pytest.raises(traintop.RunFileBusyError):
            traintop.init(id="abc", resume="must")
        run = traintop.init(id="abc", resume="allow")
        assert not run.resumed
        assert "init() starts a new run" in caplog.text
        traintop.finish()
        other.stdin.write(b"\n")


def test_the_doctor_asks_for_no_gradient_steps(logs: Path) -> None:
    traintop.init()
    for _ in range(100):
        traintop.log({"loss": 1.0})
    traintop.finish()
    done = subprocess.run(
        [sys.executable, "-m", "traintop", "doctor", str(logs)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "never called" not in done.stdout
    assert done.returncode == 0


def test_the_logger_is_the_one_of_the_tracker(logs: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "traintop"):
        traintop.init().alert("Loss", "is NaN")
    assert caplog.record_tuples == [("traintop", logging.WARNING, "traintop: alert: Loss: is NaN")]
