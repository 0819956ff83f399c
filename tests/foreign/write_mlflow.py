"""MLflow's file store and its SQLite store; see the README."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing, suppress

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"  # it is no longer developed, but read

import expected
import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run
from tiny_training import training

DATABASE = "mlflow.db"
EXPERIMENT = "line"


def train(name: str, ending: str) -> None:
    with mlflow.start_run(run_name=name, description=f"This run {ending}."):
        mlflow.log_params({"learning_rate": 0.05, "layers": 2, "optimizer": "sgd"})
        mlflow.set_tag("stage", "fixture")
        for step in training(40):
            values = {"train/loss": step.loss, "lr": step.learning_rate}
            if step.val_loss is not None:
                values["val_loss"] = step.val_loss
            if step.step in (20, 21):
                values["odd"] = float("nan" if step.step == 20 else "inf")
            mlflow.log_metrics(values, step=step.step)
        if ending == "fails":
            raise RuntimeError("the loss is not what it was")


def write(uri: str) -> None:
    mlflow.set_tracking_uri(uri)
    experiment = mlflow.set_experiment(EXPERIMENT)
    train("steady", "finishes")
    with suppress(RuntimeError):
        train("unlucky", "fails")
    client = MlflowClient(uri)
    run = client.create_run(experiment.experiment_id, run_name="open")  # and nobody ends it
    for step in training(12):
        client.log_metric(run.info.run_id, "loss", step.loss, step=step.step)


def read(uri: str, place: Callable[[Run], str]) -> dict:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    found = {}
    for run in client.search_runs([experiment.experiment_id]):
        history = {
            name: [
                (point.step, point.value)
                for point in client.get_metric_history(run.info.run_id, name)
            ]
            for name in run.data.metrics
        }
        found[place(run)] = expected.run(
            history,
            run.data.params,
            run.info.status.lower(),
            name=run.info.run_name,
            tags=run.data.tags,
            started=run.info.start_time,
            ended=run.info.end_time,
        )
    return found


def shrink() -> None:
    """MLflow makes two hundred tables and indexes; small pages hold them in a quarter."""
    with closing(sqlite3.connect(DATABASE)) as database:
        database.execute("PRAGMA page_size = 512")
        database.execute("VACUUM")


if __name__ == "__main__":
    sys.argv[0] = "train.py"  # MLflow stores it
    write("mlruns")
    write(f"sqlite:///{DATABASE}")
    runs = {
        **read("mlruns", lambda run: f"mlruns/{run.info.experiment_id}/{run.info.run_id}"),
        **read(f"sqlite:///{DATABASE}", lambda run: f"{DATABASE}#{run.info.run_id}"),
    }
    shrink()
    expected.write(runs)
