"""The keys of the charts and the mouse over them, in the grid and full screen."""

from __future__ import annotations

import math
import threading

import pytest
from tests.drawing import is_drawn
from tests.runs import make_run, make_runs
from tests.waiting import settle
from textual import events
from tui_runs import screen_text, showing

from traintop.analysis.axes import XAxis
from traintop.analysis.percentiles import pace_of
from traintop.charts import curves
from traintop.model import RunStatus
from traintop.progress import COUNTED_BY
from traintop.store.history import History
from traintop.tui.chart_view import ChartView, limits_of_view
from traintop.tui.messages import HistoryLoaded
from traintop.tui.plots.chooser import ChartChooser
from traintop.tui.plots.grid import ChartGrid

PLACES = pytest.mark.parametrize("place", [[], ["z"]], ids=["grid", "zoomed"])


def limits(app):
    screen = app.main_screen
    return limits_of_view(screen.view.charts, screen.chart_source.extent(screen.view))


def part(app) -> ChartView:
    return app.main_screen.view.charts


@PLACES
async def test_zooming_in_and_out_panning_and_reset(place):
    async with showing(make_runs(1)) as (app, pilot):
        await pilot.press(*place, "]")
        assert limits(app) == (24.5, 49)
        await pilot.press("]", "{")
        assert limits(app) == (33.6875, 45.9375)
        assert "iteration" in screen_text(app)
        await pilot.press("}")
        assert limits(app) == (36.75, 49)
        await pilot.press("[", "[")
        assert part(app).span is None
        await pilot.press("]", "left", "0")
        assert (part(app).span, part(app).cursor) == (None, None)


@PLACES
async def test_the_cursor_reads_out_every_chart_at_a_record(place):
    async with showing(make_runs(1)) as (app, pilot):
        await pilot.press(*place, "left")
        assert part(app).cursor == 49
        await pilot.press("left", "left")
        assert part(app).cursor == 47
        assert "iteration 47" in screen_text(app)
        loss = next(line for line in screen_text(app).splitlines() if "train loss" in line)
        assert "train loss ─ 0.7018" in loss
        await pilot.press("shift+left")
        assert part(app).cursor < 45
        await pilot.press("shift+right", "right", "right", "right", "right")
        assert part(app).cursor == 49


@PLACES
async def test_the_next_axis_keeps_the_part_and_the_cursor(place):
    async with showing(make_runs(1)) as (app, pilot):
        await pilot.press(*place, "]", "{", "left", "x")
        assert app.main_screen.view.x_axis.name == "gradient_step"
        assert part(app).cursor == pytest.approx(limits(app)[1])
        before = limits(app)
        await pilot.press("x")
        assert app.main_screen.view.x_axis.name == "wallclock_time"
        assert limits(app) == pytest.approx([(x - 1) / 2 for x in before])
        await pilot.press("x")
        assert app.main_screen.view.x_axis.name == "iteration"  # the settings have no token counts


async def test_tokens_are_an_axis_where_the_settings_give_them():
    (run,) = make_runs(1)
    run.config.update(batch_size=8, context_length=128)
    async with showing([run]) as (app, pilot):
        await pilot.press("x", "x", "x", "left")
        assert app.main_screen.view.x_axis.name == "tokens"
        assert part(app).cursor == 50 * 1024
        assert "tokens 51,200" in screen_text(app)
        assert "over tokens (it × batch × context)" in screen_text(app)


@PLACES
async def test_metrics_that_count_are_axes_too(place):
    (run,) = make_runs(1)
    async with showing([run]) as (app, pilot):
        app.post_history(run, 40, epoch=[i / 10 for i in range(40)], frames=range(40))
        await pilot.press(*place, "]", "left", "x", "x", "x")
        assert app.main_screen.view.x_axis.name == "epoch"
        assert (part(app).cursor, limits(app)) == (3.9, pytest.approx((1.95, 3.9)))
        assert "over epoch" in screen_text(app)
        assert "epoch 3.9" in screen_text(app)
        await pilot.press("x")
        assert app.main_screen.view.x_axis.name == "frames"
        await pilot.press("x")
        assert app.main_screen.view.x_axis.name == "iteration"


async def test_epochs_are_an_axis_of_runs_that_count_them():
    run = make_run("keras", environment={COUNTED_BY: "epoch"})
    async with showing([run]) as (app, pilot):
        await pilot.press("x", "x", "x", "left")
        assert app.main_screen.view.x_axis == XAxis("epoch")
        assert "epoch 49" in screen_text(app)


