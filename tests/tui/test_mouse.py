"""The mouse: what can be seen can be clicked, and a dialog is left by a click beside it."""

from __future__ import annotations

import pytest
from tests.runs import make_run, make_runs
from tests.waiting import settle
from textual import events
from tui_runs import PostedApp, notice, screen_text, selected, showing

from traintop.tui.compare.screen import CompareScreen
from traintop.tui.leaderboard.screen import BestScreen
from traintop.tui.main.run_table import RunTable
from traintop.tui.messages import NoticesRaised


def place_of(app: PostedApp, text: str) -> tuple[int, int]:
    """Where a text is on the screen."""
    rows = enumerate(screen_text(app).splitlines())
    return next((line.index(text), row) for row, line in rows if text in line)


def row_of(app: PostedApp, text: str) -> str:
    return screen_text(app).splitlines()[place_of(app, text)[1]]


async def test_a_leaderboard_row_is_picked_and_its_glyph_marks():
    async with showing(make_runs(30), (100, 20)) as (app, pilot):
        await pilot.press("b")
        await settle(pilot, lambda: "run-3 " in screen_text(app))
        row = place_of(app, "run-3 ")[1]
        for column in (12, 70, 99):
            await pilot.press("g")
            await pilot.click(offset=(column, row))
            assert row_of(app, "run-3 ").startswith("▌")
        await pilot.click(offset=(1, row))
        assert row_of(app, "run-3 ").startswith("▌◆")
        at = {"x": 9, "y": 9, "screen_x": 9, "screen_y": 9, "delta_x": 0, "delta_y": 0}
        keys = {"shift": False, "meta": False, "ctrl": False}
        app.post_message(events.MouseScrollDown(None, button=0, **at, **keys))
        await settle(pilot, lambda: row_of(app, "run-6 ").startswith("▌"))
        assert isinstance(app.screen, BestScreen)


async def test_a_column_of_a_comparison_is_picked_in_any_of_its_rows():
    async with showing(make_runs(3)) as (app, pilot):
        await pilot.press("asterisk", "c")
        await settle(
            pilot, lambda: "run-2" in screen_text(app) and "train loss" in screen_text(app)
        )
        assert isinstance(app.screen, CompareScreen)
        name = next(line for line in screen_text(app).splitlines() if "run-0 ⚑" in line)
        column, row = name.index("run-2"), screen_text(app).splitlines().index(name)
        assert "▌◆ run-1" in name
        await pilot.click(offset=(column, row + 3))
        assert "▌◆ run-2" in row_of(app, "run-0 ⚑")


@pytest.mark.parametrize(("way", "choice"), [("o", "STEP"), ("O", "tokens/s")])
async def test_what_is_clicked_in_a_list_of_choices_is_chosen(way, choice):
    async with showing(make_runs(3)) as (app, pilot):
        await pilot.press(way)
        await settle(pilot, lambda: f"✓ {choice}" in screen_text(app))
        column, row = place_of(app, f"✓ {choice}")
        await pilot.click(offset=(column + 20, row))
        await settle(pilot, lambda: f"✓ {choice}" not in screen_text(app))
        await pilot.click(offset=place_of(app, f"  {choice}  "))
        await settle(pilot, lambda: f"✓ {choice}" in screen_text(app))


async def test_a_click_on_a_notice_goes_to_its_run():
    runs = make_runs(9)
    async with showing(runs) as (app, pilot):
        app.post_message(NoticesRaised([notice(runs[4]), notice(runs[7])]))
        await settle(pilot, lambda: app.notice_log.notices)
        await pilot.press("N")
        await settle(pilot, lambda: "run-4  process" in screen_text(app))
        await pilot.click(offset=place_of(app, "run-4  process"))
        assert app.screen is app.main_screen
        assert selected(app) == "run-4"


@pytest.mark.parametrize("way", ["o", "O", "N", "question_mark", "e"])
async def test_a_click_beside_a_dialog_closes_it(way):
    async with showing(make_runs(3)) as (app, pilot):
        before = app.main_screen.view
        await pilot.press(way)
        assert app.screen is not app.main_screen
        await pilot.click(offset=(80, 0))
        await settle(pilot, lambda: app.screen is app.main_screen)
        assert app.main_screen.view == before


async def test_a_click_beside_a_text_that_is_typed_leaves_it_open():
    async with showing(make_runs(3)) as (app, pilot):
        await pilot.press("n", *"thought")
        await pilot.click(offset=(80, 0))
        assert "thought" in screen_text(app)


async def test_a_hovered_row_has_the_exact_iteration_of_its_best():
    run = make_run("[b]odd[/", iteration=41, loss=2.5)
    async with showing([run], (100, 20)) as (app, pilot):
        column, row = place_of(app, "[b]odd")
        await pilot.hover(offset=(column, row))
        table = app.main_screen.query_one(RunTable)
        lines = str(table.tooltip).split("\n")
        assert lines == ["[b]odd[/", "best val loss 2.75", "best train loss 2.4 @7"]
        await pilot.hover(offset=(column, row - 1))
        assert table.tooltip is None
