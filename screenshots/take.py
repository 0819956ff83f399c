"""Take the pictures of the README from the real program, over the real runs of `experiment_logs/`.

    pip install -e . cairosvg && python screenshots/take.py

The PNGs need the font DejaVu Sans Mono: Debian's package `fonts-dejavu-core`.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import cairosvg

from traintop.tui.app import TraintopApp

HERE = Path(__file__).resolve().parent
LOGS = Path("experiment_logs")
OTHERS = Path("tests/foreign")
"""Runs of other tools."""

EMPTY = Path("runs")

_LONG_AGO = 1_780_000_000
"""When the files of other tools were last written, in the pictures: else they would seem to run."""

GOOD_RUN = ("j", "j", "j")
"""The keys that lead to a run which learned well."""

SWEEP = (*GOOD_RUN, "space", "j", "j", "space", "j", "space")
"""The keys that mark some runs of the learning-rate sweep and of the batch-size study."""


COMPARED = ("g", *["j"] * 4, "space", *["j"] * 4, "space", *["j"] * 8, "space")
"""The keys that mark a run of TensorBoard, of W&B, and of Lightning."""


class Picture(NamedTuple):
    name: str
    size: tuple[int, int]
    keys: tuple[str, ...]
    theme: str = "traintop"
    logs: Path = LOGS


PICTURES = (
    Picture("main-160x48", (160, 48), GOOD_RUN),
    Picture("main-100x30", (100, 30), GOOD_RUN),
    Picture("main-80x24", (80, 24), GOOD_RUN),
    Picture("charts-80x24", (80, 24), (*GOOD_RUN, "tab")),
    Picture("summary-80x24", (80, 24), (*GOOD_RUN, "tab", "tab")),
    Picture("marked-160x48", (160, 48), (*SWEEP, "+", "+", "+")),
    Picture("light-120x36", (120, 36), GOOD_RUN, "traintop-light"),
    Picture("compare-160x48", (160, 48), (*SWEEP, "p", "c")),
    Picture("compare-80x24", (80, 24), (*SWEEP, "p", "c")),
    Picture("best-120x20", (120, 20), ("b",)),
    Picture("importance-120x24", (120, 24), ("b", "v")),
    Picture("coordinates-120x24", (120, 24), ("b", "v", "v")),
    Picture("zoom-120x30", (120, 30), (*SWEEP, "z", "+", "+", "+", *["shift+left"] * 6)),
    Picture("filter-120x20", (120, 20), ("slash", *"best_val_loss < 1.8 and batch")),
    Picture("list-120x20", (120, 20), ("w",)),
    Picture("charts-to-show-120x30", (120, 30), (*GOOD_RUN, "O", "j", "j", "space")),
    Picture("export-120x30", (120, 30), (*SWEEP, "e", "j")),
    Picture("note-120x30", (120, 30), (*GOOD_RUN, "n", *"keeper")),
    Picture("columns-120x30", (120, 30), ("o", *["j"] * 12, "space")),
    Picture("palette-120x30", (120, 30), ("ctrl+p", *"zoom")),
    Picture("help-100x40", (100, 40), ("question_mark",)),
    Picture("empty-100x24", (100, 24), (), logs=EMPTY),
    Picture("other-tools-160x40", (160, 40), COMPARED, logs=OTHERS),
)


async def screen_after(picture: Picture) -> str:
    """The screen of a given size after some keys, as SVG."""
    logs = Path(picture.logs.name)
    app = TraintopApp([logs])
    async with app.run_test(size=picture.size) as pilot:
        main = app.main_screen

        async def settled() -> None:
            for _ in range(1200):
                plotted = [main.plotted.records_of(run_id) for run_id in main.view.plotted]
                is_read = not main.session.unread and main.session.runs is not None
                if is_read and all(records and records.complete for records in plotted):
                    break
                await pilot.pause(0.05)
            await pilot.pause(1.5)  # for what comes later: sparklines, curves of another thread

        app.theme = picture.theme
        await settled()
        for key in picture.keys:
            await pilot.press(key)
        await settled()
        return app.export_screenshot(title=f"traintop {logs.name}")


TEXT = re.compile(
    r'<text class="(?P<style>[^"]+)" x="(?P<x>[\d.]+)" y="(?P<y>[\d.]+)" '
    r'textLength="(?P<length>[\d.]+)"(?P<rest>[^>]*)>(?P<text>[^<]*)</text>'
)
BRAILLE = range(0x2800, 0x2900)
DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
"""Column and row of each bit of a braille character."""

LINE_HEIGHT = 24.4
ASCENT = 17.5  # from the top of a line to its baseline, about


def with_drawn_dots(match: re.Match[str]) -> str:
    """A piece of text whose braille characters are drawn: every font has them otherwise wide."""
    text = html.unescape(match["text"])
    if not any(ord(character) in BRAILLE for character in text):
        return match[0]
    left, top = float(match["x"]), float(match["y"]) - ASCENT
    width = float(match["length"]) / len(text)
    parts = []
    for place, character in enumerate(text):
        x = left + place * width
        bits = ord(character) - BRAILLE.start
        if 0 <= bits < len(BRAILLE):
            parts += [
                f'<circle cx="{x + (column + 0.5) * width / 2:.1f}" '
                f'cy="{top + (row + 0.5) * LINE_HEIGHT / 4:.1f}" r="2.2"/>'
                for bit, (column, row) in enumerate(DOTS)
                if bits >> bit & 1
            ]
        elif not character.isspace():
            parts.append(f'<text x="{x:.1f}" y="{match["y"]}">{html.escape(character)}</text>')
    return f'<g class="{match["style"]}">{"".join(parts)}</g>'


def save(name: str, svg: str) -> None:
    """The SVG as the program made it, but for its font and its braille, and a PNG of it."""
    # Textual's SVG asks a web server for its font; the pictures must not depend on one.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code", "DejaVu Sans Mono")
    svg = TEXT.sub(with_drawn_dots, svg)
    (HERE / f"{name}.svg").write_text(svg)
    cairosvg.svg2png(svg.encode(), write_to=str(HERE / f"{name}.png"))


def main() -> None:
    """Take all pictures."""
    with tempfile.TemporaryDirectory() as folder:
        # The view and the settings of whoever takes the pictures stay out of them.
        os.environ |= {"XDG_STATE_HOME": folder, "TRAINTOP_CONFIG": f"{folder}/settings.toml"}
        os.environ["XDG_CACHE_HOME"] = folder
        copies = Path(folder)
        for logs in (LOGS, OTHERS):
            shutil.copytree(logs, copies / logs.name, symlinks=True)
        for file in (copies / OTHERS.name).rglob("*"):
            os.utime(file, (_LONG_AGO, _LONG_AGO), follow_symlinks=False)
        (copies / EMPTY.name).mkdir()
        for picture in PICTURES:
            with contextlib.chdir(copies):
                svg = asyncio.run(screen_after(picture))
            save(picture.name, svg)


if __name__ == "__main__":
    main()
