"""What the settings file does to the terminal UI."""

from __future__ import annotations

import pytest
from tests.runs import NOW, make_runs
from tests.waiting import settle
from tui_runs import PostedApp, listing, screen_text, toasts

from traintop.analysis.alerts import Alert, AlertKind
from traintop.settings import Settings
from traintop.tui.key_table import KEYS
from traintop.tui.kit import keys
from traintop.tui.kit.keymap import remapped_keys
from traintop.tui.kit.keys import Place
from traintop.tui.messages import NoticesRaised


@pytest.fixture(autouse=True)
def _own_keys():
    yield
    keys.use_table(KEYS)


def with_settings(settings, problems=(), size=(120, 40)):
    return listing(make_runs(3), size, app=PostedApp(settings=settings, problems=problems))


async def test_remapped_keys_work_and_are_shown():
    wanted = {"mark": "i", "filter": "f,ctrl+f", "unzoom": "f6"}
    async with with_settings(Settings(keys=wanted), size=(160, 40)) as (app, pilot):
        assert "i mark" in screen_text(app)
        assert "f ctrl+f filter" in screen_text(app)
        await pilot.press("space")
        assert app.main_screen.view.marks == ()
        await pilot.press("i")
        assert len(app.main_screen.view.marks) == 1
        await pilot.press("z", "escape")
        assert app.main_screen.view.charts.zoomed
        await pilot.press("f6")
        assert not app.main_screen.view.charts.zoomed
        await pilot.press("ctrl+f", *"run", "enter")
        assert app.main_screen.view.filter == "run"
        # Escape still means what else it meant.
        await pilot.press("escape")
        assert app.main_screen.view.filter == ""
        await pilot.press("?")
        await settle(pilot, lambda: "f ctrl+f" in screen_text(app))


async def test_problems_in_settings_are_reported_and_the_rest_applies():
    settings = Settings(theme="light", smoothing=0.9, keys={"mark": "j", "pin": "P"})
    async with with_settings(settings, ("settings.toml bell = 3: must be true or false",)) as (
        app,
        pilot,
    ):
        [toast] = toasts(app)
        assert "bell = 3" in toast.message
        assert "keys.mark = 'j': means down" in toast.message
        assert app.theme == "traintop-light"
        assert app.main_screen.view.smoothing_weight == 0.9
        await pilot.press("P", "space")
        assert app.main_screen.view.baseline is not None
        assert len(app.main_screen.view.marks) == 1


async def test_ctrl_t_changes_the_theme():
    async with with_settings(Settings()) as (app, pilot):
        await pilot.press("ctrl+t")
        assert app.theme == "traintop-light"
        await pilot.press("ctrl+t")
        assert app.theme == "traintop"


@pytest.mark.parametrize("on", [False, True])
async def test_bell_and_desktop_notices_are_sent_only_when_enabled(on):
    async with with_settings(Settings(bell=on, desktop_notices=on)) as (app, pilot):
        sent = []
        app._driver.write = sent.append
        app.bell = lambda: sent.append("bell")
        run = make_runs(1)[0]
        app.post_message(NoticesRaised([Alert(AlertKind.CRASHED, run.id, "a", "gone", NOW)]))
        await settle(pilot, lambda: app.notice_log.notices)
        text = "".join(sent)
        assert ("\x1b]777;notify;traintop: run-0: crashed;gone\x07" in text) is on
        assert ("\x1b]9;" in text) is on
        assert ("bell" in sent) is on


async def test_ctrl_c_always_quits():
    async with with_settings(Settings(keys={"quit": "Q", "close_help": "x"})) as (app, pilot):
        await pilot.press("q", "?", "ctrl+c")
        assert app.screen is app.main_screen
        await pilot.press("ctrl+c")
        await settle(pilot, lambda: not app.is_running)
        assert app.return_code == 0


@pytest.mark.parametrize("way", ["?", "/", "n", "e", "o", "O", "N", "ctrl+p"])
async def test_ctrl_c_leaves_the_dialog_that_is_open(way):
    async with with_settings(Settings()) as (app, pilot):
        await pilot.press(way)
        assert app.screen is not app.main_screen or (
            app.main_screen.situation.place is Place.FILTER
        )
        await pilot.press("ctrl+c")
        await settle(pilot, lambda: app.screen is app.main_screen)
        assert app.main_screen.situation.place is not Place.FILTER
        assert app.is_running


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"marks": "i"}, "keys.marks: no such action; did you mean 'mark' or"),
        ({"mark": "hyper+v"}, "not a key"),
        ({"mark": ""}, "not a key"),
        ({"mark": "j"}, "means down"),
        ({"mark": "ctrl+c"}, "means quit"),
        ({"mark": "i", "pin": "i"}, "already"),
    ],
)
def test_impossible_keys_are_reported(wanted, said):
    table, problems = remapped_keys(KEYS, wanted)
    assert len(problems) == 1
    assert said in problems[0]
    assert sum(key != own for key, own in zip(table, KEYS, strict=True)) == len(wanted) - 1


def test_hostile_keys_are_reported_as_plain_text():
    wanted = {"\x1b]0;pwned\x07": "m", "mark": "\x1b[31m", "pin": "i\x85,\x1ff5"}
    table, problems = remapped_keys(KEYS, wanted)
    assert len(problems) == 2
    assert all(problem.isprintable() for problem in problems)
    [pin] = [key for key in table if key.name == "pin"]
    assert (pin.keys, pin.shown) == ("i,f5", "i f5")


def test_two_keys_may_be_exchanged():
    table, problems = remapped_keys(KEYS, {"mark": "p", "pin": "space"})
    assert problems == ()
    assert {key.name: key.keys for key in table if key.name in ("mark", "pin")} == {
        "mark": "p",
        "pin": "space",
    }
