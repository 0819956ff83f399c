"""The path of a run, into the clipboard and onto the screen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tui_runs import PostedApp, make_run, make_runs, settle

from traintop.tui.terminal import takes_clipboard


async def copied(run):
    app = PostedApp()
    async with app.run_test(notifications=True) as pilot:
        app.post_runs([run])
        await settle(pilot, lambda: app.main_screen.redraws > 1)
        await pilot.press("y")
        await settle(pilot, lambda: app._notifications)
        (notice,) = app._notifications
        return app.clipboard, notice.message


async def test_the_path_is_copied_and_always_shown(monkeypatch):
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    run = make_runs(1)[0]
    assert await copied(run) == (str(run.path), f"Copied: {run.path}")
    monkeypatch.setenv("TMUX", "/tmp/tmux-0/default")
    assert await copied(run) == (str(run.path), f"Your terminal may not copy it: {run.path}")


async def test_a_hostile_path_is_copied_as_it_is_and_shown_safely():
    path = Path("/logs/[@click=app.quit]\x1b]0;x\x07.json")
    clipboard, message = await copied(make_run("a", path=path))
    assert clipboard == str(path)
    assert message.isprintable()


async def test_a_path_that_is_no_text_does_no_harm():
    path = Path(os.fsdecode(b"/logs/experiment_\xff.json"))
    clipboard, _ = await copied(make_run("a", path=path))
    assert clipboard == "/logs/experiment_\ufffd.json"


@pytest.mark.parametrize(
    ("environment", "takes"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "tmux-256color", "TMUX": "x"}, False),
        ({"TERM": "linux"}, False),
        ({"TERM_PROGRAM": "Apple_Terminal"}, False),
    ],
)
def test_terminals_that_take_the_clipboard(environment, takes):
    assert takes_clipboard(environment) is takes
