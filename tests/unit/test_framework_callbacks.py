"""The faces of training frameworks, called as the frameworks call them.

Where a framework is not installed, its base class stands in for it; ``tests/foreign/try_faces.py``
trains with the real ones.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from tests.framework_interfaces import interfaces

import traintop
from traintop.integrations import lightgbm, run_values
from traintop.integrations.current_run import current_run


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where runs are written; none goes on from one test to the next."""
    monkeypatch.setenv("TRAINTOP_DIR", str(tmp_path))
    monkeypatch.setattr(run_values.warn_once, "_warned", set())
    yield tmp_path
    traintop.finish()


@pytest.fixture
def face(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Our module for a framework, over the real one where that is installed."""
    ours = []

    def load(framework: str) -> Any:
        ours.append(f"traintop.integrations.{framework}")
        with contextlib.suppress(ImportError):
            return importlib.import_module(ours[0])
        for name, module in interfaces().items():
            monkeypatch.setitem(sys.modules, name, module)
        return importlib.import_module(ours[0])

    yield load
    for name in ours:
        del sys.modules[name]


def written(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(directory.glob("*.json"))]


def metrics(directory: Path, *names: str) -> list[tuple[Any, ...]]:
    """Where each record of the only run stands, and what it has of these metrics."""
    [path] = directory.glob("*.json")
    records = traintop.load_experiment_log(path).metrics_history
    return [(one.iteration, *(one.value(name) for name in names)) for one in records]


class Trainer:
    """Calls a callback as that of Transformers does."""

    def __init__(self, callback: Any, output_dir: str = "out/gpt", **arguments: Any) -> None:
        self.callback = callback
        settings = {"output_dir": output_dir, "run_name": None, "max_steps": -1, **arguments}
        self.args = SimpleNamespace(**settings, to_dict=lambda: settings)
        self.state = SimpleNamespace(
            global_step=0,
            max_steps=40,
            is_world_process_zero=True,
            trial_name=None,
            trial_params=None,
        )
        config = SimpleNamespace(to_diff_dict=lambda: {"n_layer": 2})
        self.model = SimpleNamespace(config=config)

    def _call(self, event: str, **given: Any) -> None:
        getattr(self.callback, event)(self.args, self.state, object(), model=self.model, **given)

    def train(self, first: int = 0, last: int = 40) -> None:
        self.state.global_step = first
        self._call("on_train_begin")
        for step in range(first + 10, last + 1, 10):
            self.state.global_step = step
            self._call("on_log", logs={"loss": 1 / step, "epoch": step / 20})
        if last == self.state.max_steps:
            self._call("on_log", logs={"train_loss": 0.5, "train_runtime": 3.0})
            self._call("on_train_end")

    def evaluate(self) -> None:
        self._call("on_log", logs={"eval_loss": 0.25})


@pytest.fixture
def transformers(face: Callable[[str], Any]) -> Any:
    return face("transformers")


def test_a_trainer_is_recorded_with_its_plan(transformers: Any, logs: Path) -> None:
    Trainer(transformers.TraintopCallback(), learning_rate=1e-3).train()
    [run] = written(logs)
    assert metrics(logs, "loss", "train/train_loss") == [
        (10, 0.1, None),
        (20, 0.05, None),
        (30, 1 / 30, None),
        (40, 0.025, 0.5),
    ]
    assert run["status"] == "finished"
    settings = run["config"]
    assert (settings["experiment_name"], settings["max_steps"]) == ("gpt", 40)
    assert (settings["learning_rate"], settings["model"]) == (1e-3, {"n_layer": 2})


def test_report_to_knows_the_callback(transformers: Any) -> None:
    from transformers.integrations import INTEGRATION_TO_CALLBACK

    assert INTEGRATION_TO_CALLBACK["traintop"] is transformers.TraintopCallback


def test_an_evaluation_after_the_training_belongs_to_it(transformers: Any, logs: Path) -> None:
    trainer = Trainer(transformers.TraintopCallback())
    trainer.train()
    trainer.evaluate()
    trainer.evaluate()
    [run] = written(logs)
    assert metrics(logs, "loss", "eval_loss")[-1] == (40, 0.025, 0.25)
    assert run["status"] == "finished"


def test_a_training_from_a_checkpoint_goes_on_in_its_run(transformers: Any, logs: Path) -> None:
    preempted = Trainer(transformers.TraintopCallback())
    preempted.train(last=30)
    preempted.callback = None  # as if its process were gone
    Trainer(transformers.TraintopCallback()).train(first=10)
    [run] = written(logs)
    assert metrics(logs, "loss") == [(10, 0.1), (20, 0.05), (30, 1 / 30), (40, 0.025)]
    assert (run["status"], run["rewinds"]) == ("finished", 1)


def test_two_trainings_are_two_runs(transformers: Any, logs: Path) -> None:
    trainer = Trainer(transformers.TraintopCallback())
    trainer.train(last=20)  # it fails, and the script goes on
    trainer.train()
    Trainer(transformers.TraintopCallback(name="other")).train()
    runs = written(logs)
    assert sorted((run["config"]["experiment_name"], run["status"]) for run in runs) == [
        ("gpt", "finished"),
        ("gpt", "interrupted"),
        ("other", "finished"),
    ]


def test_the_run_of_the_script_is_adopted(transformers: Any, logs: Path) -> None:
    traintop.init(name="mine", config={"seed": 7})
    Trainer(transformers.TraintopCallback()).train()
    traintop.log({"mine": 1.0}, step=40)
    traintop.finish()
    [run] = written(logs)
    assert metrics(logs, "loss", "mine")[-1] == (40, 0.025, 1.0)
    assert run["config"]["experiment_name"] == "mine"
    assert run["config_changes"]["max_steps"] == 40


def test_other_ranks_of_a_trainer_write_nothing(transformers: Any, logs: Path) -> None:
    trainer = Trainer(transformers.TraintopCallback())
    trainer.state.is_world_process_zero = False
    trainer.train()
    assert not os.listdir(logs)


def test_trials_of_a_search_are_runs(transformers: Any, logs: Path) -> None:
    callback = transformers.TraintopCallback()
    for rate in (0.1, 0.2):
        trainer = Trainer(callback, run_name="search")
        trainer.state.trial_name = f"trial-{rate}"
        trainer.state.trial_params = {"learning_rate": rate}
        trainer.train()
    names = [
        (run["config"]["experiment_name"], run["config"]["learning_rate"]) for run in written(logs)
    ]
    assert sorted(names) == [("search trial-0.1", 0.1), ("search trial-0.2", 0.2)]


@pytest.fixture
def lightning(face: Callable[[str], Any]) -> Any:
    return face("lightning")


def fit(logger: Any, steps: range = range(20), *, fails: bool = False) -> None:
    """Call a logger as the Trainer of Lightning does: it logs each fifth step, and epochs of 10."""
    trainer = SimpleNamespace(
        max_steps=-1, max_epochs=2, num_training_batches=20, accumulate_grad_batches=2
    )
    logger.log_hyperparams({"lr": 0.1})
    logger.log_graph(SimpleNamespace(trainer=trainer))
    try:
        for step in steps:
            if step % 5 == 0:
                logger.log_metrics({"train_loss": 1 / (1 + step), "epoch": step // 10}, step)
            if step % 10 == 9:
                logger.log_metrics({"val_loss": 0.5, "epoch": step // 10}, step)
        if fails:
            raise MemoryError("out of memory")
    except MemoryError:
        logger.finalize("failed")
    else:
        logger.finalize("success")


def test_a_fit_is_recorded_from_step_0(lightning: Any, logs: Path) -> None:
    logger = lightning.TraintopLogger("line")
    fit(logger)
    assert metrics(logs, "train_loss", "val_loss") == [
        (0, 1.0, None),
        (5, 1 / 6, None),
        (9, None, 0.5),
        (10, 1 / 11, None),
        (15, 1 / 16, None),
        (19, None, 0.5),
    ]
    [run] = written(logs)
    assert (run["status"], run["config"]) == ("finished", {"experiment_name": "line", "lr": 0.1})
    assert run["config_changes"] == {"max_steps": 20}
    assert (logger.name, type(logger.version)) == ("line", str)


def test_train_and_val_of_one_step_are_one_record(lightning: Any, logs: Path) -> None:
    logger = lightning.TraintopLogger()
    logger.log_metrics({"train_loss": 1.0}, 0)
    logger.log_metrics({"val_loss": 2.0}, 0)
    logger.finalize("success")
    assert metrics(logs, "train_loss", "val_loss") == [(0, 1.0, 2.0)]


def test_a_fit_that_fails_says_why(lightning: Any, logs: Path) -> None:
    fit(lightning.TraintopLogger(), fails=True)
    [run] = written(logs)
    assert (run["status"], run["error"]) == ("failed", "MemoryError: out of memory")


def test_fabric_says_how_a_loop_ended(lightning: Any, logs: Path) -> None:
    logger = lightning.TraintopLogger()
    logger.log_metrics({"loss": 1.0})
    logger.log_metrics({"loss": 0.5})
    logger.finalize("aborted")
    [run] = written(logs)
    assert metrics(logs, "loss") == [(0, 1.0), (1, 0.5)]
    assert (run["status"], run["error"]) == ("failed", "Lightning says: aborted")


def test_a_test_after_the_fit_belongs_to_it(lightning: Any, logs: Path) -> None:
    logger = lightning.TraintopLogger()
    fit(logger)
    logger.log_metrics({"test_loss": 0.25}, 20)
    logger.finalize("success")
    assert metrics(logs, "test_loss")[-1] == (20, 0.25)
    assert written(logs)[0]["status"] == "finished"


def test_a_requeued_fit_goes_on_in_its_run(lightning: Any, logs: Path) -> None:
    preempted = lightning.TraintopLogger("line")
    preempted.log_hyperparams({"lr": 0.1})
    for step in range(12):
        preempted.log_metrics({"loss": float(step)}, step)
    preempted.finalize("finished")
    del preempted
    fit(lightning.TraintopLogger("line", resume=True), range(5, 20))
    assert [record[0] for record in metrics(logs)] == [0, 1, 2, 3, 4, 5, 9, 10, 15, 19]
    assert written(logs)[0]["status"] == "finished"


def test_a_copy_of_a_logger_logs_elsewhere(lightning: Any, logs: Path) -> None:
    logger = lightning.TraintopLogger("line")
    logger.log_metrics({"loss": 1.0}, 0)
    copied = pickle.loads(pickle.dumps(logger))
    logger.finalize("success")
    copied.log_metrics({"loss": 2.0}, 0)
    copied.finalize("success")
    assert [run["config"]["experiment_name"] for run in written(logs)] == ["line", "line"]


def keras_fit(callback: Any, epochs: int = 2, first: int = 0, *, ends: bool = True) -> None:
    """Call a callback as the ``fit`` of Keras does, in epochs of three batches."""
    optimizer = SimpleNamespace(learning_rate=0.1, get_config=lambda: {"name": "sgd"})
    callback.model = SimpleNamespace(optimizer=optimizer)  # what set_model and set_params do
    callback.params = {"epochs": epochs, "steps": 3}
    for epoch in range(first, epochs):
        callback.on_epoch_begin(epoch)
        for batch in range(3):
            callback.on_train_batch_end(batch, {"loss": 1 / (1 + batch)})
        callback.on_test_end({"loss": 9.0})  # of the validation
        callback.on_epoch_end(epoch, {"loss": 0.5, "val_loss": 0.25})
    if ends:
        callback.on_train_end()


@pytest.fixture
def keras(face: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    module = face("keras")
    # With the real Keras, these have setters of other names.
    for name in ("model", "params"):
        monkeypatch.setattr(module.TraintopCallback, name, None, raising=False)
    return module


def test_epochs_are_recorded_at_their_last_step(keras: Any, logs: Path) -> None:
    keras_fit(keras.TraintopCallback())
    assert metrics(logs, "epoch", "batch_loss", "loss", "val_loss") == [
        (0, pytest.approx(1 / 3), 1.0, None, None),
        (1, pytest.approx(2 / 3), 0.5, None, None),
        (2, 1, 1 / 3, 0.5, 0.25),
        (3, pytest.approx(4 / 3), 1.0, None, None),
        (4, pytest.approx(5 / 3), 0.5, None, None),
        (5, 2, 1 / 3, 0.5, 0.25),
    ]
    [run] = written(logs)
    assert (run["config"]["max_steps"], run["config"]["optimizer"]) == (6, {"name": "sgd"})
    assert run["status"] == "finished"


@pytest.mark.parametrize(("update_freq", "steps"), [("epoch", [2, 5]), (2, [0, 2, 4, 5])])
def test_fewer_batches_may_be_recorded(
    keras: Any, logs: Path, update_freq: Any, steps: list[int]
) -> None:
    keras_fit(keras.TraintopCallback(update_freq=update_freq))
    assert [record[0] for record in metrics(logs)] == steps


def test_an_evaluation_after_a_fit_is_a_test(keras: Any, logs: Path) -> None:
    callback = keras.TraintopCallback()
    keras_fit(callback)
    callback.on_test_end({"loss": 0.125})
    assert metrics(logs, "loss", "test_loss")[-1] == (5, 0.5, 0.125)


def test_a_fit_from_an_epoch_on_goes_on_in_its_run(keras: Any, logs: Path) -> None:
    keras_fit(keras.TraintopCallback("line"), epochs=3, ends=False)  # as if it was killed
    keras_fit(keras.TraintopCallback("line"), epochs=4, first=2)
    assert [record[0] for record in metrics(logs)] == [*range(12)]
    assert written(logs)[0]["status"] == "finished"


def test_other_ranks_of_a_fit_write_nothing(
    keras: Any, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    keras_fit(keras.TraintopCallback())
    assert not os.listdir(logs)
    traintop.init(name="of rank 1")  # but whoever calls this owns a file
    keras_fit(keras.TraintopCallback())
    traintop.finish()
    assert [run["count"] for run in written(logs)] == [6]


@pytest.fixture
def accelerate(face: Callable[[str], Any]) -> Any:
    return face("accelerate")


def test_an_accelerated_loop_is_recorded(accelerate: Any, logs: Path) -> None:
    tracker = accelerate.TraintopTracker("gpt")
    tracker.store_init_configuration({"lr": 0.1, "max_train_steps": 3})
    for step in range(3):
        tracker.log({"train": {"loss": 1 / (1 + step)}}, step=step)
        tracker.log({"eval_loss": 0.5}, step=step)
    tracker.finish()
    assert metrics(logs, "train/loss", "eval_loss") == [
        (0, 1.0, 0.5),
        (1, 0.5, 0.5),
        (2, 1 / 3, 0.5),
    ]
    [run] = written(logs)
    assert run["config"] == {"experiment_name": "gpt", "lr": 0.1, "max_train_steps": 3}
    assert run["status"] == "finished"


def test_an_accelerated_loop_goes_on_in_its_run(accelerate: Any, logs: Path) -> None:
    preempted = accelerate.TraintopTracker("gpt")
    for step in range(8):
        preempted.log({"loss": 1.0}, step=step)
    del preempted
    tracker = accelerate.TraintopTracker("gpt", resume=True)
    tracker.log({"loss": 2.0}, step=5)
    tracker.finish()
    assert metrics(logs, "loss") == [*((step, 1.0) for step in range(5)), (5, 2.0)]


@pytest.fixture
def xgboost(face: Callable[[str], Any]) -> Any:
    return face("xgboost")


def boost(callback: Any, rounds: range, result: Any = 0.5, *, ends: bool = True) -> None:
    """Call a callback as the ``train`` and ``cv`` of XGBoost do."""
    model = SimpleNamespace(num_boosted_rounds=lambda: rounds.start)
    callback.before_training(model)
    for epoch in range(len(rounds)):
        assert not callback.after_iteration(model, epoch, {"val": {"rmse": [9.0, result]}})
    if ends:
        callback.after_training(model)


def test_rounds_of_boosting_are_recorded(xgboost: Any, logs: Path) -> None:
    boost(xgboost.TraintopCallback("trees", config={"eta": 0.3}), range(3))
    assert metrics(logs, "val/rmse") == [(0, 0.5), (1, 0.5), (2, 0.5)]
    [run] = written(logs)
    assert run["config"] == {"experiment_name": "trees", "eta": 0.3}
    assert run["status"] == "finished"


def test_rounds_of_an_earlier_model_count(xgboost: Any, logs: Path) -> None:
    boost(xgboost.TraintopCallback("trees"), range(8), ends=False)
    boost(xgboost.TraintopCallback("trees"), range(5, 9))
    assert [record[0] for record in metrics(logs)] == [*range(9)]
    assert written(logs)[0]["status"] == "finished"


def test_other_workers_of_a_boosting_write_nothing(
    xgboost: Any, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xgboost, "get_rank", lambda: 1)
    boost(xgboost.TraintopCallback("trees"), range(3))
    assert not os.listdir(logs)


def test_a_cross_validation_has_deviations(xgboost: Any, logs: Path) -> None:
    boost(xgboost.TraintopCallback(), range(1), (0.5, 0.1))
    assert metrics(logs, "val/rmse", "val/rmse_std") == [(0, 0.5, 0.1)]


def gradient_boost(
    callback: Any, planned: int, first: int = 0, done: int | None = None, best: int = -1
) -> None:
    """Call a callback as the ``train`` of LightGBM does; it may be stopped early, or fail."""
    model = SimpleNamespace(best_iteration=-1)
    for iteration in range(first, planned if done is None else done):
        callback(
            SimpleNamespace(
                model=model,
                params={"learning_rate": 0.1},
                iteration=iteration,
                begin_iteration=first,
                end_iteration=planned,
                evaluation_result_list=[("val", "l2", 1 / (1 + iteration), False)],
            )
        )
    model.best_iteration = best


def test_iterations_of_boosting_are_recorded(logs: Path) -> None:
    gradient_boost(lightgbm.TraintopCallback("trees"), 3)
    assert metrics(logs, "val/l2") == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    [run] = written(logs)
    settings = {"experiment_name": "trees", "learning_rate": 0.1, "num_iterations": 3}
    assert (run["config"], run["status"]) == (settings, "finished")


def test_boosting_that_was_stopped_early_is_finished(logs: Path) -> None:
    gradient_boost(lightgbm.TraintopCallback("early"), 100, done=5, best=3)
    gradient_boost(lightgbm.TraintopCallback("failed"), 100, done=4)
    gradient_boost(lightgbm.TraintopCallback("whole"), 6)
    found = [
        (run["config"]["experiment_name"], run["status"], run["count"]) for run in written(logs)
    ]
    assert sorted(found) == [
        ("early", "finished", 5),
        ("failed", "interrupted", 4),
        ("whole", "finished", 6),
    ]


def test_more_boosting_goes_on_in_its_run(logs: Path) -> None:
    gradient_boost(lightgbm.TraintopCallback("trees"), 9, done=7)
    gradient_boost(lightgbm.TraintopCallback("trees"), 9, first=5)
    assert [record[0] for record in metrics(logs)] == [*range(9)]


@pytest.fixture
def optuna(face: Callable[[str], Any]) -> Any:
    return face("optuna")


class Trial:
    """What an objective gets from Optuna, and what a callback gets when the trial is over."""

    def __init__(self, number: int = 0, *objectives: str) -> None:
        self.number = number
        self.params: dict[str, Any] = {}
        self.intermediate_values: dict[int, float] = {}
        self.values: list[float] | None = None
        self.state = SimpleNamespace(name="RUNNING")
        self.study = SimpleNamespace(
            study_name="search",
            metric_names=[*objectives] or None,
            directions=[SimpleNamespace(name="MAXIMIZE") for _ in objectives or ("value",)],
        )

    def suggest_float(self, name: str, low: float, high: float) -> float:
        self.params[name] = low
        return low

    def report(self, value: float, step: int) -> None:
        self.intermediate_values[step] = value

    def end(self, state: str, *values: float) -> None:
        self.state, self.values = SimpleNamespace(name=state), [*values] or None


def trial_statuses(directory: Path) -> dict[str, tuple[str, str]]:
    return {
        run["config"]["experiment_name"]: (run["status"], run["error"])
        for run in written(directory)
    }


def test_a_trial_that_is_over_is_a_run(optuna: Any, logs: Path) -> None:
    callback = optuna.TraintopCallback()
    trial = Trial()
    trial.suggest_float("lr", 0.1, 1.0)
    trial.report(0.25, 0)
    trial.report(0.75, 5)
    trial.end("COMPLETE", 0.75)
    callback(trial.study, trial)
    assert metrics(logs, "intermediate_value", "value") == [(0, 0.25, None), (5, 0.75, 0.75)]
    [run] = written(logs)
    assert run["config"] == {"experiment_name": "search-0", "lr": 0.1}
    assert run["run"]["directions"] == {"value": "higher", "intermediate_value": "higher"}
    assert (run["status"], run["run"]["group"]) == ("finished", "search")


def test_trials_end_as_optuna_says(optuna: Any, logs: Path) -> None:
    callback = optuna.TraintopCallback("mine")
    for number, (state, *values) in enumerate([("COMPLETE", 0.5), ("PRUNED", 0.25), ("FAIL",)]):
        trial = Trial(number)
        trial.end(state, *values)
        callback(trial.study, trial)
    assert trial_statuses(logs) == {
        "mine-0": ("finished", ""),
        "mine-1": ("interrupted", "pruned"),
        "mine-2": ("failed", "the trial failed"),
    }


def test_a_tracked_trial_is_recorded_while_it_lasts(optuna: Any, logs: Path) -> None:
    callback = optuna.TraintopCallback()

    @callback.track
    def objective(trial: Any) -> float:
        rate = trial.suggest_float("lr", 0.1, 1.0)
        trial.report(0.25, 3)
        traintop.log({"loss": rate}, step=4)
        run: Any = current_run()
        assert json.loads(run.tracker.save().read_text())["config_changes"] == {"lr": 0.1}
        return 0.5

    trial = Trial()
    assert objective(trial) == 0.5
    trial.end("COMPLETE", 0.5)
    callback(trial.study, trial)  # it has a run already
    assert current_run() is None
    assert trial.intermediate_values == {3: 0.25}
    assert metrics(logs, "intermediate_value", "loss", "value") == [
        (3, 0.25, None, None),
        (4, None, 0.1, 0.5),
    ]
    assert trial_statuses(logs) == {"search-0": ("finished", "")}


def test_callbacks_in_a_tracked_trial_log_to_its_run(optuna: Any, logs: Path) -> None:
    @optuna.TraintopCallback().track
    def objective(trial: Any) -> float:
        gradient_boost(lightgbm.TraintopCallback("trees"), 3)
        return 0.5

    objective(Trial())
    assert metrics(logs, "val/l2", "value") == [(0, 1.0, None), (1, 0.5, None), (2, 1 / 3, 0.5)]
    assert trial_statuses(logs) == {"search-0": ("finished", "")}


def test_a_tracked_trial_says_how_it_ended(optuna: Any, logs: Path) -> None:
    callback = optuna.TraintopCallback()

    def outcome(trial: Any) -> Any:
        if isinstance(outcomes[trial.number], Exception):
            raise outcomes[trial.number]
        return outcomes[trial.number]

    outcomes = [optuna.TrialPruned(), MemoryError("full"), float("nan"), (0.5, 0.25)]
    for number in range(len(outcomes)):
        with contextlib.suppress(optuna.TrialPruned, MemoryError):
            callback.track(outcome)(Trial(number, *["acc", "speed"] * (number == 3)))
    assert trial_statuses(logs) == {
        "search-0": ("interrupted", "pruned"),
        "search-1": ("failed", "MemoryError: full"),
        "search-2": ("failed", "the objective returned nan"),
        "search-3": ("finished", ""),
    }
    [values] = [row for run in written(logs) for row in run["metrics_history"]]
    assert (values["acc"], values["speed"]) == (0.5, 0.25)


def test_trials_in_threads_do_not_mix(optuna: Any, logs: Path) -> None:
    callback = optuna.TraintopCallback()
    both = threading.Barrier(2, timeout=30)

    @callback.track
    def objective(trial: Any) -> float:
        for step in range(3):
            both.wait()
            traintop.log({"number": trial.number}, step=step)
        both.wait()
        return 0.0

    threads = [threading.Thread(target=objective, args=(Trial(number),)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for run in written(logs):
        number = int(run["config"]["experiment_name"][-1])
        rows = run["metrics_history"]
        assert [row["number"] for row in rows] == [number] * 3
    assert trial_statuses(logs) == {f"search-{number}": ("finished", "") for number in range(2)}


class Config(dict[str, Any]):
    """A configuration of Hydra: its items are attributes, too."""

    def __init__(self, **items: Any) -> None:
        super().__init__(items)
        vars(self).update(items)


def hydra_job(callback: Any, work: Path, overrides: str, run: Callable[[], object]) -> None:
    """Call a callback as Hydra does around a job."""
    job = Config(name="train", override_dirname=overrides)
    config = Config(lr=0.1, hydra=Config(job=job, runtime=Config(cwd=str(work))))
    callback.on_job_start(config, task_function=run)
    result = SimpleNamespace(status=SimpleNamespace(name="COMPLETED"), _return_value=None)
    try:
        run()
    except Exception as error:
        result = SimpleNamespace(status=SimpleNamespace(name="FAILED"), _return_value=error)
    callback.on_job_end(config, job_return=result)


def fail() -> None:
    raise MemoryError("full")


def test_jobs_of_hydra_are_runs(
    face: Callable[[str], Any], logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRAINTOP_DIR")
    callback = face("hydra").TraintopCallback()
    hydra_job(callback, logs, "lr=0.1", lambda: traintop.log({"loss": 1.0}))
    hydra_job(callback, logs, "", fail)
    directory = logs / "experiment_logs"
    assert trial_statuses(directory) == {
        "train lr=0.1": ("finished", ""),
        "train": ("failed", "MemoryError: full"),
    }
    assert [run["config"]["lr"] for run in written(directory)] == [0.1, 0.1]


def test_other_ranks_of_a_job_write_nothing(
    face: Callable[[str], Any], logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    callback = face("hydra").TraintopCallback(log_dir=logs)
    hydra_job(callback, logs, "", lambda: traintop.log({"loss": 1.0}))
    assert not os.listdir(logs)


def test_a_job_may_start_a_run_of_its_own(
    face: Callable[[str], Any], logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def job() -> None:
        traintop.init(name=f"mine {rank}")
        traintop.log({"loss": 1.0})
        fail()

    callback = face("hydra").TraintopCallback(log_dir=logs)
    for rank in "01":
        monkeypatch.setenv("RANK", rank)
        hydra_job(callback, logs, "", job)
    failed = ("failed", "MemoryError: full")
    assert trial_statuses(logs) == {"train": ("finished", ""), "mine 0": failed, "mine 1": failed}


def test_a_run_in_a_job_of_hydra_says_so(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Config(runtime=Config(output_dir="/out/1"), overrides=Config(task=["lr=0.1"]))
    module: Any = ModuleType("hydra.core.hydra_config")
    module.HydraConfig = SimpleNamespace(get=lambda: job)
    monkeypatch.setitem(sys.modules, "hydra.core.hydra_config", module)
    traintop.init(name="in a job").finish()
    [run] = written(logs)
    assert run["run"]["hydra_output_dir"] == "/out/1"
    assert run["run"]["hydra_overrides"] == ["lr=0.1"]
