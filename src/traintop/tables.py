"""One table as text, Markdown, CSV and JSON.

A cell holds what programs get and what people read, so that no format knows what its numbers
mean. Text comes from files that anyone may have written: Markdown shows it in code spans, where
nothing is emphasis, HTML or a link, and CSV neutralises what a spreadsheet would execute
(https://owasp.org/www-community/attacks/CSV_Injection).
"""

from __future__ import annotations

import csv
import io
import math
import re
import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, TextIO

import msgspec

from traintop.direction import Direction
from traintop.short_names import ShortNames, short_names
from traintop.text import MISSING, cell_width, fit, fit_middle, safe_json, safe_text
from traintop.values import jsonable

Align = Literal["left", "right"]

BEST_MARK = "*"
"""Stands behind the best value of a row or column."""

_GAP = " "
"""Between two columns, beside the cell for the mark."""

_RULE_START = "──"
_LONGEST_TITLE = 400  # a root may be as long as a path
_LEAST_NAME_WIDTH = 8
_USUAL_NAME_WIDTH = 28
_LEAST_LABEL_WIDTH = 16
_LEAST_WINNER_WIDTH = 6
_FIGURE_WIDTH = 12
_WINNER_WIDTH = 14  # cells for the name of a column that is the best of a row and in another block

_LOOK_ALIKES = str.maketrans({"`": "ˋ", "|": "¦", "<": "‹", ">": "›"})

_BREAKS = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
# Controls, bidirectional marks and overrides, and surrogates, which UTF-8 cannot hold.
_UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_FORMULA_STARTS = tuple("=+-@＝＋－＠")  # the wide forms count in East Asian versions of Excel


class Cell(NamedTuple):
    """A value for programs, and its ``text`` for people.

    ``asides`` follow the text, such as the distance from a baseline. ``literal`` text comes
    from a log file. A ``quiet`` one is dim where that can be: nobody measured or gave it.
    """

    value: object = None
    text: str = ""
    best: bool = False
    literal: bool = False
    asides: tuple[str, ...] = ()
    quiet: bool = False


class AlignedCell(NamedTuple):
    """A cell's texts, each as wide as those above and below it."""

    text: str
    best: bool
    asides: tuple[str, ...]
    quiet: bool


