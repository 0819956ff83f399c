"""The lines above a chart: the title, and the legend that names the curves."""

from __future__ import annotations

from collections.abc import Sequence

from traintop.analysis.series import value_near
from traintop.charts.spec import ChartLine, ChartSpec, Palette, Series, Span
from traintop.text import cell_width, fit, number, safe_text

_TO_ASCII = str.maketrans("─│┌┐└┘├┤┬┴┼┄…–×", "-|+++++++++.~-X")
_LONGEST_LABEL = 28
_ENTRY_GAP = "   "


def plain(text: str) -> str:
    """``text`` in ASCII only, one character for one; "?" for what has no likeness."""
    return text.translate(_TO_ASCII).encode("ascii", "replace").decode("ascii")


def fitted(spans: Sequence[Span], width: int) -> ChartLine:
    """A line of exactly ``width`` cells: cut, or padded with blanks."""
    line: list[Span] = []
    left = width
    for span in spans:
        cells = cell_width(span.text)
        if cells > left:
            span = Span(fit(span.text, left), span.color, span.dim, span.bold)
            cells = left
        if cells:
            line.append(span)
        left -= cells
    if left:
        line.append(Span(" " * left))
    return tuple(line)


def shown(text: str, ascii_only: bool) -> str:
    """Text from elsewhere as it is drawn."""
    return plain(safe_text(text)) if ascii_only else safe_text(text)


def title_line(spec: ChartSpec, width: int, ascii_only: bool) -> ChartLine:
    """The title, what y is, and at the right the place of the cursor."""
    title = [Span(shown(spec.title, ascii_only), bold=True)]
    if spec.y_label:
        title.append(Span(f"  {shown(spec.y_label, ascii_only)}", dim=True))
    if spec.cursor is None:
        return fitted(title, width)
    readout = f"{shown(spec.x_label, ascii_only)} {_position(spec.cursor)}".lstrip()
    room = width - cell_width(readout) - 2
    if room < 1:
        return fitted(title, width)
    return (*fitted(title, room), Span(f"  {readout}", dim=True))


def legend_line(
    spec: ChartSpec, markers: Sequence[str], width: int, palette: Palette, ascii_only: bool
) -> ChartLine:
    """Label, line sample and value of each curve; "+3 more" stands for those without room."""
    named = [pair for pair in zip(spec.series, markers, strict=True) if not pair[0].dim]
    named = named or list(zip(spec.series, markers, strict=True))
    entries = [_entry(one, spec, marker, palette, ascii_only) for one, marker in named]
    widths = [sum(cell_width(span.text) for span in entry) for entry in entries]
    count = _that_fit(widths, width)
    line: list[Span] = []
    for entry in entries[:count]:
        line += [Span(_ENTRY_GAP), *entry] if line else entry
    if count < len(entries):
        line.append(Span(f"{_ENTRY_GAP}{_rest(len(entries) - count)}", dim=True))
    return fitted(line, width)


def _that_fit(widths: Sequence[int], width: int) -> int:
    """How many entries are shown: at least one, which is cut if it must be."""
    for count in range(len(widths), 1, -1):
        needed = sum(widths[:count]) + len(_ENTRY_GAP) * (count - 1)
        if count < len(widths):
            needed += len(_ENTRY_GAP) + len(_rest(len(widths) - count))
        if needed <= width:
            return count
    return 1


def _rest(count: int) -> str:
    return f"+{count} more"


def _entry(
    series: Series, spec: ChartSpec, marker: str, palette: Palette, ascii_only: bool
) -> list[Span]:
    x, y = series.measured
    value = value_near(x, y, x[-1] if spec.cursor is None else spec.cursor) if len(x) else None
    label = shown(series.label, ascii_only)
    if cell_width(label) > _LONGEST_LABEL:
        label = fit(label, _LONGEST_LABEL)
    sample = _sample(series, marker, ascii_only)
    return [
        Span(f"{label} "),
        Span(sample, palette.color(series.color), dim=series.dim),
        Span(f" {number(value)}"),
    ]


def _sample(series: Series, marker: str, ascii_only: bool) -> str:
    if ascii_only:
        return f"{marker} {marker}" if series.style == "dotted" else marker * 3
    line = "┄" if series.style == "dotted" else "─"
    return f"{line}{marker}{line}" if marker else line


def _position(x: float) -> str:
    return f"{x:.0f}" if x == int(x) and abs(x) < 1e15 else number(x, 6)
