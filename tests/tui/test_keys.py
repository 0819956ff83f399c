import subprocess
import sys

import pytest
from tests.runs import make_runs
from tests.waiting import settle
from textual.app import App
from tui_runs import PostedApp, line_text, showing, toasts

from traintop.lines import line_width
from traintop.tui.key_table import KEYS
from traintop.tui.kit.help import HelpScreen, help_lines
from traintop.tui.kit.keys import (
    Need,
    Place,
    Situation,
    bindings_of,
    footer_line,
    key_of_action,
    keys_of,
    use_table,
)
from traintop.tui.plots.chooser import ChartChooser


@pytest.fixture(autouse=True)
def _own_keys():
    use_table(KEYS)
    yield
    use_table(KEYS)


EVERYTHING = Situation(Place.RUNS, frozenset(Need))


@pytest.mark.parametrize("place", list(Place))
def test_no_key_has_two_meanings_in_one_place(place):
    names = [name for key in keys_of(place) for name in key.names]
    assert len(names) == len(set(names))
    assert len({key.name for key in KEYS}) == len(KEYS)


@pytest.mark.parametrize(
    "make_screen",
    [
        lambda: PostedApp().main_screen,
        lambda: HelpScreen(Place.RUNS),
        lambda: ChartChooser((), (), print),
    ],
)
def test_every_key_of_the_table_has_an_action_on_its_screen(make_screen):
    screen = make_screen()
    bindings = bindings_of(*screen.PLACES)
    assert bindings
    for binding in bindings:
        action = binding.action.split("(")[0]
        if not action.startswith("app."):
            assert callable(getattr(screen, f"action_{action}"))


def test_an_action_finds_its_key_with_its_parameters():
    assert key_of_action("move", (1,), Place.RUNS).name == "down"
    assert key_of_action("move", (-1,), Place.RUNS).name == "up"
    assert key_of_action("unzoom", (), Place.RUNS) is None


@pytest.mark.parametrize("width", range(0, 200, 7))
def test_the_footer_never_outgrows_its_width(width):
    assert line_width(footer_line(EVERYTHING, "12 marked", width)) <= width


def test_the_footer_keeps_help_and_quit_to_the_last():
    text = line_text(footer_line(Situation(Place.RUNS, frozenset({Need.RUNS})), "", 16))
    assert text.split() == ["?", "help", "q", "quit"]


def test_keys_stand_out_without_colours_too():
    line = footer_line(EVERYTHING, "", 40)
    bold = {piece.text.strip() for piece in line if piece.bold}
    assert {"?", "q"} <= bold
    assert "help" not in bold


def test_the_footer_shows_only_what_applies():
    empty = line_text(footer_line(Situation(Place.RUNS), "", 160))
    assert empty.split() == ["?", "help", "q", "quit"]
    zoom = line_text(footer_line(Situation(Place.ZOOM, frozenset(Need)), "", 160))
    assert "esc back" in zoom
    assert "sort" not in zoom
    assert "unmark" not in line_text(
        footer_line(Situation(Place.RUNS, frozenset({Need.RUNS})), "", 160)
    )


@pytest.mark.parametrize("place", list(Place))
@pytest.mark.parametrize("width", [30, 40, 80, 96])
def test_the_help_lists_every_key_of_the_place_in_full(place, width):
    lines = [line_text(line) for line in help_lines(place, width)]
    text = "\n".join(lines)
    words = set(text.split())
    for key in keys_of(place):
        assert key.shown in text
        assert words.issuperset(key.help.split())
    assert max(map(len, lines)) <= width


def test_arrow_keys_are_words_where_arrows_cannot_be_drawn():
    use_table(KEYS, ascii_only=True)
    shown = [key.shown for key in KEYS]
    assert all(text.isascii() for text in shown)
    assert {"j down", "k up", "left", "shift+right"} <= {*shown}


@pytest.mark.parametrize("place", [Place.ZOOM, Place.COMPARE, Place.BEST])
def test_the_footer_shows_the_way_back_where_not_all_keys_fit(place):
    text = line_text(footer_line(Situation(place, frozenset(Need)), "", 60))
    assert "back" in text
    assert text.rstrip().endswith("? help")


@pytest.mark.parametrize("continued", [True, False])
async def test_no_shell_behind_means_no_stop(monkeypatch, continued):
    stops = []
    monkeypatch.setattr(App, "action_suspend_process", lambda app: stops.append(app))
    monkeypatch.setattr("traintop.tui.app.can_be_continued", lambda: continued)
    async with showing(make_runs(1)) as (app, pilot):
        await pilot.press("ctrl+z")
        await settle(pilot, lambda: stops or toasts(app))
        assert (len(stops), len(toasts(app))) == (continued, not continued)


@pytest.mark.parametrize("own", [{"start_new_session": True}, {"process_group": 0}])
def test_a_session_of_its_own_has_no_shell_behind(own):
    code = "from traintop.terminal import can_be_continued; print(can_be_continued())"
    output = subprocess.check_output([sys.executable, "-c", code], text=True, **own)
    assert output.strip() == str("process_group" in own)
