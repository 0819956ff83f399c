"""The frames that go to a terminal: how few bytes they take, and what comes first."""

import pyte
import pytest

from traintop.tui.output.mirror import ScreenMirror

COLUMNS, LINES = 80, 24
ROOM = 1 << 16


class Terminal:
    """A mirror with what it is to show, and the emulator that gets its frames."""

    def __init__(self, *, erases_in_color=True):
        self.controls = []
        self.mirror = ScreenMirror(
            COLUMNS, LINES, erases_in_color=erases_in_color, control=self.controls.append
        )
        self.screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self.screen)
        self.send()

    def draw(self, line, column, text):
        self.mirror.wanted.feed(f"\x1b[{line};{column}H{text}\x1b[0m")

    def send(self, room=ROOM, **options):
        data = self.mirror.frame(room, **options)
        self._stream.feed(data)
        return data

    def text(self, line):
        return self.screen.display[line - 1].rstrip()


@pytest.fixture
def terminal():
    return Terminal()


def test_nothing_is_sent_when_nothing_differs(terminal):
    terminal.draw(3, 5, "\x1b[1;38;2;1;2;3mloss 2.345")
    terminal.send()
    terminal.draw(3, 5, "\x1b[1;38;2;1;2;3mloss 2.345")
    assert terminal.send() == b""


def test_a_digit_that_changes_is_all_that_is_sent(terminal):
    terminal.draw(3, 5, "\x1b[38;2;1;2;3mloss 2.345   121k tok/s")
    terminal.send()
    terminal.draw(3, 5, "\x1b[38;2;1;2;3mloss 2.346   121k tok/s")
    assert len(terminal.send()) <= len("\x1b[3;14H6") + len("\x1b[3;29H")
    assert terminal.text(3) == "    loss 2.346   121k tok/s"


def test_a_color_is_said_once_however_colors_alternate(terminal):
    for line in range(1, 11):
        pieces = (f"\x1b[38;2;9;{80 + 90 * (x % 2)};9m{x:<6}" for x in range(12))
        terminal.draw(line, 1, "".join(pieces))
    data = terminal.send()
    assert data.count(b"38;2;9;80;9") == data.count(b"38;2;9;170;9") == 1


def test_a_color_of_the_palette_is_sent_by_its_number(terminal):
    terminal.draw(1, 1, "\x1b[38;2;255;175;0morange\x1b[38;2;254;175;0malmost")
    data = terminal.send()
    assert b"38;5;214m" in data
    assert b"38;2;254;175;0m" in data


def test_a_color_that_schemes_change_keeps_its_values(terminal):
    terminal.draw(1, 1, "\x1b[48;2;0;0;95mnavy")
    assert b"48;2;0;0;95m" in terminal.send()


def test_a_line_of_blanks_is_erased(terminal):
    terminal.draw(7, 1, "x" * COLUMNS)
    terminal.send()
    terminal.draw(7, 1, "\x1b[48;2;9;9;9m" + " " * COLUMNS)
    assert len(terminal.send()) < 40
    assert terminal.text(7) == ""
    assert terminal.screen.buffer[6][40].bg == "090909"


def test_blanks_are_written_where_erasing_loses_color():
    terminal = Terminal(erases_in_color=False)
    terminal.draw(7, 1, "\x1b[48;2;9;9;9m" + " " * COLUMNS)
    data = terminal.send()
    assert b"\x1b[K" not in data
    assert b" " * COLUMNS in data


def test_a_small_change_does_not_wait_for_a_large_one(terminal):
    for line in range(4, 20):
        terminal.draw(line, 20, "chart" * 8)
    terminal.draw(22, 2, "answer")
    terminal.send(room=40)
    assert terminal.text(22) == " answer"
    assert not terminal.mirror.is_equal
    while not terminal.mirror.is_equal:
        terminal.send(room=40)
    assert terminal.text(19) == " " * 19 + "chart" * 8


