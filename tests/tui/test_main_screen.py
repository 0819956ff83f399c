"""The main screen in a terminal without a device: what keys and news do to what is shown."""

from __future__ import annotations

import pytest
from tests.runs import make_run, make_runs
from tests.waiting import settle
from textual import events
from textual.geometry import Size
from tui_runs import listed_names, screen_text, selected, showing

from traintop.analysis.axes import XAxis
from traintop.model import RunStatus, RunSummary
from traintop.tui.kit.help import HelpScreen
from traintop.tui.main.run_table import RunTable
from traintop.tui.view import Pane

SIZES = [(160, 48), (100, 30), (80, 24), (60, 20), (20, 5)]


@pytest.mark.parametrize("size", SIZES)
async def test_the_runs_are_listed_at_any_size(size):
    async with showing(make_runs(3), size) as (app, _):
        text = screen_text(app)
        assert "run-0" in text
        assert "run-1" in text
        assert text.splitlines()[-1].split()[-2:] == ["q", "quit"]


async def test_a_large_screen_shows_list_charts_and_summary_together():
    async with showing(make_runs(3)) as (app, _):
        text = screen_text(app)
        for part in ("BEST VAL", "Results", "Settings", "loss", "tokens/s", "3 running"):
            assert part in text


async def test_a_medium_screen_has_charts_below_and_tab_the_summary():
    async with showing(make_runs(30), (100, 30)) as (app, pilot):
        assert "tokens/s" in screen_text(app)
        assert "Settings" not in screen_text(app)
        await pilot.press("tab")
        assert "Settings" in screen_text(app)
        assert "run-0" in screen_text(app)
        await pilot.press("tab")
        assert "tokens/s" in screen_text(app)


async def test_the_title_of_the_details_keeps_what_differs():
    runs = [make_run(f"a_long_name_of_many_words_of_a_sweep_seed{i}") for i in range(3)]
    async with showing(runs, (40, 15)) as (app, pilot):
        await pilot.press("tab", "tab")
        await pilot.pause()
        assert "_sweep_seed0 ─" in screen_text(app)


async def test_on_a_small_screen_tab_goes_round_the_panes():
    async with showing(make_runs(30), (80, 24)) as (app, pilot):
        assert "BEST VAL" in screen_text(app)
        await pilot.press("tab")
        assert app.main_screen.view.pane is Pane.CHARTS
        assert "BEST VAL" not in screen_text(app)
        assert "tokens/s" in screen_text(app)
        await pilot.press("tab")
        assert "Settings" in screen_text(app)
        await pilot.press("shift+tab", "shift+tab")
        assert "BEST VAL" in screen_text(app)


async def test_a_short_list_on_a_small_screen_leaves_room_for_charts():
    async with showing(make_runs(4), (80, 24)) as (app, _):
        lines = screen_text(app).splitlines()
        assert any(line.startswith(" train loss ─") for line in lines)
        assert "run-3" in screen_text(app)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["j"], "run-1"),
        (["down", "down", "k"], "run-1"),
        (["up"], "run-0"),
        (["G"], "run-99"),
        (["end", "g"], "run-0"),
        (["end", "home"], "run-0"),
    ],
)
async def test_moving(keys, expected):
    async with showing(make_runs(100), (80, 24)) as (app, pilot):
        await pilot.press(*keys)
        assert selected(app) == expected
        assert expected in screen_text(app)


async def test_pages_keep_one_row_in_common():
    async with showing(make_runs(100), (80, 24)) as (app, pilot):
        page = app.screen.query_one(RunTable).page_rows
        await pilot.press("pagedown")
        assert selected(app) == f"run-{page - 1}"
        await pilot.press("pagedown", "pageup", "pageup")
        assert selected(app) == "run-0"


