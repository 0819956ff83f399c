"""The path of a run, into the clipboard and onto the screen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.runs import make_run, make_runs
from tests.waiting import settle
from tui_runs import PostedApp, showing, toasts

from traintop.terminal import takes_clipboard
from traintop.tui.messages import ExportEnded


async def copied(run):
    app = PostedApp()
    async with app.run_test(notifications=True) as pilot:
        app.post_runs([run])
        await settle(pilot, lambda: app.main_screen.session.runs is not None)
        await pilot.press("y")
        await settle(pilot, lambda: toasts(app))
        [toast] = toasts(app)
        return app.clipboard, toast.message


async def test_the_path_is_copied_and_shown_in_any_case(monkeypatch):
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    run = make_runs(1)[0]
    assert await copied(run) == (str(run.id), f"Copied: {run.id}")
    monkeypatch.setenv("TMUX", "/tmp/tmux-0/default")
    assert await copied(run) == (str(run.id), f"Your terminal may not support copying: {run.id}")


async def test_the_path_of_the_last_export_is_copied():
    async with showing(make_runs(2)) as (app, pilot):
        await pilot.press("Y")
        assert app.clipboard == ""
        for name in ("first.csv", "chart.svg"):
            app.post_message(ExportEnded(Path("/out") / name))
        app.post_message(ExportEnded(None, "the disk is full", failed=True))
        await pilot.press("Y")
        await settle(pilot, lambda: app.clipboard == "/out/chart.svg")


async def test_a_hostile_path_is_copied_as_it_is_and_shown_safely():
    path = Path("/logs/[@click=app.quit]\x1b]0;x\x07.json")
    clipboard, message = await copied(make_run("a", id=str(path)))
    assert clipboard == str(path)
    assert message.isprintable()


async def test_a_path_that_is_not_valid_text_is_copied_safely():
    path = Path(os.fsdecode(b"/logs/experiment_\xff.json"))
    clipboard, _ = await copied(make_run("a", id=str(path)))
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
