"""Plain loops that write one JSON object a line; see the README."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import expected
from tiny_training import Step, training


def flat(step: Step) -> dict:
    """One object for each step; validation is in the object of its step."""
    line = {"step": step.step, "loss": step.loss, "lr": step.learning_rate}
    return line if step.val_loss is None else {**line, "val_loss": step.val_loss}


def nested(step: Step) -> dict:
    """Values under ``data``, as loggers of messages have them, with a time beside."""
    return {
        "type": "metrics",
        "time": f"2026-01-02T03:04:{step.step:02d}Z",
        "data": {"iteration": step.step, "train": {"loss": step.loss}, "grad_norm": step.grad_norm},
    }


def mixed(step: Step) -> dict:
    """Training and validation are lines of their own."""
    if step.val_loss is None:
        return {"split": "train", "iter": step.step, "loss": step.loss}
    return {"split": "val", "iter": step.step, "val_loss": step.val_loss}


def write(path: str, line_of: Callable[[Step], dict], **options: float) -> None:
    Path(path).parent.mkdir(exist_ok=True)
    with Path(path).open("w") as log:
        for step in training(**options):
            log.write(json.dumps(line_of(step)) + "\n")  # a NaN is the bare word


def points(path: str, place: str) -> dict:
    """What the standard library reads from the lines of a file."""
    metrics: dict[str, list[tuple[int, float]]] = {}
    for text in Path(path).read_text().splitlines():
        line = json.loads(text)
        values = dict(line.get("data", line))
        step = values.pop(place)
        for name, value in values.items():
            found = value.items() if isinstance(value, dict) else ((None, value),)
            for part, number in found:
                if isinstance(number, int | float):
                    metrics.setdefault(f"{name}/{part}" if part else name, []).append(
                        (step, number)
                    )
    return expected.run(metrics)


if __name__ == "__main__":
    write("metrics.jsonl", flat, steps=80)
    write("diverged/metrics.jsonl", flat, steps=120, learning_rate=1000)
    write("nested.jsonl", nested, steps=40)
    write("mixed.ndjson", mixed, steps=60)
    places = {
        "metrics.jsonl": "step",
        "diverged/metrics.jsonl": "step",
        "nested.jsonl": "iteration",
        "mixed.ndjson": "iter",
    }
    expected.write({path: points(path, place) for path, place in places.items()})
