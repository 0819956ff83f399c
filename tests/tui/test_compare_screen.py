"""The comparison: every key of it, at every size, while runs go on."""

from __future__ import annotations

import os
import re
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.drawing import is_drawn
from tests.runs import make_run, make_runs
from tests.waiting import settle
from tui_runs import PostedApp, help_palette_and_back, screen_text

from traintop.analysis.comparison_text import column_label
from traintop.charts.group_curves import GroupCurves
from traintop.model import MetricStats, RunStatus
from traintop.tui.compare.screen import CompareScreen
from traintop.tui.compare.table import compare_table
from traintop.tui.kit.dialogs import ChoiceScreen
from traintop.tui.kit.entry import EntryScreen
from traintop.tui.kit.help import HelpScreen
from traintop.tui.rows import RunRows
from traintop.tui.view import ViewState, describe_comparison, runs_to_compare

SIZES = [(160, 48), (100, 30), (80, 24), (60, 20), (20, 5), (1, 1)]


def trained(name: str, best: float, *, seed: int = 0, lr: float = 1e-3, **changes):
    losses = MetricStats(count=5, last=best, min=best, max=4.0, mean=best, min_iteration=40)
    return make_run(
        name,
        best_val_loss=best,
        config={"experiment_name": name, "max_iters": 100, "seed": seed, "optimizer": {"lr": lr}},
        stats={"val_loss": losses, "train_loss": losses},
        **changes,
    )


RUNS = [trained("a_s0", 2.0), trained("a_s1", 2.5, seed=1), trained("b_s0", 1.5, lr=3e-4)]


@asynccontextmanager
async def comparing(runs=RUNS, *, marks=None, size=(160, 48), read=True):
    app = PostedApp()
    async with app.run_test(size=size, notifications=True) as pilot:
        app.post_runs(runs)
        await settle(pilot, lambda: len(app.main_screen.rows) == len(runs))
        for place in range(len(runs) if marks is None else marks):
            await pilot.press(*(["g"] + ["j"] * place + ["space"]))
        await pilot.press("c")
        await settle(pilot, lambda: isinstance(app.screen, CompareScreen))
        screen = app.screen
        if read:
            for run in runs:
                app.post_history(run, points=50)
            compared = app.main_screen.view.compared
            await settle(pilot, lambda: set(compared) <= app.main_screen.plotted.loaded)
            await settle(pilot, lambda: is_drawn(app))
        await pilot.pause()
        yield app, pilot, screen


def columns(screen):
    return [column.name for column in screen.comparison.columns]


def test_without_marks_the_selected_run_meets_its_neighbour():
    rows = RunRows(make_runs(4))
    paths = [run.id for run in rows.runs]
    view = ViewState(selected=paths[1])
    assert runs_to_compare(view, rows) == (paths[1], paths[2])
    assert "selected run and its neighbour" in describe_comparison(view, rows)
    last = ViewState(selected=paths[3])
    assert runs_to_compare(last, rows) == (paths[3], paths[2])
    pinned = ViewState(selected=paths[1], baseline=paths[3])
    assert runs_to_compare(pinned, rows) == (paths[3], paths[1])
    assert "the baseline and the selected run" in describe_comparison(pinned, rows)
    marked = ViewState(selected=paths[0], marks=(paths[2],))
    assert runs_to_compare(marked, rows) == (paths[2], paths[0])
    both = ViewState(selected=paths[0], marks=(paths[2], paths[1]), baseline=paths[3])
    assert runs_to_compare(both, rows) == (paths[3], paths[2], paths[1])
    assert describe_comparison(both, rows) == "2 marked runs and the baseline"


def test_marks_hidden_by_a_filter_are_compared_broken_files_not():
    shown, hidden = make_runs(4)[:2], make_runs(4)[2:]
    rows = RunRows([make_run("broken", status=RunStatus.UNREADABLE), *shown], hidden)
    hidden_paths = tuple(run.id for run in hidden)
    assert runs_to_compare(ViewState(marks=hidden_paths), rows) == hidden_paths
    broken = ViewState(selected=rows.runs[0].id)
    assert runs_to_compare(broken, rows) == tuple(run.id for run in shown)
    assert runs_to_compare(ViewState(), RunRows()) == ()


