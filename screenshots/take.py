"""Take the pictures of the README from the real program, over the real runs of `experiment_logs/`.

    pip install -e . cairosvg && python screenshots/take.py

The PNGs need the fonts DejaVu Sans Mono and, for Braille patterns, DejaVu Sans: Debian's package
`fonts-dejavu-core`.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import cairosvg

from traintop.tui.app import TraintopApp

HERE = Path(__file__).parent
LOGS = Path("experiment_logs")
SIZES = {"main-160x48": (160, 48), "main-100x30": (100, 30), "main-80x24": (80, 24)}
SETTLING_SECONDS = 2.0


async def picture(size: tuple[int, int], *keys: str) -> str:
    """The screen of a given size, with one run selected, after some keys, as SVG."""
    app = TraintopApp([LOGS])
    async with app.run_test(size=size) as pilot:
        await asyncio.sleep(SETTLING_SECONDS)
        for key in ("j", "j", "j", *keys):  # to a run that learned well
            await pilot.press(key)
        await asyncio.sleep(SETTLING_SECONDS)
        return app.export_screenshot(title="traintop experiment_logs")


def save(name: str, svg: str) -> None:
    """The SVG as the program made it, and a PNG of it."""
    # Textual's SVG asks a web server for its font; the pictures must not depend on one.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code", "DejaVu Sans Mono")
    svg = re.sub(
        r"<text (?=[^>]*>[^<]*[\u2800-\u28ff])", r'<text style="font-family: DejaVu Sans" ', svg
    )
    (HERE / f"{name}.svg").write_text(svg)
    cairosvg.svg2png(svg.encode(), write_to=str(HERE / f"{name}.png"))


def main() -> None:
    """Take all pictures."""
    for name, size in SIZES.items():
        save(name, asyncio.run(picture(size)))
    save("charts-80x24", asyncio.run(picture((80, 24), "tab")))
    marked = ("space", "j", "space", "j", "space", "+", "+", "+")
    save("marked-160x48", asyncio.run(picture((160, 48), *marked)))


if __name__ == "__main__":
    main()
