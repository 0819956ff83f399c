"""A chart as text: for a file, a pipe, or a terminal without the UI."""

from __future__ import annotations

from collections.abc import Sequence

from traintop.charts.spec import ChartLine, Span

_RESET = "\x1b[0m"


def chart_text(lines: Sequence[ChartLine], *, color: bool = False) -> str:
    """The lines of :func:`draw_chart` as text without blanks at its right.

    With ``color`` it has ANSI sequences for 24-bit colours, bold and dim.
    """
    if color:
        return "\n".join("".join(map(_ansi, line)).rstrip() for line in lines)
    return "\n".join("".join(span.text for span in line).rstrip() for line in lines)


def _ansi(span: Span) -> str:
    codes = ["1"] if span.bold else []
    codes += ["2"] if span.dim else []
    if span.color is not None:
        red, green, blue = (int(span.color[at : at + 2], 16) for at in (1, 3, 5))
        codes.append(f"38;2;{red};{green};{blue}")
    if not codes or not span.text.strip():
        return span.text
    return f"\x1b[{';'.join(codes)}m{span.text}{_RESET}"