@pytest.mark.parametrize("size", SIZES)
async def test_it_opens_at_any_size(size):
    async with comparing(size=size) as (app, _, screen):
        text = screen_text(app)
        assert columns(screen) == ["a_s0", "a_s1", "b_s0"]
        if size[0] >= 80:
            for part in ("compare", "3 marked runs", "a_s0", "val loss", "best", "1.5000 ★"):
                assert part in text
            assert text.splitlines()[-1].split()[-2:] == ["?", "help"]


async def test_it_shows_differing_settings_and_baseline_deltas():
    async with comparing() as (app, _, _):
        text = screen_text(app)
        assert "optimizer.lr" in text
        assert "max_iters" not in text
        assert "-25.0%" in text
        assert "◆ a_s0 ⚑" in text
        assert "step to 2.5" in text


async def test_values_not_read_yet_look_unlike_missing_ones():
    async with comparing(read=False) as (app, pilot, _):
        line = next(row for row in screen_text(app).splitlines() if "first" in row)
        assert line.count("…") == 3
        for run in RUNS:
            app.post_history(run, points=50)
        await settle(pilot, lambda: "…" not in screen_text(app))


async def test_a_run_whose_records_fail_is_not_waited_for():
    from traintop.tui.messages import LoadFailed

    async with comparing(read=False) as (app, pilot, _):
        assert "…" in screen_text(app)
        for run in RUNS[1:]:
            app.post_history(run, points=50)
        app.main_screen.post_message(LoadFailed(RUNS[0].id, "gone"))
        await settle(pilot, lambda: "…" not in screen_text(app))


async def test_numbers_move_while_runs_go_on():
    async with comparing() as (app, pilot, _):
        app.post_runs([trained("a_s0", 1.25), *RUNS[1:]])
        await settle(pilot, lambda: "1.2500 ★" in screen_text(app))
        assert "1.5000 ★" not in screen_text(app)


async def test_the_column_cursor_moves_and_stops_at_the_ends():
    async with comparing() as (app, pilot, _):

        def cursor():
            line = next(row for row in screen_text(app).splitlines() if "⚑" in row)
            return line.split("▌")[1].lstrip(" ◆⚑").split()[0]

        assert cursor() == "a_s1"
        await pilot.press("right", "right", "right")
        assert cursor() == "b_s0"
        await pilot.press("left", "left", "left")
        assert cursor() == "a_s0"


async def test_columns_scroll_with_the_cursor_and_the_baseline_stays():
    runs = [trained(f"run-{i}", 2.0 + i / 10, lr=i) for i in range(9)]
    async with comparing(runs, size=(80, 24)) as (app, pilot, _):

        def shown():
            line = next(row for row in screen_text(app).splitlines() if "⚑" in row)
            return [f"run-{i}" for i in range(9) if f"run-{i}" in line]

        assert shown()[0] == "run-0"
        assert "more →" in screen_text(app)
        await pilot.press(*["right"] * 8)
        assert shown()[0] == "run-0"
        assert shown()[-1] == "run-8"
        assert "← " in screen_text(app)


async def test_names_that_begin_alike_differ_in_narrow_columns():
    runs = [trained(f"sweep_of_the_rates_1e-0{i}_seed", 2.0 + i / 10, lr=i) for i in range(4)]
    async with comparing(runs, size=(80, 24)) as (app, _, _):
        heading = next(row for row in screen_text(app).splitlines() if "⚑" in row)
        assert "…1e-00_seed ⚑" in heading
        assert "◆ …1e-01_seed" in heading


async def test_names_lose_what_the_list_shares():
    runs = [trained(f"{'sweep_of_rates_' * 3}1e-0{i}", 2.0, lr=i) for i in range(4)]
    alone = trained("baseline", 3.0)
    async with comparing([alone, *runs], marks=2, size=(80, 24)) as (app, _, _):
        # In the legend and over the column.
        assert re.findall(r" (\S*)rates_1e-00", screen_text(app)) == [
            "…rates_sweep_of_",
            "…of_rates_sweep_of_",
        ]


@pytest.mark.parametrize("width", [80, 60, 40])
async def test_section_names_are_whole_on_a_narrow_screen(width):
    async with comparing(size=(width, 24)) as (app, pilot, _):
        await pilot.press("tab")
        lines = [" ".join(line.split()) for line in screen_text(app).splitlines()]
        at = next(place for place, line in enumerate(lines) if line.startswith("val loss best "))
        assert lines[at + 1].startswith("last ")


