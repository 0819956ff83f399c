"""Notices as toasts in moderation, and the log that has them all."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.runs import NOW, Writer, make_run, make_runs, new_tracker, record, write_run
from tests.waiting import settle
from tui_runs import line_text, listing, notice, screen_text, toasts

from traintop.analysis.alerts import AlertKind
from traintop.lines import line_width
from traintop.model import Annotations, MetricsSnapshot, MetricStats
from traintop.terminal import desktop_sequence
from traintop.tui.alerts.screen import NoticesScreen, notice_lines
from traintop.tui.alerts.toasts import toasts_of
from traintop.tui.app import TraintopApp
from traintop.tui.messages import NoticesRaised

HOSTILE = "\x1b]0;pwned\x07[@click=app.quit]x[/]\x9b31m\u202e;"


def shown_toasts(app):
    return [(toast.title, toast.message, toast.severity) for toast in toasts(app)]


async def test_a_notice_is_a_toast_and_a_line_of_the_log():
    runs = make_runs(3)
    async with listing(runs) as (app, pilot):
        app.post_message(NoticesRaised([notice(runs[1])]))
        await settle(pilot, lambda: app.notice_log.notices)
        assert shown_toasts(app) == [("run-1: crashed", "process exited", "error")]
        await pilot.press("N")
        await settle(pilot, lambda: isinstance(app.screen, NoticesScreen))
        line = "02-22 15:00:00  crashed     run-1  process exited"
        await settle(pilot, lambda: line in screen_text(app))
        await pilot.press("enter")
        await settle(pilot, lambda: app.screen is app.main_screen)
        assert app.main_screen.view.selected == runs[1].id


async def test_many_notices_are_one_toast():
    runs = make_runs(30)
    async with listing(runs) as (app, pilot):
        app.post_message(NoticesRaised([notice(run) for run in runs]))
        await settle(pilot, lambda: app.notice_log.notices)
        assert shown_toasts(app) == [("30 notices: 30 crashed", "N lists them", "error")]
        await pilot.press("N", "down", "j", "k")
        await settle(pilot, lambda: "▌" in screen_text(app))
        await pilot.press("enter")
        await settle(pilot, lambda: app.screen is app.main_screen)
        assert app.main_screen.rows.run(app.main_screen.view.selected).name == "run-28"


@pytest.mark.parametrize("size", [(160, 48), (80, 24), (60, 12)])
async def test_toasts_cover_little_of_the_screen_whatever_happens(size):
    runs = make_runs(12)
    async with listing(runs, size) as (app, pilot):

        def rows() -> tuple[int, int]:
            shown = app.screen.query("Toast")
            return len(shown), sum(toast.outer_size.height for toast in shown)

        for run in runs[:3]:
            app.post_message(NoticesRaised([notice(run)]))
        await settle(pilot, lambda: rows() == (3, 6))
        assert all(toast.region.x >= size[0] // 2 for toast in app.screen.query("Toast"))
        for run in runs[3:]:  # one after the other, as a node takes its runs with it
            app.post_message(NoticesRaised([notice(run)]))
        await settle(pilot, lambda: "12 notices: 12 crashed" in screen_text(app))
        await settle(pilot, lambda: rows() == (1, 2))


async def test_a_toast_is_no_wider_than_the_screen():
    async with listing(make_runs(12), (40, 15)) as (app, pilot):
        raised = [notice(run, kind) for run in make_runs(2) for kind in AlertKind]
        app.post_message(NoticesRaised(raised))
        await settle(pilot, lambda: "N lists them" in screen_text(app))
        assert app.screen.query_one("Toast").region.right <= 40


async def test_toasts_are_dismissed_by_a_click_or_a_key():
    runs = make_runs(3)
    async with listing(runs) as (app, pilot):
        app.post_message(NoticesRaised([notice(run) for run in runs]))
        await settle(pilot, lambda: "run-2: crashed" in screen_text(app))
        await pilot.click("Toast")
        await settle(pilot, lambda: "run-0: crashed" not in screen_text(app))
        assert "run-2: crashed" in screen_text(app)
        await pilot.press("backspace")
        await settle(pilot, lambda: "crashed" not in screen_text(app))
        assert len(app.notice_log.notices) == 3


async def test_the_notice_log_leads_to_hidden_runs():
    runs = [*make_runs(3), make_run("old", annotations=Annotations(archived=True))]
    async with listing(runs) as (app, pilot):
        app.post_message(NoticesRaised([notice(runs[3])]))
        await settle(pilot, lambda: app.notice_log.notices)
        await pilot.press("slash", *"run", "enter", "N", "enter")
        assert app.main_screen.view.selected == runs[3].id
        assert app.main_screen.rows.position(runs[3].id) is not None


@pytest.mark.parametrize("size", [(160, 48), (80, 24), (60, 20), (20, 5)])
async def test_the_notice_log_opens_at_any_size_and_when_empty(size):
    async with listing(make_runs(1), size) as (app, pilot):
        await pilot.press("N", "j", "enter")
        await settle(pilot, lambda: app.screen is app.main_screen)
        await pilot.press("N")
        await settle(pilot, lambda: "Nothing has" in screen_text(app))
        await pilot.press("escape")
        assert app.screen is app.main_screen


async def test_hostile_notices_are_plain_text():
    run = make_run(HOSTILE)
    async with listing([run]) as (app, pilot):
        app.post_message(NoticesRaised([notice(run, text=HOSTILE)]))
        await settle(pilot, lambda: "[@click=app.quit]x[/]" in screen_text(app))
        await pilot.press("N")
        await settle(pilot, lambda: "notices, newest" in screen_text(app))
        assert all(part.isprintable() for part in screen_text(app).split("\n"))


async def test_a_run_that_fails_while_watched_makes_a_notice(tmp_path: Path):
    def write(name: str, **tail):
        path = tmp_path / f"experiment_{name}.json"
        write_run(path, config={"experiment_name": name}, start_time="2025-02-22T14:00:00", **tail)

    write("old", status="failed", error="long ago")
    week_ago = NOW.timestamp() - 7 * 86_400
    os.utime(tmp_path / "experiment_old.json", (week_ago, week_ago))
    write("new", status="finished")
    app = TraintopApp([tmp_path], lambda: NOW)
    async with app.run_test(notifications=True) as pilot:
        await settle(pilot, lambda: len(app.main_screen.rows) == 2)
        write("new", status="failed", error="CUDA out of memory")
        await settle(pilot, lambda: shown_toasts(app))
        assert shown_toasts(app) == [("new: failed", "CUDA out of memory", "error")]


async def test_a_gpu_that_idles_makes_a_notice_and_a_mark(tmp_path: Path):
    writer = Writer(tmp_path / "experiment_hung.json", config={"experiment_name": "hung"})
    idle = MetricStats(count=9, last=3.0, max=99.0)
    rate = MetricStats(count=9, last=91_000.0)
    rows = [record(step, wallclock_time=float(step), tokens_per_sec=91e3) for step in range(99)]

    def flush(second: float, *added: MetricsSnapshot) -> None:
        stats = {"gpu/0/utilization": idle, "tokens_per_sec": rate}
        writer.flush(*added, gpus_sampled_at=second, duration_seconds=second, stats=stats)

    flush(99.0, *rows)
    app = TraintopApp([tmp_path], lambda: NOW)
    async with app.run_test(notifications=True, size=(120, 40)) as pilot:
        await settle(pilot, lambda: len(app.main_screen.rows) == 1)
        assert shown_toasts(app) == []
        flush(229.0)
        await settle(pilot, lambda: shown_toasts(app))
        text = "GPU 0 idle for 2 min (3 %), 0 tokens/s against 91k before"
        assert shown_toasts(app) == [("hung: idle", text, "warning")]
        await settle(pilot, lambda: "! idle" in screen_text(app))


async def test_an_alert_that_a_program_logs_makes_a_notice(tmp_path: Path):
    tracker = new_tracker(tmp_path, "mine")
    tracker.log_metrics(iteration=7, train_loss=1.0)
    tracker.save()
    app = TraintopApp([tmp_path], lambda: NOW)
    async with app.run_test(notifications=True, size=(120, 40)) as pilot:
        await settle(pilot, lambda: len(app.main_screen.rows) == 1)
        tracker.alert(HOSTILE, "look at it")
        await settle(pilot, lambda: shown_toasts(app))
        [(title, text, severity)] = shown_toasts(app)
        assert (title, severity) == ("mine: alert", "warning")
        assert text.isprintable()
        assert text.endswith(": look at it, iteration 7")
    tracker.finish()


@pytest.mark.parametrize("width", [10, 40, 80])
def test_lines_of_the_notice_log_fit_its_width(width):
    lines = notice_lines([notice(make_run(HOSTILE * 9), text=HOSTILE * 99)], 0, width)
    assert all(line_width(line) <= width for line in lines)
    assert all(line_text(line).isprintable() for line in lines)


def test_the_notice_at_the_cursor_is_there_in_full():
    text = "train loss rose to 4.482 from a low of 1.482 at iteration 1,499"
    notices = [notice(run, text=text) for run in make_runs(2)]
    first, *rest = (line_text(line).strip() for line in notice_lines(notices, 0, 60))
    assert first.endswith("…")
    assert " ".join(rest[:-1]) == text
    assert len(notice_lines(notices, 0, 120)) == 2


def test_text_cannot_escape_the_desktop_notification_sequences():
    (toast,) = toasts_of([notice(make_run("a;4;2"), text=HOSTILE)])
    sequence = desktop_sequence(toast.title, toast.text, {})
    nine, rest = sequence.split("\x07", 1)
    assert nine.startswith("\x1b]9;traintop: a,4,2: crashed: ")
    assert rest.startswith("\x1b]777;notify;traintop: a,4,2: crashed;")
    assert sequence.count("\x1b") == 2
    assert sequence.count("\x07") == 2
    assert sequence.count(";") == 1 + 3
    assert "\x9b" not in sequence


def test_a_terminal_knowing_both_desktop_sequences_gets_one():
    assert desktop_sequence("a: crashed", "gone", {"TERM_PROGRAM": "WezTerm"}).count("\x1b") == 1


def test_desktop_sequences_are_wrapped_for_tmux():
    sequence = desktop_sequence("a", "b", {"TMUX": "/tmp/tmux-0/default,1,0"})
    assert sequence.startswith("\x1bPtmux;\x1b\x1b]9;")
    assert sequence.endswith("\x07\x1b\\")


async def test_notices_are_in_the_order_of_their_times():
    runs = make_runs(2)
    earlier = replace(notice(runs[1]), time=NOW - timedelta(minutes=5))
    async with listing(runs) as (app, _pilot):
        app.notice_log.add([notice(runs[0])])
        app.notice_log.add([earlier])  # began before the one that was noticed first
        assert [one.run_id for one in app.notice_log.notices] == [runs[0].id, runs[1].id]


async def test_a_toast_made_at_its_last_moment_still_ends():
    runs = make_runs(1)
    async with listing(runs) as (app, pilot):
        app.post_message(NoticesRaised([notice(runs[0])]))
        app.notify("written")
        await settle(pilot, lambda: len(toasts(app)) == 2)
        for toast in toasts(app):
            toast.raised_at = 0.0
            assert toast.has_expired
            assert toast.time_left > 0  # or its timer would never let anything else happen
