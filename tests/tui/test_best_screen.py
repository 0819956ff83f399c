"""The leaderboard: every key of it, at every size, while runs go on."""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.runs import make_run
from tests.waiting import settle
from tui_runs import PostedApp, help_palette_and_back, screen_text

from traintop.fields import field_of
from traintop.model import MetricStats
from traintop.tui.compare.screen import CompareScreen
from traintop.tui.kit.runs import short_run_name
from traintop.tui.leaderboard.lines import leader_lines
from traintop.tui.leaderboard.screen import BestScreen

SIZES = [(160, 48), (100, 30), (80, 24), (60, 20), (20, 5), (1, 1)]


def trained(name: str, loss: float, *, accuracy: float = 0.5, **changes):
    settings = changes.pop("settings", {})
    return make_run(
        name,
        best_val_loss=None,
        config={"experiment_name": name, "max_iters": 100, "d_model": 512, **settings},
        stats={
            "train_loss": MetricStats(last=loss, min=loss, max=9.0, min_iteration=40),
            "accuracy": MetricStats(last=accuracy, min=0.0, max=accuracy, max_iteration=30),
        },
        **changes,
    )


RUNS = [
    trained("middle", 2.0, accuracy=0.9, settings={"lr": 1e-3}),
    trained("worst", 3.0, accuracy=0.6, settings={"lr": 1e-4}),
    trained("lost", math.nan, settings={"lr": 1.0}),
    trained("best", 1.0, accuracy=0.7, settings={"lr": 3e-3}),
]


@asynccontextmanager
async def ranking(runs=RUNS, size=(160, 48)):
    app = PostedApp()
    async with app.run_test(size=size) as pilot:
        app.post_runs(runs)
        await settle(pilot, lambda: len(app.main_screen.rows) == len(runs))
        await pilot.press("b")
        await settle(pilot, lambda: isinstance(app.screen, BestScreen))
        await pilot.pause()
        yield app, pilot, app.screen


def names(screen):
    return [leader.run.name for leader in screen.leaders]


def cursor_line(app):
    return next(line for line in screen_text(app).splitlines() if line.startswith("▌"))


@pytest.mark.parametrize("size", SIZES)
async def test_it_opens_at_any_size(size):
    async with ranking(size=size) as (app, _, screen):
        text = screen_text(app)
        assert names(screen) == ["best", "middle", "worst"]
        if size[0] >= 60:
            for part in ("lowest train loss", "NAME", "VALUE", "3 of 4 runs", "1.0000"):
                assert part in text
            assert text.splitlines()[-1].split()[-2:] == ["?", "help"]


async def test_only_settings_that_differ_among_the_leaders_are_shown():
    async with ranking() as (app, _, _):
        text = screen_text(app)
        assert "lr" in text
        assert "0.003" in text
        assert "d_model" not in text
        assert "40" in cursor_line(app)


async def test_as_many_settings_as_fit_are_shown():
    runs = [
        trained(f"run-{i}", float(i + 1), settings={f"setting_{n:02}": i * n for n in range(1, 30)})
        for i in range(3)
    ]
    async with ranking(runs, size=(80, 24)) as (app, _, _):
        assert max(map(len, screen_text(app).splitlines())) <= 80
        assert "setting_01" in screen_text(app)
        assert "setting_29" not in screen_text(app)


async def test_long_names_leave_room_for_the_setting_that_says_most():
    runs = [
        trained(f"a_very_long_name_of_a_long_sweep_{i}", 1.0 + i, settings={"max_learning_rate": i})
        for i in range(3)
    ]
    async with ranking(runs, size=(74, 24)) as (app, _, _):
        text = screen_text(app)
        assert "max_learning_rate" in text
        assert "sweep_2" in text
        assert max(map(len, text.splitlines()[1:-1])) < 74


async def test_the_view_key_shows_which_settings_matter():
    async with ranking() as (app, pilot, screen):
        await pilot.press("v")
        await settle(pilot, lambda: screen.importance is not None)
        await pilot.pause()
        text = screen_text(app)
        assert next(line for line in text.splitlines() if " lr " in line).split()[1:] == [
            "100%?",
            "+1.00",
            "higher",
            "3",
        ]
        assert "3 runs are few" in text
        await pilot.press("v")
        text = screen_text(app)
        assert "lr" in text.splitlines()[1]
        assert "val loss" in text or "train loss" in text
        assert "▌1 best" in text
        assert any("\u2800" < letter < "\u28ff" for letter in text)
        await pilot.press("j")
        assert "▌2 middle" in screen_text(app)
        await pilot.press("v")
        assert "VALUE" in screen_text(app)


