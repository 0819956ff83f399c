"""What a terminal shows, as rows of cells; and how a stream of text changes it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from traintop.text import cell_width


class Style(NamedTuple):
    """How a cell looks, as parameters of SGR (``38;5;9``, ``1``); empty is the terminal's own."""

    foreground: str = ""
    background: str = ""
    attributes: frozenset[str] = frozenset()
    link: str = ""
    """What OSC 8 says of a hyperlink: its parameters, ";", its address."""


class Cell(NamedTuple):
    """One place of a grid. The second half of a wide character has the text ``""``."""

    text: str
    style: Style


PLAIN = Style()
BLANK = Cell(" ", PLAIN)

_SEQUENCES = re.compile(
    r"\x1b\[([\d;]*)m"  # SGR
    r"|(\x1b\[[0-?]*[ -/]*[@-~]"  # the rest of CSI
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC
    r"|\x1b[ -/]*[0-Z\\-~]"
    r"|[\x00-\x1f\x7f])"
)
ENTER_SCREEN = "\x1b[?1049h"
ALTERNATE_SCREEN = frozenset({ENTER_SCREEN, "\x1b[?1049l"})
_LINE_ENDS = frozenset("\r\n")
_SYNCHRONISED = frozenset({"\x1b[?2026h", "\x1b[?2026l"})

_ENDED = {
    "22": frozenset("12"),
    "23": frozenset("3"),
    "24": frozenset({"4", "21"}),
    "25": frozenset("5"),
    "27": frozenset("7"),
    "28": frozenset("8"),
    "29": frozenset("9"),
    "55": frozenset({"53"}),
}
ATTRIBUTE_ENDS = {attribute: end for end, ended in _ENDED.items() for attribute in ended}
"""The SGR parameter that ends an attribute; that of bold ends dim too."""

_JOINER = "\u200d"
_MOST_JOINED = 16
"""Characters of one cell; an accent whose letter is out of sight is drawn again and again."""

_MOST_CELLS = 50_000
"""Distinct cells that are kept to be used again; names in other scripts would add up otherwise."""


class CellGrid:
    """The cells of a screen, and the place of its cursor.

    It understands what Textual draws with: text, line ends, absolute moves, colours and links.
    Every other sequence goes to ``control`` as it is, for it changes no cell: modes, titles, the
    clipboard, the bell.
    """

    def __init__(self, columns: int, lines: int, control: Callable[[str], object]) -> None:
        self.columns, self.lines = columns, lines
        self.cursor = (0, 0)
        """Column and line, from 0."""
        self.marks_updates = False
        """Whether updates came marked, as Textual does where the terminal shows them at once."""
        self._control = control
        self._cells: dict[Style, _Cells] = {}
        self._known = self._cells_in(PLAIN)  # those of the style that is set
        self.clear()

    def clear(self) -> None:
        """Blank all cells."""
        self.rows = [[BLANK] * self.columns for _ in range(self.lines)]

    def resize(self, columns: int, lines: int) -> None:
        """Take another size; what is in both sizes stays."""
        fill = [BLANK] * (columns - self.columns)
        kept = [row[:columns] + fill for row in self.rows[:lines]]
        self.rows = kept + [[BLANK] * columns for _ in range(lines - len(kept))]
        self.columns, self.lines = columns, lines

    def feed(self, data: str) -> None:
        """Take what is written to the terminal, in whole sequences."""
        pieces = [*_SEQUENCES.split(data), None, None]  # after each text one of the two
        known = self._known
        cells: list[Cell] = []
        for text, parameters, sequence in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True):
            if text:
                characters = _characters(text)
                if not (characters is text or cell_width(characters[0])):
                    self._join(cells, characters[0])
                    characters = characters[1:]
                cells += map(known.__getitem__, characters)
            if parameters is not None:
                following = known.after.get(parameters)
                known = self._after(known, parameters) if following is None else following
                continue
            if cells:
                self._put(cells)
                cells = []
            if sequence:
                self._known = known
                self._follow(sequence)
                known = self._known
        self._known = known

    def _follow(self, sequence: str) -> None:
        """Do what a sequence other than SGR, or a control character, says."""
        if sequence.startswith("\x1b[") and sequence.endswith("H"):
            line, _, column = sequence[2:-1].partition(";")
            self.cursor = (int(column or 1) - 1, int(line or 1) - 1)
        elif sequence in _LINE_ENDS:
            below = self.cursor[1] + (sequence == "\n")
            self.cursor = (0, min(below, self.lines - 1))
        elif sequence.startswith("\x1b]8;"):
            link = sequence.removeprefix("\x1b]8;").rstrip("\x07\x1b\\")
            link = "" if link == ";" else link
            self._known = self._cells_in(self._known.style._replace(link=link))
        elif sequence in _SYNCHRONISED:
            self.marks_updates = True
        else:
            self._control(sequence)
            if sequence in ALTERNATE_SCREEN:
                self.clear()

    def _join(self, cells: list[Cell], mark: str) -> None:
        """Add an accent, or what else takes no cell, to the character before it.

        That may have another style, as the letter on which the cursor of an entry stands.
        """
        row, column = cells, len(cells) - 1
        if not cells:
            x, y = self.cursor
            row, column = self.rows[min(y, self.lines - 1)], min(x, self.columns) - 1
        if column > 0 and not row[column].text:
            column -= 1
        if column >= 0 and len(row[column].text) < _MOST_JOINED:
            row[column] = self._cells_in(row[column].style)[row[column].text + mark]

    def _put(self, cells: list[Cell]) -> None:
        x, y = self.cursor
        end = x + len(cells)
        self.cursor = (min(end, self.columns), y)
        if y >= self.lines or x >= self.columns:
            return
        row = self.rows[y]
        if not row[x].text and x:  # the second half of what begins before
            row[x - 1] = Cell(" ", row[x - 1].style)
        if end < self.columns and not row[end].text:
            row[end] = Cell(" ", row[end].style)
        row[x:end] = cells
        del row[self.columns :]

    def _after(self, known: _Cells, parameters: str) -> _Cells:
        following = known.after[parameters] = self._cells_in(_styled(known.style, parameters))
        return following

    def _cells_in(self, style: Style) -> _Cells:
        known = self._cells.get(style)
        if known is None:
            if sum(map(len, self._cells.values())) > _MOST_CELLS:
                self._cells.clear()
            known = self._cells[style] = _Cells(style)
        return known


