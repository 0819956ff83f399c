"""A curve is traced to the row of its run by colour, and where there is none by its marker."""

from __future__ import annotations

import re

import pytest
from tests.runs import DIRECTORY, make_runs
from tui_runs import screen_text, settle, showing

from traintop.tui.kit.themes import Look
from traintop.tui.plots import runs as run_colors
from traintop.tui.plots.runs import COLORS, distinct_colors

MARK = 1  # the column of the list in which marks stand


def row_of(app, name):
    return next(line for line in screen_text(app).splitlines() if f" {name} " in line[:40])


def legend_markers(app):
    """The markers of the legends of all charts, each with the run it stands behind."""
    found = re.findall(r"(run-\d+) +(?:─(.)─|(.)\3\3) ", screen_text(app))
    return {(name, first or second) for name, first, second in found}


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"LC_ALL": "C"}])
async def test_without_colours_the_list_has_the_markers_of_the_charts(monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    runs = make_runs(10)
    async with showing(runs) as (app, pilot):
        await pilot.press(*["space", "j"] * 5)
        for run in runs[:6]:
            app.post_history(run, points=50)
        await settle(pilot, lambda: len(app.main_screen.plotted.loaded) == 6)
        await pilot.press("z")
        await settle(pilot, lambda: len(legend_markers(app)) == 6)
        markers = dict(legend_markers(app))
        assert len(set(markers.values())) == 6
        await pilot.press("m")
        await settle(pilot, lambda: "tokens/s" in screen_text(app))
        assert dict(legend_markers(app)) == markers
        await pilot.press("escape")
        for run in runs[:5]:
            assert row_of(app, run.name)[MARK] == markers[run.name]
        assert row_of(app, "run-5")[MARK] == row_of(app, "run-6")[MARK] == " "
        await pilot.press("b")
        for run in runs[:5]:
            assert row_of(app, run.name)[MARK] == markers[run.name]


async def test_with_colours_the_list_needs_no_chart_markers(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    async with showing(make_runs(3)) as (app, pilot):
        await pilot.press("space", "j", "space")
        assert [row_of(app, f"run-{n}")[MARK] for n in range(3)] == ["◆", "◆", " "]


def test_runs_beyond_the_colours_have_indices_of_their_own():
    paths = [DIRECTORY / str(number) for number in range(run_colors._INDICES)]
    alike = distinct_colors(dict.fromkeys(paths, 3), paths)
    assert sorted(alike.values()) == list(range(len(paths)))
    spread = distinct_colors({path: place for place, path in enumerate(paths)}, paths)
    assert all(spread[path] % COLORS == place % COLORS for place, path in enumerate(paths))
    assert len(set(spread.values())) == len(paths)


async def test_the_cursor_recolours_none_of_many_marked_runs():
    look = Look(dark=True, letters=True, ascii_only=False)
    async with showing(make_runs(20)) as (app, pilot):
        await pilot.press("asterisk")
        marks = app.main_screen.plotted.curve_marks(look)
        assert len({mark.text for mark in marks.values()}) == 20
        for key in ("j", "G", "k"):
            await pilot.press(key)
            assert app.main_screen.plotted.curve_marks(look) == marks
