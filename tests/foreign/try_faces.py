"""Trains with real frameworks under our faces: ``python tests/foreign/try_faces.py [FACE]…``.

Each ``face_FACE.py`` trains four times, in the environment that ``make.py`` makes for its tool:
``whole``; ``killed`` by SIGKILL in its middle, and ``resumed`` from its checkpoint; ``failed``. Our
files must have every value that the framework itself knows (``expected.json``, which names all runs
where a training is several), and say how the runs ended. ``faces.json`` keeps what the last run of
this found.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from make import ENVIRONMENTS, python_with, versions_of

from traintop import load_experiment_log

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1] / "src"
RECORD = HERE / "faces.json"
FACES = {
    **dict.fromkeys(("transformers", "lightning", "keras", "tensorboard", "accelerate"), "torch"),
    **dict.fromkeys(("xgboost", "lightgbm"), "boosting"),
    **{face: face for face in ("optuna", "hydra")},
}
"""The environment that each is tried in."""

TRAININGS = ("whole", "killed", "resumed", "failed")
STATUSES = {"whole": "finished", "resumed": "finished", "failed": "failed"}


def main() -> None:
    """Try the named faces, or all."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("face", nargs="*", choices=[*FACES, []], help=f"of {', '.join(FACES)}")
    parser.add_argument("--environments", type=Path, help="keep the environments here")
    arguments = parser.parse_args()
    home = arguments.environments or Path(tempfile.mkdtemp(prefix="faces-"))
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    for face in arguments.face or FACES:
        print(f"{face} …", flush=True)
        packages = ENVIRONMENTS[FACES[face]].packages
        python = python_with(home.resolve() / FACES[face], packages)
        record[face] = {
            "date": f"{datetime.now():%Y-%m-%d}",
            "versions": versions_of(python, packages),
            "runs": _train(face, python),
        }
        RECORD.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")


def _train(face: str, python: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as playground, tempfile.TemporaryDirectory() as ours:
        # What we need beside the framework is installed elsewhere: its environment stays as it is.
        install = [python, "-m", "pip", "install", "--quiet", "--target", ours, "msgspec"]
        subprocess.run(install, check=True)
        environment = {
            **{name: value for name, value in os.environ.items() if name != "TRAINTOP_DIR"},
            "PYTHONPATH": os.pathsep.join([str(SOURCE), str(HERE), ours]),
            "CUDA_VISIBLE_DEVICES": "",
            "KERAS_BACKEND": "torch",
        }
        for training in TRAININGS:
            print(f"  {training}", flush=True)
            (Path(playground) / "expected.json").unlink(missing_ok=True)
            script = [python, HERE / f"face_{face}.py", training]
            done = subprocess.run(
                script, cwd=playground, env=environment, capture_output=True, text=True
            )
            if (done.returncode == 0) != (training in ("whole", "resumed")):
                sys.exit(f"{face} {training}: exit code {done.returncode}\n{done.stderr[-5000:]}")
            if training != "killed":
                found |= {
                    name: _compare(playground, name, expected, STATUSES[training])
                    for name, expected in _expected(Path(playground), training).items()
                }
    return found


def _expected(playground: Path, training: str) -> dict[str, dict[str, Any]]:
    """What the framework knows of the runs of a training, by their names."""
    path = playground / "expected.json"
    if not path.exists():
        return {training: {"metrics": {}}}
    runs: dict[str, dict[str, Any]] = json.loads(path.read_text())["runs"]
    return runs


def _compare(playground: str, name: str, expected: dict[str, Any], status: str) -> dict[str, Any]:
    """What our file of a run says. The program ends where the framework knows it otherwise."""
    paths = (Path(playground) / "experiment_logs").glob("*.json")
    logs = {path: load_experiment_log(path) for path in paths}
    [path] = (path for path, log in logs.items() if log.config.experiment_name == name)
    log = logs[path]
    recorded = {
        (metric, record.iteration): value
        for record in log.metrics_history
        for metric in ("train_loss", "val_loss", "learning_rate", *record.metrics)
        if (value := record.value(metric)) is not None
    }
    values = 0
    for metric, points in expected["metrics"].items():
        for step, value in points:
            ours = recorded.get((metric, step), math.nan)
            if not math.isclose(ours, value, rel_tol=1e-6):  # event files have 32 bits
                sys.exit(f"{path}: {metric} at {step} is {ours}, not {value}")
            values += 1
    if log.status != (expected.get("status") or status):
        sys.exit(f"{path} says {log.status}")
    for setting, value in expected.get("settings", {}).items():
        if (ours := log.config.to_dict().get(setting)) != value:
            sys.exit(f"{path}: {setting} is {ours}, not {value}")
    return {
        "status": log.status,
        "error": log.error,
        "records": len(log.metrics_history),
        "settings": len(log.config),
        "values_that_agree": values,
    }


if __name__ == "__main__":
    main()
