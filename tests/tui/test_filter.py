"""The filter line: what is typed decides at once what is listed; a mistake is only explained."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.runs import make_run, make_runs
from tests.waiting import settle
from textual import events
from tui_runs import line_text, listed_names, listing, screen_text, showing

from traintop.analysis.alerts import AlertKind
from traintop.lines import line_width
from traintop.tui.kit.entry import TextEntry
from traintop.tui.kit.keys import Place
from traintop.tui.main.filter import count_line, mistake_line
from traintop.tui.messages import AlertsChanged
from traintop.tui.view import Pane

SIZES = [(160, 48), (100, 30), (80, 24), (60, 20), (20, 5)]


async def type_filter(app, pilot, text):
    await pilot.press("slash", *events_of(text))


def events_of(text):
    names = {" ": "space", "<": "less_than_sign", "=": "equals_sign", "-": "minus"}
    names |= {"_": "underscore", '"': "quotation_mark", ".": "full_stop"}
    return [names.get(character, character) for character in text]


@pytest.mark.parametrize("size", SIZES)
async def test_the_list_follows_what_is_typed_and_enter_keeps_it(size):
    async with listing(make_runs(30), size) as (app, pilot):
        await type_filter(app, pilot, "run-2")
        await settle(pilot, lambda: len(listed_names(app)) == 11)
        await pilot.press("enter")
        await settle(pilot, lambda: not app.screen.query(TextEntry))
        assert app.main_screen.view.filter == "run-2"
        if size[0] >= 80:
            assert "11 of 30 runs  / run-2" in screen_text(app)
        await pilot.press("escape")
        assert len(listed_names(app)) == 30


async def test_the_letters_of_keys_are_text_while_a_filter_is_typed():
    async with listing(make_runs(3)) as (app, pilot):
        await type_filter(app, pilot, "q jzs")
        await settle(pilot, lambda: "no name, tag or note has q in it" in screen_text(app))
        assert app.is_running
        assert not app.main_screen.view.charts.zoomed
        assert "enter apply" in screen_text(app)


async def test_an_empty_list_says_which_filter_empties_it():
    async with listing(make_runs(3)) as (app, pilot):
        await type_filter(app, pilot, "status = crashed")
        await settle(pilot, lambda: "No run matches status = crashed" in screen_text(app))
        assert "0 of 3 runs" in screen_text(app)


async def test_escape_brings_the_list_back_as_it_was():
    async with listing(make_runs(30)) as (app, pilot):
        await type_filter(app, pilot, "run-2")
        await pilot.press("enter")
        await type_filter(app, pilot, "9")
        await settle(pilot, lambda: listed_names(app) == ["run-29"])
        await pilot.press("escape")
        assert len(listed_names(app)) == 11
        await settle(pilot, lambda: not app.screen.query(TextEntry))


async def test_conditions_filter_and_mistakes_are_explained_below():
    async with listing(make_runs(30)) as (app, pilot):
        await type_filter(app, pilot, "loss < 2.005")
        await settle(pilot, lambda: len(listed_names(app)) == 5)
        await pilot.press(*events_of(" and d_modl == 512"))
        await settle(pilot, lambda: "no run has d_modl" in screen_text(app))
        assert "did you mean 'd_model'" in screen_text(app)
        assert len(listed_names(app)) == 5
        await pilot.press("enter")
        assert app.main_screen.situation.place is Place.FILTER


async def test_marks_and_cursor_stay_on_their_runs():
    async with listing(make_runs(30)) as (app, pilot):
        await pilot.press("space", "G", "space")
        await type_filter(app, pilot, "run-2")
        await settle(pilot, lambda: len(listed_names(app)) == 11)
        await pilot.press("enter")
        state = app.main_screen.view
        assert app.main_screen.rows.run(state.selected).name == "run-29"
        assert len(state.marks) == 2
        charted = {run.name for run in app.main_screen.plotted.runs}
        assert charted == {"run-0", "run-29"}
        await pilot.press("escape")
        assert app.main_screen.view == replace(state, filter="")


async def test_the_cursor_moves_in_the_list_while_a_filter_is_typed():
    async with listing(make_runs(30)) as (app, pilot):
        await type_filter(app, pilot, "run-2")
        await settle(pilot, lambda: len(listed_names(app)) == 11)
        await pilot.press("down")
        assert app.main_screen.rows.position(app.main_screen.view.selected) == 1


async def test_new_runs_pass_through_the_filter():
    runs = make_runs(3)
    async with listing(runs) as (app, pilot):
        await type_filter(app, pilot, "loss < 1")
        await settle(pilot, lambda: listed_names(app) == [])
        await pilot.press("enter")
        app.post_runs([make_run("low", loss=0.5), make_run("high"), *runs])
        await settle(pilot, lambda: listed_names(app) == ["low"])


async def test_a_kept_filter_whose_metric_is_gone_says_so():
    runs = [make_run("a", config={"width": 3}), make_run("b")]
    async with listing(runs) as (app, pilot):
        await type_filter(app, pilot, "width = 3")
        await pilot.press("enter")
        assert listed_names(app) == ["a"]
        app.post_runs(runs[1:])
        await settle(pilot, lambda: "no run has width" in screen_text(app))
        app.post_runs(runs)
        await settle(pilot, lambda: listed_names(app) == ["a"])


async def test_pasted_text_is_harmless():
    async with listing(make_runs(3)) as (app, pilot):
        await type_filter(app, pilot, "")
        app.post_message(events.Paste("\x1b]0;pwned\x07[@click=app.quit]\x9b31m\u202e\nsecond"))
        await settle(pilot, lambda: "click" in screen_text(app))
        entry = app.screen.query_one(TextEntry)
        assert entry.value.isprintable()
        app.post_message(events.Paste("x" * 5000))
        await settle(pilot, lambda: len(entry.value) == 500)
        await pilot.press("enter")


async def test_escape_leaves_the_pane_before_it_clears_the_filter():
    async with showing(make_runs(3), (80, 24)) as (app, pilot):
        await type_filter(app, pilot, "run-1")
        await pilot.press("enter", "tab", "escape")
        assert (app.main_screen.view.pane, app.main_screen.view.filter) == (Pane.RUNS, "run-1")
        await pilot.press("escape")
        assert app.main_screen.view.filter == ""


async def test_toasts_cover_neither_the_line_nor_the_footer():
    async with showing(make_runs(3), (80, 24)) as (app, pilot):
        await type_filter(app, pilot, "run-1")
        await settle(pilot, lambda: "1 of 3 runs" in screen_text(app))
        before = screen_text(app).splitlines()[-3:]
        for _ in range(12):
            app.notify("x" * 200, timeout=60)
        await settle(pilot, lambda: "xxx" in screen_text(app))
        assert screen_text(app).splitlines()[-3:] == before


async def test_an_open_line_sends_nothing_while_nobody_types():
    async with listing(make_runs(3)) as (app, pilot):
        await type_filter(app, pilot, "run")
        entry = app.screen.query_one(TextEntry)
        assert not entry.cursor_blink
        assert entry._blink_timer is None or not entry._blink_timer._active.is_set()


@pytest.mark.parametrize("width", [5, 20, 60, 120])
def test_notes_fit_their_width(width):
    message = "no run has d_modl: did you mean 'd_model'?"
    assert line_width(mistake_line(message, 30, width)) <= width
    assert line_width(count_line(3, 12, True, width)) <= width


def test_the_pointer_stands_under_the_mistake():
    line = line_text(mistake_line("what", 4, 80))
    assert line.index("^") == len(" / ") + 4


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_an_example_is_shown_whole_or_not_at_all(width):
    line = "".join(piece.text for piece in count_line(9, 9, True, width))
    assert "…" not in line
    assert ("val_loss < 3.2" in line) is (width >= 60)


async def test_the_words_of_marked_runs_filter_the_list():
    runs = make_runs(4)
    async with listing(runs) as (app, pilot):
        app.post_message(AlertsChanged({runs[2].id: AlertKind.DIVERGED}))
        await settle(pilot, lambda: "! div" in screen_text(app))
        await pilot.press("/", *"div", "enter")
        assert listed_names(app) == [runs[2].name]


async def test_a_filtered_run_keeps_its_name_in_the_list():
    names = [f"a_sweep_of_many_words_{rate}e-3_and_the_same_words_behind" for rate in (1, 2, 3)]
    async with listing(list(map(make_run, names)), (80, 24)) as (app, pilot):
        await pilot.press("/", *"2e", "enter")
        assert listed_names(app) == names[1:2]
        assert "2e-3" in screen_text(app).splitlines()[2]
