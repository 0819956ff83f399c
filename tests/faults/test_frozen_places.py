"""A place whose helper is stopped, by a real pipe: the screen and the other roots go on."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from tests.runs import records, write_run
from tests.tui.tui_runs import screen_text
from tests.waiting import settle

from traintop.cli import main
from traintop.store import catalog
from traintop.tui.app import TraintopApp

PYTHON = f"pipe:{sys.executable} -Iiq -"


def add_run(directory: Path, name: str) -> None:
    directory.mkdir(exist_ok=True)
    path = directory / f"experiment_{name}_20250222_140530.json"
    write_run(path, records(20), config={"experiment_name": name}, status="finished")


async def test_a_stopped_helper_blocks_no_key_and_no_other_root(tmp_path: Path) -> None:
    add_run(tmp_path / "here", "here")
    add_run(tmp_path / "there", "there")
    before = {*psutil.Process().children(recursive=True)}
    app = TraintopApp([str(tmp_path / "here"), f"{PYTHON}/{tmp_path}/there"])
    async with app.run_test(size=(160, 48)) as pilot:
        view = app.main_screen
        await settle(pilot, lambda: len(view.rows) == 2)
        helpers = {*psutil.Process().children(recursive=True)} - before
        assert helpers
        for helper in helpers:
            os.kill(helper.pid, signal.SIGSTOP)
        try:
            for _ in range(3):
                selected = view.view.selected
                await pilot.press("j" if selected == view.rows.runs[0].id else "k")
                assert view.view.selected != selected
            add_run(tmp_path / "here", "later")
            await settle(pilot, lambda: len(view.rows) == 3)
        finally:
            for helper in helpers:
                os.kill(helper.pid, signal.SIGCONT)
        add_run(tmp_path / "there", "last")
        await settle(pilot, lambda: "last" in screen_text(app))


def test_list_waits_for_a_silent_helper_only_so_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "_PATIENCE", 0.5)
    add_run(tmp_path / "here", "here")
    silent = tmp_path / "python3"
    silent.write_text("#!/bin/sh\nexec sleep 300\n")
    silent.chmod(0o755)
    done = CliRunner().invoke(main, ["list", str(tmp_path / "here"), f"pipe:{silent} -//tmp"])
    assert "here" in done.stdout
    assert done.exit_code == 1
    assert "traintop: " in done.stderr
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # of another test, and over meanwhile
            if child.cmdline()[:2] == ["sleep", "300"]:
                child.kill()
