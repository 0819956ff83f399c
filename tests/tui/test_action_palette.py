from tests.runs import make_runs
from tests.waiting import settle
from textual.command import CommandInput, CommandList
from textual.widgets import Input
from tui_runs import selected, showing

from traintop.tui.kit.palette import ActionPalette, KeyCommands


async def test_the_palette_finds_an_action_by_its_words():
    async with showing(make_runs(20)) as (app, pilot):
        await pilot.press("ctrl+p")
        assert isinstance(app.screen, ActionPalette)
        await pilot.press(*"last run")
        found = app.screen.query_one(CommandList)
        await settle(
            pilot, lambda: found.option_count and "last run" in str(found.options[0].prompt)
        )
        await pilot.press("enter")
        await settle(pilot, lambda: app.screen is app.main_screen)
        await settle(pilot, lambda: selected(app) == "run-19")


async def test_an_action_is_found_by_other_words():
    async with showing(make_runs(2)) as (app, _pilot):
        palette = KeyCommands(app.main_screen)
        for words, shown in {
            "hide": "archive or restore",
            "diff": "compare the marked runs",
            "exit": "quit",
            "comment": "edit the note",
            "refresh": "redraw the screen",
        }.items():
            hits = [hit async for hit in palette.search(words)]
            highest = max(hit.score for hit in hits)
            best = [str(hit.text) for hit in hits if hit.score == highest]
            assert any(shown in text for text in best), (words, best)


async def test_the_palette_offers_only_what_applies():
    async with showing(make_runs(2)) as (app, pilot):
        await pilot.press("ctrl+p")
        found = app.screen.query_one(CommandList)
        await settle(pilot, lambda: found.option_count > 10)
        shown = " ".join(str(option.prompt) for option in found.options)
        assert "mark: overlay its curves" in shown
        assert "remove all marks" not in shown
        assert app.screen.query_one(CommandInput).cursor_blink is False
        await pilot.press("escape")
        await settle(pilot, lambda: app.screen is app.main_screen)


async def test_paging_in_a_palette_without_room_does_not_crash():
    async with showing(make_runs(2), (1, 1)) as (app, pilot):
        await pilot.press("ctrl+p", "pagedown", "pageup")
        assert isinstance(app.screen, ActionPalette)


async def test_a_palette_that_was_left_looks_for_nothing_more():
    async with showing(make_runs(2)) as (app, pilot):
        await pilot.press("ctrl+p", *"xqjxqj")
        palette = app.screen
        await settle(pilot, lambda: palette._no_matches_timer is not None)
        timer, typed = palette._no_matches_timer, palette.query_one(Input)
        await pilot.press("escape")
        await settle(pilot, lambda: not palette.children)
        timer._callback()  # it had come due before
        await palette._dispatch_message(Input.Changed(typed, "xqjxqjx"))
        await pilot.pause()
        assert app.is_running
        assert not list(palette.workers)
