"""Runs for the doctor, and what it finds of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from traintop.doctor import Diagnosis, Finding, Level

LINUX_ONLY = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def run_of_a_dead_process(directory: Path, name: str, ending: str = "") -> Path:
    """A run of a process of its own, which has 30 records and then does what ``ending`` says."""
    script = f"""
import os, signal
from traintop import ExperimentConfig, ExperimentTracker
tracker = ExperimentTracker(ExperimentConfig({name!r}), log_dir={str(directory)!r}, quiet=True)
tracker.start()
for i in range(30):
    tracker.increment_gradient_step()
    tracker.log_metrics(iteration=i, train_loss=3 - i / 30, grad_norm=float("nan"))
tracker.save()
{ending}
"""
    subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    [path] = directory.glob(f"experiment_{name}_*.json")
    return path


def findings(diagnosis: Diagnosis, check: str) -> dict[Level, Finding]:
    return {finding.level: finding for finding in diagnosis.findings if finding.check == check}


def only(diagnosis: Diagnosis, check: str) -> Finding:
    [finding] = findings(diagnosis, check).values()
    return finding
