"""Commands as cron runs them: no terminal, no HOME, LANG=C, a directory that is not theirs."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

LOGS = Path(__file__).parents[2] / "experiment_logs"
PYTHON = f"{sys.executable} -m traintop"


def shell(line: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """A line of a crontab; ``traintop`` in it is the program."""
    return subprocess.run(
        ["sh", "-c", line.replace("traintop", PYTHON)],
        cwd=directory,
        env={"PATH": os.defpath, "LANG": "C", "TRAINTOP_DIR": str(LOGS)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("traintop list", "lr_3e-03"),
        ("traintop list -f 'status == finished' -c val_loss --markdown", "| RUN | VAL LOSS |"),
        ("traintop compare lr_3e-03 @latest", "val loss best"),
        ("traintop best", "lr_3e-03"),
        ("traintop why lr_3e-03 lr_1e-03", "max_learning_rate"),
        ("traintop plot @best --height 12", "train loss"),
        ("traintop show lr_3e", "Run lr_3e-03"),
        ("traintop formats", "tensorboard"),
        ("traintop doctor", "0 problems"),
        ("traintop list | head -1", "RUN"),
        ("traintop export --output - | head -1", "run,iteration"),
    ],
)
def test_a_cron_job_gets_its_answer(tmp_path: Path, line: str, said: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in LOGS.rglob("*")}
    done = shell(line, tmp_path)
    assert said in done.stdout, done.stderr
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in LOGS.rglob("*")} == before


def test_programs_read_what_is_piped_to_them(tmp_path: Path) -> None:
    document = json.loads(shell("traintop list --json | cat", tmp_path).stdout)
    rows = [*csv.DictReader(io.StringIO(shell("traintop list --csv | cat", tmp_path).stdout))]
    assert [run["run"] for run in document["runs"]] == [row["run"] for row in rows]
    # A pipe has no width: nothing is left out of the table.
    [headings, *_] = shell("traintop list | cat", tmp_path).stdout.splitlines()
    assert headings.split()[-1] == "min_learning_rate"


def test_a_status_tells_a_script_what_to_do(tmp_path: Path) -> None:
    line = "traintop list -f 'val_loss < {}' >&2 && echo found || echo none"
    assert shell(line.format(2), tmp_path).stdout == "found\n"
    assert shell(line.format(0.1), tmp_path).stdout == "none\n"
    assert shell("traintop list -f 'val_loss <'", tmp_path).returncode == 2


def test_a_name_never_becomes_a_command(tmp_path: Path) -> None:
    script = """
from traintop import ExperimentConfig, ExperimentTracker
with ExperimentTracker(ExperimentConfig("$(touch pwned); `touch pwned` 'a b'"), "logs") as tracker:
    tracker.log_metrics(0, train_loss=1.0)
"""
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True)
    line = "traintop list logs --csv | tail -1 | cut -d, -f1 | xargs -0 printf %s"
    assert "$(touch pwned)" in shell(line, tmp_path).stdout
    shown = shell("traintop show -d logs \"\\$(touch pwned); \\`touch pwned\\` 'a b'\"", tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert not (tmp_path / "pwned").exists()
