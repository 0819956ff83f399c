"""What is drawn again, and how often: only what changed, and not for each piece of news."""

from __future__ import annotations

import pytest
from tests.runs import make_run, make_runs
from tests.waiting import settle
from tui_runs import screen_text, showing

from traintop.model import RunSummary
from traintop.tui.kit.pane import LinePane
from traintop.tui.main import screen as main
from traintop.tui.main.run_table import RunTable
from traintop.tui.main.trends import TrendLoader
from traintop.tui.plots.grid import ChartGrid
from traintop.tui.plots.runs import PATIENCE_SECONDS


async def test_ten_thousand_runs_cost_only_the_rows_on_screen():
    async with showing(make_runs(10_000), (120, 40)) as (app, pilot):
        table = app.screen.query_one(RunTable)
        before = table.formatted_rows
        await pilot.press("G", "g", "pagedown")
        assert table.formatted_rows - before < 1000
        assert table.virtual_size.height == 10_001  # with the headings


async def test_updates_redraw_at_most_four_times_a_second():
    runs = make_runs(3)
    async with showing(runs) as (app, pilot):
        screen = app.main_screen
        start, redraws = screen._drawn_at, screen.redraws
        for iteration in range(42, 92):
            app.post_runs([make_run("run-0", iteration=iteration), *runs[1:]])
            await pilot.pause()
        await settle(pilot, lambda: "92/100" in screen_text(app))
        allowed = (screen._drawn_at - start) / 0.25
        assert 1 <= screen.redraws - redraws <= allowed + 1


async def test_updates_wait_after_a_key_redrew_the_screen(monkeypatch):
    runs = make_runs(3)
    async with showing(runs) as (app, pilot):
        screen = app.main_screen
        monkeypatch.setattr(main, "REDRAW_SECONDS", 60.0)
        screen._drawn_at = float("-inf")  # all was quiet for long
        await pilot.press("j")
        redraws = screen.redraws
        app.post_runs([make_run("run-0", iteration=77), *runs[1:]])
        await settle(pilot, lambda: not screen.up_to_date or screen.redraws > redraws)
        assert screen.redraws == redraws


async def test_records_of_many_marked_runs_share_redraws(monkeypatch):
    runs = make_runs(20)
    async with showing(runs) as (app, pilot):
        screen = app.main_screen
        await pilot.press("asterisk")
        assert len(screen.charted.run_ids) == 20
        monkeypatch.setattr(main, "REDRAW_SECONDS", 60.0)
        redraws = screen.redraws
        for run in runs:
            app.post_history(run, points=50)
        await settle(pilot, lambda: len(screen.charted.loaded) == 20)
        assert screen.redraws - redraws <= 1


async def test_charts_waiting_for_records_are_drawn_once(monkeypatch):
    async with showing(make_runs(3)) as (app, pilot):
        screen = app.main_screen
        await pilot.press("j")  # its records are not there
        app.post_history(screen.rows.run(screen.view.selected), points=50)
        await settle(pilot, lambda: screen.charted.loaded)
        monkeypatch.setattr(main, "REDRAW_SECONDS", 60.0)  # the next news have to wait
        drawn = [chart.draw_count for chart in app.screen.query("Chart")]
        app.post_history(screen.rows.run(screen.view.selected), points=51)
        await settle(pilot, lambda: not screen.up_to_date)
        await pilot.pause(1.5 * PATIENCE_SECONDS)
        assert [chart.draw_count for chart in app.screen.query("Chart")] == drawn


async def test_only_the_lines_that_changed_are_repainted():
    runs = make_runs(20)
    async with showing(runs) as (app, pilot):
        table = app.screen.query_one(RunTable)
        painted: list[int] = []
        table.render_line, original = lambda y: painted.append(y) or original(y), table.render_line
        app.post_runs(
            [make_run("run-3", id=runs[3].id, age=3780.0, iteration=77), *runs[:3], *runs[4:]]
        )
        await settle(pilot, lambda: "78/100" in screen_text(app))
        painted.clear()
        app.post_runs(
            [make_run("run-3", id=runs[3].id, age=3780.0, iteration=88), *runs[:3], *runs[4:]]
        )
        await settle(pilot, lambda: 4 in painted)
        await pilot.pause()
        assert set(painted) == {4}


async def test_an_equal_update_draws_nothing():
    runs = make_runs(20)
    async with showing(runs) as (app, pilot):
        panes = list(app.screen.query(LinePane))
        assert panes
        drawn = [pane.draw_count for pane in panes]
        redraws = app.main_screen.redraws
        app.post_runs(make_runs(20))
        await settle(pilot, lambda: app.main_screen.redraws > redraws)
        assert [pane.draw_count for pane in panes] == drawn


async def test_hidden_charts_do_not_draw():
    async with showing(make_runs(30), (80, 24)) as (app, pilot):
        grid = app.screen.query_one(ChartGrid)
        drawn = grid.charts_drawn
        await pilot.press("x", "l", "+", "]", "left")
        await pilot.pause()
        assert grid.charts_drawn == drawn
        await pilot.press("tab")
        await settle(pilot, lambda: grid.charts_drawn > drawn)


@pytest.mark.parametrize("keys", ["G", "w", "/-19"])
async def test_rows_scrolled_into_view_get_their_sparklines(monkeypatch, keys):
    asked: list[tuple[RunSummary, ...]] = []
    monkeypatch.setattr(TrendLoader, "show", lambda self, runs: asked.append(tuple(runs)))
    async with showing(make_runs(200)) as (app, pilot):
        table = app.screen.query_one(RunTable)
        before = table.page_rows, len(app.main_screen.rows), table.scroll_y
        await pilot.press(*("slash" if key == "/" else key for key in keys))
        await settle(
            pilot,
            lambda: before != (table.page_rows, len(app.main_screen.rows), table.scroll_y),
        )

        def in_view() -> tuple[RunSummary, ...]:
            top = round(table.scroll_y)
            return app.main_screen.rows.runs[top : top + table.page_rows]

        await settle(pilot, lambda: asked[-1] == in_view())
