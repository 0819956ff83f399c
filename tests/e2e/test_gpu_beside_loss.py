"""System metrics from end to end: a training process with a GPU, and what a person sees of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from terminal_session import TerminalSession
from tests.benchmarks.measuring import child_environment
from tests.runs import OpenedRun
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]

# What `import pynvml` finds: one GPU, of two, that does next to nothing.
STAND_IN = """
import sys
from tests.nvml import Gpu, Nvml
sys.modules[__name__] = Nvml(Gpu("GPU-other", utilization=99), Gpu("GPU-mine", utilization=3))
"""
TRAINING = """
import sys, time
from traintop import ExperimentTracker
config, directory = {"experiment_name": "on_a_gpu"}, sys.argv[1]
with ExperimentTracker(config, directory, system_interval=0.2) as tracker:
    for step in range(1_000_000):
        tracker.log_metrics(step, train_loss=1 + 1 / (step + 1), tokens_per_sec=91_000.0)
        time.sleep(0.01)
"""


@pytest.fixture
def training(tmp_path: Path) -> Iterator[Path]:
    """The directory in which a process on a GPU logs a run until the test ends."""
    (tmp_path / "path").mkdir()
    (tmp_path / "path/pynvml.py").write_text(STAND_IN)
    directory = tmp_path / "logs"
    environment = child_environment() | {
        "PYTHONPATH": f"{tmp_path / 'path'}:{ROOT}",
        "CUDA_VISIBLE_DEVICES": "GPU-mine",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", TRAINING, str(directory)], env=environment, stderr=subprocess.DEVNULL
    )
    try:
        yield directory
    finally:
        process.kill()
        process.wait()


def test_a_person_sees_the_gpu_beside_the_loss(training: Path) -> None:
    def is_sampled() -> bool:
        return any(
            {"gpu/0/utilization", "disk/read"} <= OpenedRun(path).summary().stats.keys()
            for path in training.glob("*.json")
        )

    wait_until(is_sampled)
    command = [sys.executable, "-m", "traintop", "list", str(training), "--sort"]
    listed = subprocess.run(
        [*command, "gpu/mean/utilization"], env=child_environment(), capture_output=True, text=True
    )
    heading, _, row = listed.stdout.splitlines()[:3]
    assert "GPU %" in heading
    assert row.split()[-1] == "3"
    with TerminalSession(training, columns=200, lines=48) as terminal:
        terminal.wait_for("on_a_gpu")
        terminal.wait_for(lambda: "3 %" in terminal.line_with(" GPU 0"))
        terminal.press("/gpu/0/utilization < 10\r")
        terminal.wait_for(lambda: terminal.line_with("/ gpu/0/utilization < 10"))
        assert "on_a_gpu" in terminal.text()
        terminal.press("M")
        terminal.wait_for("GPU energy, kWh   last")
        terminal.press("q")
        assert terminal.exit_code() == 0


# One whose driver hangs in a call of C, with the interpreter's lock released, as NVML's may.
HANGING = """
import ctypes
def nvmlInit():
    ctypes.CDLL(None).pause()
"""
SHORT = """
import sys, time
from traintop import ExperimentTracker
config = {"experiment_name": "stuck"}
with ExperimentTracker(config, sys.argv[1], quiet=True, system_interval=0.05) as tracker:
    step = 0
    while "pynvml" not in sys.modules or step < 10:
        tracker.log_metrics(step, train_loss=1.0)
        step += 1
        time.sleep(0.01)
"""


def test_a_driver_that_hangs_does_not_keep_its_process(tmp_path: Path) -> None:
    (tmp_path / "pynvml.py").write_text(HANGING)
    subprocess.run(
        [sys.executable, "-c", SHORT, str(tmp_path / "logs")],
        env=child_environment() | {"PYTHONPATH": str(tmp_path)},
        timeout=60,
        check=True,
    )
    [path] = (tmp_path / "logs").glob("*.json")
    assert OpenedRun(path).summary().status == "finished"