@pytest.mark.parametrize("size", SIZES)
async def test_every_view_is_drawn_at_any_size(size):
    async with ranking(size=size) as (app, pilot, screen):
        for _ in range(2):
            await pilot.press("v")
            await settle(pilot, lambda: screen.importance is not None)
            await pilot.pause()
            assert all(len(line) <= size[0] for line in screen_text(app).splitlines())


async def test_runs_of_one_setting_have_no_axes():
    runs = [trained(f"r{i}", 1.0 + i, settings={"lr": 0.1}) for i in range(4)]
    async with ranking(runs) as (app, pilot, screen):
        for _ in range(2):
            await pilot.press("v")
            await settle(pilot, lambda: screen.importance is not None)
            await pilot.pause()
            assert "no setting that differs was given" in screen_text(app)


async def test_what_was_judged_of_one_metric_is_not_shown_for_another():
    async with ranking() as (_, pilot, screen):
        await pilot.press("v")
        await settle(pilot, lambda: screen.importance is not None)
        before = screen.importance
        await pilot.press("m")
        assert screen.importance is None or screen.importance is not before
        await settle(pilot, lambda: screen.importance is not None)
        assert screen.importance is not before


async def test_hostile_settings_are_drawn_safely():
    runs = [
        trained(f"r{i}", 1.0 + i, settings={"\x1b[2J": i, "b": f"\x1b]0;{i % 2}\x07"})
        for i in range(4)
    ]
    async with ranking(runs) as (app, pilot, screen):
        for _ in range(2):
            await pilot.press("v")
            await settle(pilot, lambda: screen.importance is not None)
            await pilot.pause()
            assert all(line.isprintable() for line in screen_text(app).splitlines())


async def test_the_metric_key_cycles_and_the_direction_follows():
    async with ranking() as (app, pilot, screen):
        await pilot.press("m")
        assert (screen.metric, screen.direction) == ("accuracy", "higher")
        assert names(screen)[0] == "middle"
        assert "highest accuracy" in screen_text(app)
        await pilot.press("M")
        assert screen.metric == "train_loss"
        await pilot.press("M")
        assert screen.metric == "duration"


async def test_a_reversed_direction_is_kept_for_its_metric():
    async with ranking() as (app, pilot, screen):
        await pilot.press("m", "i")
        assert "lowest accuracy" in screen_text(app)
        await pilot.press("M", "m")
        assert screen.direction == "lower"
        await pilot.press("i")
        assert screen.direction == "higher"


async def test_a_metric_that_nobody_can_judge_is_asked_about():
    stats = {"alpha": MetricStats(last=1.0, min=0.5, max=2.0)}
    runs = [make_run("a", stats=stats), make_run("b", stats={"alpha": MetricStats(min=0.1, max=1)})]
    async with ranking(runs) as (app, pilot, screen):
        await pilot.press("m")
        assert screen.metric == "alpha"
        assert "Are lower or higher values of alpha better?" in screen_text(app)
        assert names(screen) == []
        await pilot.press("i")
        assert names(screen) == ["b", "a"]
        await pilot.press("i")
        assert names(screen) == ["a", "b"]
        assert app.main_screen.view.directions == (("alpha", "higher"),)


async def test_the_top_10_or_25_show_their_own_differing_settings():
    runs = [
        trained(f"run-{i}", float(i), settings={"lr": i // 10, "depth": i // 20, "width": i % 2})
        for i in range(30)
    ]
    async with ranking(runs) as (app, pilot, screen):
        assert "best  lowest train loss" in screen_text(app)
        await pilot.press("G", "t")
        assert "best  top 10  lowest train loss" in screen_text(app)
        assert "30 of 30 runs" in screen_text(app)
        assert names(screen) == [f"run-{i}" for i in range(10)]
        assert screen.cursor == 0
        headings = screen_text(app).splitlines()[1].split()
        assert headings[-1] == "width"
        await pilot.press("t")
        assert len(names(screen)) == 25
        assert set(screen_text(app).splitlines()[1].split()) >= {"lr", "width", "depth"}
        await pilot.press("m")
        assert "best  top 25  highest accuracy" in screen_text(app)
        await pilot.press("t")
        assert len(names(screen)) == 30


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["j"], "run-1"),
        (["down", "down", "k"], "run-1"),
        (["up"], "run-0"),
        (["G"], "run-99"),
        (["end", "home"], "run-0"),
        (["G", "g"], "run-0"),
        (["pagedown", "pageup"], "run-0"),
    ],
)
async def test_moving(keys, expected):
    runs = [trained(f"run-{i}", 1.0 + i) for i in range(100)]
    async with ranking(runs, size=(80, 24)) as (app, pilot, _):
        await pilot.press(*keys)
        assert f" {expected} " in cursor_line(app)


async def test_enter_goes_to_the_run_in_the_list():
    async with ranking() as (app, pilot, _):
        await pilot.press("j", "j", "enter")
        await settle(pilot, lambda: app.screen is app.main_screen)
        assert app.main_screen.view.selected == RUNS[1].id


