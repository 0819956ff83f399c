"""``traintop.integrations.tensorboard.SummaryWriter``, called as the one of PyTorch."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import traintop
from traintop.integrations import run_values
from traintop.integrations.tensorboard import SummaryWriter


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where runs are written; none goes on from one test to the next."""
    monkeypatch.setenv("TRAINTOP_DIR", str(tmp_path / "logs"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_values.warn_once, "_warned", set())
    yield tmp_path / "logs"
    traintop.finish()


def written(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(directory.glob("*.json"))]


def metrics(directory: Path, *names: str) -> list[tuple[Any, ...]]:
    """Where each record of the only run stands, and what it has of these metrics."""
    [path] = directory.glob("*.json")
    records = traintop.load_experiment_log(path).metrics_history
    return [(one.iteration, *(one.value(name) for name in names)) for one in records]


def test_scalars_of_one_step_are_one_record(logs: Path) -> None:
    with SummaryWriter("runs/baseline") as writer:
        for step in range(3):
            writer.add_scalar("Loss/train", 1 / (1 + step), step)
            writer.add_scalar("lr", 0.1, global_step=step)
            writer.add_scalars("accuracy", {"train": 0.5, "val": 0.25}, step)
    assert metrics(logs, "Loss/train", "lr", "accuracy/train", "accuracy/val") == [
        (0, 1.0, 0.1, 0.5, 0.25),
        (1, 0.5, 0.1, 0.5, 0.25),
        (2, 1 / 3, 0.1, 0.5, 0.25),
    ]
    [run] = written(logs)
    assert (run["config"]["experiment_name"], run["status"]) == ("baseline", "finished")
    assert not Path("runs").exists()


def test_hyperparameters_are_settings_and_results(logs: Path) -> None:
    writer = SummaryWriter("runs/baseline")
    writer.add_scalar("loss", 1.0, 7)
    writer.add_hparams({"lr": 0.1}, {"hparam/accuracy": 0.75})
    writer.close()
    assert metrics(logs, "loss", "hparam/accuracy") == [(7, 1.0, 0.75)]
    assert written(logs)[0]["config_changes"] == {"lr": 0.1}


def test_what_is_no_scalar_is_told_once(logs: Path, caplog: pytest.LogCaptureFixture) -> None:
    writer = SummaryWriter()
    for step in range(3):
        writer.add_histogram("weights", [1.0, 2.0], step)
        writer.add_text("note", "a word", global_step=step)
    writer.flush()
    writer.close()
    assert caplog.messages == [
        f"traintop: {name}() is left out: scalars and hyperparameters are recorded"
        for name in ("add_histogram", "add_text")
    ]
    with pytest.raises(AttributeError, match="nonsense"):
        writer.nonsense()


def test_writers_of_one_script_are_runs(logs: Path) -> None:
    train, val = SummaryWriter("runs/a/train"), SummaryWriter("runs/a/val")
    for step in range(3):
        train.add_scalar("loss", 1.0, step)
        val.add_scalar("loss", 2.0, step)
    train.close()
    val.close()
    val.add_scalar("loss", 3.0, 3)  # opens it again
    val.close()
    found = [
        (run["config"]["experiment_name"], run["status"], run["count"]) for run in written(logs)
    ]
    assert sorted(found) == [("a/train", "finished", 3), ("a/val", "finished", 4)]


def test_a_purge_step_goes_on_in_the_unfinished_run(logs: Path) -> None:
    preempted = SummaryWriter("runs/baseline")
    for step in range(10):
        preempted.add_scalar("loss", 1.0, step)
    del preempted
    writer = SummaryWriter("runs/baseline", purge_step=5)
    writer.add_scalar("loss", 2.0, 5)
    writer.close()
    assert metrics(logs, "loss") == [*((step, 1.0) for step in range(5)), (5, 2.0)]


def test_an_exception_in_its_block_is_recorded(logs: Path) -> None:
    def train() -> None:
        with SummaryWriter() as writer:
            writer.add_scalar("loss", 1.0, 0)
            raise MemoryError("out of memory")

    with pytest.raises(MemoryError):
        train()
    [run] = written(logs)
    assert (run["status"], run["error"]) == ("failed", "MemoryError: out of memory")


def test_a_tee_gets_all_that_is_added(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, tuple[Any, ...]]] = []

    class EventWriter:
        """Remembers its calls; the real one needs PyTorch: see ``face_tensorboard.py``."""

        def __init__(self, *options: Any) -> None:
            calls.append(("", options))

        def __getattr__(self, name: str) -> Any:
            return lambda *given: calls.append((name, given))

    stand_in = ModuleType("torch.utils.tensorboard")
    monkeypatch.setattr(stand_in, "SummaryWriter", EventWriter, raising=False)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", stand_in)
    writer = SummaryWriter("runs/baseline", "", 3, 10, tee=True)
    writer.add_scalar("loss", 1.0, 3)
    writer.add_histogram("weights", [1.0], 3)
    writer.close()
    assert calls == [
        ("", ("runs/baseline", "", 3, 10)),
        ("add_scalar", ("loss", 1.0, 3)),
        ("add_histogram", ("weights", [1.0], 3)),
        ("close", ()),
    ]
    assert metrics(logs, "loss") == [(3, 1.0)]
