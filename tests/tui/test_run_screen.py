"""One run over the whole screen: its details, and its last records as numbers."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from tests.runs import make_run, make_runs, new_tracker
from tests.sidecars import read_annotations
from tests.waiting import settle
from tui_runs import line_text, screen_text, showing, watching

from traintop.lines import line_width
from traintop.model import RunStatus
from traintop.store.history import History
from traintop.tui.app import TraintopApp
from traintop.tui.kit.keys import Place
from traintop.tui.main.records import RecordsView, record_lines
from traintop.tui.main.run_screen import RunScreen


def history(records: int = 100) -> History:
    return History.from_columns(
        {
            "iteration": range(records),
            "gradient_step": range(1, records + 1),
            "wallclock_time": range(records),
            "train_loss": ["NaN" if i == 98 else 2.0 for i in range(records)],
            "loss": [7.0] * records,
            "val_loss": [1.5 if i == 99 else None for i in range(records)],
            **{f"layer_{n}": range(records) for n in range(9)},
        }
    )


def texts(view: RecordsView, width: int = 80, height: int = 4) -> list[str]:
    return [line_text(line) for line in record_lines(history(), view, width, height)]


def test_the_newest_record_is_the_last_line_and_nan_is_no_blank():
    headings, *rows = texts(RecordsView())
    assert headings.split()[:5] == ["ITERATION", "TIME", "LOSS", "VAL", "LOSS"]
    assert [row.split()[:4] for row in rows] == [
        ["97", "1m37s", "2.000", "–"],
        ["98", "1m38s", "NaN", "–"],
        ["99", "1m39s", "2.000", "1.500"],
    ]


def test_scrolling_up_stays_there_and_the_bottom_follows():
    view = RecordsView().scroll(-2, 100, 3)
    assert view.shown(100, 3) == view.shown(140, 3) == range(95, 98)
    assert view.scroll(-500, 100, 3).shown(100, 3) == range(3)
    assert view.scroll(2, 100, 3) == RecordsView()
    assert RecordsView().scroll(-1, 2, 3) == RecordsView()


def test_metrics_that_do_not_fit_are_counted_and_reached():
    assert "→ 9 more" in texts(RecordsView())[0]
    shifted = RecordsView().shift(99, 13)
    assert texts(shifted)[0].split() == ["ITERATION", "TIME", "GRAD", "STEPS"]
    assert shifted.shift(-99, 13) == RecordsView()


@pytest.mark.parametrize("width", [10, 20, 40, 80, 160])
def test_records_fit_every_width_that_holds_their_place(width):
    for line in record_lines(history(), RecordsView(), width, 5)[1:]:
        assert line_width(line) <= max(width, 24)


@pytest.mark.parametrize("size", [(160, 48), (100, 30), (80, 24), (40, 12), (20, 5), (1, 1)])
async def test_enter_opens_the_run_and_escape_goes_back(size):
    runs = make_runs(3)
    async with showing(runs, size) as (app, pilot):
        await pilot.press("enter")
        assert isinstance(app.screen, RunScreen)
        await pilot.pause()
        if size[0] >= 40:
            assert "50 records" in screen_text(app)
            assert " 49 " in screen_text(app)
        for key in ("tab", "j", "tab", "k", "pageup", "G", "g", "right", "left", "escape"):
            await pilot.press(key)
        assert app.screen is app.main_screen
        assert app.main_screen.view.opened is None


async def test_a_note_is_for_the_run_that_is_open(tmp_path: Path):
    async with watching(tmp_path) as (app, pilot, paths):
        await pilot.press("j", "space", "k", "enter", "n", *"hot", "enter")
        await settle(pilot, lambda: read_annotations(paths[0]).note == "hot")
        await settle(pilot, lambda: "Note beside the run by" in screen_text(app))
        assert isinstance(app.screen, RunScreen)
        assert read_annotations(paths[1]).note == ""


async def test_its_records_follow_the_run_until_it_is_gone():
    runs = make_runs(3)
    async with showing(runs, (80, 24)) as (app, pilot):
        await pilot.press("enter")
        app.post_history(runs[0], points=60)
        await settle(pilot, lambda: " 59 " in screen_text(app))
        await pilot.press("k")
        app.post_history(runs[0], points=70)
        await settle(pilot, lambda: "up to 59 of 70" in screen_text(app))
        app.post_runs(runs[1:])
        await settle(pilot, lambda: app.screen is app.main_screen)


async def test_a_run_without_records_or_file_says_so():
    runs = [
        make_run("empty", status=RunStatus.RUNNING),
        make_run("broken", status=RunStatus.UNREADABLE, problem="holds no run"),
    ]
    async with showing(runs, (80, 24)) as (app, pilot):
        app.post_history(runs[0], points=0)
        await pilot.press("enter")
        await settle(pilot, lambda: "no record yet" in screen_text(app))
        await pilot.press("escape", "j", "enter")
        await settle(pilot, lambda: "holds no run" in screen_text(app))
        assert app.screen.situation.place is Place.RUN


async def test_a_real_run_that_goes_on(tmp_path: Path):
    tracker = new_tracker(tmp_path, "live")
    tracker.start()
    tracker.log_metrics(0, 3.5)
    app = TraintopApp([tmp_path])
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: len(app.main_screen.rows) == 1)
        await pilot.press("enter")
        await settle(pilot, lambda: "3.500" in screen_text(app))
        tracker.log_metrics(1, math.nan)
        await settle(pilot, lambda: "1 × NaN or inf" in screen_text(app))
    tracker.finish()
