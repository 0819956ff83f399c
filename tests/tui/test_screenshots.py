"""Whole screens look as in the pictures of ``screenshots/``.

After a wanted change: ``pytest tests/tui/test_screenshots.py --update-screenshots``, then look at
the pictures in a browser and commit them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pictures import differences, picture_of
from tests.drawing import is_drawn
from tests.runs import make_run
from textual.pilot import Pilot
from tui_runs import PostedApp, listing

from traintop.model import Annotations, MetricStats, RunStatus, RunSummary
from traintop.tui.messages import TrendsLoaded

Match = Callable[[PostedApp, str], None]

TREND = "▇▆▅▄▃▂▂▁"
PICTURES = Path(__file__).with_name("screenshots")


def trained(name: str, best: float, lr: float, seed: int = 0, **changes: Any) -> RunSummary:
    validated = MetricStats(count=5, last=best, min=best, max=9.0, mean=best, min_iteration=40)
    return make_run(
        name,
        loss=best - 0.25,
        best_val_loss=best,
        config={"experiment_name": name, "max_iters": 100, "lr": lr, "seed": seed},
        stats={
            "train_loss": MetricStats(count=42, last=best - 0.25, min=best - 0.25, mean=3.0),
            "val_loss": validated,
            "tokens_per_sec": MetricStats(count=42, last=121_000.0, mean=118_000.0),
        },
        **changes,
    )


RUNS = [
    trained("lr_1e-3", 2.5, 1e-3, age=1800),
    trained("lr_6e-4_seed_1", 2.75, 6e-4, seed=1, age=3600),
    trained("lr_6e-4_seed_0", 2.625, 6e-4, age=3700),
    trained("lr_1e-2", math.nan, 1e-2, age=7200, status=RunStatus.CRASHED),
    trained("lr_1e-4", 3.5, 1e-4, age=9000, status=RunStatus.STALLED),
    trained(
        "baseline",
        3.0,
        3e-4,
        age=86_400,
        iteration=99,
        status=RunStatus.FINISHED,
        duration_seconds=3_725.0,
        annotations=Annotations(tags=("paper",), note="the one in the paper"),
    ),
    RunSummary(id="/logs/broken.json", status=RunStatus.UNREADABLE, problem="is not JSON"),
]


@pytest.fixture(autouse=True)
def modern_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colours and all glyphs, whatever the terminal of the person who runs this."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


async def at_rest(app: PostedApp, pilot: Pilot[None]) -> None:
    """Wait until all news are drawn and nothing changes any more."""
    before = ""
    while before != (before := picture_of(app)) or not is_drawn(app):
        await pilot.pause(0.3)


@pytest.fixture
def matches(request: pytest.FixtureRequest, tmp_path: Path) -> Match:
    """Fails the test when the screen is not the one of the picture; or keeps it as the new one."""

    def match(app: PostedApp, name: str) -> None:
        picture, kept = picture_of(app), PICTURES / f"{name}.svg"
        if request.config.getoption("update_screenshots"):
            PICTURES.mkdir(exist_ok=True)
            kept.write_text(picture, encoding="utf-8")
            return
        found = differences(kept.read_text(encoding="utf-8"), picture)
        if found:
            drawn = tmp_path / kept.name
            drawn.write_text(picture, encoding="utf-8")
            words = f"{drawn} differs from {kept}; if that is wanted: --update-screenshots"
            pytest.fail("\n".join([words, *found]), pytrace=False)

    return match


@pytest.mark.parametrize(
    ("name", "size", "keys"),
    [
        ("wide", (160, 48), ()),
        ("medium", (100, 30), ()),
        ("small", (80, 24), ()),
        ("narrow", (40, 12), ()),
        ("light", (120, 40), ("ctrl+t",)),
        ("marked", (120, 40), ("space", "j", "space", "p", "g")),
        ("error", (100, 30), ("G",)),
        ("one_chart", (100, 30), ("z",)),
        ("comparison", (160, 48), ("*", "c")),
        ("leaderboard", (120, 40), ("b",)),
        ("filter", (100, 30), ("slash", *"lr > 5e-4")),
        ("help", (120, 40), ("question_mark",)),
        ("palette", (100, 30), ("ctrl+p", *"mark")),
    ],
)
async def test_a_screen_looks_as_in_its_picture(
    name: str, size: tuple[int, int], keys: tuple[str, ...], matches: Match
) -> None:
    async with listing(RUNS, size) as (app, pilot):
        await pilot.press(*keys)
        await at_rest(app, pilot)  # records are for the runs that are plotted then
        for number, run in enumerate(RUNS[:-1]):
            app.post_history(run, points=50, scale=1.0 + number / 10)
        app.main_screen.post_message(TrendsLoaded({run.id: TREND for run in RUNS[:-1]}))
        await at_rest(app, pilot)
        matches(app, name)


async def test_a_screen_without_runs_looks_as_in_its_picture(matches: Match) -> None:
    async with listing([], (100, 30)) as (app, pilot):
        await at_rest(app, pilot)
        matches(app, "empty")
