"""A chart as styled lines: a title, a legend that names the curves, and the plot below."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from traintop.charts.canvas import ASCII, BRAILLE, Canvas, markers_for
from traintop.charts.frame import Frame, frame_for, frame_text
from traintop.charts.spec import DARK, ChartSpec, Palette, Series
from traintop.charts.view import (
    View,
    departure_text,
    departures,
    points_for,
    view_of,
)
from traintop.lines import Line, Piece, line_text, line_width, pad_line, spread
from traintop.terminal import to_ascii
from traintop.text import LONGEST_NAME, cell_width, fit, safe_text

# Rows a chart must have before it spends one on its legend, and on its title.
_LEGEND_HEIGHT = 8
_TITLE_HEIGHT = 6
# So many more rows for each further line of the legend.
_ROWS_PER_LEGEND_LINE = 4
_MOST_LEGEND_LINES, _LEGEND_SHARE = 4, 5  # a share of the height where that is more

_LEAST_LABEL, _LONGEST_LABEL = 12, 28
_GAP = "   "  # between two entries of the legend, and between the title and each of its figures
_CURSOR_ROOM = 20  # cells that the place of the cursor is likely to take

_RESET = "\x1b[0m"


class _Layout(NamedTuple):
    """What is above the plot, what the plot shows, and its frame."""

    heading: list[Line]
    view: View
    frame: Frame


def draw_chart(
    spec: ChartSpec,
    width: int,
    height: int,
    *,
    palette: Palette = DARK,
    ascii_only: bool = False,
    letters: bool = False,
) -> tuple[Line, ...]:
    """The chart as exactly ``height`` lines of exactly ``width`` cells, whatever the data.

    Where there is little room, the legend goes first, then the title, then the axes. With
    ``ascii_only`` all text is ASCII; with ``letters`` these mark the curves, for terminals without
    colours. Safe to call from any thread.
    """
    if width < 1 or height < 1:
        return ((),) * max(height, 0)
    if spec.cursor is not None and not math.isfinite(spec.cursor):
        spec = replace(spec, cursor=None)
    markers = markers_for(spec.series, ascii_only, letters)
    heading, view, frame = _layout(spec, width, height, markers, palette, ascii_only)
    canvas = Canvas(view, frame.width, frame.height, palette, ascii_only)
    canvas.paint(points_for(spec, frame.width), markers, spec.cursor, spec.nothing_drawn)
    left = departures(spec, view, frame.width)
    canvas.paint_departures(left, [departure_text(spec, one) for one in left])
    plot = canvas.lines()
    if frame.left:
        around = frame_text(frame)
        plot = [
            (Piece(edge[: frame.left], color=palette.frame), *line)
            for edge, line in zip(around, plot, strict=False)
        ]
        plot += [(Piece(edge, color=palette.frame),) for edge in around[frame.height :]]
    lines = (*heading, *plot)
    return tuple(map(_ascii_line, lines)) if ascii_only else lines


def x_at(
    spec: ChartSpec, width: int, height: int, column: int, *, ascii_only: bool = False
) -> float | None:
    """The x that a chart of this size has in a column of cells; ``None`` left of its curves."""
    markers = markers_for(spec.series, ascii_only, letters=False)  # as wide as letters
    _, view, frame = _layout(spec, width, height, markers, DARK, ascii_only)
    if not frame.left <= column < frame.left + frame.width:
        return None
    share = (column - frame.left + 0.5) / frame.width
    low, high = view.x
    return low * (1.0 - share) + high * share


def _layout(
    spec: ChartSpec,
    width: int,
    height: int,
    markers: Sequence[str],
    palette: Palette,
    ascii_only: bool,
) -> _Layout:
    view = view_of(spec, width)
    heading: list[Line] = []
    if spec.title and height >= _TITLE_HEIGHT:
        heading.append(_title(spec, width))
    if (spec.in_legend or spec.note) and height >= _LEGEND_HEIGHT:
        most = max(_MOST_LEGEND_LINES, height // _LEGEND_SHARE)
        most = min(1 + (height - _LEGEND_HEIGHT) // _ROWS_PER_LEGEND_LINE, most)
        least = max(spec.short_labels.distinct_width, _LEAST_LABEL)
        for longest in (_LONGEST_LABEL, min(least, _LONGEST_LABEL)):
            entries = _entries(spec, view, markers, palette, ascii_only, longest)
            across = (width + len(_GAP)) // (max(map(line_width, entries)) + len(_GAP))
            if across * most >= len(entries):
                break
        heading += _legend(entries, spec, width, most)
    per_cell = ASCII if ascii_only else BRAILLE
    return _Layout(heading, *frame_for(view, spec, width, height - len(heading), per_cell))


def _title(spec: ChartSpec, width: int) -> Line:
    """The title, and at the right the place of the cursor."""
    words = safe_text(spec.title)
    while cell_width(words) > width and _GAP in words:
        words = words.rpartition(_GAP)[0]  # half a figure would be a wrong one
    return _with_cursor((Piece(words, bold=True),), spec, width)


def _with_cursor(line: Line, spec: ChartSpec, width: int) -> Line:
    """The place of the cursor at the right of a line, where it has room."""
    words = spec.cursor_text
    return pad_line(spread(line, (Piece(f" {words}", "muted"),), width) if words else line, width)


def _entries(
    spec: ChartSpec,
    view: View,
    markers: Sequence[str],
    palette: Palette,
    ascii_only: bool,
    longest: int,
) -> list[Line]:
    """Label, of ``longest`` cells at most, line sample and value of each curve; then the note.

    A curve without a label belongs to the one before it. An arrow behind the value marks a curve
    that runs above or below the view.
    """
    marker_of = dict(zip(map(id, spec.series), markers, strict=True))
    entries: list[Line] = []
    names = spec.short_labels
    for one in spec.in_legend:
        label = names.fit(safe_text(one.label, LONGEST_NAME), longest)
        sample = _sample(one, marker_of[id(one)], ascii_only)
        arrow = view.arrow(one)
        entry: Line = (
            Piece(sample, color=palette.color(one.color), dim=one.dim),
            Piece(f" {spec.legend_value(one)}"),
            *((Piece(f" {arrow}", color=palette.alert),) if arrow else ()),
        )
        if label or not entries:
            entries.append((Piece(f"{label} "), *entry) if label else entry)
        else:
            entries[-1] = (*entries[-1], Piece("  "), *entry)
    if spec.note:
        entries.append((Piece(safe_text(spec.note), "muted"),))
    return entries


def _sample(series: Series, marker: str, ascii_only: bool) -> str:
    if ascii_only:
        return f"{marker} {marker}" if series.style == "dotted" else marker * 3
    line = "┄" if series.style == "dotted" else "─"
    return f"{line}{marker}{line}" if marker else line


def _legend(entries: Sequence[Line], spec: ChartSpec, width: int, rows: int) -> list[Line]:
    """The entries in up to ``rows`` lines: in columns where those have room for all of them.

    Without a title the place of the cursor is here.
    """
    room = width if spec.title or spec.cursor is None else max(width - _CURSOR_ROOM, width // 2)
    most = min(room // min(map(line_width, entries)), len(entries))
    for across in range(most, -(-len(entries) // rows) - 1, -1):
        columns = [_aligned(entries[place::across]) for place in range(across)]
        lines = [_side_by_side(row) for row in itertools.zip_longest(*columns, fillvalue=())]
        if max(map(line_width, lines)) <= room:
            break
    else:
        lines = _one_after_another(entries, room, rows, most)
    if not spec.title:
        lines[0] = _with_cursor(lines[0], spec, width)
    return [pad_line(line, width) for line in lines]


def _side_by_side(entries: Sequence[Line]) -> Line:
    return tuple(piece for entry in entries if entry for piece in (Piece(_GAP), *entry))[1:]


def _one_after_another(entries: Sequence[Line], width: int, rows: int, most: int) -> list[Line]:
    """At least one entry in each line; the last line counts those that are left: "+3 more"."""
    lines: list[Line] = []
    while entries and len(lines) < rows:
        for count in range(max(min(most, len(entries)), 1), 0, -1):
            line = _side_by_side(entries[:count])
            if count < len(entries) and len(lines) == rows - 1:
                line = (*line, Piece(f"{_GAP}+{len(entries) - count} more", "muted"))
            if line_width(line) <= width:
                break
        lines.append(line)
        entries = entries[count:]
    return lines


def _aligned(entries: Sequence[Line]) -> list[Line]:
    """The entries of a column with their labels, and all that follows, below one another."""
    label_width = max(cell_width(label.text) for label, *_ in entries)
    aligned = [
        (replace(label, text=fit(label.text, label_width)), *others) for label, *others in entries
    ]
    longest = max(map(line_width, aligned))
    return [pad_line(entry, longest) for entry in aligned]


def _ascii_line(line: Line) -> Line:
    return tuple(replace(piece, text=to_ascii(piece.text)) for piece in line)


def chart_text(lines: Sequence[Line], *, color: bool = False) -> str:
    """The lines of :func:`draw_chart` as text without blanks at its right: for a file or a pipe.

    With ``color`` it has ANSI sequences for 24-bit colours, bold and dim.
    """
    if color:
        return "\n".join("".join(map(_ansi, line)).rstrip() for line in lines)
    return "\n".join(line_text(line).rstrip() for line in lines)


def _ansi(piece: Piece) -> str:
    codes = ["1"] if piece.bold else []
    codes += ["2"] if piece.dim or piece.role == "muted" else []
    if piece.color is not None:
        red, green, blue = bytes.fromhex(piece.color.removeprefix("#"))
        codes.append(f"38;2;{red};{green};{blue}")
    if not codes or not piece.text.strip():
        return piece.text
    return f"\x1b[{';'.join(codes)}m{piece.text}{_RESET}"