async def test_the_cursor_follows_its_run_when_newer_ones_appear():
    runs = make_runs(50)
    async with showing(runs, (80, 24)) as (app, pilot):
        await pilot.press("j", "j", "space")
        newer = [make_run(f"newer-{i}", age=float(i)) for i in range(40)]
        app.post_runs([*newer, *runs])
        await settle(pilot, lambda: len(app.main_screen.rows) == 90)
        assert selected(app) == "run-2"
        await settle(pilot, lambda: "▌◆" in screen_text(app))
        cursor = next(line for line in screen_text(app).splitlines() if line.startswith("▌"))
        assert "run-2 " in cursor
        assert "1 marked" in screen_text(app)


async def test_a_run_that_vanishes_gives_the_cursor_to_its_neighbour():
    runs = make_runs(3)
    async with showing(runs) as (app, pilot):
        await pilot.press("G")
        app.post_runs(runs[:2])
        await settle(pilot, lambda: len(app.main_screen.rows) == 2)
        assert selected(app) == "run-1"
        app.post_runs([])
        await settle(pilot, lambda: "No runs" in screen_text(app))


async def test_after_a_sort_the_run_of_the_cursor_is_in_view():
    async with showing(make_runs(60), (80, 24)) as (app, pilot):
        table = app.main_screen.query_one(RunTable)
        await pilot.press("j")
        table.scroll_to(y=40, animate=False, force=True, immediate=True)
        await pilot.press("s", "S")
        await settle(pilot, lambda: "▌" in screen_text(app))
        assert selected(app) == "run-1"


async def test_sorting_by_column_and_back():
    async with showing(make_runs(3), (160, 48)) as (app, pilot):
        assert "AGE↑" in screen_text(app)
        await pilot.press("s", "s")
        assert "NAME↑" in screen_text(app)
        await pilot.press("S")
        assert "NAME↓" in screen_text(app)
        assert listed_names(app) == ["run-2", "run-1", "run-0"]
        assert selected(app) == "run-0"


async def test_marks_are_set_counted_and_removed():
    async with showing(make_runs(3)) as (app, pilot):
        await pilot.press("space", "j", "space")
        assert "2 marked" in screen_text(app)
        await pilot.press("u")
        assert app.main_screen.view.marks == ()
        assert "marked" not in screen_text(app)


async def test_more_runs_can_be_marked_than_have_curves():
    async with showing(make_runs(60)) as (app, pilot):
        await pilot.press("*")
        assert "60 marked" in screen_text(app)
        await pilot.press("j", "*")
        assert app.main_screen.view.marks == ()


async def test_one_chart_full_screen_and_back():
    async with showing(make_runs(3), (100, 30)) as (app, pilot):
        await pilot.press("z")
        text = screen_text(app)
        assert "loss" in text
        assert "BEST VAL" not in text
        assert "tokens/s" not in text
        await pilot.press("m")
        assert "tokens/s" in screen_text(app)
        await pilot.press("j")
        assert "run-1" in screen_text(app)
        await pilot.press("escape")
        assert "BEST VAL" in screen_text(app)


async def test_keys_that_do_not_apply_do_nothing():
    async with showing(make_runs(3)) as (app, pilot):
        before = app.main_screen.view
        await pilot.press("escape", "u", "f9")
        assert app.main_screen.view == before


async def test_chart_choices_are_kept_in_the_view():
    async with showing(make_runs(1)) as (app, pilot):
        await pilot.press("x", "l", "+", "+", "-", "m", "r")
        state = app.main_screen.view
        assert (state.x_axis, state.log_y) == (XAxis("gradient_step"), True)
        assert state.smoothing_weight == 0.6
        header = screen_text(app).splitlines()[1]
        assert header.endswith("over gradient step  log y  smooth 0.6  outliers")


async def test_help_lists_the_keys_of_the_place_and_closes():
    async with showing(make_runs(1)) as (app, pilot):
        await pilot.press("?")
        await settle(pilot, lambda: isinstance(app.screen, HelpScreen))
        await settle(pilot, lambda: "keys: runs" in screen_text(app))
        await settle(pilot, lambda: "x axis: iteration" in screen_text(app))
        await pilot.press("escape", "z", "?")
        await settle(pilot, lambda: "keys: one chart" in screen_text(app))
        await pilot.press("q")
        await settle(pilot, lambda: app.screen is app.main_screen)