async def test_rows_scroll_by_line_and_page():
    async with comparing(size=(80, 16)) as (app, pilot, _):
        before = screen_text(app)
        await pilot.press("j", "j")
        scrolled = screen_text(app)
        assert scrolled != before
        await pilot.press("k", "up")
        assert screen_text(app) == before
        await pilot.press("down", "down")
        assert screen_text(app) == scrolled
        await pilot.press("pagedown")
        assert "throughput" in screen_text(app)
        await pilot.press("pageup", "pageup")
        assert screen_text(app) == before


async def test_groups_over_seeds_on_and_off():
    async with comparing() as (app, pilot, screen):
        await pilot.press("g")
        assert columns(screen) == ["a", "b_s0"]
        text = screen_text(app)
        assert "grouped over seeds" in text
        assert "a ×2" in text
        assert "2.2500 ±0.35" in text
        await pilot.press("g")
        assert columns(screen) == ["a_s0", "a_s1", "b_s0"]


async def test_the_pinned_baseline_joins_no_seed_group_unless_marked():
    async with comparing(marks=2) as (app, pilot, _):
        await pilot.press("escape")
        await pilot.press("g", "p", "u", "j", "space", "j", "space", "c")
        await settle(pilot, lambda: isinstance(app.screen, CompareScreen))
        await pilot.press("g")
        assert columns(app.screen) == ["a_s0", "a_s1", "b_s0"]
        await pilot.press("escape", "*", "c")
        await settle(pilot, lambda: isinstance(app.screen, CompareScreen))
        await pilot.press("g")
        assert columns(app.screen) == ["a", "b_s0"]


async def test_a_comparison_without_runs_closes_when_its_dialog_does():
    async with comparing() as (app, pilot, _):
        await pilot.press("?")
        app.post_runs([])
        await settle(pilot, lambda: not app.main_screen.view.compared)
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape")
        await settle(pilot, lambda: app.screen is app.main_screen)


async def test_a_group_is_drawn_as_its_mean_with_a_band():
    async with comparing() as (app, pilot, screen):
        view, source = app.main_screen.view, app.main_screen.chart_source
        labels = {path: str(path) for path in view.compared}
        spec = source.cell("train_loss", view, labels).make_spec()
        await pilot.press("g")
        curves = GroupCurves()
        groups = [
            (column_label(column), [run.summary.id for run in column.runs])
            for column in screen.comparison.columns
        ]
        grouped = curves.spec(spec, groups)
        assert [series.label for series in grouped.series] == ["a ×2", "b_s0"]
        assert grouped.series[0].band is not None
        assert grouped.series[1].band is None
        again = curves.spec(spec, groups)
        assert again.series[0].x is grouped.series[0].x


async def test_each_metric_of_the_comparison_has_its_own_target():
    async with comparing() as (app, pilot, screen):
        assert screen.metric == "val_loss"
        await pilot.press("m")
        assert screen.metric == "train_loss"
        lines = screen_text(app).splitlines()
        first = next(place for place, line in enumerate(lines) if line.startswith(" train loss"))
        assert any("step to" in line for line in lines[first:])
        await pilot.press("m")
        assert screen.metric == "val_loss"
        await pilot.press("M")
        assert screen.metric == "train_loss"


async def test_a_target_is_entered_validated_and_reset():
    async with comparing() as (app, pilot, screen):
        await pilot.press("t")
        assert isinstance(app.screen, EntryScreen)
        assert "val loss to reach" in screen_text(app)
        await pilot.press("ctrl+u", *"abc", "enter")
        assert isinstance(app.screen, EntryScreen)
        assert "not a number" in screen_text(app)
        await pilot.press("ctrl+u", *"1e999", "enter")
        assert "must be a finite number" in screen_text(app)
        await pilot.press("ctrl+u", *"2.2", "enter")
        await settle(pilot, lambda: app.screen is screen)
        assert screen.target.value == 2.2
        assert "step to 2.2" in screen_text(app)
        await pilot.press("t", "ctrl+u", "enter")
        await settle(pilot, lambda: app.screen is screen)
        assert screen.target.value == 2.5
        await pilot.press("t", "9", "escape")
        await settle(pilot, lambda: app.screen is screen)
        assert screen.target.value == 2.5


async def test_the_column_becomes_the_baseline_here_and_in_the_list():
    async with comparing() as (app, pilot, screen):
        await pilot.press("right", "p")
        assert columns(screen) == ["b_s0", "a_s0", "a_s1"]
        assert app.main_screen.view.baseline == RUNS[2].id
        await pilot.press("escape")
        assert app.main_screen.view.baseline == RUNS[2].id


