"""Keys that come faster than their effects: each one goes where it was meant to go."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.runs import make_runs
from tests.sidecars import read_annotations
from tests.waiting import settle
from textual import events
from textual.drivers import linux_driver
from textual.keys import _character_to_key
from tui_runs import screen_text, selected, showing, watching

from traintop.model import Annotations
from traintop.tui.app import TraintopApp
from traintop.tui.compare.screen import CompareScreen
from traintop.tui.kit.help import HelpScreen
from traintop.tui.kit.keys import Place
from traintop.tui.messages import LoadFailed


def type_ahead(app: TraintopApp, *keys: str) -> None:
    """Hand over all keys at once, as a slow connection does; texts of one letter each, or names."""
    for key in keys:
        name = _character_to_key(key) if len(key) == 1 else key
        character = key[-1] if len(key) == 1 or key.startswith("alt+") else None
        app.post_message(events.Key(name, character))


async def test_a_note_and_then_tags(tmp_path: Path) -> None:
    async with watching(tmp_path) as (app, pilot, paths):
        type_ahead(app, "n", *"abc", "enter", "t", *"x y", "enter", "j")
        await settle(pilot, lambda: read_annotations(paths[0]).tags == ("x", "y"))
        assert read_annotations(paths[0]).note == "abc"
        await settle(pilot, lambda: app.main_screen.view.selected == str(paths[1]))
        type_ahead(app, "n", *"ab", "backspace", "c", "left", "x", "enter")
        await settle(pilot, lambda: read_annotations(paths[1]).note == "axc")


async def test_a_note_that_is_dropped_and_keys_of_the_list(tmp_path: Path) -> None:
    async with watching(tmp_path) as (app, pilot, paths):
        type_ahead(app, "n", *"abc", "escape", "j", "space")
        await settle(pilot, lambda: app.main_screen.view.marks == (str(paths[1]),))
        assert read_annotations(paths[0]) == Annotations()


async def test_a_filter_and_keys_of_the_list_it_leaves() -> None:
    async with showing(make_runs(12)) as (app, pilot):
        type_ahead(app, "slash", *"run-1", "enter", "space", "j", "space", "c")
        await settle(pilot, lambda: isinstance(app.screen, CompareScreen))
        assert app.main_screen.view.filter == "run-1"
        names = [app.main_screen.rows.run(path).name for path in app.main_screen.view.marks]
        assert names == ["run-1", "run-10"]


async def test_a_filter_that_is_mistaken_stays_open() -> None:
    async with showing(make_runs(3)) as (app, pilot):
        type_ahead(app, "slash", *"loss <", "enter", *" 3", "enter", "space")
        await settle(pilot, lambda: app.main_screen.view.marks)
        assert app.main_screen.view.filter == "loss < 3"
        assert app.main_screen.situation.place is Place.RUNS


@pytest.mark.parametrize("way", ["c", "b", "z", "N", "O", "o", "question_mark"])
async def test_escape_and_a_key_at_once(way: str) -> None:
    """A terminal sends the same for these two as for alt and the key."""
    async with showing(make_runs(3)) as (app, pilot):
        type_ahead(app, way, "alt+j", "space")
        await settle(pilot, lambda: app.main_screen.view.marks)
        assert app.screen is app.main_screen
        assert app.main_screen.situation.place is Place.RUNS
        assert app.main_screen.rows.position(app.main_screen.view.marks[0]) == 1


@pytest.mark.parametrize(("sign", "shown"), [("O", "charts to show"), ("?", "traintop · keys")])
async def test_escape_and_a_sign_as_a_terminal_sends_them(sign: str, shown: str) -> None:
    parser = linux_driver.XTermParser()
    typed = [*parser.feed(f"\x1b{sign}")]
    while not typed:  # until no further key can belong to it
        typed = [*parser.tick()]
    async with showing(make_runs(3)) as (app, pilot):
        await pilot.press("o")
        await settle(pilot, lambda: "columns of the list" in screen_text(app))
        for event in typed:
            app.post_message(event)
        await settle(pilot, lambda: shown in screen_text(app))
        assert "columns of the list" not in screen_text(app)


async def test_alt_drops_no_text_that_is_typed(tmp_path: Path) -> None:
    async with watching(tmp_path) as (app, pilot, paths):
        await pilot.press("n")
        await settle(pilot, lambda: app.focused is not None)
        type_ahead(app, *"ab", "alt+b", "c", "enter")
        await settle(pilot, lambda: read_annotations(paths[0]).note == "abc")


async def test_the_target_of_a_comparison_is_typed_over_the_old_one() -> None:
    async with showing(make_runs(3)) as (app, pilot):
        type_ahead(app, "c", "t", *"2.5", "enter")
        await settle(pilot, lambda: isinstance(app.screen, CompareScreen) and app.screen.target)
        compare = app.screen
        type_ahead(app, "t", *"3x", "enter", "backspace", "enter", "g")
        await settle(pilot, lambda: compare.choice.grouped)
        assert compare.choice.target == 3.0


@pytest.mark.parametrize("times", [2, 3])
async def test_enter_several_times_in_the_palette_acts_once(times: int) -> None:
    async with showing(make_runs(30), (80, 24)) as (app, pilot):
        type_ahead(app, "ctrl+p", *"a page down", *["enter"] * times)
        await settle(pilot, lambda: selected(app) != "run-0")
        await pilot.pause()
        assert (app.screen, selected(app)) == (app.main_screen, "run-20")


@pytest.mark.parametrize("key", ["q", "escape", "ctrl+c"])
async def test_a_key_several_times_leaves_one_place(key: str) -> None:
    async with showing(make_runs(3)) as (app, pilot):
        for way, place in {"c": Place.COMPARE, "b": Place.BEST, "z": Place.ZOOM}.items():
            type_ahead(app, way, way, way)
            await settle(pilot, lambda wanted=place: app.screen.situation.place is wanted)
            type_ahead(app, key, key, key)
            await settle(pilot, lambda: app.screen is app.main_screen)
            await settle(pilot, lambda: app.main_screen.situation.place is Place.RUNS)
            assert not app._exit


async def test_words_for_the_palette_and_enter() -> None:
    async with showing(make_runs(3)) as (app, pilot):
        type_ahead(app, "ctrl+p", *"this help", "enter")
        await settle(pilot, lambda: "keys: runs" in screen_text(app))
        assert isinstance(app.screen, HelpScreen)


@pytest.mark.parametrize(
    ("keys", "axis", "is_at_cursor", "is_zoomed"),
    [
        (["x"], "gradient_step", False, False),
        (["x", "x"], "wallclock_time", False, False),
        (["left", "right_square_bracket"], "iteration", True, True),
        (["left", "right_square_bracket", "0", "right"], "iteration", True, False),
        (["x", "z"], "gradient_step", False, False),
    ],
)
async def test_keys_of_the_charts_wait_for_the_records_of_a_new_run(
    keys: list[str], axis: str, is_at_cursor: bool, is_zoomed: bool
) -> None:
    runs = make_runs(3)
    async with showing(runs) as (app, pilot):
        type_ahead(app, "j", "k", "j", *keys, "space")
        await settle(pilot, lambda: app.main_screen.view.marks)
        assert app.main_screen.view.x_axis.name == "iteration"
        app.post_history(runs[1], points=50)
        await settle(pilot, lambda: app.main_screen.plotted.loaded)
        view = app.main_screen.view
        assert view.x_axis.name == axis
        assert (view.charts.cursor is not None) is is_at_cursor
        assert (view.charts.span is not None) is is_zoomed


async def test_keys_for_an_unreadable_run_do_not_reach_another() -> None:
    runs = make_runs(3)
    async with showing(runs) as (app, pilot):
        type_ahead(app, "j", "x", "left")
        await settle(pilot, lambda: app.main_screen.view.selected == runs[1].id)
        app.main_screen.post_message(LoadFailed(runs[1].id, "gone"))
        await settle(pilot, lambda: app.main_screen.plotted.failure_of(runs[1].id))
        type_ahead(app, "j", "space")
        await settle(pilot, lambda: app.main_screen.view.marks)
        app.post_history(runs[2], points=50)
        await settle(pilot, lambda: app.main_screen.plotted.loaded)
        assert app.main_screen.view.x_axis.name == "iteration"
        assert app.main_screen.view.charts.cursor is None


async def test_keys_of_a_comparison_wait_for_its_records() -> None:
    runs = make_runs(3)
    async with showing(runs) as (app, pilot):
        type_ahead(app, "j", "c", "x", "right_square_bracket")
        await settle(pilot, lambda: isinstance(app.screen, CompareScreen))
        for run in runs:
            app.post_history(run, points=50)
        await settle(pilot, lambda: app.main_screen.view.charts.span)
        assert app.main_screen.view.x_axis.name == "gradient_step"


async def test_a_chart_is_written_when_its_records_are_read() -> None:
    runs = make_runs(3)
    async with showing(runs) as (app, pilot):
        type_ahead(app, "j", "E", "l")
        await settle(pilot, lambda: app.main_screen.view.log_y)
        assert app.screen is app.main_screen
        app.post_history(runs[1], points=50)
        await settle(pilot, lambda: "export the chart as" in screen_text(app))
        await pilot.press("escape")
        type_ahead(app, "j", "E", "?")
        await settle(pilot, lambda: isinstance(app.screen, HelpScreen))
        app.post_history(runs[2], points=50)
        await settle(pilot, lambda: app.main_screen.plotted.loaded == {runs[2].id})
        assert isinstance(app.screen, HelpScreen)
