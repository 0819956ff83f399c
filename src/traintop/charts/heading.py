"""The lines above a chart: the title, and the legend that names the curves."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from traintop.charts.spec import ChartLine, ChartSpec, Palette, Series, Span
from traintop.charts.view import View
from traintop.terminal import to_ascii
from traintop.text import cell_width, fit, fit_middle, safe_text

_LONGEST_LABEL = 28
_ENTRY_GAP = "   "
_TITLE_GAP = "   "  # between what the chart is called and each of its figures
_READOUT = 20  # cells that the place of the cursor is likely to take
_LEAST_LOGGABLE = 5e-324


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
    return to_ascii(safe_text(text)) if ascii_only else safe_text(text)


def title_line(spec: ChartSpec, width: int, ascii_only: bool) -> ChartLine:
    """The title, what y is, and at the right the place of the cursor."""
    words = shown(spec.title, ascii_only)
    while cell_width(words) > width and _TITLE_GAP in words:
        words = words.rpartition(_TITLE_GAP)[0]  # half a figure would be a wrong one
    title = [Span(words, bold=True)]
    if spec.y_label:
        title.append(Span(f"  {shown(spec.y_label, ascii_only)}", dim=True))
    return _with_readout(title, spec, width, ascii_only)


def _with_readout(line: Sequence[Span], spec: ChartSpec, width: int, ascii_only: bool) -> ChartLine:
    words = to_ascii(readout(spec)) if ascii_only else readout(spec)
    room = width - cell_width(words) - 2
    if room < _width(line) or not words:
        return fitted(line, width)  # the values at the cursor say more than its place
    return (*fitted(line, room), Span(f"  {words}", dim=True))


def readout(spec: ChartSpec) -> str:
    """The place of the cursor in words, empty without one."""
    if spec.cursor is None:
        return ""
    name, _, _ = safe_text(spec.x_label).partition(", ")
    return f"{name} {spec.place_text(spec.cursor)}".strip()


def legend_lines(
    spec: ChartSpec,
    view: View,
    markers: Sequence[str],
    width: int,
    rows: int,
    palette: Palette,
    ascii_only: bool,
) -> list[ChartLine]:
    """Label, line sample and value of each curve, in up to ``rows`` lines.

    Several lines are in columns where those have room. A curve without a label belongs to
    the one before it. An arrow behind the value tells of a curve that runs above or below the
    view; "+3 more" stands for those without room. Without a title the place of the cursor is here.
    """
    entries = _entries(spec, view, markers, palette, ascii_only)
    room = width if spec.title or spec.cursor is None else max(width - _READOUT, width // 2)
    lines = _laid_out(entries, room, rows)
    if len(lines) > 1:
        lines = _in_columns(entries, room, rows) or lines
    if spec.title:
        return [fitted(line, width) for line in lines]
    first, *others = lines
    return [
        _with_readout(first, spec, width, ascii_only),
        *(fitted(line, width) for line in others),
    ]


def in_legend(spec: ChartSpec) -> list[Series]:
    """The series that the legend names: those in front, or all when none is."""
    return [one for one in spec.series if not one.dim] or list(spec.series)


def _entries(
    spec: ChartSpec, view: View, markers: Sequence[str], palette: Palette, ascii_only: bool
) -> list[list[Span]]:
    marker_of = dict(zip(map(id, spec.series), markers, strict=True))
    entries: list[list[Span]] = []
    for one in in_legend(spec) if spec.legend else ():
        entry = _entry(one, spec, view, marker_of[id(one)], palette, ascii_only)
        if one.label or not entries:
            entries.append(entry)
        else:
            entries[-1] += [Span("  "), *entry]
    if spec.note:
        entries.append([Span(shown(spec.note, ascii_only), dim=True)])
    return entries


def _in_columns(entries: Sequence[list[Span]], width: int, rows: int) -> list[list[Span]]:
    """The entries in lines, below one another; none where they do not all fit so."""
    most = width // min(map(_width, entries))
    for across in range(min(most, len(entries) - 1), 0, -1):
        columns = [_of_one_width(entries[place::across]) for place in range(across)]
        lines = [
            [span for entry in line if entry for span in (Span(_ENTRY_GAP), *entry)][1:]
            for line in itertools.zip_longest(*columns)
        ]
        if max(map(_width, lines)) <= width:
            return lines if len(lines) <= rows else []
    return []


def _of_one_width(entries: Sequence[list[Span]]) -> list[list[Span]]:
    """The entries with their labels, and all that follows, below one another."""
    label_width = max(cell_width(label.text) for label, *_ in entries)
    padded = [
        [replace(label, text=fit(label.text, label_width)), *others] for label, *others in entries
    ]
    longest = max(map(_width, padded))
    return [[*entry, Span(" " * (longest - _width(entry)))] for entry in padded]


def _width(spans: Sequence[Span]) -> int:
    return sum(cell_width(span.text) for span in spans)


def _laid_out(entries: Sequence[list[Span]], width: int, rows: int) -> list[list[Span]]:
    """The entries in lines, at least one each; the last line counts those that are left."""
    lines: list[list[Span]] = []
    rest = list(entries)
    while rest and len(lines) < rows:
        widths = list(map(_width, rest))
        is_last = len(lines) == rows - 1
        count = _that_fit(widths, width, counted=is_last)
        line: list[Span] = []
        for entry in rest[:count]:
            line += [Span(_ENTRY_GAP), *entry] if line else entry
        rest = rest[count:]
        if rest and is_last:
            line = [*line, Span(f"{_ENTRY_GAP}{_rest(len(rest))}", dim=True)]
        lines.append(line)
    return lines or [[]]


def _that_fit(widths: Sequence[int], width: int, *, counted: bool) -> int:
    """How many entries are shown: at least one, which is cut if it must be."""
    for count in range(len(widths), 1, -1):
        needed = sum(widths[:count]) + len(_ENTRY_GAP) * (count - 1)
        if counted and count < len(widths):
            needed += len(_ENTRY_GAP) + len(_rest(len(widths) - count))
        if needed <= width:
            return count
    return 1


def _rest(count: int) -> str:
    return f"+{count} more"


def _entry(
    series: Series, spec: ChartSpec, view: View, marker: str, palette: Palette, ascii_only: bool
) -> list[Span]:
    label = fit_middle(safe_text(series.label), _LONGEST_LABEL)
    label = to_ascii(label) if ascii_only else label
    sample = _sample(series, marker, ascii_only)
    arrow = arrow_of(series, spec, view)
    return [
        *([Span(f"{label} ")] if label else ()),
        Span(sample, palette.color(series.color), dim=series.dim),
        Span(f" {legend_value(series, spec)}"),
        *([Span(f" {arrow}", palette.alert)] if arrow else ()),
    ]


def legend_value(series: Series, spec: ChartSpec) -> str:
    """The value at the cursor, or the last one."""
    return spec.value_text(
        series.last_value if spec.cursor is None else series.value_at(spec.cursor)
    )


def arrow_of(series: Series, spec: ChartSpec, view: View) -> str:
    """Where all of a curve is when none of it is in view: above, below, or not so."""
    y = series.overview[1]
    if view.y is None or not len(y):
        return ""
    low, high = y.min(), y.max()
    if spec.log_y:
        low, high = np.log10(max(low, _LEAST_LOGGABLE)), np.log10(max(high, _LEAST_LOGGABLE))
    return "↑" if low > view.y[1] else "↓" if high < view.y[0] else ""


def _sample(series: Series, marker: str, ascii_only: bool) -> str:
    if ascii_only:
        return f"{marker} {marker}" if series.style == "dotted" else marker * 3
    line = "┄" if series.style == "dotted" else "─"
    return f"{line}{marker}{line}" if marker else line
