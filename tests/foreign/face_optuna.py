"""Optuna under our callback: tracked trials in two threads, and such that are told afterwards.

A study that was killed in a trial goes on with the next one.
"""

from __future__ import annotations

import os
import signal
import sys
import time

import expected
import optuna
from tiny_training import training

import traintop
from traintop.integrations.optuna import TraintopCallback

STATUS = {"COMPLETE": "finished", "PRUNED": "interrupted", "FAIL": "failed", "RUNNING": "crashed"}


def objective(trial: optuna.Trial) -> float:
    learning_rate = trial.suggest_float("learning_rate", 1e-3, 1.0, log=True)
    trial.suggest_categorical("optimizer", ["sgd", "adam"])
    if trial.number == 3:
        raise MemoryError("out of memory, or so it seems")
    loss = 0.0
    for step in training(30, learning_rate=learning_rate, seed=trial.number):
        loss = step.loss
        traintop.log({"train_loss": loss}, step=step.step)
        if step.val_loss is not None:
            trial.report(step.val_loss, step.step)
            time.sleep(0.01)  # so that the threads take turns
        if trial.number == 2 and step.step == 20:
            raise optuna.TrialPruned
        if trial.number == 1 and step.step == 20 and sys.argv[1] == "killed":
            time.sleep(1)  # what was logged in the last half second may be lost
            os.kill(os.getpid(), signal.SIGKILL)
    return loss if trial.number != 4 else float("nan")


def main(how: str) -> None:
    study = optuna.create_study(
        study_name="resumed" if how == "killed" else how,
        storage="sqlite:///study.db",
        load_if_exists=True,
        sampler=optuna.samplers.RandomSampler(0),
    )
    callback = TraintopCallback()
    catch = () if how == "failed" else (MemoryError,)
    jobs = 2 if how == "whole" else 1
    if how == "whole":  # two trials that nobody watches
        study.optimize(objective_without_log, n_trials=2, callbacks=[callback])
    try:
        study.optimize(
            callback.track(objective), n_trials=4, n_jobs=jobs, catch=catch, callbacks=[callback]
        )
    finally:
        write(how, study)


def objective_without_log(trial: optuna.Trial) -> float:
    learning_rate = trial.suggest_float("learning_rate", 1e-3, 1.0, log=True)
    for step in training(30, learning_rate=learning_rate, seed=trial.number):
        if step.val_loss is not None:
            trial.report(step.val_loss, step.step)
        if trial.number == 1 and step.step == 20:
            raise optuna.TrialPruned
    return step.loss


def write(how: str, study: optuna.Study) -> None:
    runs = {}
    for trial in study.trials:
        metrics = {"intermediate_value": trial.intermediate_values.items()}
        if trial.state.name == "COMPLETE":
            last = 20 if how == "whole" and trial.number < 2 else 29
            metrics["value"] = [(last, trial.value)]
        runs[f"{study.study_name}-{trial.number}"] = expected.run(
            metrics, trial.params, STATUS[trial.state.name]
        )
    expected.write(runs)


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    main(sys.argv[1])