@dataclass(frozen=True, eq=False, slots=True)
class Column:
    """A heading and the cells below it. Where room is short, the highest ``rank`` goes first.

    ``align`` is that of the texts, ``heading_align`` (the same by default) of the whole.
    """

    heading: str
    cells: Sequence[Cell]
    align: Align = "right"
    heading_align: Align | None = None
    literal: bool = False
    rank: int = 0

    @classmethod
    def of_texts(
        cls, heading: str, texts: Iterable[str], align: Align = "right", *, literal: bool = False
    ) -> Column:
        """A column for people only; ``literal`` texts come from log files."""
        return cls(heading, [Cell(text=text, literal=literal) for text in texts], align)

    def aligned(self) -> list[AlignedCell]:
        """The cells, their parts below one another."""
        texts = _fitted([cell.text for cell in self.cells], self.align)
        count = max((len(cell.asides) for cell in self.cells), default=0)
        missing = ("",) * count
        padded = [(*cell.asides, *missing)[:count] for cell in self.cells]
        columns = [_fitted([asides[i] for asides in padded], "right") for i in range(count)]
        asides = zip(*columns, strict=True) if columns else (() for _ in texts)
        return [
            AlignedCell(text, cell.best, tuple(beside), cell.quiet)
            for text, cell, beside in zip(texts, self.cells, asides, strict=True)
        ]

    def lines(self, width: int | None = None) -> list[str]:
        """Heading and cells, each with its mark; as names in ``width`` cells, which keep what
        differs, else in as many as they need.
        """
        texts = [cell.text for cell in self.cells]
        marks = [BEST_MARK if cell.best else " " for cell in self.cells]
        if any(cell.asides for cell in self.cells):
            aligned = zip(self.aligned(), marks, strict=True)
            texts = [
                " ".join((text + mark, *filter(None, rest))) for (text, _, rest, _), mark in aligned
            ]
            marks = [" "] * len(texts)
        elif self.heading_align is not None:
            texts = _fitted(texts, self.align)
        texts = [self.heading, *texts]
        if width is not None:
            names = short_names(frozenset(texts[1:]))
            texts = [fit(names.fit(text, width), width) for text in texts]
        texts = _fitted(texts, self.heading_align or self.align)
        return [text + mark for text, mark in zip(texts, (" ", *marks), strict=True)]


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of equally many cells. The first one names the rows; ``legend`` explains the mark.

    ``asides`` says what those of its cells are. ``sections`` are titles, from log files, each with
    the row above which it stands.
    """

    columns: Sequence[Column]
    legend: str = ""
    asides: str = ""
    sections: Sequence[tuple[int, str]] = ()

    @classmethod
    def of_values(cls, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
        """A table for programs only, from its rows."""
        places = enumerate(headings)
        return cls([Column(name, [Cell(row[place]) for row in rows]) for place, name in places])

    def text(self, width: int) -> str:
        """One block of lines of at most ``width`` cells.

        Where room is short, columns are left out and the names of the rows are shortened.
        """
        names, *others = (column.lines() for column in self.columns)
        name_width = cell_width(names[0]) - 1
        short = short_names(frozenset(cell.text for cell in self.columns[0].cells))
        usual = min(max(short.distinct_width, _LEAST_NAME_WIDTH), _USUAL_NAME_WIDTH)
        room = width - 1 - min(name_width, usual)
        chosen: set[int] = set()
        for place in sorted(range(len(others)), key=lambda i: self.columns[i + 1].rank):
            needed = len(_GAP) + cell_width(others[place][0])
            # The first column is worth a shortened name.
            if needed <= (room if chosen else width - 1 - _LEAST_NAME_WIDTH):
                chosen.add(place)
                room -= needed
        shown = [others[place] for place in sorted(chosen)]
        taken = sum(len(_GAP) + cell_width(lines[0]) for lines in shown)
        if name_width > (left := max(width - 1 - taken, 1)):
            names, name_width = self.columns[0].lines(left), left
        rule = "─" * (name_width + taken)
        heading, *rows = _joined([names, *shown], width)
        lines = self.in_sections(rows, lambda title: _within(rule, title, width))
        return self._with_legend([heading, *([] if self.sections else [rule]), *lines], width)

    def in_sections(self, rows: Sequence[str], title_row: Callable[[str], str]) -> list[str]:
        """The rows, and above those with which a section begins its title as ``title_row``."""
        lines = [*rows]
        for place, title in reversed(self.sections):
            lines.insert(place, title_row(title))
        return lines

    def stacked_text(self, width: int) -> str:
        """Blocks of lines of at most ``width`` cells, each with the first two columns.

        Where no third column has room beside these, the others stand alone; where the widest has
        none even so, all are without their asides, and the last line says it.
        """
        natural = cell_width(self.columns[0].lines()[0]) - 1
        least = min(natural, _LEAST_LABEL_WIDTH, max(width - _FIGURE_WIDTH, _LEAST_NAME_WIDTH))
        has_best = any(cell.best for column in self.columns for cell in column.cells)
        for beside, bare in ((True, False), (False, False), (False, True)):
            shown = self._narrowed(width, least, beside=beside, bare=bare)
            lines = [column.lines() for column in shown]
            widths = [len(_GAP) + cell_width(each[0]) for each in lines]
            fixed = int(beside and len(widths) > 1)
            winners = _WINNER_WIDTH if has_best and natural + 1 + sum(widths) > width else 0
            taken = 1 + sum(widths[:fixed]) + max(widths[fixed:], default=0)
            if least + taken + min(winners, _LEAST_WINNER_WIDTH) <= width:
                break
        winners = min(winners, max(width - least - taken, 0))
        label_width = max(min(natural, width - taken - winners), least)
        names = self.columns[0].lines(label_width)
        room = width - label_width - 1 - sum(widths[:fixed]) - winners
        short = short_names(frozenset(column.heading for column in self.columns[1:]))
        blocks = []
        for start, end in _portions(widths[fixed:], room):
            part = range(fixed + start, fixed + end)
            ends = self._winners(short, {*range(fixed), *part}, winners)
            block = _joined([names, *lines[:fixed], *(lines[place] for place in part), ends], width)
            blocks.append("\n".join(block))
        *before, last = blocks
        legend = [last]
        if bare and any(cell.asides for column in self.columns for cell in column.cells):
            legend += textwrap.wrap(f"Not enough room for: {self.asides}.", max(width, 1))
        return "\n\n".join([*before, self._with_legend(legend, width)])

    def _narrowed(self, width: int, least: int, *, beside: bool, bare: bool) -> list[Column]:
        """The columns behind the names, with shorter headings, and without asides if ``bare``."""
        # So that two columns stand beside each other.
        most = (width - least - 1) // (1 + beside) - len(_GAP) - len(BEST_MARK)
        if bare:
            most = min(most, max(most - _WINNER_WIDTH, _FIGURE_WIDTH))
        columns = self.columns[1:]
        short = short_names(frozenset(column.heading for column in columns))
        narrowed = []
        for column in columns:
            heading, cells = short.fit(column.heading, max(most, _LEAST_NAME_WIDTH)), column.cells
            if bare:
                cells = [one._replace(text=fit_middle(one.text, most), asides=()) for one in cells]
            narrowed.append(replace(column, heading=heading, cells=cells))
        return narrowed

    def _winners(self, short: ShortNames, shown: Collection[int], width: int) -> list[str]:
        """For each line, the name of the best column where a block of columns is without it."""
        columns, room = self.columns[1:], width - len(BEST_MARK) - len(_GAP)
        hidden = [column for place, column in enumerate(columns) if place not in shown]
        names = [
            next((column.heading for column in hidden if column.cells[row].best), "")
            for row in range(len(columns[0].cells))
        ]
        fits = width >= _LEAST_WINNER_WIDTH
        return [
            "",
            *(f"{BEST_MARK}{short.fit(name, room)}" if name and fits else "" for name in names),
        ]

    def _with_legend(self, lines: Sequence[str], width: int) -> str:
        if any(cell.best for column in self.columns for cell in column.cells):
            lines = [*lines, fit(f"{BEST_MARK} {self.legend}", width).rstrip()]
        return "\n".join(lines)

    def markdown(self) -> str:
        """The lines of a Markdown table; the best cells are bold."""
        headings = [
            code_span(column.heading) if column.literal else column.heading
            for column in self.columns
        ]
        rules = [":--" if column.align == "left" else "--:" for column in self.columns]
        rows = zip(*(map(_markdown_cell, column.cells) for column in self.columns), strict=True)
        lines = [f"| {' | '.join(cells)} |" for cells in (headings, rules, *rows)]
        empty = " |" * (len(self.columns) - 1)
        titled = self.in_sections(lines[2:], lambda title: f"| **{code_span(title)}** |{empty}")
        return "\n".join([*lines[:2], *titled])

    def csv(self) -> str:
        """The values as CSV under their headings; numbers keep full precision."""
        return csv_text([[column.heading for column in self.columns], *self._values()])

    def _values(self) -> Iterator[tuple[object, ...]]:
        return zip(*([cell.value for cell in column.cells] for column in self.columns), strict=True)


def _within(rule: str, title: str, width: int) -> str:
    """A rule with a title in it, in at most ``width`` cells."""
    head = fit_middle(f"{_RULE_START} {safe_text(title, _LONGEST_TITLE)} ", width)
    return (head + rule[cell_width(head) :]).rstrip()


def _fitted(texts: Sequence[str], align: Align) -> list[str]:
    """The texts, each as wide as the widest."""
    widths = [cell_width(text) for text in texts]
    widest = max(widths, default=0)
    pads = (" " * (widest - width) for width in widths)
    pairs = zip(texts, pads, strict=True)
    return [pad + text if align == "right" else text + pad for text, pad in pairs]


def _joined(columns: Iterable[Sequence[str]], width: int) -> list[str]:
    lines = (_GAP.join(parts).rstrip() for parts in zip(*columns, strict=True))
    return [line if cell_width(line) <= width else fit(line, width).rstrip() for line in lines]


def _portions(widths: Sequence[int], room: int) -> Iterator[tuple[int, int]]:
    """Where portions that fit begin and end; at least one column in each."""
    start = 0
    while True:
        end, left = start, room
        while end < len(widths) and (end == start or widths[end] <= left):
            left -= widths[end]
            end += 1
        yield start, end
        if end == len(widths):
            return
        start = end


class Rival(NamedTuple):
    """A value that may be the best of those beside it, as it is shown, and what it varies by."""

    value: float | None
    text: str = ""
    spread: float = 0.0


def winner(
    rivals: Sequence[Rival], direction: Direction | None, *, missing_loses: bool = False
) -> int | None:
    """The place of the best of values that stand side by side; NaN and ±inf never win.

    ``None`` where nobody wins: the direction is unknown, there is nothing to win against, or it is
    a tie, because another value reads the same or is no further away than either of them varies.
    A missing value is lost against only if ``missing_loses``.
    """
    finite = {
        place: rival.value
        for place, rival in enumerate(rivals)
        if rival.value is not None and math.isfinite(rival.value)
    }
    if direction is None or not finite:
        return None
    best = (min if direction == "lower" else max)(finite, key=finite.__getitem__)
    first, value = rivals[best], finite.pop(best)
    if not finite:
        return best if missing_loses and any(one.value is None for one in rivals) else None
    for place, other in finite.items():
        rival = rivals[place]
        is_near = abs(value - other) <= max(first.spread, rival.spread)
        if is_near or first.text == rival.text != "":
            return None
    return best


# Markdown, CSV and JSON


def code_span(value: object, limit: int = 200) -> str:
    """``value`` as literal Markdown text of one line; "–" when there is nothing to show.

    What could end the span or the cell of a table around it is replaced by look-alikes.
    """
    text = safe_text(value, limit).translate(_LOOK_ALIKES).strip()
    return f"`{text}`" if text else MISSING


def _markdown_cell(cell: Cell) -> str:
    text = code_span(cell.text) if cell.literal and cell.text != MISSING else cell.text
    if cell.best:
        text = f"**{text}**"
    asides = ", ".join(filter(None, cell.asides))
    return f"{text} ({asides})" if asides else text


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Rows of cells as CSV."""
    text = io.StringIO()
    csv_writer(text).writerows(map(plain_cell, row) for row in rows)
    return text.getvalue()


def csv_writer(file: TextIO) -> Any:
    """A writer of :mod:`csv`. It takes text as it is: see :func:`plain_cell`."""
    # Line feeds alone, as pandas writes them: Excel takes them, and no Unix tool stumbles.
    return csv.writer(file, lineterminator="\n")


def plain_cell(value: object) -> object:
    """A value that is harmless in a cell: numbers as they are, all else as one line of text.

    Text that a spreadsheet could take for a formula gets a leading apostrophe.
    """
    if value is None or isinstance(value, (int, float)):
        return value
    text = str(value)
    if not text.isprintable():
        text = _UNSAFE.sub("", _BREAKS.sub(" ", text))
    return f"'{text}" if text.lstrip().startswith(_FORMULA_STARTS) else text


def json_text(value: object) -> str:
    """Strict JSON, with NaN and ±inf by name as in the log files."""
    return safe_json(msgspec.json.encode(jsonable(value)).decode())
