"""Offline runs of Weights & Biases: one finished, one failed, one killed; see the README."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import expected
import wandb
from tiny_training import training
from wandb.proto.wandb_internal_pb2 import Record

CONFIG = {
    "learning_rate": 0.05,
    "batch_size": 8,
    "model": {"layers": 2, "activation": "relu"},
    "betas": [0.9, 0.999],
    "resume": False,
    "comment": "a line through noise",
}
STEPS = {"finished": 120, "failed": 40, "killed": 40}
BLOCK = 32 * 1024


def train(ending: str) -> None:
    """Log one run, and end as is said."""
    run = wandb.init(
        project="line",
        name=f"{ending}-run",
        group="fixtures",
        job_type="train",
        tags=["baseline", ending],
        notes=f"This run {ending}.",
        config=CONFIG,
        settings=wandb.Settings(
            mode="offline",
            host=expected.HOST,
            program="train.py",
            x_executable="python",
            git_commit="0123456789abcdef0123456789abcdef01234567",
            git_remote_url="https://example.com/trainer/line.git",
            console="off",
            silent=True,
        ),
    )
    for step in training(STEPS[ending]):
        values = {
            "train": {"loss": step.loss, "grad_norm": step.grad_norm},
            "lr": step.learning_rate,
        }
        if step.val_loss is not None:
            values["val/loss"] = step.val_loss
        if step.step in (20, 21):
            values["odd"] = float("nan" if step.step == 20 else "inf")
        run.log(values)
    run.config.update({"epochs": 1})
    run.summary["best_loss"] = 0.04
    if ending == "failed":
        raise RuntimeError("the loss is not what it was")
    if ending == "killed":
        time.sleep(16)  # it writes whole blocks, and what it has every 15 s
        run.log({"lost": 1})
        os.kill(os.getpid(), signal.SIGKILL)
    run.finish()


def records(path: Path) -> Iterator[Record]:
    """The records of a file, whose framing is that of LevelDB's logs.

    W&B has no reader of its own for it in Python; the records are its own classes.
    """
    content = path.read_bytes()
    place, record = 7, b""
    while place + 7 <= len(content):
        if (left := BLOCK - place % BLOCK) < 7:
            place += left
            continue
        _, length, kind = struct.unpack_from("<IHB", content, place)
        record += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(record)
            record = b""


def read(path: Path) -> dict:
    metrics: dict[str, list[tuple[int, float]]] = {}
    config: dict[str, object] = {}
    facts: dict[str, object] = {}
    status = None
    for record in records(path):
        for update in (*record.run.config.update, *record.config.update):
            config[update.key or ".".join(update.nested_key)] = json.loads(update.value_json)
        match record.WhichOneof("record_type"):
            case "history":
                values = {
                    ".".join(item.nested_key) or item.key: json.loads(item.value_json)
                    for item in record.history.item
                }
                step = values.pop("_step")
                for name, value in _flat(values).items():
                    metrics.setdefault(name, []).append((step, value))
            case "run":
                run = record.run
                facts |= {"name": run.display_name, "notes": run.notes, "tags": list(run.tags)}
                facts |= {"group": run.run_group, "host": run.host, "project": run.project}
                facts |= {"id": run.run_id, "started": run.start_time.ToJsonString()}
            case "environment" if record.environment.git.commit:
                facts["git_commit"] = record.environment.git.commit
            case "exit":
                status = "failed" if record.exit.exit_code else "finished"
                facts["exit_code"] = record.exit.exit_code
    config.pop("_wandb", None)
    return expected.run(metrics, config, status, **facts)


def _flat(values: dict[str, object], prefix: str = "") -> dict[str, object]:
    """Names of nested values have dots, as on W&B's pages; older versions store a dictionary."""
    flat: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def remove_logs() -> None:
    """What W&B logs of itself names paths of this machine."""
    for path in Path("wandb").glob("debug*"):
        path.unlink()
    for run in Path("wandb").glob("offline-run-*"):
        shutil.rmtree(run / "logs")
        shutil.rmtree(run / "tmp")


def main() -> None:
    if len(sys.argv) > 1:
        train(sys.argv[1])
        return
    for ending in STEPS:
        subprocess.run([sys.executable, __file__, ending], check=False)
    remove_logs()
    files = sorted(Path("wandb").glob("offline-run-*/*.wandb"))
    expected.write({str(path.parent): read(path) for path in files})


if __name__ == "__main__":
    main()
