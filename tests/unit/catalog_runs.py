"""Directories of runs for tests, and what a catalog has of them."""

from __future__ import annotations

import os
from pathlib import Path

from tests.runs import record, write_run

from traintop.model import RunSummary
from traintop.store.snapshot import Snapshot


class Clock:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def run_at(directory: Path, name: str, **fields: object) -> Path:
    """A finished run with one record."""
    directory.mkdir(parents=True, exist_ok=True)
    fields = {"status": "finished", "config": {"experiment_name": name}, **fields}
    return write_run(directory / f"experiment_{name}.json", [record(0, train_loss=1.0)], **fields)


def names(snapshot: Snapshot) -> list[str]:
    return [run.name for run in snapshot.runs]


def only(snapshot: Snapshot) -> RunSummary:
    [run] = snapshot.runs
    return run


def age(path: Path, seconds: float) -> None:
    times = path.stat().st_mtime - seconds
    os.utime(path, (times, times))


def facts_of(run: RunSummary) -> dict[str, str]:
    """What is known of a run, but for the place where it is."""
    skipped = ("id", "path", "root", "block", "row", "names", "updated_at")
    return {
        name: repr(getattr(run, name))
        for name in dir(run)
        if not name.startswith("_") and name not in skipped and not callable(getattr(run, name))
    }
