"""The view of a directory is as it was left, and never worse for what is in the memory."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields, replace
from tests.runs import DIRECTORY, make_runs
from tests.waiting import settle
from tui_runs import PostedApp, listing, screen_text

from traintop.analysis.axes import XAxis
from traintop.directory_memory import DirectoryMemory
from traintop.settings import DEFAULTS, Settings
from traintop.tui.columns import ColumnChoice
from traintop.tui.view import Pane, SortOrder, ViewState
from traintop.tui.view_memory import plain_view, recalled_view

LEFT = ViewState(
    sort=SortOrder("name", reverse=True),
    group="host",
    columns=(ColumnChoice("name", 3), ColumnChoice("config.d_model")),
    filter="run",
    pane=Pane.SUMMARY,
    x_axis=XAxis("wallclock_time", log=True),
    log_y=True,
    smoothing=3,
    directions=(("alpha", "lower"),),
)


def with_memory(memory, settings=DEFAULTS):
    return listing(make_runs(3), app=PostedApp(settings=settings, memory=memory))


def test_a_view_is_restored_except_for_its_runs():
    charts = replace(LEFT.charts, zoomed=True, span=10.0, end=50.0, cursor=45.0)
    marked = replace(LEFT, selected=DIRECTORY / "a", marks=(DIRECTORY / "a",), charts=charts)
    assert recalled_view(plain_view(marked), ViewState()) == LEFT


def test_columns_are_recalled_by_their_names_of_today():
    names = ["loss", "val", "throughput", "config:d_model", "last:acc", "mean:acc", "trend"]
    plain = {"columns": [{"key": name} for name in names], "sort": {"column": "best:acc"}}
    view = recalled_view(plain, ViewState())
    assert [column.key for column in view.columns] == [
        *("train_loss", "best_val_loss", "tokens_per_sec", "config.d_model", "acc", "mean_acc"),
        "trend",
    ]
    assert view.sort.column == "best_acc"


@pytest.mark.parametrize("name", ["", "age", "train_loss", "trend", "x" * 5000])
def test_a_view_groups_by_nothing_that_moves_on(name: str) -> None:
    assert recalled_view({"group": name}, ViewState()).group == ""


def test_what_was_answered_goes_before_what_is_set():
    set_before = ViewState(directions=(("alpha", "lower"), ("beta", "lower")))
    view = recalled_view({"directions": [["alpha", "higher"]]}, set_before)
    assert dict(view.directions) == {"alpha": "higher", "beta": "lower"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"smoothing": 99},
        {"smoothing": -1},
        {"smoothing": "3"},
        {"filter": "x" * 10_000},
        {"filter": ["x"]},
        {"columns": []},
        {"columns": [{"key": "name", "wider": 10**9}]},
        {"columns": [{"key": "name"}] * 1000},
        {"sort": {"column": 3}},
        {"pane": "kitchen"},
        {"directions": [["alpha", "down"]]},
        {"directions": [["alpha" * 1000, "lower"]]},
        {"x_axis": {"name": "x" * 10_000}},
        {"x_axis": "tokens"},
        {"selected": "/etc/passwd"},
        {"no such field": 1},
        {"log_y": None},
    ],
)
def test_invalid_parts_of_a_saved_view_are_dropped(wrong):
    plain = {**plain_view(LEFT), **wrong}
    recalled = recalled_view(plain, ViewState())
    for field in fields(ViewState):
        expected = ViewState() if field.name in wrong else LEFT
        assert getattr(recalled, field.name) == getattr(expected, field.name)


_JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=9,
)


@given(st.dictionaries(st.sampled_from([field.name for field in fields(ViewState)]), _JSON))
def test_any_saved_data_makes_a_working_view(plain):
    state = recalled_view(plain, ViewState())
    assert state.smoothing_weight >= 0
    assert recalled_view(plain_view(state), ViewState()) == state


async def test_a_session_begins_where_the_last_one_ended(tmp_path):
    path = tmp_path / "views.json"
    async with with_memory(DirectoryMemory(path, [DIRECTORY])) as (app, pilot):
        await pilot.press("s", "S", "l", "+", "+", "ctrl+t", "slash", *"run", "enter")
        left = app.main_screen.view
        app.remember()
    async with with_memory(DirectoryMemory(path, [DIRECTORY])) as (app, _):
        now = app.main_screen.view
        assert replace(now, selected=None) == replace(left, selected=None)
        assert app.theme == "traintop-light"
        assert "/ run" in screen_text(app)


async def test_a_saved_view_overrides_the_settings(tmp_path):
    settings = Settings(smoothing=0.9, theme="light")
    path = tmp_path / "views.json"
    async with with_memory(DirectoryMemory(path, [DIRECTORY]), settings) as (app, pilot):
        assert app.main_screen.view.smoothing_weight == 0.9
        await pilot.press("-", "ctrl+t")
        app.remember()
    async with with_memory(DirectoryMemory(path, [DIRECTORY]), settings) as (app, _):
        assert app.main_screen.view.smoothing_weight == 0.8
        assert app.theme == "traintop"


async def test_a_change_is_written_a_moment_later_off_the_ui_thread(tmp_path, monkeypatch):
    monkeypatch.setattr("traintop.tui.app._REMEMBER_SECONDS", 0.01)
    memory = DirectoryMemory(tmp_path / "views.json", [DIRECTORY])
    async with with_memory(memory) as (_, pilot):
        await pilot.press("l")
        await settle(pilot, lambda: (tmp_path / "views.json").exists())
        assert DirectoryMemory(tmp_path / "views.json", [DIRECTORY]).recall()["log_y"] is True


async def test_a_saved_filter_on_an_unknown_field_is_explained(tmp_path):
    memory = DirectoryMemory(tmp_path / "views.json", [DIRECTORY])
    memory.remember(plain_view(replace(LEFT, filter="width > 3")))
    async with with_memory(memory) as (app, pilot):
        assert "no run has width" in screen_text(app)
        await pilot.press("escape")
        assert len(app.main_screen.rows) == 3