class _Cells(dict[str, Cell]):
    """The cells of one style, each made once: equal cells are mostly identical."""

    def __init__(self, style: Style) -> None:
        super().__init__()
        self.style = style
        self.after: dict[str, _Cells] = {}
        """The cells of the styles that follow from this one, by the parameters of SGR."""

    def __missing__(self, text: str) -> Cell:
        cell = self[text] = Cell(text, self.style)
        return cell


_NARROW: set[str] = set()
"""Characters found to take one cell."""


def are_narrow(text: str) -> bool:
    """Whether each character takes one cell, on which all terminals agree."""
    if text.isascii() or _NARROW.issuperset(text):
        return True
    _NARROW.update(character for character in text if cell_width(character) == 1)
    return _NARROW.issuperset(text)


def _characters(text: str) -> str | list[str]:
    """What is drawn in a cell each; ``""`` stands for the second cell of what takes two."""
    if are_narrow(text):
        return text
    clusters: list[str] = []
    for character in text:
        joined = clusters and (clusters[-1].endswith(_JOINER) or not cell_width(character))
        if joined:
            clusters[-1] += character
        else:
            clusters.append(character)
    halves = ((cluster, "") if cell_width(cluster) == 2 else (cluster,) for cluster in clusters)
    return [half for pair in halves for half in pair]


def _styled(style: Style, parameters: str) -> Style:
    """``style`` after the ``parameters`` of SGR."""
    colors = {"3": style.foreground, "4": style.background}
    attributes = style.attributes
    codes = parameters.split(";")
    while codes:
        code = codes.pop(0)
        if code in {"", "0"}:
            colors, attributes = {"3": "", "4": ""}, frozenset()
        elif code in {"38", "48"}:
            count = 2 if codes[0] == "5" else 4
            colors[code[0]] = _shortest(code, codes[:count])
            del codes[:count]
        elif code in {"39", "49"}:
            colors[code[0]] = ""
        elif code in _ENDED:
            attributes -= _ENDED[code]
        elif code in ATTRIBUTE_ENDS:
            attributes |= {code}
        else:  # 30 to 37, 90 to 97, and the same of backgrounds
            colors["3" if code[0] == "3" or code[:-1] == "9" else "4"] = code
    return Style(colors["3"], colors["4"], attributes, style.link)


def _shortest(code: str, color: list[str]) -> str:
    """A colour as SGR parameters: by its number in the palette where that is the same colour.

    The first sixteen are what the person likes, and schemes change the six after them too.
    """
    if color[0] == "2":
        red, green, blue = map(int, color[1:])
        number = _PALETTE.get((red, green, blue))
        color = color if number is None else ["5", str(number)]
    return ";".join((code, *color))


_LEVELS = (0, 95, 135, 175, 215, 255)
_PALETTE = {
    **{(level, level, level): 232 + index for index, level in enumerate(range(8, 239, 10))},
    **{
        (_LEVELS[index // 36], _LEVELS[index // 6 % 6], _LEVELS[index % 6]): 16 + index
        for index in range(6, 216)
    },
}
"""Colours of xterm's palette of 256."""
