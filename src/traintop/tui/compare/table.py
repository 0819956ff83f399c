"""The table of a comparison as lines: labels, the baseline, and as many columns as fit."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from traintop.analysis.compare import Column, Comparison, Row
from traintop.analysis.comparison_text import column_label, section_words, short_column
from traintop.fields import STATUS_WORDS
from traintop.lines import Line, Piece, Role, clickable, fit_line, line_width
from traintop.progress import progress
from traintop.short_names import ShortNames, short_names
from traintop.tables import AlignedCell
from traintop.text import cell_width, fit, fit_middle, percentage, safe_text
from traintop.tui.kit.runs import STATUS_MARKS

BEST_GLYPH = "★"
_GUTTER = 3
"""The cells before a column's name: cursor, colour of its curve, a blank."""

_LEAST_COLUMN = 12
_LAYOUTS = (
    *((2, 32, 3), (0, 32, 3), (2, 32, 2), (0, 32, 2)),
    *((0, 32, 1), (0, 18, 1), (0, _LEAST_COLUMN, 1)),
)
"""From airy to tight: the gap between columns, the longest name, and what stands behind a value.

All three are the iteration of the best, the delta, and the percentage, which goes last.

The first that has room for all columns is taken, else the last; where that has none for two,
nothing stands behind a value.
"""

_LEAST_BESIDE = 11
"""Cells of a column, with its gutter, beside another one."""

_LEAST_LABEL = 10
_LABEL_BESIDE = 5
"""Cells for the words of a row beside a long name of a metric."""

_LABEL_SHARE = 0.36


class CompareTable(msgspec.Struct, frozen=True):
    """Two lines of headings, and the rows below them, which may be more than the screen holds."""

    headings: tuple[Line, ...]
    rows: tuple[Line, ...]


def compare_table(
    comparison: Comparison,
    cursor: int,
    mark_of: Callable[[Column], Piece | None],
    width: int,
    beside: frozenset[str] = frozenset(),
) -> CompareTable:
    """The table in ``width`` cells. The cursor's column is in view, and the baseline beside it.

    Without room for two columns it is the cursor's alone. Names lose first what they share with
    those ``beside`` them in the list.
    """
    if not comparison.columns or width < 1:
        return CompareTable((), ())
    labels = _label_lines(comparison.rows, width)
    room = max(width - line_width(labels[0]), 1)
    widest = room // 2 if room // 2 >= _LEAST_BESIDE else room
    names = short_names(frozenset(map(column_label, comparison.columns)), beside)
    least = len(comparison.columns) * (_GUTTER + _LEAST_COLUMN)

    def blocks_of(name_width: int, asides: int, most: int = sys.maxsize) -> list[list[Line]]:
        places = range(len(comparison.columns))
        shown = partial(_column_lines, comparison, cursor, mark_of, name_width, asides, names, most)
        return [shown(place) for place in places]

    for gap, name_width, asides in _LAYOUTS if least <= room else _LAYOUTS[-1:]:
        blocks = blocks_of(name_width, asides)
        widths = [gap + line_width(block[0]) for block in blocks]
        if sum(widths) <= room:
            break
    if widths[0] + max(widths[1:], default=0) > room:
        blocks = blocks_of(name_width, 0, widest)
        widths = [line_width(block[0]) for block in blocks]
    places = _places_in_view(widths, cursor, room)
    lines = [
        _joined(parts, gap)
        for parts in zip(labels, *(blocks[place] for place in places), strict=True)
    ]
    if len(places) < len(blocks):
        lines[0] = (_hidden_piece(places, len(blocks), line_width(labels[0])), *lines[0][1:])
    return CompareTable(tuple(lines[:2]), tuple(lines[2:]))


def _joined(parts: Sequence[Line], gap: int) -> Line:
    label, *columns = parts
    return (*label, *(piece for column in columns for piece in (Piece(" " * gap), *column)))


def _places_in_view(widths: Sequence[int], cursor: int, room: int) -> list[int]:
    """The baseline and the columns from the first that leaves room for the cursor's on."""
    left = room - widths[0]
    if cursor and widths[cursor] > left:
        return [cursor]
    first = max(cursor, 1)
    taken = sum(widths[first : first + 1])
    while first > 1 and taken + widths[first - 1] <= left:
        first -= 1
        taken += widths[first]
    places = [0]
    for place in range(first, len(widths)):
        left -= widths[place]
        if left < 0:
            break
        places.append(place)
    return places


