"""Random drawing of all that Textual draws with, sent as frames and in full: both must look alike.

    python -m tests.faults.random_screens --frames 20000 --seed 0

One emulator gets what was drawn, the other the frames that a :class:`ScreenMirror` makes of it, in
pieces of random sizes; after every burst their cells are compared, characters and styles. Sizes
change, and at times another program writes over the screen. What goes wrong prints its seed.
"""

from __future__ import annotations

import argparse
import random
from typing import NamedTuple

import pyte

from traintop.tui.output.mirror import ScreenMirror

_TEXTS = ("a", "bc", " ", "            ", "█▄", "⣿⡀", "é", "漢", "字", "👍", "e\u0301", "│", "—x")
_ACCENT = "e\x1b[7m\u0301"
"""A letter and its accent in two styles, as under the cursor of an entry."""
_COLORS = ("38;2;{0};{1};{2}", "48;2;{0};{1};{2}", "31", "92", "44", "103", "38;5;{0}", "39", "49")
_LEVELS = (0, 8, 95, 135, 200, 255)
_ATTRIBUTES = ("1", "2", "3", "4", "7", "9", "22", "23", "24", "27", "29")
_LINKS = ("\x1b]8;id=1;https://example.org\x1b\\", "\x1b]8;;\x1b\\")
_LIFETIME = 40
"""Bursts on a screen, on average, before its size changes or something writes over it."""


class Difference(NamedTuple):
    """Cells of the two emulators at one place."""

    column: int
    line: int
    drawn: object
    framed: object


class RandomScreen:
    """Draws at random, on both emulators."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.sent = self.drawn = 0
        self._mirror = ScreenMirror(
            1, 1, erases_in_color=self._random.random() < 0.8, control=lambda sequence: None
        )
        self._resize()

    def burst(self) -> Difference | None:
        """Draw some, send all that differs, and compare."""
        if self._random.random() < 1 / _LIFETIME:
            self._disturb()
        for _ in range(self._random.randint(1, 4)):
            for _ in range(self._random.randint(1, 5)):
                self._draw()
            if self._random.random() < 0.3:
                self._send(self._random.choice((1, 50, 400)))
        while not self._send(self._random.choice((30, 300, 1 << 16))):
            pass
        return self._difference()

    def _resize(self) -> None:
        """A terminal of another size, whose content is anything; Textual draws all anew."""
        self._columns, self._lines = self._random.randint(1, 60), self._random.randint(1, 16)
        self._screens = [pyte.Screen(self._columns, self._lines) for _ in range(2)]
        self._streams = [pyte.ByteStream(screen) for screen in self._screens]
        for stream in self._streams:
            stream.feed(b"\x1b[?7l")
        self._mirror.resize(self._columns, self._lines)
        self._mirror.wanted.clear()
        self._mirror.wanted.feed("\x1b[m")
        self._mirror.forget()
        self._streams[1].feed(b"\x1b[41mleft over\x1b[m")

    def _disturb(self) -> None:
        if self._random.random() < 0.5:
            self._resize()
        else:
            self._streams[1].feed(b"\x1b[2;3H\x1b[7mwritten by another program\x1b[m\r\n")
            self._mirror.forget()

    def _draw(self) -> None:
        column, line = self._random.randrange(self._columns), self._random.randrange(self._lines)
        row = self._mirror.wanted.rows[line]
        texts = [self._random.choice((*_TEXTS, _ACCENT)) for _ in range(self._random.randint(1, 8))]
        text, end = "", column
        for one in texts:
            width = 2 if one in "漢字👍" else 1 if "\u0301" in one else len(one)
            if end + width > self._columns:
                break
            text += self._style() + one
            end += width
        # Textual never cuts a wide character in two, and emulators differ in what is left of one.
        if row[column].text and (end == self._columns or row[end].text):
            data = f"\x1b[{line + 1};{column + 1}H{text}\x1b[{line + 1};1H"
            self._streams[0].feed(data.encode())
            self._mirror.wanted.feed(data)
            self.drawn += len(data.encode())

    def _style(self) -> str:
        codes = [self._random.choice(_ATTRIBUTES)] if self._random.random() < 0.3 else []
        if self._random.random() < 0.4:
            levels = (self._random.choice(_LEVELS) for _ in range(3))
            codes.append(self._random.choice(_COLORS).format(*levels))
        if self._random.random() < 0.2:
            codes.insert(0, "0")
        link = self._random.choice(_LINKS) if self._random.random() < 0.05 else ""
        return (f"\x1b[{';'.join(codes)}m" if codes else "") + link

    def _send(self, room: int) -> bool:
        """Send a frame; whether both are equal then, as far as the mirror knows."""
        data = self._mirror.frame(room)
        self.sent += len(data)
        self._streams[1].feed(data)
        return self._mirror.is_equal

    def _difference(self) -> Difference | None:
        drawn, framed = (screen.buffer for screen in self._screens)
        for line in range(self._lines):
            for column in range(self._columns):
                if drawn[line][column] != framed[line][column]:
                    return Difference(column, line, drawn[line][column], framed[line][column])
        places = [(screen.cursor.x, screen.cursor.y) for screen in self._screens]
        return None if places[0] == places[1] else Difference(*places[1], *places)


def differing(seed: int, frames: int) -> Difference | None:
    """The first difference within so many bursts, if there is one."""
    screen = RandomScreen(seed)
    return next(filter(None, (screen.burst() for _ in range(frames))), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for seed in range(arguments.seed, arguments.seed + max(arguments.frames // 100, 1)):
        difference = differing(seed, 100)
        if difference is not None:
            raise SystemExit(f"seed {seed}: {difference}")
    print(f"{arguments.frames:,} frames, no difference")


if __name__ == "__main__":
    main()