def test_a_large_change_has_its_turn(terminal):
    for line in range(4, 20):
        terminal.draw(line, 20, "chart" * 8)
    terminal.draw(22, 2, "number")
    terminal.send(room=40, largest_first=True)
    assert terminal.text(22) == ""


def test_what_another_program_wrote_is_drawn_over(terminal):
    terminal.draw(2, 2, "ours")
    terminal.send()
    terminal.screen.draw("theirs")
    terminal.mirror.forget()
    terminal.send()
    assert [line.strip() for line in terminal.screen.display if line.strip()] == ["ours"]


def test_a_terminal_of_another_size_gets_all_of_it(terminal):
    terminal.draw(2, 2, "ours")
    terminal.send()
    assert terminal.mirror.resize(COLUMNS - 20, LINES)
    assert b"ours" in terminal.send()
    assert not terminal.mirror.resize(COLUMNS - 20, LINES)


@pytest.mark.parametrize("text", ["日本語", "👍🏽 ok", "❤️ x", "e\u0301tude", "👩\u200d💻|"])
def test_what_stands_behind_wide_characters_stays_in_place(terminal, text):
    terminal.draw(1, 1, f"{text}\x1b[1;20H|")
    terminal.send()
    assert terminal.screen.buffer[0][19].data == "|"
    terminal.draw(1, 1, f"{'x' * 12}\x1b[1;20H|")
    terminal.send()
    assert terminal.text(1) == f"{'x' * 12:<19}|"


def test_an_accent_of_another_style_belongs_to_its_letter(terminal):
    terminal.draw(2, 3, "|caf\x1b[7me\x1b[27m\u0301 au lait|")
    terminal.send()
    terminal.draw(2, 8, " noir   |")
    terminal.draw(3, 1, "漢\x1b[7m\u0301|")
    terminal.send()
    assert terminal.text(2) == "  |café noir   |"
    assert terminal.text(3).endswith("|")
    assert len(terminal.text(3)) == len("漢|")


def test_an_accent_that_is_drawn_alone_is_no_cell(terminal):
    for _ in range(100):
        terminal.draw(2, 3, "\u0301loss")
    terminal.draw(3, 1, "\u0301step")
    assert len(terminal.send()) < 100
    assert terminal.text(2).endswith("loss")
    assert terminal.text(2).index("l") > 2
    assert terminal.text(3) == "step"


def test_links_are_kept(terminal):
    terminal.draw(1, 1, "\x1b]8;id=7;https://example.org\x1b\\there\x1b]8;;\x1b\\ not")
    data = terminal.send()
    assert data.index(b"https://example.org") < data.index(b"there") < data.index(b"]8;;\x1b")
    assert data.index(b"not") < data.index(b"https") or data.index(b"]8;;") < data.index(b"not")


def test_what_is_no_drawing_is_passed_on(terminal):
    sequences = ["\x07", "\x1b]52;c;aGk=\x07", "\x1b[?1003h", "\x1b]22;text\x07", "\x1b[>1u"]
    terminal.mirror.wanted.feed("a".join(sequences))
    assert terminal.controls == sequences
    terminal.send()
    assert terminal.text(1) == "aaaa"


def test_updates_are_marked_where_the_terminal_understands_it(terminal):
    terminal.mirror.wanted.feed("\x1b[?2026h\x1b[3;1Hhere\x1b[?2026l")
    data = terminal.send()
    assert data.startswith(b"\x1b[?2026h")
    assert data.endswith(b"\x1b[?2026l")


def test_the_cursor_is_left_where_it_was_put(terminal):
    terminal.draw(9, 1, "name: \x1b[9;7H")
    terminal.send()
    assert (terminal.screen.cursor.x, terminal.screen.cursor.y) == (6, 8)
    terminal.mirror.wanted.feed("\x1b[9;9H")
    terminal.send()
    assert (terminal.screen.cursor.x, terminal.screen.cursor.y) == (8, 8)
