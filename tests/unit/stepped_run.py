"""A run that is written step by step, and what is to be found of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from traintop import logfile
from traintop.store.history import History
from traintop.tracking.resumption import open_interrupted_run
from traintop.tracking.run_clock import RunClock
from traintop.tracking.run_file import RunFile
from traintop.tracking.writer import RunWriter

Call = dict[str, Any]
Expected = dict[float, dict[str, float]]


class CountingClock(RunClock):
    """A clock that moves on with each look at it, so that equal calls write equal bytes."""

    def __init__(self) -> None:
        super().__init__()
        self._looks = 0

    def elapsed(self) -> float:
        self._looks += 1
        return self._looks * 0.375

    def now(self) -> str:
        return f"2025-02-22T14:05:30.{self._looks:06}"


class SteppedRun:
    """A run whose writer flushes when the test says so, without its thread."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.expected: Expected = {}
        self.ever_logged: dict[tuple[float, str], set[str]] = {}
        self._steps = 0
        self._writer = RunWriter(CountingClock(), self._create, lambda: self._steps, [])
        self._writer.turn()
        assert self._writer.path is not None
        self.path = self._writer.path

    def resume(self) -> None:
        """Go on as another process, with what the file holds."""
        self.leave()
        self._writer = RunWriter(CountingClock(), self._create, lambda: self._steps, [])
        self._writer.continue_with(open_interrupted_run(self.path))
        self._writer.turn()

    def leave(self) -> None:
        """Give the file back as a process that is killed does."""
        self._writer.release_inherited_file()

    def _create(self, tail: bytes) -> RunFile:
        head = logfile.Head(config={"experiment_name": 'x"],\n'}, start_time="2025", run={})
        return RunFile.create(self.directory, "experiment_x", logfile.encode_head(head), tail)

    def log(self, call: Call) -> None:
        self._writer.pending.append(
            (
                call["iteration"],
                self._steps,
                0.0,
                call.get("train_loss"),
                call.get("val_loss"),
                call.get("learning_rate"),
                None,
                None,
                call.get("further"),
            )
        )
        measured = {
            name: float(call[name]) for name in call if name not in ("further", "iteration")
        }
        measured |= {name: float(value) for name, value in call.get("further", {}).items()}
        self.expected.setdefault(call["iteration"], {}).update(measured)
        for name, value in measured.items():
            self.ever_logged.setdefault((call["iteration"], name), set()).add(repr(value))

    def flush(self) -> tuple[int, bytes, bytes]:
        """The offset of the one write, and the file before and after it."""
        assert self._writer._file is not None
        offset, before = self._writer._file._position, self.path.read_bytes()
        self._writer.turn()
        return offset, before, self.path.read_bytes()


def values_of(history: History) -> Expected:
    return {
        float(iteration): {
            metric: float(history.columns[metric][row])
            for metric in history.metrics
            if history.measured(metric)[row]
        }
        for row, iteration in enumerate(history.columns["iteration"])
    }


def merged_json(path: Path) -> Expected:
    expected: Expected = {}
    for record in json.loads(path.read_text())["metrics_history"]:
        values = {
            name: float(value)
            for name, value in record.items()
            if value is not None and name not in ("iteration", "gradient_step", "wallclock_time")
        }
        expected.setdefault(float(record["iteration"]), {}).update(values)
    return expected


def same(left: Expected, right: Expected) -> bool:
    return repr(sorted_values(left)) == repr(sorted_values(right))


def sorted_values(expected: Expected) -> Any:
    return sorted((float(i), sorted(values.items())) for i, values in expected.items())