async def test_help_scrolls_where_it_is_longer_than_the_screen():
    async with showing(make_runs(1), (40, 12)) as (app, pilot):
        await pilot.press("?")
        await settle(pilot, lambda: "keys: runs" in screen_text(app))
        before = screen_text(app)
        await pilot.press("j", "j")
        await settle(pilot, lambda: screen_text(app) != before)
        await pilot.press("k", "k")
        await settle(pilot, lambda: screen_text(app) == before)


async def test_quit_ends_with_code_zero():
    async with showing(make_runs(1)) as (app, pilot):
        await pilot.press("q")
        await settle(pilot, lambda: not app.is_running)
        assert app.return_code == 0


@pytest.mark.parametrize("size", SIZES)
async def test_no_runs_explains_what_to_do(size):
    async with showing([], size) as (app, pilot):
        text = screen_text(app)
        assert "No runs" in text
        if size[1] >= 20:
            assert "from traintop import ExperimentTracker" in text
        await pilot.press("j", "G", "space", "e", "z", "tab", "m", "s")
        assert "No runs" in screen_text(app)
        app.post_runs(make_runs(1))
        await settle(pilot, lambda: "run-0" in screen_text(app))


async def test_a_missing_directory_is_reported_with_and_without_runs():
    async with showing([], notices=("logs/x: no such directory",)) as (app, pilot):
        assert "logs/x: no such directory" in screen_text(app)
        app.post_runs(make_runs(1), ("logs/x: no such directory",))
        await settle(pilot, lambda: "run-0" in screen_text(app))
        assert "logs/x: no such directory" in screen_text(app)


async def test_an_unreadable_file_is_a_row_with_its_reason():
    broken = RunSummary(
        id="/nowhere/broken.json",
        status=RunStatus.UNREADABLE,
        problem="permission denied",
    )
    async with showing([broken]) as (app, _):
        assert "broken" in screen_text(app)
        assert screen_text(app).count("permission denied") == 2


async def test_hostile_names_are_drawn_as_plain_text():
    name = "\x1b]0;pwned\x07[@click=app.quit]x[/]\x9b31m\u202e"
    run = make_run(name, notes=name, error=name, environment={name: name}, config={name: name})
    async with showing([run]) as (app, _):
        text = screen_text(app)
        assert "[@click=app.quit]x[/]" in text
        assert all(part.isprintable() for part in text.split("\n"))


async def test_no_sequence_of_terminal_sizes_crashes():
    async with showing(make_runs(40)) as (app, pilot):
        await pilot.press("G")
        for width, height in [(20, 5), (1, 1), (200, 60), (5, 40), (119, 13), (100, 8), (160, 48)]:
            await pilot.resize_terminal(width, height)
            await settle(pilot, lambda w=width, h=height: app.size == Size(w, h))
            screen_text(app)
        await settle(pilot, lambda: "Settings" in screen_text(app))
        assert "run-39" in screen_text(app)


async def test_crossing_resize_events_settle_at_the_terminals_size():
    async with showing(make_runs(3)) as (app, pilot):
        sizes = []
        screen = app.main_screen
        screen.on_resize, original = lambda e: sizes.append(e.size) or original(e), screen.on_resize
        for size in (Size(50, 10), app.size, Size(70, 20)):
            screen.post_message(events.Resize(size, size))
            await pilot.pause()
        await settle(pilot, lambda: screen.size == app.size and screen.message_queue_size == 0)
        assert screen.size == Size(160, 48)
        assert len(sizes) <= 6


async def test_a_click_selects_a_row_and_a_heading_sorts():
    async with showing(make_runs(5)) as (app, pilot):
        await pilot.click(RunTable, offset=(12, 4))
        assert selected(app) == "run-3"
        await pilot.click(RunTable, offset=(12, 0))
        assert "NAME↑" in screen_text(app)
