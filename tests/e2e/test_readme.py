"""The blocks of the README run one after another in one folder, as printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"^```(python|sh)\n(.*?)^```$", README.read_text(), re.M | re.S)
NEEDS_A_CLONE = re.compile(r"pip install")
NEEDS_A_TERMINAL = re.compile(r"traintop experiment_logs +#")


def test_the_blocks_run_in_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRAINTOP_DIR", raising=False)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    printed = ""
    for language, text in BLOCKS:
        commands = [[sys.executable, "-c", text]]
        if language == "sh":
            commands = [["sh", "-c", line] for line in text.splitlines()]
        for command in commands:
            if NEEDS_A_CLONE.search(command[-1]) or NEEDS_A_TERMINAL.match(command[-1]):
                continue
            done = subprocess.run(
                command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
            )
            allowed = (0, 1) if "doctor" in command[-1] else (0,)
            assert done.returncode in allowed, (command[-1], done.stderr)
            assert "Traceback" not in done.stderr
            printed += done.stdout
    assert "lr_3e-03" in printed
    assert (tmp_path / "runs.csv").exists()
    assert "lr_1e-03" in (tmp_path / "EXPERIMENT_LOG.md").read_text()
    assert len([*(tmp_path / "experiment_logs").glob("*.json")]) == 2


def test_there_are_the_blocks_that_are_tried() -> None:
    languages = " ".join(language for language, _ in BLOCKS)
    assert languages == "sh sh python sh sh python python sh"
