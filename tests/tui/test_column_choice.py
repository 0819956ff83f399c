import pytest
from msgspec.structs import replace
from tests.runs import make_run, make_runs
from tui_runs import screen_text, showing

from traintop.model import Annotations, MetricStats
from traintop.tui.columns import DEFAULT_CHOICES, DEFAULT_COLUMNS, ColumnChoice
from traintop.tui.main.column_chooser import ColumnChoosing, ColumnsScreen
from traintop.tui.view import SortOrder

OFFERED = (*DEFAULT_COLUMNS, "config.d_model", "best_acc")


def keys(choosing):
    return [choice.key for choice in choosing.chosen]


def test_a_column_is_added_at_the_end_and_taken_away():
    choosing = ColumnChoosing(DEFAULT_CHOICES, OFFERED).move_to(len(DEFAULT_CHOICES) + 1)
    assert choosing.key == "best_acc"
    added = choosing.toggle()
    assert keys(added) == [*DEFAULT_COLUMNS, "best_acc"]
    assert keys(added.move_to(0).toggle()) == [*DEFAULT_COLUMNS[1:], "best_acc"]


def test_the_last_column_stays():
    alone = ColumnChoosing((ColumnChoice("name"),), OFFERED)
    assert alone.toggle() == alone


def test_the_order_changes_and_the_cursor_goes_with_the_column():
    choosing = ColumnChoosing(DEFAULT_CHOICES, OFFERED).move_to(1)
    later = choosing.shift(1)
    assert keys(later)[:3] == ["status", "step", "name"]
    assert later.key == "name"
    assert later.shift(-1) == choosing
    assert choosing.move_to(0).shift(-1).chosen == DEFAULT_CHOICES


def test_widths_change_by_steps_and_reset_undoes_everything():
    choosing = ColumnChoosing(DEFAULT_CHOICES, OFFERED).widen(2).move_to(4).toggle()
    assert choosing.chosen[0] == ColumnChoice("status", 4)
    assert choosing.reset().chosen == DEFAULT_CHOICES


def test_a_chosen_column_stays_when_no_run_has_it_any_more():
    choosing = ColumnChoosing((ColumnChoice("best_gone"), ColumnChoice("name")), OFFERED)
    assert choosing.keys[:2] == ("best_gone", "name")


@pytest.mark.parametrize("size", [(160, 48), (80, 24), (20, 5)])
async def test_columns_are_chosen_with_the_list_in_view(size):
    stats = {"acc": MetricStats(count=1, last=0.5, max=0.75, min=0.5)}
    async with showing([make_run("one", stats=stats)], size) as (app, pilot):
        await pilot.press("o")
        assert isinstance(app.screen, ColumnsScreen)
        offered = app.screen.choosing.keys
        for _ in range(offered.index("best_acc")):
            await pilot.press("j")
        await pilot.press("space", "K", "greater_than_sign")
        assert app.main_screen.view.columns[-2] == ColumnChoice("best_acc", 2)
        await pilot.press("s", "s")
        assert app.main_screen.view.sort == SortOrder("best_acc", reverse=True)
        await pilot.press("escape")
        assert app.screen is app.main_screen
        if size[0] == 160:
            assert "BEST ACC" in screen_text(app)
            assert "0.7500" in screen_text(app)


@pytest.mark.parametrize("size", [(160, 48), (80, 24), (20, 5)])
async def test_a_search_line_finds_columns_and_keys_are_about_those(size):
    run = make_run("one", environment={"host": "gpu7", "user": "eva", "git_commit": "c0ffee" * 5})
    async with showing([run], size) as (app, pilot):
        await pilot.press("o", "slash", *"ran", "space", *"MACHINE", "enter", "space")
        assert app.main_screen.view.columns[-1] == ColumnChoice("host")
        await pilot.press("slash", *"zz", "enter", "space", "J", "s")
        assert "no match for" in screen_text(app) or size[0] < 30
        await pilot.press("escape")
        assert app.screen.found == [*range(len(app.screen.choosing.keys))]
        await pilot.press(
            "slash", *"commit", "escape", "slash", *"commit", "down", "enter", "space"
        )
        assert len(app.main_screen.view.columns) == len(DEFAULT_COLUMNS) + 2
        await pilot.press("escape", "escape")
        assert app.screen is app.main_screen
        if size[0] == 160:
            assert {"gpu7", "c0ffeec0ff"} <= {*screen_text(app).split()}


async def test_notes_and_tags_have_a_mark_and_columns():
    noted = Annotations(
        note="too hot", tags=("paper", "old"), author="eva", time="2025-02-22T14:00"
    )
    runs = [
        make_run("one", annotations=noted),
        make_run("two", annotations=Annotations(tags=("x",))),
    ]
    async with showing(runs) as (app, pilot):
        rows = screen_text(app).splitlines()[2:4]
        assert [row[2] for row in rows] == ["✎", "#"]
        assert "Note beside the run by eva, 2025-02-22 14:00" in screen_text(app)
        chosen = tuple(map(ColumnChoice, ("name", "tags", "notes")))
        app.main_screen.session.change(replace(app.main_screen.view, columns=chosen))
        await pilot.pause()
        assert screen_text(app).splitlines()[2].split()[:6] == [
            "▌",
            "✎one",
            "paper",
            "old",
            "too",
            "hot",
        ]


async def test_the_list_alone_and_back():
    async with showing(make_runs(3)) as (app, pilot):
        await pilot.press("w")
        assert "tokens/s" not in screen_text(app)
        assert "TREND" in screen_text(app)
        await pilot.press("w")
        assert "tokens/s" in screen_text(app)
