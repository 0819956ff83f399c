"""What the terminal can do, judged by the environment variables; and when it is gone."""

from __future__ import annotations

import os
import select
import signal
import stat
import sys
import time
from collections.abc import Callable, Mapping
from threading import Thread

from traintop.text import cell_width

_ASCII_TERMINALS = frozenset({"dumb", "linux", "vt100", "vt102", "vt220", "ansi"})
"""Terminals whose fonts lack braille and most symbols, whatever the encoding."""


_WITHOUT_SCREEN = frozenset({"dumb", "unknown"})
"""Terminals that only write one line after the other, such as a shell within an editor."""

_SIGNALLED = 128
"""A shell adds this to the number of the signal that ended a program."""

_SECONDS_TO_END = 15.0
"""How long a program whose terminal is gone may take to end; more than exports and notes get."""


def has_screen(environment: Mapping[str, str]) -> bool:
    """Whether the terminal can place text anywhere and in colours."""
    return environment.get("TERM", "").lower() not in _WITHOUT_SCREEN


def draws_ascii_only(
    environment: Mapping[str, str], *, utf8_mode: bool = bool(sys.flags.utf8_mode)
) -> bool:
    """Whether only ASCII may be drawn.

    True when the locale names an encoding other than UTF-8, and on consoles without the glyphs.
    An environment without a locale (a bare container) counts as UTF-8, as today's terminals are.
    ``utf8_mode`` means that Python itself may have set ``LC_CTYPE``.
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

    tmux passes it on only with ``set-clipboard on``, so there it is not likely.
    """
    console = environment.get("TERM", "") in _ASCII_TERMINALS
    return not (
        console or "TMUX" in environment or environment.get("TERM_PROGRAM") == "Apple_Terminal"
    )


def answers_itself(environment: Mapping[str, str]) -> bool:
    """Whether the terminal is a program that answers for the one behind it: tmux, screen."""
    return (
        "TMUX" in environment
        or is_gnu_screen(environment)
        or environment.get("TERM", "").startswith(("screen", "tmux"))
    )


def is_gnu_screen(environment: Mapping[str, str]) -> bool:
    """Whether the terminal is GNU screen.

    Version 4.9 takes colours of 24 bits for several others, also where the terminal behind it has
    them and says so. Once a program asks for the mouse, it keeps escape until the next key.
    """
    return "STY" in environment


def erases_in_color(environment: Mapping[str, str]) -> bool:
    """Whether the terminal gives erased cells the background that is set, as nearly all do."""
    import curses  # only the UI asks

    try:
        curses.setupterm(environment.get("TERM", ""), 0)
    except curses.error:
        return False
    return curses.tigetflag("bce") > 0


def desktop_sequence(title: str, text: str, environment: Mapping[str, str]) -> str:
    """What makes the person's terminal show a notice outside of it: OSC 9 and OSC 777.

    Terminals that know both get the second only, as they would show it twice. Inside tmux it is
    wrapped so that tmux hands it on, which needs its option ``allow-passthrough``. Both texts are
    safe already.
    """
    # A semicolon would begin another argument of the sequence; "4;" would be a progress bar.
    title, body = (part.replace(";", ",") for part in (title, text))
    sequence = f"\x1b]777;notify;traintop: {title};{body}\x07"
    if environment.get("TERM_PROGRAM") not in ("WezTerm", "ghostty"):
        sequence = f"\x1b]9;traintop: {title}: {body}\x07{sequence}"
    if "TMUX" in environment:
        doubled = sequence.replace("\x1b", "\x1b\x1b")
        return f"\x1bPtmux;{doubled}\x1b\\"
    return sequence


_ASCII_FORMS = str.maketrans(
    {
        "●": "*",
        "◐": "~",
        "◌": "?",
        "■": "=",
        "✓": "+",
        "✗": "x",
        "◆": "#",
        "▌": ">",
        "⚑": "P",
        "✎": "n",
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


def can_be_continued() -> bool:
    """Whether a shell with job control started this process: a stopped one waits for its ``fg``.

    There is none where the terminal was opened for this program, as by ``ssh -t HOST traintop``:
    then its process group is that of the session.
    """
    return not hasattr(os, "getsid") or os.getpgrp() != os.getsid(0)


def to_ascii(text: str) -> str:
    """``text`` in as many cells with ASCII only: look-alikes for what we draw, else "?"."""
    if text.isascii():
        return text
    return "".join(
        character if character.isascii() else "?" * cell_width(character)
        for character in text.translate(_ASCII_FORMS)
    )


def on_termination(then: Callable[[int], object]) -> None:
    """Call ``then`` with the exit code on SIGTERM, on SIGHUP, and when the terminal is gone.

    Needs a running event loop. A signal that is already ignored (as ``nohup`` does with SIGHUP)
    stays ignored. The call may come from another thread.
    """
    import asyncio  # Textual has it; commands that print need none

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, then, _SIGNALLED + number)
    terminal = sys.stdin.fileno()
    if stat.S_ISCHR(os.fstat(terminal).st_mode):  # one that is gone already is no terminal any more
        _on_hangup(terminal, lambda: then(_SIGNALLED + signal.SIGHUP))


def _on_hangup(descriptor: int, then: Callable[[], object]) -> None:
    """Call ``then``, from a new thread, when the terminal behind a descriptor is gone.

    Most programs end by the SIGHUP of the login shell. One in a session of its own gets none and
    would read the end of its input again and again, at full load. Waiting costs nothing.

    Whoever waits for that terminal to take what is drawn waits for ever: after some seconds the
    program ends all the same.
    """
    poll = select.poll()
    poll.register(descriptor, 0)  # a hang-up is always reported

    def wait() -> None:
        poll.poll()
        then()
        time.sleep(_SECONDS_TO_END)
        os._exit(_SIGNALLED + signal.SIGHUP)

    Thread(target=wait, name="traintop-terminal", daemon=True).start()
