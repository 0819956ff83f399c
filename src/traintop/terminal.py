"""What the terminal can do, judged by the environment it gave us; and when it is gone."""

from __future__ import annotations

import select
import signal
import sys
from collections.abc import Callable, Mapping
from threading import Thread

from traintop.text import cell_width

_ASCII_TERMINALS = frozenset({"dumb", "linux", "vt100", "vt102", "vt220", "ansi"})
"""Terminals whose fonts lack braille and most symbols, whatever the encoding."""


_WITHOUT_SCREEN = frozenset({"dumb", "unknown"})
"""Terminals that only write one line after the other, such as a shell within an editor."""

_SIGNALLED = 128
"""A shell adds this to the number of the signal that ended a program."""


def has_screen(environment: Mapping[str, str]) -> bool:
    """Whether the terminal can be drawn on, in any place and in colours."""
    return environment.get("TERM", "").lower() not in _WITHOUT_SCREEN


def draws_ascii_only(
    environment: Mapping[str, str], *, utf8_mode: bool = bool(sys.flags.utf8_mode)
) -> bool:
    """Whether only ASCII may be drawn.

    True when the locale names another encoding than UTF-8, and on consoles without the
    glyphs. An environment without any locale (a bare container) is taken as UTF-8, as every
    terminal of today is. ``utf8_mode`` tells that Python itself may have set ``LC_CTYPE``.
    """
    if environment.get("TERM", "") in _ASCII_TERMINALS:
        return True
    locale = _named_locale(environment, utf8_mode)
    return bool(locale) and "utf8" not in locale.lower().replace("-", "")


def _named_locale(environment: Mapping[str, str], utf8_mode: bool) -> str:
    if environment.get("LC_ALL"):
        return environment["LC_ALL"]
    language = environment.get("LANG", "")
    character_type = environment.get("LC_CTYPE", "")
    # In the C locale Python coerces LC_CTYPE to C.UTF-8 (PEP 538); the terminal did not.
    coerced = utf8_mode and language and character_type in {"C.UTF-8", "C.utf8", "UTF-8"}
    return language if coerced or not character_type else character_type


def takes_clipboard(environment: Mapping[str, str]) -> bool:
    """Whether the terminal is likely to take a text for the clipboard (OSC 52).

    tmux hands it on only with ``set-clipboard on``, so there it is not likely.
    """
    console = environment.get("TERM", "") in _ASCII_TERMINALS
    return not (
        console or "TMUX" in environment or environment.get("TERM_PROGRAM") == "Apple_Terminal"
    )


_ASCII_FORMS = str.maketrans(
    {
        "●": "*",
        "◐": "~",
        "■": "=",
        "✓": "+",
        "✗": "x",
        "◆": "#",
        "▌": ">",
        "⚑": "P",
        "★": "*",
        "×": "x",
        "≤": "<",
        "⌀": "~",
        **dict.fromkeys("│┃▎▏▐▕", "|"),
        **dict.fromkeys("─━▔", "-"),
        **dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼", "+"),
        **dict.fromkeys("▁▂▃▄▅▆▇", " "),  # the ends of a scrollbar
        "┄": ".",
        "–": "-",
        "…": "~",
        "·": ".",
        "±": "~",
        "↓": "v",
        "↑": "^",
        "→": ">",
        "←": "<",
    }
)


def to_ascii(text: str) -> str:
    """``text`` in as many cells with ASCII only: look-alikes for what we draw, else "?"."""
    if text.isascii():
        return text
    return "".join(
        character if character.isascii() else "?" * cell_width(character)
        for character in text.translate(_ASCII_FORMS)
    )


def when_told_to_end(then: Callable[[int], object]) -> None:
    """Call ``then`` with the code to end with, when the program is told to or its terminal is gone.

    Needs a running event loop. A signal that whoever started the program has it ignore (as nohup
    does with SIGHUP) stays ignored. It may come from a thread of its own.
    """
    import asyncio  # Textual has it; commands that print need none

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, then, _SIGNALLED + number)
    if sys.stdin.isatty():
        _when_hung_up(sys.stdin.fileno(), lambda: then(_SIGNALLED + signal.SIGHUP))


def _when_hung_up(descriptor: int, then: Callable[[], object]) -> None:
    """Call ``then``, from a thread of its own, when the terminal behind a descriptor is gone.

    A login shell's SIGHUP ends most programs; one in a session of its own gets none, and would go
    on to read the end of its input, at full load. Waiting for it costs nothing.
    """
    poll = select.poll()
    poll.register(descriptor, 0)  # a hang-up is always reported

    def wait() -> None:
        poll.poll()
        then()

    Thread(target=wait, name="traintop-terminal", daemon=True).start()