@PLACES
async def test_a_logarithmic_x_axis_keeps_the_part_and_the_cursor(place):
    async with showing(make_runs(1)) as (app, pilot):
        await pilot.press(*place, "]", "left", "left", "left", "L")
        assert app.main_screen.view.x_axis == XAxis(log=True)
        assert limits(app) == pytest.approx((math.log10(24.5), math.log10(49)), abs=1e-3)
        assert "log x" in screen_text(app)
        assert "iteration 47" in screen_text(app)
        await pilot.press("right", "right")
        assert "iteration 49" in screen_text(app)
        await pilot.press("0", "]")
        low, high = limits(app)
        assert 10**low == pytest.approx(7)  # half of the decades, up to the newest
        await pilot.press("{")
        assert limits(app)[0] == pytest.approx(low - (high - low) / 4)
        await pilot.press("x")
        assert app.main_screen.view.x_axis == XAxis("gradient_step", log=True)
        await pilot.press("L")
        assert app.main_screen.view.x_axis == XAxis("gradient_step")


async def test_a_click_on_a_logarithmic_axis_finds_its_record():
    async with showing(make_runs(1)) as (app, pilot):
        await pilot.press("L")
        grid = app.screen.query_one(ChartGrid)
        await settle(pilot, lambda: is_drawn(app))
        box = grid._places[0][1]
        await pilot.click(grid, offset=(box.x + box.width - 1, box.y + 3))
        assert part(app).cursor == pytest.approx(math.log10(49), abs=0.03)


@PLACES
async def test_the_metric_key_moves_the_focus_through_the_charts(place):
    async with showing(make_runs(1)) as (app, pilot):
        await pilot.press(*place, "m")
        assert part(app).focus == "tokens_per_sec"
        await pilot.press("m", "m")
        assert part(app).focus == "loss"
        await pilot.press("M")
        assert part(app).focus == "grad_norm"
        assert "gradient norm" in screen_text(app)


async def test_charts_that_do_not_fit_are_on_the_next_page():
    async with showing(make_runs(30), (80, 24)) as (app, pilot):
        assert "charts" not in screen_text(app).splitlines()[-1]
        await pilot.press("tab")
        await settle(pilot, lambda: "charts 1-2 of 3" in screen_text(app))
        assert "gradient norm" not in screen_text(app)
        await pilot.press("M")
        assert "gradient norm" in screen_text(app)
        assert "tokens/s" not in screen_text(app)
        await pilot.press("z", "escape")
        assert "gradient norm" in screen_text(app)


@PLACES
async def test_charts_are_chosen_from_a_list(place):
    async with showing(make_runs(1)) as (app, pilot):
        await pilot.press(*place, "O")
        await settle(pilot, lambda: isinstance(app.screen, ChartChooser))
        await settle(pilot, lambda: "▌✓ loss" in screen_text(app))
        assert "✓ val loss" not in screen_text(app)
        await pilot.press("space", "j", "space", "k", "k")
        assert part(app).chosen == ("tokens_per_sec", "grad_norm", "val_loss")
        await pilot.press("escape")
        assert app.main_screen.plots.charts == ("val_loss", "tokens_per_sec", "grad_norm")
        await settle(pilot, lambda: "val loss   last" in screen_text(app))
        await pilot.press("O", "0", "O")
        await settle(pilot, lambda: part(app).chosen == ())


async def test_the_last_chosen_chart_stays():
    async with showing(make_runs(1)) as (app, pilot):
        await pilot.press("O", "space", *["j", "space"] * 4, *["space", "k"] * 5, "escape")
        await pilot.press("O", *["k"] * 9, "j", "space", "j", "space", "j", "space", "j", "space")
        assert part(app).chosen != ()
        assert len(app.main_screen.plots.charts) >= 1


async def test_zoom_follows_a_live_run_only_at_its_newest_end():
    (run,) = make_runs(1)
    async with showing([run]) as (app, pilot):
        await pilot.press("]")
        app.post_history(run, points=100)
        await settle(pilot, lambda: limits(app) == (74.5, 99))
        await pilot.press("{")
        before, source = limits(app), app.main_screen.chart_source
        app.post_history(run, points=200)
        await settle(pilot, lambda: source.extent(app.main_screen.view).high == 199)
        assert limits(app) == before


