"""What is drawn again, and how often: only what changed, and not for each piece of news."""

from __future__ import annotations

from time import monotonic

import pytest
from tests.drawing import is_drawn
from tests.runs import make_run, make_runs
from tests.waiting import settle
from tui_runs import screen_text, showing

from traintop.model import RunSummary
from traintop.tui.main import run_table
from traintop.tui.main import screen as main
from traintop.tui.main.row_layout import format_row
from traintop.tui.main.run_table import RunTable
from traintop.tui.main.trends import TrendLoader
from traintop.tui.plots.grid import ChartGrid
from traintop.tui.plots.runs import WAIT_SECONDS


async def test_ten_thousand_runs_cost_only_the_rows_on_screen(monkeypatch):
    async with showing(make_runs(10_000), (120, 40)) as (app, pilot):
        table = app.screen.query_one(RunTable)
        formatted = []
        monkeypatch.setattr(
            run_table, "format_row", lambda *row: formatted.append(row) or format_row(*row)
        )
        await pilot.press("G", "g", "pagedown")
        assert 0 < len(formatted) < 1000
        assert table.virtual_size.height == 10_001  # with the headings


async def test_updates_redraw_at_most_four_times_a_second(drawings):
    runs = make_runs(3)
    async with showing(runs) as (app, pilot):
        drawings.clear()
        start = monotonic()
        for iteration in range(42, 92):
            app.post_runs([make_run("run-0", iteration=iteration), *runs[1:]])
            await pilot.pause()
        await settle(pilot, lambda: "92/100" in screen_text(app))
        assert 1 <= drawings["screen"] <= (monotonic() - start) / 0.25 + 1


async def test_updates_wait_after_a_key_redrew_the_screen(monkeypatch, drawings):
    runs = make_runs(3)
    async with showing(runs) as (app, pilot):
        screen = app.main_screen
        monkeypatch.setattr(main, "REDRAW_SECONDS", 60.0)
        screen._drawn_at = float("-inf")  # all was quiet for long
        await pilot.press("j")
        drawings.clear()
        app.post_runs([make_run("run-0", iteration=77), *runs[1:]])
        await settle(pilot, lambda: not is_drawn(app) or drawings["screen"])
        assert drawings["screen"] == 0


async def test_updates_that_cannot_be_sent_yet_are_not_drawn(monkeypatch, drawings):
    runs = make_runs(3)
    async with showing(runs) as (app, pilot):
        monkeypatch.setattr(main, "seconds_of_rest", lambda app: 60.0)
        app.main_screen._drawn_at = float("-inf")
        drawings.clear()
        app.post_runs([make_run("run-0", iteration=77), *runs[1:]])
        await settle(pilot, lambda: app.main_screen.redraw_timer or drawings["screen"])
        assert drawings["screen"] == 0


async def test_records_of_many_marked_runs_share_redraws(monkeypatch, drawings):
    runs = make_runs(20)
    async with showing(runs) as (app, pilot):
        screen = app.main_screen
        await pilot.press("asterisk")
        assert len(screen.plotted.runs) == 20
        monkeypatch.setattr(main, "REDRAW_SECONDS", 60.0)
        drawings.clear()
        for run in runs:
            app.post_history(run, points=50)
        await settle(pilot, lambda: len(screen.plotted.loaded) == 20)
        assert drawings["screen"] <= 1


async def test_charts_waiting_for_records_are_drawn_once(monkeypatch, drawings):
    async with showing(make_runs(3)) as (app, pilot):
        screen = app.main_screen
        await pilot.press("j")  # its records are not there
        app.post_history(screen.rows.run(screen.view.selected), points=50)
        await settle(pilot, lambda: screen.plotted.loaded)
        monkeypatch.setattr(main, "REDRAW_SECONDS", 60.0)  # the next news have to wait
        await settle(pilot, lambda: app.screen.query_one(ChartGrid).draw_timer is None)
        assert drawings["charts"]
        drawings.clear()
        app.post_history(screen.rows.run(screen.view.selected), points=51)
        await settle(pilot, lambda: not is_drawn(app))
        await pilot.pause(1.5 * WAIT_SECONDS)
        assert drawings["charts"] == 0


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


async def test_an_equal_update_draws_nothing(drawings):
    async with showing(make_runs(20)) as (app, pilot):
        drawings.clear()
        app.post_runs(make_runs(20))
        await settle(pilot, lambda: drawings["screen"])
        assert drawings["panes"] == 0


async def test_hidden_charts_do_not_draw(drawings):
    async with showing(make_runs(30), (80, 24)) as (_, pilot):
        drawings.clear()
        await pilot.press("x", "l", "+", "]", "left")
        await pilot.pause()
        assert drawings["charts"] == 0
        await pilot.press("tab")
        await settle(pilot, lambda: drawings["charts"])


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