def _hidden_piece(places: Sequence[int], count: int, width: int) -> Piece:
    last = places[-1]
    before, after = last + 1 - len(places), count - 1 - last
    parts = [f" ← {before} more" if before else "", f" {after} more →" if after else ""]
    return Piece(fit(" ".join(part for part in parts if part), width), "accent")


def _label_lines(rows: Sequence[Row], width: int) -> list[Line]:
    """The labels of the rows, the section only where it begins; two blank ones before them."""
    sections = [section_words(row.section) for row in rows]
    most = max(int(width * _LABEL_SHARE), _LEAST_LABEL)
    words = [safe_text(row.label) for row in rows if row.section]
    section_width = max(map(cell_width, sections), default=0)
    # A column of sections, or where it has no room each at the beginning of its first row.
    in_column = section_width + 1 + max(map(cell_width, words), default=0) <= most
    texts: list[tuple[str, str]] = []
    before = ""
    for row, section in zip(rows, sections, strict=True):
        shown = "" if section == before else fit_middle(section, max(most - _LABEL_BESIDE, 1))
        before = section
        if in_column:
            shown = fit(shown, section_width)
        texts.append((f"{shown} " if section else "", safe_text(row.label)))
    longest = max((cell_width(section + label) for section, label in texts), default=0)
    inner = min(longest, most)
    lines: list[Line] = [(Piece(" " * (inner + 1)),)] * 2
    for section, label in texts:
        shown = fit_middle(label, max(inner - cell_width(section), 0))
        line = fit_line((Piece(section, "accent"), Piece(shown, "muted")), inner)
        lines.append((Piece(" "), *line, Piece(" " * (inner - line_width(line)))))
    return lines


def _column_lines(
    comparison: Comparison,
    cursor: int,
    mark_of: Callable[[Column], Piece | None],
    name_width: int,
    asides: int,
    names: ShortNames,
    most: int,
    place: int,
) -> list[Line]:
    """Name, status, and the cells of one column, all of one width, which is ``most`` at most."""
    column = comparison.columns[place]
    cells = short_column(comparison, place).aligned()
    lines = [_cell_line(cell, asides) for cell in cells]
    label = column_label(column)
    flag = Piece(" ⚑" if place == 0 else "", "warn")
    wanted = min(cell_width(label), name_width) + cell_width(flag.text)
    width = min(_GUTTER + max([_LEAST_COLUMN, wanted, *map(line_width, lines)]), most)
    name = names.fit(label, max(width - _GUTTER - cell_width(flag.text), 1))
    is_cursor = place == cursor
    heading: Line = (
        Piece("▌" if is_cursor else " ", "accent"),
        mark_of(column) or Piece("◆", "muted"),
        Piece(" "),
        Piece(name, "strong" if is_cursor else "text", bold=is_cursor),
        flag,
    )
    pad = Piece(" " * _GUTTER)
    below = ((pad, *line) for line in (_status_line(column), *lines))
    action = f"screen.pick_column({place})"
    return [clickable(line, action, width) for line in (heading, *below)]


def _cell_line(cell: AlignedCell, asides: int) -> Line:
    return (
        Piece(cell.text, _role(cell), bold=cell.best),
        Piece(f" {BEST_GLYPH}" if cell.best else "  ", "good"),
        *(Piece(f" {part}", "muted") for part in cell.asides[len(cell.asides) - asides :] if part),
    )


def _role(cell: AlignedCell) -> Role:
    return "good" if cell.best else "muted" if cell.quiet else "text"


def _status_line(column: Column) -> Line:
    if len(column.runs) > 1:
        counts = Counter(run.summary.status for run in column.runs)
        return tuple(
            Piece(f"{mark.glyph} {counts[status]}  ", mark.role)
            for status, mark in STATUS_MARKS.items()
            if counts[status]
        )
    run = column.runs[0].summary
    mark = STATUS_MARKS[run.status]
    share = progress(run)
    done = "" if share is None else f" {percentage(share)}"
    return (Piece(f"{mark.glyph} {STATUS_WORDS[run.status]}", mark.role), Piece(done, "muted"))