async def test_the_mouse_sets_focus_and_cursor_and_the_wheel_zooms():
    async with showing(make_runs(1)) as (app, pilot):
        grid = app.screen.query_one(ChartGrid)
        _, box = grid._places[1]
        await pilot.click(ChartGrid, offset=(box.x + box.width // 2, box.y + 3))
        await settle(pilot, lambda: part(app).cursor is not None)
        assert part(app).focus == "tokens_per_sec"
        assert 15 < part(app).cursor < 35
        at = {"x": box.x + 30, "y": box.y + 3, "delta_x": 0, "delta_y": 0, "button": 0}
        modifiers = {"shift": False, "meta": False, "ctrl": False}
        grid.post_message(events.MouseScrollUp(grid, **at, **modifiers))
        await settle(pilot, lambda: part(app).span == 24.5)
        grid.post_message(events.MouseScrollDown(grid, **at, **modifiers))
        await settle(pilot, lambda: part(app).span is None)


async def test_keys_of_charts_do_nothing_without_records():
    run = make_runs(1)[0]
    broken = type(run)(id=run.id, status=RunStatus.UNREADABLE, problem="torn")
    async with showing([run]) as (app, pilot):
        other = make_runs(2)[1:]
        app.post_runs([broken, *other])
        await pilot.press("j", "]", "[", "{", "}", "left", "right", "0", "x", "m", "O", "escape")
        assert part(app).cursor is None


async def test_a_cursor_step_draws_each_visible_chart_once(drawings):
    async with showing(make_runs(30), (80, 24)) as (_, pilot):
        await pilot.press("tab")
        await settle(pilot, lambda: drawings["charts"] == 2)
        before = drawings["charts"]
        await pilot.press("left")
        assert drawings["charts"] == before + 2
        await pilot.press("space")
        assert drawings["charts"] == before + 2


async def test_of_many_curves_one_chart_is_drawn_at_a_time(drawings):
    runs = make_runs(14)
    async with showing(runs) as (app, pilot):
        screen = app.main_screen
        await pilot.press("asterisk")
        for run in runs:
            app.post_history(run, points=50)
        await settle(pilot, lambda: len(screen.plotted.loaded) == 14 and is_drawn(app))
        drawn = drawings["charts"]
        screen.action_toggle_log()
        assert drawings["charts"] == drawn + 1
        assert not is_drawn(app)
        await settle(pilot, lambda: is_drawn(app))
        assert drawings["charts"] == drawn + len(screen.plots.charts)


async def test_leaving_a_full_screen_chart_redraws_no_other_chart(drawings):
    async with showing(make_runs(1)) as (app, pilot):
        others = len(app.main_screen.plots.charts) - 1
        await pilot.press("z")
        await settle(pilot, lambda: "gradient norm" not in screen_text(app))
        drawn = drawings["charts"]
        await pilot.press("z")
        await settle(pilot, lambda: "gradient norm" in screen_text(app))
        assert others > 1
        assert drawings["charts"] == drawn + 1


async def test_keys_are_answered_while_long_runs_are_prepared(monkeypatch, drawings):
    (run,) = make_runs(1)
    async with showing([run]) as (app, pilot):
        monkeypatch.setattr(curves, "QUICK_RECORDS", 10)
        drawn = drawings["charts"]
        columns = {"iteration": range(3000), "train_loss": [float(i % 7) for i in range(3000)]}
        history = History.from_columns(columns)
        app.main_screen.post_message(
            HistoryLoaded(run.id, history, pace_of(history), 99, complete=True)
        )
        await pilot.press("j", "k", "l")
        assert app.main_screen.view.log_y
        await settle(
            pilot, lambda: drawings["charts"] > drawn and not app.main_screen.chart_source.waits
        )
        await settle(pilot, lambda: "train loss ─ 3" in screen_text(app))


async def test_keys_show_the_old_curves_while_new_ones_are_prepared(monkeypatch, drawings):
    async with showing(make_runs(1)) as (app, pilot):
        screen, grid = app.main_screen, app.screen.query_one(ChartGrid)
        prepare, prepared = screen.chart_source.prepare, threading.Event()
        monkeypatch.setattr(curves, "QUICK_RECORDS", 10)
        monkeypatch.setattr(screen.chart_source, "prepare", lambda: prepared.wait(60) and prepare())
        await settle(pilot, lambda: is_drawn(app))
        drawn = drawings["charts"]
        await pilot.press("plus")
        assert screen.chart_source.waits
        assert drawings["charts"] == drawn
        await pilot.press("]")
        spec = grid._pictures["loss"].spec
        assert spec.x_limits == limits(app) == (24.5, 49)
        assert not any(series.dim for series in spec.series)
        drawn = drawings["charts"]
        screen.plots.draw()
        assert drawings["charts"] == drawn
        prepared.set()
        await settle(pilot, lambda: any(one.dim for one in grid._pictures["loss"].spec.series))
        assert grid._pictures["loss"].spec.x_limits == (24.5, 49)
        await settle(pilot, lambda: is_drawn(app) and not screen.chart_source.waits)
        assert {key.weight for key in screen.chart_source._maker._series} == {0.0, 0.6}


@PLACES
async def test_a_chart_is_written_as_svg_and_as_text(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with showing(make_runs(1)) as (_, pilot):
        await pilot.press(*place, "m", "E", "enter")
        await settle(pilot, lambda: (tmp_path / "chart_run-0_tokens_s.svg").exists())
        assert "<polyline" in (tmp_path / "chart_run-0_tokens_s.svg").read_text()
        await pilot.press("M", "E", "j", "enter")
        await settle(pilot, lambda: (tmp_path / "chart_run-0_loss.txt").exists())
        assert (tmp_path / "chart_run-0_loss.txt").read_text().startswith("run-0 loss")
        await pilot.press("E", "j", "enter")
        await settle(pilot, lambda: (tmp_path / "chart_run-0_loss_2.txt").exists())


async def test_without_records_there_is_no_chart_to_write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with showing(make_runs(2)) as (app, pilot):
        await pilot.press("j", "E")
        assert app.screen is app.main_screen
        assert list(tmp_path.iterdir()) == []