async def test_chart_choices_apply_to_the_comparison_chart_too():
    async with comparing() as (app, pilot, _):
        before = screen_text(app)
        await pilot.press("x")
        assert "gradient step" in screen_text(app)
        await pilot.press("l", "+", "+", "-", "r")
        assert app.main_screen.view.log_y
        assert "smooth 0.6" in screen_text(app)
        assert screen_text(app) != before


async def test_table_and_chart_or_one_of_them():
    async with comparing(size=(80, 24)) as (app, pilot, _):

        def has():
            text = screen_text(app)
            return ("└" in text, "optimizer.lr" in text)

        assert has() == (True, True)
        await pilot.press("tab")
        assert has() == (False, True)
        await pilot.press("z")
        assert has() == (True, False)
        await pilot.press("tab")
        assert has() == (True, True)


@pytest.mark.parametrize(("keys", "suffix"), [(["enter"], ".csv"), (["j", "enter"], ".md")])
async def test_the_comparison_table_is_saved_and_its_path_shown(
    tmp_path, monkeypatch, keys, suffix
):
    monkeypatch.chdir(tmp_path)
    async with comparing() as (app, pilot, _):
        await pilot.press("e")
        assert isinstance(app.screen, ChoiceScreen)
        await pilot.press(*keys)
        await settle(pilot, lambda: f"comparison{suffix}" in screen_text(app))
    written = (tmp_path / f"comparison{suffix}").read_text()
    assert "optimizer.lr" in written
    assert os.listdir(tmp_path) == [f"comparison{suffix}"]


@pytest.mark.parametrize("key", ["escape", "c"])
async def test_back_to_the_runs(key):
    async with comparing() as (app, pilot, _):
        await pilot.press(key)
        await settle(pilot, lambda: app.screen is app.main_screen)
        assert app.main_screen.view.compared == ()
        assert "3 marked" in screen_text(app)


async def test_help_palette_and_back():
    async with comparing() as (app, pilot, _):
        await help_palette_and_back(app, pilot, "keys: comparison", "baseline")


async def test_vanished_runs_leave_and_the_last_one_closes_the_screen():
    async with comparing() as (app, pilot, screen):
        app.post_runs(RUNS[:1])
        await settle(pilot, lambda: columns(screen) == ["a_s0"])
        assert "3 marked runs, 2 of them gone" in screen_text(app)
        app.post_runs([])
        await settle(pilot, lambda: app.screen is app.main_screen)


async def test_comparing_a_single_run_does_not_fail():
    async with comparing(RUNS[:1], marks=0) as (app, pilot, screen):
        assert columns(screen) == ["a_s0"]
        await pilot.press("right", "g", "m", "p")
        assert "a_s0" in screen_text(app)


async def test_a_long_metric_name_leaves_room_for_its_row_labels():
    stats = {"layer/" * 20 + "norm": MetricStats(count=5, last=2.0, min=1.0, max=4.0, mean=2.0)}
    runs = [make_run(name, stats=stats) for name in ("a", "b")]
    async with comparing(runs) as (_, _, screen):
        [line] = [
            line for line in screen_text(screen.app).splitlines() if "…" in line and "norm" in line
        ]
        assert re.search(r"norm +(best|first|last)", line)


async def test_hostile_names_and_settings_are_drawn_as_plain_text():
    name = "\x1b]0;pwned\x07[@click=app.quit]x[/]\x9b31m\u202e"
    path = Path("/nowhere/experiment_logs")
    runs = [
        trained(name, 2.0, id=str(path / "one.json")),
        trained(f"{name}{name}", 3.0, id=str(path / "two.json"), lr=name),
    ]
    async with comparing(runs) as (app, pilot, _):
        await pilot.press("g", "g", "t")
        assert all(part.isprintable() for part in screen_text(app).split("\n"))


async def test_an_equal_update_draws_nothing(drawings):
    async with comparing() as (app, pilot, _):
        await settle(pilot, lambda: is_drawn(app))
        drawings.clear()
        app.post_runs(list(RUNS))
        await settle(pilot, lambda: drawings["screen"])
        assert drawings["panes"] == 0


async def test_what_a_comparison_hides_is_drawn_when_it_closes(drawings):
    async with comparing() as (app, pilot, _):
        await settle(pilot, lambda: is_drawn(app))
        drawings.clear()
        await pilot.press("right_square_bracket")
        await settle(pilot, lambda: drawings["charts"] and is_drawn(app))
        assert drawings["charts"] == 1
        await pilot.press("escape")
        await settle(pilot, lambda: drawings["charts"] > 1 and is_drawn(app))


