"""Optuna's SQLite storage; see the README."""

from __future__ import annotations

import math

import expected
import optuna
from tiny_training import training

STORAGE = "sqlite:///study.db"


def objective(trial: optuna.Trial) -> float:
    learning_rate = trial.suggest_float("learning_rate", 1e-3, 1.0, log=True)
    trial.suggest_int("layers", 1, 4)
    trial.suggest_categorical("optimizer", ["sgd", "adam"])
    trial.set_user_attr("dataset", "line")
    if trial.number == 3:
        raise RuntimeError("CUDA out of memory, or so it seems")
    for step in training(30, learning_rate=learning_rate, seed=trial.number):
        if step.val_loss is not None:
            odd = {10: math.inf, 20: math.nan} if trial.number == 6 else {}
            trial.report(odd.get(step.step, step.val_loss), step.step)
            if trial.number == 5 and step.step == 20:
                raise optuna.TrialPruned
    return step.loss


STATUS = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}


def read(name: str) -> dict:
    study = optuna.load_study(study_name=name, storage=STORAGE)
    return {
        f"study.db#{name}/{trial.number}": expected.run(
            {"intermediate_value": trial.intermediate_values.items()},
            trial.params,
            STATUS[trial.state.name],
            value=trial.value,
            user_attrs=trial.user_attrs,
            direction=study.direction.name.lower(),
        )
        for trial in study.trials
    }


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=STORAGE,
        study_name="line",
        direction="minimize",
        sampler=optuna.samplers.RandomSampler(0),
    )
    study.optimize(objective, n_trials=8, catch=RuntimeError)
    study.ask()  # a trial that is running, or whose process is gone
    expected.write(read("line"))
