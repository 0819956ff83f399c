"""All text can be read in both themes: its contrast is that of WCAG 2.2 for small text."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from rich.color import Color
from tests.contrast import contrast
from tests.drawing import is_drawn
from tests.runs import make_run, make_runs
from tests.waiting import settle
from textual.geometry import Region
from textual.widgets import Input
from tui_runs import PostedApp, showing

from traintop.model import Annotations, RunStatus
from traintop.tui.kit.themes import THEMES

LEAST = 4.5

PLACES = {
    "list": (),
    "marked": ("space", "j", "space", "p", "left", "A"),
    "no match": ("slash", *"zzz"),
    "mistake": ("slash", *"loss <"),
    "compare": ("asterisk", "c"),
    "groups": ("asterisk", "c", "g"),
    "best": ("b",),
    "zoom": ("z",),
    "columns": ("o",),
    "charts": ("O",),
    "choice": ("e",),
    "entry": ("n",),
    "notices": ("N",),
    "help": ("question_mark",),
    "palette": ("ctrl+p",),
}


def words(app: PostedApp) -> Iterator[tuple[str, float]]:
    """The words on the screen, each with its contrast; below a dialog they are dimmed."""
    screen = app.screen
    boxes = [widget.region for widget in screen.query("*") if widget.region]
    for y, strip in enumerate(screen._compositor.render_strips()):
        x = 0
        for segment in strip:
            inside = any(box.contains_region(Region(x, y, 1, 1)) for box in boxes)
            x += segment.cell_length
            style = segment.style
            if style is None or not inside or not any(c.isalnum() for c in segment.text):
                continue
            yield segment.text, contrast(_hex(style.color), _hex(style.bgcolor))


def _hex(color: Color | None) -> str:
    assert color is not None
    assert color.triplet is not None
    return color.triplet.hex


@pytest.mark.parametrize("theme", [theme.name for theme in THEMES])
@pytest.mark.parametrize("place", PLACES)
async def test_every_word_stands_out(place: str, theme: str) -> None:
    runs = [
        *make_runs(2),
        *(make_run(status.value, status=status, error="out of memory") for status in RunStatus),
        make_run("away", annotations=Annotations(archived=True, tags=("a",), note="b")),
    ]
    async with showing(runs) as (app, pilot):
        app.theme = theme
        await pilot.press(*("space" if key == " " else key for key in PLACES[place]))
        await settle(pilot, lambda: is_drawn(app))
        if place == "palette":
            await settle(pilot, lambda: app.screen.query_one("CommandList").region.height > 2)
        app.screen.query(Input).blur()
        await settle(pilot, lambda: len({text for text, _ in words(app)}) >= 3)
        contrasts = {text.strip(): round(found, 2) for text, found in words(app)}
        assert {text: found for text, found in contrasts.items() if found < LEAST} == {}
