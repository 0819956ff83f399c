"""A place that does not answer: its runs stay listed as last known, and it is said in one line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.places import Box
from tests.runs import make_run, records, write_run
from tests.tui.tui_runs import PostedApp, line_text, screen_text
from tests.waiting import settle
from textual.pilot import Pilot

from traintop.model import RunStatus, RunSummary
from traintop.store.snapshot import PlaceState
from traintop.tui.app import TraintopApp
from traintop.tui.main.status_line import notices_line, status_line

AWAY = PlaceState(
    "gpu07", ("ssh://gpu07/runs",), "away 3m, tries every 20s", "no route to host", 180.0
)
CONNECTING = PlaceState("gpu08", ("ssh://gpu08/runs",), "connecting", is_first=True)
"""Far away, and just being asked."""


def runs() -> list[RunSummary]:
    here = make_run("here", status=RunStatus.RUNNING)
    there = make_run("there", id="ssh://gpu07/runs/a.json", status=RunStatus.RUNNING)
    return [there, here]


async def shown(pilot: Pilot[None], app: PostedApp, *places: PlaceState) -> str:
    app.post_runs(runs(), places=places)
    await settle(pilot, lambda: "there" in screen_text(app))
    return screen_text(app)


@pytest.mark.parametrize("size", [(160, 48), (100, 30), (80, 24)])
async def test_a_run_of_a_place_that_is_away_is_last_known(size: tuple[int, int]) -> None:
    app = PostedApp()
    async with app.run_test(size=size) as pilot:
        text = await shown(pilot, app, AWAY)
        assert " gpu07 away 3m, tries every 20s: no route to host" in text.splitlines()[1]
        assert re.search(r"^. \?◌ run\? +there ", text, re.M)
        assert re.search(r"^.  ● run +here ", text, re.M)
        assert "last known, 3m ago" in text.lower()
        assert "there  running?  " in text
        app.post_runs(runs())
        await settle(pilot, lambda: "run?" not in screen_text(app))
        assert "away" not in screen_text(app)
        assert "last known" not in screen_text(app).lower()


async def test_a_place_that_just_went_away_is_not_away_for_0s() -> None:
    app = PostedApp()
    async with app.run_test(size=(160, 48)) as pilot:
        await shown(pilot, app, AWAY._replace(words="away, tries every 1s", seconds=0.0))
        await settle(pilot, lambda: "Last known" in screen_text(app))
        text = screen_text(app)
        assert "there  running?  last known" in text
        assert "0s" not in text


async def test_in_ascii_and_without_colours_it_is_marked_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "vt100")
    app = PostedApp()
    async with app.run_test(size=(100, 30)) as pilot:
        text = await shown(pilot, app, AWAY)
        assert "?◌ run?" in text or "?? run?" in text


async def test_a_first_connection_is_said_without_a_line_of_its_own() -> None:
    app = PostedApp()
    async with app.run_test(size=(120, 30)) as pilot:
        text = await shown(pilot, app, CONNECTING)
        assert "gpu08 connecting" in text.splitlines()[0]
        assert "STATUS" in text.splitlines()[1]


async def test_without_runs_the_screen_waits_for_a_first_connection() -> None:
    app = PostedApp()
    async with app.run_test(size=(100, 30)) as pilot:
        app.post_runs([], places=(CONNECTING,))
        await settle(pilot, lambda: "connecting…" in screen_text(app))
        assert "No runs" not in screen_text(app)
        app.post_runs([], places=(AWAY,))
        await settle(pilot, lambda: "no route to host" in screen_text(app))
        assert "No runs" not in screen_text(app)


async def test_an_address_is_copied_as_it_is() -> None:
    app = PostedApp()
    async with app.run_test(size=(100, 30)) as pilot:
        await shown(pilot, app)
        app.main_screen.session.go_to("ssh://gpu07/runs/a.json")
        await pilot.press("y")
        await settle(pilot, lambda: app.clipboard == "ssh://gpu07/runs/a.json")


async def test_why_curves_do_not_come_is_said() -> None:
    silent = AWAY._replace(words="no answer for 20s", reason="", seconds=20.0)
    app = PostedApp()
    async with app.run_test(size=(160, 48)) as pilot:
        await shown(pilot, app)
        app.main_screen.session.go_to("ssh://gpu07/runs/a.json")
        await settle(pilot, lambda: "reading…" in screen_text(app))
        await shown(pilot, app, silent)
        await settle(pilot, lambda: "no curves: gpu07 does not answer" in screen_text(app))
        assert "reading…" not in screen_text(app)
        app.post_history(runs()[0], 20, complete=False)
        await settle(pilot, lambda: "sample: gpu07 does not answer" in screen_text(app))


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (200, " gpu07 away 3m, tries every 20s: no route to host · gpu09 no answer for 20s"),
        (70, " gpu07 away 3m, tries every 20s · gpu09 no answer for 20s"),
        (50, " gpu07 away 3m, tries every 20s · 1 more"),
    ],
)
def test_the_reasons_are_said_where_there_is_room(width: int, text: str) -> None:
    silent = PlaceState("gpu09", ("ssh://gpu09/",), "no answer for 20s", seconds=20.0)
    assert line_text(notices_line((), (AWAY, silent, CONNECTING), width)) == text


def test_a_reason_from_elsewhere_cannot_write_to_the_terminal() -> None:
    hostile = AWAY._replace(reason="\x1b]0;x\x07", place="\x1b[2J")
    assert line_text(notices_line((), (hostile,), 200)).isprintable()
    assert line_text(status_line(["a"], None, "", 200, places=[hostile])).isprintable()


def test_what_is_not_known_is_not_counted_as_running() -> None:
    text = line_text(status_line(["a"], runs(), "live", 120, places=[AWAY]))
    assert "● 1 running" in text
    assert "◌ 1 last known" in text


async def test_curves_and_trends_come_when_their_place_is_back(tmp_path: Path, box: Box) -> None:
    ids = []
    for name in ("one", "two"):
        path = tmp_path / f"experiment_{name}_20250222_140530.json"
        write_run(path, records(200), config={"experiment_name": name}, status="finished")
        ids.append(f"ssh://box{path}")
    app = TraintopApp([f"ssh://box{tmp_path}"])
    async with app.run_test(size=(160, 48)) as pilot:
        main = app.main_screen
        await settle(pilot, lambda: main.plotted.loaded and len(main._trends) == 2)
        box.reason = "no route to host"
        await settle(pilot, lambda: "no route to host" in screen_text(app))
        (other,) = {*ids} - main.plotted.loaded
        main.session.go_to(other)
        await settle(pilot, lambda: "no curves: " in screen_text(app))
        box.reason = ""
        await settle(pilot, lambda: other in main.plotted.loaded)
        assert all(main._trends.values())
