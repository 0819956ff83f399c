"""The looks of the program: dark, light, and in ASCII only. Curves have colours of their own."""

from __future__ import annotations

from typing import Any, NamedTuple

from rich.segment import Segment
from textual.app import App
from textual.color import Color
from textual.filter import LineFilter
from textual.theme import Theme

from traintop.terminal import to_ascii
from traintop.tui.kit.pane import StyledLines


class Look(NamedTuple):
    """What lines depend on beside their content; curves have ``letters`` where colour is not."""

    dark: bool
    letters: bool
    ascii_only: bool


def look_of(app: App[Any]) -> Look:
    """The look that is on now."""
    return Look(app.current_theme.dark, app.no_color, StyledLines.ascii_only)


_DARK, _LIGHT = "traintop", "traintop-light"

THEMES = (
    Theme(
        name=_DARK,
        primary="#56b4d3",
        accent="#56b4d3",
        success="#7fb86a",
        warning="#e0a640",
        error="#f5796f",
        foreground="#d8dce2",
        background="#13161b",
        surface="#1a1e25",
        panel="#232932",
        dark=True,
    ),
    Theme(
        name=_LIGHT,
        primary="#0a6584",
        accent="#0a6584",
        success="#2f6f1c",
        warning="#855500",
        error="#b3261e",
        foreground="#1d2126",
        background="#fbfbfa",
        surface="#f1f1ef",
        panel="#e4e4e1",
        dark=False,
    ),
)


def theme_name(*, dark: bool) -> str:
    """The name by which Textual knows the look."""
    return _DARK if dark else _LIGHT


class ColorlessFilter(LineFilter):
    """Takes all colours away, for NO_COLOR: Textual 8.2 would put greys in their place."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            Segment(text, style and style.without_color, control)
            for text, style, control in segments
        ]


class AsciiFilter(LineFilter):
    """Puts all that is drawn into ASCII, the frames and the scrollbars of Textual too."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [Segment(to_ascii(text), style, control) for text, style, control in segments]
