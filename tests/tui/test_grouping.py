"""Runs in groups of one host, root or setting: a heading over each, and the runs below it."""

from __future__ import annotations

import math

import pytest
from msgspec.structs import replace
from tests.runs import NOW, make_run
from tests.waiting import settle
from tui_runs import PostedApp, line_text, listed_names, listing, screen_text, selected

from traintop.analysis.ranking import RunGroup, grouped_by
from traintop.fields import field_of
from traintop.model import RunStatus, RunSummary
from traintop.store.snapshot import PlaceState
from traintop.tui.main.column_chooser import ColumnsScreen
from traintop.tui.main.row_layout import format_group
from traintop.tui.main.run_table import RunTable
from traintop.tui.view import SortOrder, sort_runs

AWAY = PlaceState("gpu8", ("ssh://gpu8/runs",), "away 3m, tries every 20s", "no route to host")


def run_on(host: str, name: str, **changes: object) -> RunSummary:
    address = f"ssh://{host}/runs"
    return make_run(name, id=f"{address}/{name}.json", root=address, **changes)


def fleet() -> list[RunSummary]:
    """The newest run is on gpu8, the next two on gpu7, and one more on gpu8."""
    ended = {"status": RunStatus.FINISHED}
    hosts = [("gpu8", {}), ("gpu7", {}), ("gpu7", ended), ("gpu8", {})]
    return [
        run_on(host, f"run-{i}", age=60.0 * i, **changes)
        for i, (host, changes) in enumerate(hosts, start=1)
    ]


def list_lines(app: PostedApp) -> list[str]:
    table = app.screen.query_one(RunTable)
    return [table.render_line(y).text.rstrip() for y in range(1, table.page_rows + 1)]


def test_groups_stand_in_order_and_runs_keep_theirs():
    rows = sort_runs(fleet(), SortOrder("age"), NOW, "host")
    assert [run.name for run in rows.runs] == ["run-2", "run-3", "run-1", "run-4"]
    assert [group.title for group in rows.groups] == ["gpu7", "gpu8"]
    shown = [rows.at_line(line) for line in range(-1, rows.lines + 1)]
    assert [isinstance(one, RunGroup) for one in shown[1:-1]] == [True, False, False] * 2
    assert shown[0] is shown[-1] is None
    for position, run in enumerate(rows.runs):
        assert rows.at_line(rows.line(position)) is run


@pytest.mark.parametrize(
    ("name", "values", "titles"),
    [
        ("config.lr", [0.1, None, 0.01, math.nan], ["lr 0.01", "lr 0.1", "no lr"]),
        ("config.fast", [True, False], ["fast false", "fast true"]),
        ("config.model", ["\x1b[2J", "a"], ["model �[2J", "model a"]),
    ],
)
def test_a_title_says_what_the_runs_share(name, values, titles):
    setting = name.removeprefix("config.")
    runs = [make_run(str(i), config={setting: value}) for i, value in enumerate(values)]
    groups = grouped_by(runs, field_of(name), NOW)
    assert [group.title for group in groups] == titles
    assert sorted(run.name for group in groups for run in group.runs) == [run.name for run in runs]


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (80, "gpu8  2 runs  ◌ 2 last known  away 3m, tries every 20s"),
        (45, "gpu8  2 runs  ◌ 2  away 3m, tries every 20s"),
        (20, "gpu8  2 runs  ◌ 2  …"),
    ],
)
def test_a_heading_says_that_its_place_is_away(width, text):
    here, there = grouped_by(fleet(), field_of("host"), NOW)
    assert line_text(format_group(there, [AWAY], width)) == text
    assert line_text(format_group(here, [AWAY], width)).startswith("gpu7  2 runs  ● 1 r")


def test_a_heading_over_several_places_says_which_are_away():
    (group,) = grouped_by(fleet(), field_of("config.d_model"), NOW)
    text = line_text(format_group(group, [AWAY], 99))
    assert text.endswith("● 1 running  ◌ 2 last known  gpu8 away 3m, tries every 20s")


async def test_a_key_groups_by_host_by_root_and_not_at_all():
    async with listing(fleet(), (80, 24)) as (app, pilot):
        assert "2 runs" not in screen_text(app)
        await pilot.press("h")
        lines = list_lines(app)
        assert lines[0] == " gpu7  2 runs  ● 1 running"
        assert ["run-2 " in lines[1], "run-3 " in lines[2]] == [True, True]
        assert lines[3] == " gpu8  2 runs  ● 2 running"
        await pilot.press("h")
        assert list_lines(app)[3].startswith(" ssh://gpu8/runs  2 runs")
        await pilot.press("h")
        assert listed_names(app) == ["run-1", "run-2", "run-3", "run-4"]
        assert "2 runs" not in screen_text(app)


@pytest.mark.parametrize("size", [(160, 48), (100, 30), (80, 24), (20, 5)])
async def test_the_cursor_goes_over_headings_at_any_size(size):
    async with listing(fleet(), size) as (app, pilot):
        await pilot.press("h", "g", "space")
        seen = [selected(app)]
        for _ in range(3):
            await pilot.press("j")
            seen.append(selected(app))
            cursor = [line for line in list_lines(app) if line.startswith("▌")]
            assert [selected(app) in line for line in cursor] == [True]
        assert seen == ["run-2", "run-3", "run-1", "run-4"]
        assert [run_id[-10:] for run_id in app.main_screen.view.marks] == ["run-2.json"]
        await pilot.press("g")
        assert list_lines(app)[0].startswith(" gpu7")


async def test_cursor_and_marks_stay_on_their_runs_in_groups():
    runs = fleet()
    async with listing(runs, (80, 24)) as (app, pilot):
        await pilot.press("h", "G", "space")
        app.post_runs([run_on("gpu6", "new", age=1.0), *runs])
        # Its pane has the height for them a layout later.
        await settle(pilot, lambda: list_lines(app)[0] == " gpu6  1 run  ● 1 running")
        assert selected(app) == "run-4"
        assert list_lines(app)[7].startswith("▌◆")


async def test_a_click_below_a_heading_is_about_the_run_there():
    async with listing(fleet(), (80, 24)) as (app, pilot):
        await pilot.press("h")
        for line, name in ((2, "run-2"), (1, "run-2"), (5, "run-1"), (4, "run-1")):
            await pilot.click(RunTable, offset=(10, line))
            assert selected(app) == name


async def test_any_text_or_setting_groups_from_the_columns():
    async with listing(fleet(), (80, 24)) as (app, pilot):
        await pilot.press("o", "slash", *"records", "enter", "g")
        assert isinstance(app.screen, ColumnsScreen)
        assert app.main_screen.view.group == ""  # which moves on
        await pilot.press("escape", "slash", *"d_model", "enter", "g")
        assert "groups setting d_model" in screen_text(app)
        assert app.main_screen.view.group == "config.d_model"
        assert [group.title for group in app.main_screen.rows.groups] == ["d_model 512"]
        await pilot.press("g")
        assert app.main_screen.view.group == ""


async def test_a_filter_leaves_the_groups_of_what_it_finds():
    async with listing(fleet(), (80, 24)) as (app, _):
        app.main_screen.session.change(
            replace(app.main_screen.view, group="host", filter="finished")
        )
        assert [group.run_count for group in app.main_screen.rows.groups] == ["1 run"]
        assert app.main_screen.rows.total == 4
