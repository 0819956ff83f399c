"""Every key of the table, pressed in every place where it applies: each does what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.runs import make_runs
from tests.waiting import settle
from tui_runs import showing

from traintop.tui.app import TraintopApp
from traintop.tui.export.exports import Export, ProgressScreen
from traintop.tui.kit.keys import Need, Place, keys_of

WAYS = {
    Place.RUNS: ["space"],
    Place.RUN: ["enter"],
    Place.OUTPUT: ["enter", "l"],
    Place.ZOOM: ["space", "z"],
    Place.COLUMNS: ["o"],
    Place.CHARTS: ["O"],
    Place.FILTER: ["slash"],
    Place.ENTRY: ["n"],
    Place.COMPARE: ["asterisk", "c"],
    Place.BEST: ["b"],
    Place.CHOICE: ["asterisk", "e"],
    Place.NOTICES: ["N"],
    Place.HELP: ["question_mark"],
}
"""The keys that lead from the list to each place that keys lead to."""

LEAVING = ("quit", "app.suspend_process")


@pytest.fixture
def actions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The actions that were run; those that end the program are only noted."""
    monkeypatch.chdir(tmp_path)
    run: list[str] = []
    real = TraintopApp.run_action

    async def noted(self: TraintopApp, action: Any, *arguments: Any, **named: Any) -> bool:
        run.append(action)
        return True if action in LEAVING else await real(self, action, *arguments, **named)

    monkeypatch.setattr(TraintopApp, "run_action", noted)
    return run


@pytest.mark.parametrize("place", WAYS)
async def test_every_key_of_a_place_does_what_the_table_says(
    place: Place, actions: list[str]
) -> None:
    async with showing(make_runs(4), size=(100, 30)) as (app, pilot):
        main, start = app.main_screen, app.main_screen.view

        def here() -> object:
            situation = getattr(app.screen, "situation", None)  # the palette has none
            return app.screen, situation, main.view

        began = None
        for key in keys_of(place):
            if here() != began or Need.BACK in key.needs:
                while app.screen is not main:
                    app.pop_screen()
                main.action_drop_filter()
                main.session.change(replace(start, filter="run" if Need.BACK in key.needs else ""))
                await pilot.press(*WAYS[place])
                await settle(pilot, lambda: app.screen.situation.place is place)
                began = here()
            actions.clear()
            await pilot.press(key.names[0])
            await settle(pilot, lambda key=key: key.action in actions)
            await pilot.pause()
            assert app._exception is None


async def test_a_running_export_is_stopped_by_its_key(actions: list[str], tmp_path: Path) -> None:
    async with showing(make_runs(2)) as (app, pilot):
        app.push_screen(ProgressScreen(Export("runs.csv")))
        await settle(pilot, lambda: app.screen.situation.place is Place.PROGRESS)
        for key in keys_of(Place.PROGRESS):
            await pilot.press(key.names[0])
            assert key.action in actions
