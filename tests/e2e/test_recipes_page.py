"""The scripts of docs/recipes.md; ``tests/foreign/try_recipes.py`` runs those that need more."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.runs import OpenedRun
from tests.waiting import wait_until

from traintop import load_experiment_log

PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"


def scripts() -> dict[str, str]:
    """By the names of their files, after the change that the page shows."""
    diffs = re.findall(r"^```diff\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    texts = ["\n".join(line[1:] for line in diff.splitlines() if line[:1] != "-") for diff in diffs]
    return {text.partition("\n")[0].removeprefix("# "): text for text in texts}


def test_each_script_of_the_page_is_one() -> None:
    for name, text in scripts().items():
        compile(text, name, "exec")


def test_a_requeued_job_goes_on_in_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = tmp_path / "bin" / "scontrol"
    scheduler.parent.mkdir()
    scheduler.write_text('#!/bin/sh\necho "$@" > asked\n')
    scheduler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{scheduler.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_PROCID", "0")
    monkeypatch.delenv("TRAINTOP_DIR", raising=False)
    (tmp_path / "requeue.py").write_text(scripts()["requeue.py"])
    command = [sys.executable, "requeue.py"]
    logs = tmp_path / "experiment_logs"

    job = subprocess.Popen(command, cwd=tmp_path)
    wait_until(lambda: [*logs.glob("*.json")])
    job.send_signal(signal.SIGUSR1)
    assert job.wait(60) == 0
    assert (tmp_path / "asked").read_text() == "requeue 7\n"
    [path] = logs.glob("*.json")
    stopped = OpenedRun(path).summary()
    assert (stopped.status, stopped.error) == ("interrupted", "put into the queue again")
    assert stopped.environment["job_id"] == "7"

    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    assert [*logs.glob("*.json")] == [path]
    log = load_experiment_log(path)
    assert log.status == "finished"
    assert [record.iteration for record in log.metrics_history] == [*range(300)]
    assert log.metrics_history[-1].gradient_step == 300
