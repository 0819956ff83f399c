"""The thread that sends frames to a terminal, over a real pseudo-terminal."""

from __future__ import annotations

import os
import pty
import time
from collections.abc import Iterator
from threading import Event, Thread

import pytest
from tests.waiting import wait_until

from traintop.tui.output import pacing
from traintop.tui.output import screen as screens
from traintop.tui.output.mirror import ScreenMirror
from traintop.tui.output.pacing import LinePace
from traintop.tui.output.screen import QUERY, SynchronisedScreen


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a pseudo-terminal: the person's, and the program's."""
    ends = pty.openpty()
    yield ends
    for end in ends:
        os.close(end)


def screen_on(descriptor: int, **events: object) -> SynchronisedScreen:
    """A screen that draws, with the line's answers left to the test."""
    screen = SynchronisedScreen(
        descriptor,
        events.get("size", lambda: (40, 10)),
        LinePace(time.monotonic()),
        erases_in_color=True,
        slow_changed=events.get("slow_changed", lambda slow: None),
        failed=events.get("failed", lambda error: None),
    )
    screen.start()
    screen.write("\x1b[?1049h")
    return screen


def test_an_answer_may_come_before_the_write_returns(terminal, monkeypatch):
    _, program = terminal
    screen = screen_on(program)
    write, sent = os.write, []

    def write_to_a_quick_terminal(descriptor: int, data: bytes) -> int:
        count = write(descriptor, data)
        sent.append(data)
        if data.endswith(QUERY.encode()):
            screen.answered()
        return count

    monkeypatch.setattr(os, "write", write_to_a_quick_terminal)
    try:
        for number in range(5):
            screen.pressed()
            screen.write(f"\x1b[2;2Hloss {number}{number}")
            wait_until(lambda: any(f"{number}{number}".encode() in data for data in sent))  # noqa: B023
        assert sum(data.endswith(QUERY.encode()) for data in sent) == 5  # none was asked for again
    finally:
        screen.stop()


def test_an_error_of_ours_is_reported_and_the_terminal_left(terminal, monkeypatch):
    person, program = terminal
    errors: list[Exception] = []
    monkeypatch.setattr(ScreenMirror, "frame", None)
    screen = screen_on(program, failed=errors.append)
    try:
        screen.pressed()
        screen.write("drawn")
        wait_until(lambda: errors)
        screen.write("\x1b[?1049l")
        received = b""
        while b"\x1b[?1049l" not in received:
            received += os.read(person, 1000)
    finally:
        screen.stop()


def test_an_answer_to_what_is_being_sent_is_waited_for(terminal, monkeypatch):
    monkeypatch.setattr(screens, "_ENDING_SECONDS", 60.0)
    person, program = terminal
    screen = screen_on(program)
    screen.write("\x1b[2;2Hdrawn" + "\x07" * 20_000)  # more than is taken while nobody reads
    os.read(person, 1)
    closing = Thread(target=screen.close)
    closing.start()
    received = b""
    while QUERY.encode() not in received:
        received += os.read(person, 1000)
    closing.join(0.2)
    assert closing.is_alive()
    screen.answered()
    closing.join()
    screen.stop()


def test_a_screen_that_is_about_to_wait_may_be_stopped(terminal, monkeypatch):
    about_to_wait, stopping = Event(), Event()
    send_next = SynchronisedScreen._send_next

    def send_late(screen: SynchronisedScreen) -> None:
        if not screen._controls:
            about_to_wait.set()
            stopping.wait()
        send_next(screen)

    screen = screen_on(terminal[1])
    screen.write("\x1b[?1049l")
    os.read(terminal[0], 1000)
    monkeypatch.setattr(SynchronisedScreen, "_send_next", send_late)
    screen.write("\x07")
    assert about_to_wait.wait(30.0)
    ending = Thread(target=screen.stop, daemon=True)
    ending.start()
    wait_until(lambda: screen._thread is None)
    stopping.set()
    ending.join(30.0)
    assert not ending.is_alive()


def test_a_terminal_that_is_let_go_is_asked_no_more(terminal, monkeypatch):
    monkeypatch.setattr(screens, "_ENDING_SECONDS", 0.0)
    person, program = terminal
    screen = screen_on(program)
    screen.write("\x1b[2;2Hdrawn")
    received = b""
    while QUERY.encode() not in received:
        received += os.read(person, 1000)
    screen.answered()
    screen.write("\x1b[2;2Hagain")
    while received.count(QUERY.encode()) < 2:
        received += os.read(person, 1000)
    screen.close()
    monkeypatch.setattr(pacing, "_UNTIL_ASKED_AGAIN", 0.0)
    screen.write("\x1b[?1049l")
    screen.stop()
    assert os.read(person, 1000) == b"\x1b[m\x1b[?1049l"


def test_what_is_drawn_for_a_new_size_is_kept(terminal):
    person, program = terminal
    sizes = [(40, 10)]
    screen = screen_on(program, size=lambda: sizes[-1])
    try:
        screen.write("\x1b[2;2Hdrawn")
        received = b""
        while QUERY.encode() not in received:
            received += os.read(person, 1000)
        sizes.append((80, 10))
        screen.write("\x1b[2;60Hfurther right")
        screen.answered()
        while b"drawn" not in received.partition(QUERY.encode())[2]:
            received += os.read(person, 1000)
        assert b"further right" in received
    finally:
        screen.stop()
