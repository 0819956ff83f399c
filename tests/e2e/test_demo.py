"""The demo as people meet it: real child processes that train, stop, and are left alone."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.studies import batch_size_study
from tests.waiting import wait_until

from traintop import ExperimentConfig
from traintop.demo.child import TrainingProcess
from traintop.demo.sweep import Sweep, learning_rate_sweep, run_demo
from traintop.demo.training import train
from traintop.process import has_ended

ENDLESS = 10**9

TINY = ExperimentConfig(
    "tiny",
    d_model=16,
    num_layers=1,
    d_ff=16,
    vocab_size=96,
    context_length=16,
    batch_size=4,
    max_iters=ENDLESS,
    warmup_iters=10,
    device="cpu",
)


def logs(directory: Path) -> list[dict[str, Any]]:
    """The logs that can be read now; one that is being written may be missing."""
    found = []
    for path in sorted(directory.glob("experiment_*.json")):
        try:
            found.append(json.loads(path.read_bytes()))
        except json.JSONDecodeError:
            continue
    return found


def runs_with_records(directory: Path) -> int:
    return sum(bool(log["metrics_history"]) for log in logs(directory))


def test_headless_demo_trains_a_sweep_and_prints_the_table(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from traintop.demo.sweep import run_demo\n"
        "run_demo(open_ui=None, print_table=lambda path: print('table of', path), iterations=30)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    (directory,) = tmp_path.iterdir()  # one of its own, and nothing beside it
    assert f"table of {directory}" in finished.stdout
    assert finished.stdout.splitlines()[-1].endswith(str(directory))

    by_name = {log["config"]["experiment_name"]: log for log in logs(directory)}
    assert set(by_name) == {"lr_1e-04", "lr_6e-04", "lr_1e-03", "lr_3e-03", "lr_1e+02"}
    assert {log["status"] for log in by_name.values()} == {"finished"}
    diverged = by_name.pop("lr_1e+02")
    assert diverged["metrics_history"][-1]["train_loss"] in ("NaN", "Infinity")
    assert "Diverged" in diverged["notes"]
    for log in by_name.values():
        records = log["metrics_history"]
        assert [record["iteration"] for record in records] == list(range(30))
        assert records[-1]["train_loss"] < records[0]["train_loss"]
        assert math.isfinite(records[-1]["val_loss"])
        assert records[-1]["grad_norm"] > 0


def test_leaving_the_ui_interrupts_the_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def look_until_two_runs_are_live(directory: Path) -> None:
        wait_until(lambda: runs_with_records(directory) >= 2)

    directory = run_demo(
        tmp_path / "logs",
        open_ui=look_until_two_runs_are_live,
        print_table=lambda _: pytest.fail("the table is for those who have no terminal"),
        iterations=ENDLESS,
    )
    assert directory == tmp_path / "logs"
    ended = logs(directory)
    assert len(ended) >= 2
    assert {log["status"] for log in ended} <= {"interrupted", "finished"}
    assert all(has_ended(log["run"]) for log in ended)
    output = capsys.readouterr()
    assert str(directory) in output.out
    assert output.err == ""


def test_sigterm_makes_an_interrupted_run(tmp_path: Path) -> None:
    process = TrainingProcess(TINY, tmp_path)
    wait_until(lambda: runs_with_records(tmp_path))
    os.kill(process.pid, signal.SIGTERM)
    assert process.result() is None
    (log,) = logs(tmp_path)
    assert log["status"] == "interrupted"
    assert log["error"].endswith("SIGTERM")
    assert log["end_time"] is not None
    last = log["metrics_history"][-1]
    assert last["gradient_step"] in (last["iteration"] + 1, last["iteration"] + 2)


def test_children_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.studies import *\n"
        f"with Sweep(batch_size_study({ENDLESS})[:2], Path(sys.argv[1])) as sweep:\n"
        "    sweep.wait()"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)]) as parent:
        wait_until(lambda: runs_with_records(tmp_path) == 2)
        parent.kill()
    wait_until(lambda: [log["status"] for log in logs(tmp_path)] == ["interrupted"] * 2)
    wait_until(lambda: all(has_ended(log["run"]) for log in logs(tmp_path)))


def test_a_run_that_cannot_train_is_reported_by_name(tmp_path: Path) -> None:
    impossible = TINY._replace(experiment_name="odd", d_model=-1)
    possible = TINY._replace(experiment_name="even", max_iters=2)
    with Sweep([impossible, possible], tmp_path) as sweep:
        sweep.wait()
    (failure,) = sweep.failures()
    assert failure.startswith("odd: ValueError")
    assert [log["config"]["experiment_name"] for log in logs(tmp_path)] == ["even"]


def test_studies_have_the_documented_names_and_own_settings() -> None:
    runs = (*learning_rate_sweep(10), *batch_size_study(10))
    configs = {config.experiment_name: config for config in runs}
    assert {"lr_1e-04", "lr_6e-04", "lr_1e-03"} < set(configs)
    assert {"batch_32", "batch_64", "batch_128"} < set(configs)
    assert configs["lr_6e-04"].max_learning_rate == 6e-4
    assert configs["batch_64"].batch_size == 64
    assert len(set(configs.values())) == len(runs) == 8


def test_a_log_holds_what_was_trained(tmp_path: Path) -> None:
    path = train(TINY._replace(max_iters=101), tmp_path)
    (log,) = logs(tmp_path)
    assert path.parent == tmp_path
    records = log["metrics_history"]
    assert [record["gradient_step"] for record in records] == list(range(1, 102))
    evaluated = [record["iteration"] for record in records if record["val_loss"] is not None]
    assert evaluated == [99, 100]
    assert log["final_val_loss"] == records[-1]["val_loss"]
    assert log["final_train_loss"] == records[-1]["train_loss"]
    rates = [record["learning_rate"] for record in records]
    assert max(rates) == pytest.approx(TINY.max_learning_rate)