async def test_a_comparison_is_made_anew_only_where_it_changes():
    async with comparing() as (app, pilot, screen):
        before = screen.comparison
        await pilot.press("right", "l", "x", "right_square_bracket")
        assert screen.comparison is before
        await pilot.press("g")
        assert screen.comparison is not before
        grouped = screen.comparison
        app.post_runs([*RUNS[:2], trained("b_s0", 1.25, lr=3e-4)])
        await settle(pilot, lambda: screen.comparison is not grouped)


async def test_fifty_marked_runs_are_compared_and_scrolled_through():
    runs = [make_run(f"run-{i:02}", age=60.0 * i) for i in range(50)]
    async with comparing(runs, marks=0, size=(80, 24), read=False) as (app, pilot, _):
        await pilot.press("escape", "asterisk", "c")
        await settle(pilot, lambda: isinstance(app.screen, CompareScreen))
        assert [column.runs[0].name for column in app.screen.comparison.columns] == [
            run.name for run in runs
        ]
        assert "50 marked runs" in screen_text(app)
        assert re.search(r"4\d more →", screen_text(app))
        for _ in range(50):
            app.screen.action_move_column(1)
        await pilot.pause()
        assert re.search(r"← 4\d more", screen_text(app))
        assert "▌◆ run-49" in screen_text(app)
        assert "run-00 ⚑" in screen_text(app)


async def test_no_sequence_of_terminal_sizes_crashes():
    async with comparing() as (app, pilot, _):
        for width, height in [(20, 5), (1, 1), (200, 60), (5, 40), (119, 13), (160, 48)]:
            await pilot.resize_terminal(width, height)
            await settle(pilot, lambda w=width, h=height: tuple(app.size) == (w, h))
            screen_text(app)
        assert "b_s0" in screen_text(app)


async def test_a_setting_that_nobody_gave_is_quiet():
    given = [
        trained(name, 2.0, lr=lr, environment={"given": names})
        for name, lr, names in (("a", 1e-3, ["optimizer"]), ("b", 3e-4, []))
    ]
    async with comparing(given) as (_, _, screen):
        rows = compare_table(screen.comparison, 0, lambda column: None, 80).rows
        roles = {piece.text.strip(): piece.role for line in rows for piece in line}
        assert (roles["0.001"], roles["0.0003 (default)"]) == ("text", "muted")


async def test_narrow_headings_keep_what_differs():
    names = [f"gpt2_small_lr0.0003_compile_bf16_seed{seed}" for seed in (1, 2)]
    runs = [trained(name, 2.0, seed=seed) for seed, name in enumerate(names)]
    async with comparing(runs, size=(40, 15)) as (_, _, screen):
        [heading, _] = compare_table(screen.comparison, 1, lambda column: None, 40).headings
        [first, second] = "".join(piece.text for piece in heading).split("◆")[1:]
        assert first.split()[0].endswith("1")
        assert second.split()[0].endswith("2")


async def test_no_width_cuts_a_number_to_another_one():
    runs = [trained(f"a_s{seed}", 1234.5678 + seed / 7, seed=seed) for seed in range(3)]
    async with comparing(runs, size=(200, 40)) as (app, pilot, _):
        await pilot.press("g", "tab")
        whole = set(screen_text(app).split())
        for width in (120, 80, 60, *range(40, 19, -2)):
            await pilot.resize_terminal(width, 40)
            rows = screen_text(app).splitlines()[3:-1]
            cut = {word for row in rows for word in row.split() if "…" not in word} - whole
            assert not any(letter.isdigit() for word in cut for letter in word), (width, cut)


async def test_two_columns_are_whole_on_forty_cells():
    async with comparing(marks=2, size=(40, 15)) as (app, pilot, _):
        await pilot.press("tab")
        assert {"2.0000", "2.5000", "120k", "★"} <= set(screen_text(app).split())
        assert "…" not in " ".join(screen_text(app).splitlines()[1:4])


async def test_a_screen_too_narrow_for_two_columns_has_the_cursors():
    async with comparing(marks=2, size=(24, 15)) as (app, pilot, _):
        await pilot.press("tab")
        assert "2.5000" in screen_text(app)
        assert "← 1 more" in screen_text(app)
        await pilot.press("left")
        assert "2.0000" in screen_text(app)
        assert "1 more →" in screen_text(app)
