"""What a command printed, over the whole screen."""

from __future__ import annotations

from pathlib import Path

from tests.runs import make_run
from tests.waiting import settle
from tui_runs import screen_text, showing

from traintop.launch.console import Console
from traintop.model import RunStatus
from traintop.store.snapshot import PlaceState
from traintop.tui.kit.keys import Place


async def test_the_output_follows_until_one_scrolls_up(tmp_path: Path) -> None:
    run = make_run("a", id=str(tmp_path / "a.json"))
    console = Console(tmp_path / "a.json")
    console.write(b"".join(b"line %d\n" % number for number in range(100)) + b"\x1b]0;evil\x07" * 2)
    console.flush()
    async with showing([run], size=(80, 24)) as (app, pilot):
        await pilot.press("enter", "l")
        await settle(pilot, lambda: " line 99\n" in screen_text(app))
        assert app.screen.situation.place is Place.OUTPUT
        assert "100 lines" in screen_text(app)
        console.write(b"line 100 " + b"x" * 70 + b"behind")
        console.flush()
        await settle(pilot, lambda: " line 100 xxx" in screen_text(app))
        await pilot.press("right")
        await settle(pilot, lambda: "xbehind" in screen_text(app))
        await pilot.press("left", "g")
        await settle(pilot, lambda: " line 0\n" in screen_text(app))
        assert "up to 22 of 101 lines" in screen_text(app)
        await pilot.press("G")
        await settle(pilot, lambda: " line 100 xxx" in screen_text(app))
        await pilot.press("l")
        await settle(pilot, lambda: app.screen.situation.place is Place.RUN)


async def test_a_run_without_output_says_how_it_is_kept(tmp_path: Path) -> None:
    async with showing([make_run("a", id=str(tmp_path / "a.json"))]) as (app, pilot):
        await pilot.press("enter", "l")
        await settle(pilot, lambda: "traintop run -- python train.py" in screen_text(app))


async def test_the_last_lines_of_a_run_that_ends_are_shown(tmp_path: Path) -> None:
    run = make_run("a", id=str(tmp_path / "a.json"))
    console = Console(tmp_path / "a.json")
    console.write(b"first\n")
    console.flush()
    async with showing([run], size=(80, 24)) as (app, pilot):
        await pilot.press("enter", "l")
        await settle(pilot, lambda: " first\n" in screen_text(app))
        console.write(b"last\n")
        console.flush()
        app.post_runs([make_run("a", id=run.id, status=RunStatus.FAILED)])
        await settle(pilot, lambda: " last\n" in screen_text(app))


async def test_nothing_is_said_of_output_whose_place_is_away(tmp_path: Path) -> None:
    run = make_run("a", id=str(tmp_path / "a.json"), status=RunStatus.FINISHED)
    away = PlaceState("gpu07", (str(tmp_path),), "away 8s, tries every 8s", "no route to host", 8.0)
    async with showing([run], size=(80, 24)) as (app, pilot):
        app.post_runs([run], places=(away,))
        await pilot.press("enter", "l")
        reason = "cannot be read now: gpu07 away 8s, tries every 8s: no route to host"
        await settle(pilot, lambda: reason in screen_text(app))
        await settle(pilot, lambda: "last known, 8s ago" in screen_text(app))
        console = Console(tmp_path / "a.json")
        console.write(b"what was printed\n")
        console.flush()
        app.post_runs([run])
        await settle(pilot, lambda: " what was printed\n" in screen_text(app))
        app.post_runs([run], places=(away,))
        await settle(pilot, lambda: "last known, 8s ago" in screen_text(app))
        assert " what was printed\n" in screen_text(app)
