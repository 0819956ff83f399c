"""What differs between two grids, in the fewest bytes that make the one into the other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import compress, groupby
from operator import attrgetter, is_not
from typing import NamedTuple

from traintop.text import cell_width
from traintop.tui.output.grid import ATTRIBUTE_ENDS, PLAIN, Cell, Style, are_narrow

Rows = Sequence[Sequence[Cell]]

_LEAST_ERASED = 8
"""Blank cells from which on to erase them takes fewer bytes than to write them."""

_LONGEST_MOVEMENT = 9
"""No way to a place takes as many bytes on a screen of less than a thousand columns."""

_BLANK = " " * _LEAST_ERASED
_BLANKS = re.compile(f"({_BLANK}+)")

_SEEN_ON_BLANKS = frozenset({"4", "7", "9", "21", "53"})
"""Attributes that show where nothing is written, so that erased cells would lack them."""


_FIRST_EMOJI = "\U0001f000"
"""From here on terminals do not agree how many cells a character takes, nor for joined ones."""


class Change(NamedTuple):
    """Cells of one line that differ, from one column up to another."""

    line: int
    start: int
    end: int


def changes(shown: Rows, wanted: Rows) -> Iterator[Change]:
    """Where two grids of one size differ, line by line. Wide characters are whole."""
    for line, (old, new) in enumerate(zip(shown, wanted, strict=True)):
        if old == new:
            continue
        start = end = -1
        # Equal cells are mostly one object, which is seen at once.
        for column in compress(range(len(new)), map(is_not, old, new)):
            if old[column] == new[column]:
                continue
            if column > end:
                if end > 0:
                    yield Change(line, start, end)
                start = column if new[column].text else max(0, column - 1)
            if column >= end:
                end = column + 1
                if end < len(new) and not new[end].text:
                    end += 1
        yield Change(line, start, end)


def areas(found: Sequence[Change]) -> list[list[Change]]:
    """Changes that touch, such as those of one chart; what has the fewest cells comes first."""
    of_change: dict[Change, list[Change]] = {}
    above: list[Change] = []
    here: list[Change] = []
    for change in found:
        if here and here[-1].line != change.line:
            above = here if here[-1].line == change.line - 1 else []
            here = []
        area = of_change[change] = [change]
        for other in above:
            if other.start <= change.end and change.start <= other.end:
                joined = of_change[other]
                if joined is not area:
                    joined.extend(area)
                    for member in area:
                        of_change[member] = joined
                    area = joined
        here.append(change)
    distinct = {id(area): area for area in of_change.values()}.values()
    for area in distinct:
        area.sort()
    return sorted(distinct, key=lambda area: sum(change.end - change.start for change in area))


class Pen:
    """Where the terminal writes next and in which style, and the bytes that lead there."""

    def __init__(self, *, erases_in_color: bool) -> None:
        """``erases_in_color`` says whether erased cells get the background that is set."""
        self._erases_in_color = erases_in_color
        self._place: tuple[int, int] | None = None
        self._style: Style | None = None
        self._parts: list[str] = []

    def forget(self) -> None:
        """Take nothing for known: another program may have written."""
        self._place = self._style = None

    def take(self) -> bytes:
        """What was written since the last time."""
        data = "".join(self._parts)
        self._parts.clear()
        return data.encode("utf-8", "backslashreplace")  # as Textual writes what is no text

    def clear_screen(self) -> None:
        """Blank the whole screen."""
        self._use(PLAIN)
        self._parts.append("\x1b[2J")

    def move(self, column: int, line: int) -> None:
        """Move the cursor without writing anything."""
        if self._place != (column, line):
            self._parts.append(_movement(self._place, column, line))
            self._place = (column, line)

    def paint(self, rows: Rows, chosen: Iterable[Change], *, in_order: bool = False) -> None:
        """Write the cells of changes; ``rows`` are the whole lines as they are to be.

        All that has one style is written before the next is set: to move takes fewer bytes.
        ``in_order`` writes from left to right instead.
        """
        runs = [run for change in sorted(chosen) for run in _runs(rows, change)]
        if not in_order:
            ranks = {style: self._how_different(style) for style in {run[0] for run in runs}}
            runs.sort(key=lambda run: ranks[run[0]])
        for style, line, start, end in runs:
            if style is not self._style:
                self._use(style)
            self._approach(rows[line], line, start)
            self._write_run(rows[line], line, start, end)
        if self._style is not None and self._style.link:
            self._use(self._style._replace(link=""))  # whatever ends the program

    def _how_different(self, style: Style) -> tuple[bool, str, list[str], str]:
        """A key that sorts the style that is set first, and those that are alike together."""
        different = self._style is None or style[1:] != self._style[1:]
        return different, style.background, sorted(style.attributes), style.foreground

    def _approach(self, row: Sequence[Cell], line: int, column: int) -> None:
        """Move to a place, over what is there already where that takes fewer bytes."""
        place = self._place
        if place is not None and place[1] == line and 0 < column - place[0] < _LONGEST_MOVEMENT:
            between = row[place[0] : column]
            text = "".join([cell.text for cell in between])
            if (
                len(text.encode()) <= len(_movement(place, column, line))
                and are_narrow(text)
                and all(cell.style == self._style for cell in between)
            ):
                self._parts.append(text)
                self._place = (column, line)
        self.move(column, line)

    def _write_run(self, row: Sequence[Cell], line: int, start: int, stop: int) -> None:
        """Write cells of the style that is set."""
        text = "".join([cell.text for cell in row[start:stop]])
        if not are_narrow(text):
            for column in range(start, stop):
                if character := row[column].text:
                    self.move(column, line)
                    self._parts.append(character)
                    end = column + cell_width(character)
                    agreed = len(character) == 1 and character < _FIRST_EMOJI and end < len(row)
                    self._place = (end, line) if agreed else None
            return
        erases = _BLANK in text and self._can_erase(row[start].style)
        for piece in filter(None, _BLANKS.split(text)) if erases else (text,):
            self.move(start, line)
            end = start + len(piece)
            if len(piece) < _LEAST_ERASED or not erases or not piece.isspace():
                self._parts.append(piece)
                self._place = (end, line) if end < len(row) else None
            else:
                self._parts.append("\x1b[K" if end == len(row) else f"\x1b[{len(piece)}X")
            start = end

    def _can_erase(self, style: Style) -> bool:
        colored = bool(style.background) and not self._erases_in_color
        return not (colored or style.link or style.attributes & _SEEN_ON_BLANKS)

    def _use(self, style: Style) -> None:
        if style == self._style:
            return
        if style.link != (self._style or PLAIN).link:
            self._parts.append(f"\x1b]8;{style.link or ';'}\x1b\\")
        self._parts.append(_style_change(self._style, style))
        self._style = style


def _runs(rows: Rows, change: Change) -> Iterator[tuple[Style, int, int, int]]:
    """The parts of a change that have one style each."""
    line, start, end = change
    for style, cells in groupby(rows[line][start:end], key=attrgetter("style")):
        stop = start + len(list(cells))
        yield style, line, start, stop
        start = stop


def cost(row: Sequence[Cell], change: Change) -> int:
    """About how many bytes the cells of a change take."""
    cells = row[change.start : change.end]
    styles = [style for _, style in cells]
    changed = sum(map(is_not, styles, styles[1:]))
    return len("".join([text for text, _ in cells]).encode(errors="replace")) + 6 * (changed + 1)


def _movement(place: tuple[int, int] | None, column: int, line: int) -> str:
    """The shortest sequence that leads from one place to another."""
    if place is not None:
        right, down = column - place[0], line - place[1]
        if not down:
            return f"\x1b[{_count(abs(right))}{'C' if right > 0 else 'D'}"
        if not right:
            return f"\x1b[{_count(abs(down))}{'B' if down > 0 else 'A'}"
    return f"\x1b[{line + 1};{column + 1}H"


def _count(number: int) -> str:
    return "" if number == 1 else str(number)


@lru_cache(maxsize=4096)
def _style_change(before: Style | None, after: Style) -> str:
    """The shortest SGR sequence from one style to another, empty if they look the same."""
    colors = filter(None, (after.foreground, after.background))
    whole = ";".join(("", *sorted(after.attributes), *colors))
    if before is None:
        return f"\x1b[{whole}m"
    ended = {ATTRIBUTE_ENDS[attribute] for attribute in before.attributes - after.attributes}
    kept = {attribute for attribute in before.attributes if ATTRIBUTE_ENDS[attribute] not in ended}
    codes = sorted(ended) + sorted(after.attributes - kept)
    if after.foreground != before.foreground:
        codes.append(after.foreground or "39")
    if after.background != before.background:
        codes.append(after.background or "49")
    if not codes:
        return ""
    return f"\x1b[{min(whole, ';'.join(codes), key=len)}m"
