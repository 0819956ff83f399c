"""Pictures of whole screens: SVG that a browser shows and ``git diff`` reads line by line.

One line of the picture is one line of the screen. Textual can write SVG itself, but with fonts, a
window and ids that change with the version of Rich and with any character on the screen.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from html import escape, unescape
from itertools import groupby
from typing import NamedTuple

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.app import App

_CELL, _LINE = 8.4, 18  # pixels of a monospaced font of 14
_FONT = "font: 14px 'DejaVu Sans Mono', Menlo, Consolas, monospace; white-space: pre"
_CELLS = re.compile(r'<tspan x="([\d.]+)"[^>]*>([^<]*)')


class _Look(NamedTuple):
    fill: str | None
    behind: str | None
    bold: bool
    italic: bool
    underline: bool


class _Place(NamedTuple):
    left: int  # the cell that the text begins at
    cells: int
    text: str
    look: _Look


def picture_of(app: App[object]) -> str:
    """The screen as SVG."""
    width, height = app.size
    background = app.screen.styles.background.hex.lower()
    size = f"0 0 {width * _CELL:g} {height * _LINE}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" viewBox="{size}">',
        f"<style>text {{ {_FONT} }}</style>",
        f'<rect width="100%" height="100%" fill="{background}"/>',
    ]
    for row, strip in enumerate(app.screen._compositor.render_strips()):
        places = [*_places(strip)]
        lines.append(_boxes(row * _LINE, places) + _texts(row * _LINE, places))
    return "\n".join([*lines, "</svg>", ""])


def differences(kept: str, picture: str) -> list[str]:
    """How a picture differs from the one that was kept; nothing if it does not."""
    if kept == picture:
        return []
    before, after = (list(_characters(one)) for one in (kept, picture))
    lines = [*difflib.unified_diff(before, after, "kept", "drawn", n=0, lineterm="")]
    return lines or ["the same characters, but colours or weights differ"]


def _places(segments: Iterable[Segment]) -> Iterator[_Place]:
    left = 0
    for segment in segments:
        yield _Place(left, segment.cell_length, segment.text, _look(segment.style))
        left += segment.cell_length


def _boxes(top: int, places: list[_Place]) -> str:
    boxes = ""
    for color, same in groupby(places, lambda place: place.look.behind):
        x, width = _extent([*same])
        if color:
            boxes += f'<rect x="{x}" y="{top}" width="{width}" height="{_LINE}" fill="{color}"/>'
    return boxes


def _texts(top: int, places: list[_Place]) -> str:
    texts = ""
    for look, same in groupby(places, lambda place: place.look._replace(behind=None)):
        parts = [*same]
        text = "".join(part.text for part in parts)
        if text.strip():
            attributes = f'x="{_extent(parts)[0]}" fill="{look.fill}"'
            attributes += ' font-weight="bold"' * look.bold
            attributes += ' font-style="italic"' * look.italic
            attributes += ' text-decoration="underline"' * look.underline
            texts += f"<tspan {attributes}>{escape(text, quote=False)}</tspan>"
    return f'<text y="{top + _LINE - 4}">{texts}</text>'


def _extent(places: list[_Place]) -> tuple[str, str]:
    """Where some places begin, and how wide they are together, in pixels."""
    cells = places[-1].left + places[-1].cells - places[0].left
    return f"{places[0].left * _CELL:g}", f"{cells * _CELL:g}"


def _look(style: Style | None) -> _Look:
    style = style or Style()
    colors = _hex(style.color), _hex(style.bgcolor)
    fill, behind = colors[::-1] if style.reverse else colors
    return _Look(fill, behind, bool(style.bold), bool(style.italic), bool(style.underline))


def _hex(color: Color | None) -> str | None:
    return color.triplet.hex if color and color.triplet else None


def _characters(picture: str) -> Iterator[str]:
    """The characters of each line, each at its place."""
    for line in re.findall(r"<text [^>]*>(.*)</text>", picture):
        text = ""
        for x, part in _CELLS.findall(line):
            text = text.ljust(round(float(x) / _CELL)) + unescape(part)
        yield text.rstrip()
