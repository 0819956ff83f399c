"""All that is drawn in ASCII, for terminals that have no more. Apart, since it imports Textual."""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from traintop.terminal import to_ascii


class AsciiFilter(LineFilter):
    """Puts all that is drawn into ASCII, the frames and the scrollbars of Textual too."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [Segment(to_ascii(text), style, control) for text, style, control in segments]