async def test_marks_are_shared_with_the_list_and_compared():
    async with ranking() as (app, pilot, best):
        before = app.main_screen.view.selected
        await pilot.press("space", "j", "space")
        assert "2 marked" in screen_text(app)
        assert cursor_line(app).startswith("▌◆")
        assert app.main_screen.view.marks == (RUNS[3].id, RUNS[0].id)
        assert app.main_screen.view.selected == before
        await pilot.press("space", "space", "c")
        await settle(pilot, lambda: isinstance(app.screen, CompareScreen))
        assert set(app.main_screen.view.compared) == {RUNS[3].id, RUNS[0].id}
        for screen in (best, app.main_screen):
            await pilot.press("escape")
            await settle(pilot, lambda wanted=screen: app.screen is wanted)


async def test_the_run_at_the_cursor_is_compared_with_the_baseline():
    async with ranking() as (app, pilot, best):
        await pilot.press("j", "c")
        await settle(pilot, lambda: isinstance(app.screen, CompareScreen))
        assert app.main_screen.view.compared == (RUNS[0].id, RUNS[1].id)  # and the next leader
        await pilot.press("escape")
        await settle(pilot, lambda: app.screen is best)
        app.main_screen.session.change(replace(app.main_screen.view, baseline=RUNS[1].id))
        await pilot.press("k", "c")
        await settle(pilot, lambda: isinstance(app.screen, CompareScreen))
        assert app.main_screen.view.compared == (RUNS[1].id, RUNS[3].id)


async def test_it_says_how_many_runs_are_better_than_the_baseline():
    async with ranking() as (app, pilot, _):
        app.main_screen.session.change(replace(app.main_screen.view, baseline=RUNS[0].id))
        await pilot.pause()
        text = screen_text(app)
        place = next(i for i, row in enumerate(text.splitlines()[2:]) if "⚑" in row)
        assert f"{place} better than the baseline" in text


@pytest.mark.parametrize("key", ["escape", "b", "q", "ctrl+c"])
async def test_back_to_the_runs(key):
    async with ranking() as (app, pilot, _):
        await pilot.press(key)
        await settle(pilot, lambda: app.screen is app.main_screen)


async def test_help_palette_and_back():
    async with ranking() as (app, pilot, _):
        await help_palette_and_back(app, pilot, "keys: best runs")


async def test_ranks_change_live_and_the_cursor_stays_on_its_run():
    async with ranking() as (app, pilot, screen):
        await pilot.press("j")
        app.post_runs([trained("middle", 0.5, settings={"lr": 1e-3}), *RUNS[1:]])
        await settle(pilot, lambda: names(screen)[0] == "middle")
        await settle(pilot, lambda: " middle " in cursor_line(app))
        assert cursor_line(app).split()[1] == "1"


async def test_a_leaderboard_without_the_metric_says_so():
    async with ranking([trained("lost", math.nan)]) as (app, pilot, screen):
        assert "no run has a finite train loss" in screen_text(app)
        await pilot.press("j", "G", "space", "enter", "i")
        assert app.screen is screen


async def test_a_click_takes_the_cursor_along():
    async with ranking() as (app, pilot, _):
        await pilot.click("#best-rows", offset=(12, 3))
        assert " worst " in cursor_line(app)


async def test_hostile_names_are_drawn_as_plain_text():
    name = "\x1b]0;pwned\x07[@click=app.quit]x[/]\x9b31m\u202e"
    path = Path("/nowhere/experiment_logs")
    runs = [
        trained(name, 1.0, id=str(path / "one.json"), settings={name: 1}),
        trained("other", 2.0, id=str(path / "two.json"), settings={name: name}),
    ]
    async with ranking(runs) as (app, _, _):
        assert all(part.isprintable() for part in screen_text(app).split("\n"))


async def test_ten_thousand_runs_draw_only_the_rows_on_screen():
    runs = [trained(f"run-{i}", 1.0 + i) for i in range(10_000)]
    async with ranking(runs, size=(120, 40)) as (app, pilot, screen):
        await pilot.press("G")
        assert len(screen.query_one("#best-rows").lines()) <= 40
        assert " run-9999 " in cursor_line(app)


async def test_a_setting_that_nobody_gave_is_quiet():
    runs = [
        trained(name, 1.0, settings={"lr": lr}, environment={"given": names})
        for name, lr, names in (("a", 1e-3, ["lr"]), ("b", 3e-4, []))
    ]
    async with ranking(runs) as (_, _, screen):
        lines = leader_lines(
            field_of("train_loss"), screen.leaders, 0, 0, {}, short_run_name, 80, 9
        )
        roles = {piece.text.strip(): piece.role for line in lines for piece in line}
        assert (roles["0.001"], roles["0.0003 (default)"]) == ("text", "muted")
