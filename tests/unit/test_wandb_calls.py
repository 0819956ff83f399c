"""Code that was written for W&B, unchanged but for the import."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.runs import OpenedRun
from tests.unit.test_init_log_finish import metrics, written

import traintop
import traintop.wandb as wandb
from traintop import RunStatus
from traintop.integrations import run_values
from traintop.progress import eta_seconds, steps_text


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TRAINTOP_DIR", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(run_values.warn_once, "_warned", set())
    yield tmp_path
    wandb.finish()


def test_a_usual_training_script_runs_unchanged(logs: Path) -> None:
    config = {"learning_rate": 0.02, "architecture": "CNN", "epochs": 3}
    run = wandb.init(entity="my-team", project="my-project", name="cnn", config=config)
    assert wandb.run is run
    wandb.define_metric("val/*", step_metric="epoch", summary="min")
    wandb.watch(None, log="all")
    for epoch in range(wandb.config.epochs):
        wandb.log({"epoch": epoch, "train": {"loss": 1.0 / (epoch + 1)}})
        wandb.log({"val/acc": 0.5 + epoch / 10}, commit=False)
    wandb.run.summary["best_acc"] = 0.7
    wandb.config.update({"seed": 7}, allow_val_change=True)
    wandb.finish()
    assert wandb.run is None
    [document] = written(logs)
    assert document["status"] == "finished"
    assert document["config"] == {"experiment_name": "cnn", **config}
    assert document["run"]["project"] == "my-project"
    assert metrics(document, "epoch", "train/loss", "val/acc")[:2] == [
        (0, 0, 1.0, None),
        (1, 1, 0.5, 0.5),
    ]


def test_the_loop_of_a_small_gpt_trainer_is_recorded(logs: Path) -> None:
    config = {"max_iters": 4, "eval_interval": 2, "dtype": "bfloat16"}
    wandb.init(project="owt", name="gpt2", config=config)
    for iter_num in range(0, 4, 2):
        wandb.log({"iter": iter_num, "train/loss": 3.0, "val/loss": 3.5, "lr": 6e-4, "mfu": -100.0})
    wandb.finish()
    [path] = logs.glob("*.json")
    log = traintop.load_experiment_log(path)
    assert (log.config.experiment_name, log.best_val_loss) == ("gpt2", 3.5)


def test_progress_is_by_the_count_of_the_program_itself(logs: Path) -> None:
    wandb.init(config={"max_iters": 600})
    for iter_num in range(0, 301, 100):
        wandb.log({"iter": iter_num, "train/loss": 3.0, "global_step": 10**9 + iter_num})
    wandb.run.tracker.save()
    run = OpenedRun(next(logs.glob("*.json"))).summary()
    assert steps_text(run) == "301/600"
    paced = msgspec.structs.replace(run, iterations_per_second=1.0, status=RunStatus.RUNNING)
    assert eta_seconds(paced) == pytest.approx(2.99)
    wandb.finish()


def test_media_and_artifacts_are_left_out(logs: Path, caplog: pytest.LogCaptureFixture) -> None:
    with wandb.init() as run:
        table = wandb.Table(columns=["text", "loss"])
        table.add_data("a", 1.0)
        run.log({"loss": 1.0, "samples": table, "image": wandb.Image(None, caption="a cat")})
        run.log({"loss": 2.0, "curve": wandb.plot.line(table, "x", "y"), "more": [wandb.Html("")]})
        artifact = wandb.Artifact("model", type="model")
        artifact.add_file("model.pt")
        with artifact.new_file("notes.txt") as file:
            file.write("a word")
        run.log_artifact(artifact).wait()
        wandb.log_artifact(artifact)
        wandb.save("model.pt")
        assert isinstance(table, wandb.Table)
        assert not isinstance(table, wandb.Image)
    assert metrics(written(logs)[0], "loss", "samples") == [(0, 1.0, None), (1, 2.0, None)]
    told = sorted(message.removeprefix("traintop: ") for message in caplog.messages)
    assert told == [
        "log_artifact is left out: numbers, settings and results are recorded",
        "metric 'curve' is of type LeftOut, not a number; such values are left out",
        "metric 'image' is of type Image, not a number; such values are left out",
        "metric 'more' is of type list, not a number; such values are left out",
        "metric 'samples' is of type Table, not a number; such values are left out",
        "save is left out: numbers, settings and results are recorded",
    ]


@pytest.mark.parametrize("name", ["Api", "sweep", "agent", "use_artifact", "restore"])
def test_what_must_give_something_back_says_what_to_do(name: str) -> None:
    with pytest.raises(NotImplementedError, match=rf"traintop has no {name}\(\): \w+"):
        getattr(wandb, name)("anything")


def test_names_that_wandb_does_not_have_are_refused() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        wandb.nonsense  # noqa: B018
    assert not hasattr(wandb.init(mode="disabled"), "nonsense")


def test_arguments_and_names_of_all_kinds_are_taken(logs: Path) -> None:
    wandb.login(key="none")
    wandb.require("core")
    wandb.setup()
    wandb.init(
        project="p",
        config=argparse.Namespace(lr=0.1),
        tags=["a"],
        group="g",
        job_type="train",
        settings=wandb.Settings(start_method="thread"),
        save_code=True,
        anonymous="allow",
        force=True,
    )
    run = wandb.run
    assert (run.project, run.group, run.job_type, run.tags) == ("p", "g", "train", ("a",))
    assert (run.name, run.id, run.step) == ("p", run.path.stem, 0)
    assert Path(run.dir).is_dir()
    assert run.url.startswith("file:///")
    assert len(wandb.util.generate_id()) == 8
    assert wandb.AlertLevel.WARN.value == "WARN"
    assert issubclass(wandb.errors.CommError, wandb.Error)
    assert issubclass(wandb.UsageError, wandb.Error)
    run.alert(title="Low", text="accuracy", level=wandb.AlertLevel.WARN, wait_duration=300)
    wandb.alert("Low", "accuracy")
    wandb.alert("Big", 10**5000)  # type: ignore[arg-type]
    alerts = OpenedRun(run.path).summary().alerts if run.tracker.save() else ()
    assert [(one.title, one.text) for one in alerts[:2]] == [("Low", "accuracy")] * 2
    assert [one.title for one in alerts[2:]] == ["Big"]
    wandb.teardown()
    assert [one["config"] for one in written(logs)] == [{"experiment_name": "p", "lr": 0.1}]


def test_what_scripts_ask_a_run_is_answered(logs: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = wandb.init(project="p")
    assert (run.project_name(), run.get_url(), run.offline) == ("p", run.url, True)
    assert (run.starting_step, run.project_url, run.get_project_url()) == (0, None, None)
    assert run._label(code="transformers_trainer") is None
    assert isinstance(run, wandb.sdk.wandb_run.Run)
    assert issubclass(wandb.errors.errors.UsageError, wandb.Error)
    wandb.log({"loss": 1.0}, sync=False)
    wandb.finish(quiet=True)
    assert (run.display(), run.to_html()) == (None, None)
    assert [one["count"] for one in written(logs)] == [1]
    assert not caplog.records


def test_what_a_run_has_no_use_for_is_told(logs: Path, caplog: pytest.LogCaptureFixture) -> None:
    wandb.init(sync_tensorboard=True, monitor_gym=False, fork_from="abc?_step=3")
    [message] = caplog.messages
    assert message == "traintop: init() takes no account of: sync_tensorboard, fork_from"


def test_a_disabled_run_accepts_everything(logs: Path) -> None:
    run = wandb.init(mode="disabled", config={"lr": 0.1})
    run.log({"loss": 1.0})
    run.watch(None)
    run.summary["best"] = 1
    assert wandb.run is run
    assert (run.disabled, run.config.lr) == (True, 0.1)
    wandb.finish()
    assert written(logs) == []


def test_the_variables_of_wandb_count(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {"PROJECT": "p", "NAME": "n", "RUN_GROUP": "g", "TAGS": "a,b", "RUN_ID": "abc"}
    for name, value in variables.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    run = wandb.init()
    assert (run.project, run.name, run.group) == ("p", "n", "g")
    assert (run.tags, run.id) == (("a", "b"), "abc")
    wandb.finish()
    monkeypatch.setenv("WANDB_RESUME", "allow")
    assert wandb.init().resumed
    wandb.finish()
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert wandb.init().disabled
    assert len(written(logs)) == 1


def test_a_run_goes_on_by_the_id_that_wandb_made(logs: Path) -> None:
    run_id = wandb.util.generate_id()
    wandb.init(id=run_id, resume="allow", name="gpt")
    wandb.log({"loss": 2.0}, step=100)
    wandb.finish(exit_code=1)
    run = wandb.init(id=run_id, resume="must")
    assert (run.name, run.resumed, run.step) == ("gpt", True, 101)
    wandb.log({"loss": 1.0}, step=101)
    wandb.finish()
    [document] = written(logs)
    assert metrics(document, "loss") == [(100, 2.0), (101, 1.0)]
    assert document["status"] == "finished"


def test_runs_of_one_name_are_separate_without_an_id(logs: Path) -> None:
    for _ in range(2):
        wandb.init(name="same", resume="allow")
        wandb.finish()
    assert len(written(logs)) == 2


def test_a_second_init_returns_the_first_run(logs: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = wandb.init(name="one")
    assert wandb.init(name="two") is run
    assert "the run 'one' goes on; call finish() first to start another" in caplog.text
    assert wandb.init(name="two", reinit=True) is not run


def test_the_directory_of_wandb_is_that_of_the_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRAINTOP_DIR")
    wandb.init(dir=tmp_path / "out")
    assert wandb.run.path.parent == tmp_path / "out"
