"""The thread that keeps a terminal equal to what is drawn."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from threading import Condition, Thread

from traintop.tui.output.grid import ALTERNATE_SCREEN, ENTER_SCREEN
from traintop.tui.output.mirror import ScreenMirror
from traintop.tui.output.pacing import LinePace

QUERY = "\x1b[5n"
ANSWER = "\x1b[0n"
"""Asks a terminal for its status, which tells that all before has arrived; and what it answers."""

_PLAIN = "\x1b[m"

_MOST_BEHIND = 2.0
"""Seconds that a large change may give way to small ones on a line that cannot take all."""

_ENDING_SECONDS = 1.0


class SynchronisedScreen:
    """Takes what Textual writes, and sends what differs whenever the line is free.

    :meth:`write` never waits. What is no drawing (modes, titles, the clipboard) goes out at once.
    """

    def __init__(
        self,
        descriptor: int,
        size: Callable[[], tuple[int, int]],
        pace: LinePace,
        *,
        erases_in_color: bool,
        slow_changed: Callable[[bool], object],
        failed: Callable[[Exception], object],
    ) -> None:
        """``size`` says how many columns and lines the terminal has now.

        ``slow_changed`` is called when the line gets slow, and when it is not any more; ``failed``
        with an error of ours, after which nothing is drawn. Both are called in the thread.
        """
        self._descriptor = descriptor
        self._terminal_size = size
        self._pace = pace
        self._slow_changed = slow_changed
        self._failed = failed
        self._slow = False
        self._mirror = ScreenMirror(
            *self._terminal_size(), erases_in_color=erases_in_color, control=self._take_control
        )
        self._controls: list[str] = []
        self._changed = Condition()
        self._is_open = False  # the alternate screen, which is ours to draw on
        self._is_dirty = False
        self._agreed = 0.0  # when the terminal last showed all that was wanted
        self._frames = 0
        self._thread: Thread | None = None

    def start(self) -> None:
        """Begin to send. Raises ``RuntimeError`` where no thread can be started."""
        self._thread = Thread(target=self._run, name="traintop-screen", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send what is no drawing, and end."""
        with self._changed:
            thread, self._thread = self._thread, None
            self._changed.notify_all()
        if thread is not None:
            thread.join()

    def write(self, data: str) -> None:
        """Take what is drawn."""
        with self._changed:
            self._take_size()  # it is for the size that the terminal has now
            self._mirror.wanted.feed(data)
            self._is_dirty = True
            self._changed.notify_all()

    def pressed(self) -> None:
        """Take note of a key: what changes next goes out first."""
        with self._changed:
            self._pace.pressed(time.monotonic())

    def rest(self) -> float:
        """Seconds for which nothing is sent that no key asked for, so that none need be drawn."""
        with self._changed:
            return self._pace.rest(time.monotonic())

    def answered(self) -> None:
        """Take note of the terminal's answer."""
        with self._changed:
            self._pace.answered(time.monotonic())
            self._changed.notify_all()

    def forget(self) -> None:
        """Draw everything again: what the terminal shows is not known any more."""
        with self._changed:
            self._mirror.forget()
            self._is_dirty = True
            self._pace.renewed(time.monotonic())
            self._changed.notify_all()

    def query(self) -> None:
        """Ask the terminal whether it answers, before anything is drawn."""
        with self._changed:
            if self._pace.answers is None:
                self._controls.append(QUERY)
                self._pace.queried(time.monotonic())
                self._changed.notify_all()

    def close(self) -> None:
        """Draw no more, and wait for an answer that is under way: it is not for the shell."""
        with self._changed:
            self._is_open = False
            self._changed.wait_for(lambda: not self._pace.in_flight, _ENDING_SECONDS)

    def _run(self) -> None:
        while self._thread is not None or self._controls:
            try:
                self._send_next()
            except OSError:  # the terminal is gone
                return
            except Exception as error:
                self._is_open = False  # what ends the program goes on to be sent
                self._failed(error)

    def _send_next(self) -> None:
        """Send what may go out now, or wait until something may."""
        with self._changed:
            now = time.monotonic()
            self._pace.waited(now)
            data, draws = self._next(now)
            if not data:
                if self._thread is not None:  # to stop wakes only who waits already
                    is_behind = self._is_open and self._is_dirty
                    self._changed.wait(self._pace.wait(now) if is_behind else None)
                return
            if draws:
                self._pace.sends(now, len(data))
        self._send(data)
        with self._changed:
            if draws:
                self._pace.wrote(time.monotonic())
            is_slow = self._pace.slow
        if is_slow != self._slow:
            self._slow = is_slow
            self._slow_changed(is_slow)

    def _next(self, now: float) -> tuple[bytes, bool]:
        """What is to be sent now, and whether it is a frame."""
        data = "".join(self._controls).encode(errors="replace")
        self._controls.clear()
        if self._is_open and self._pace.asks_again(now):
            self._pace.queried(now)
            return data + QUERY.encode(), False
        draws = self._is_open and self._is_dirty and not self._pace.wait(now)
        if draws:
            frame = self._frame(now)
            draws = bool(frame)
            data += frame
        return data, draws

    def _frame(self, now: float) -> bytes:
        """The next frame, empty if the terminal shows all that is wanted."""
        self._take_size()
        self._frames += 1
        behind = now - self._agreed > _MOST_BEHIND and self._frames % 2 == 0
        frame = self._mirror.frame(
            self._pace.room, largest_first=behind and not self._pace.is_awaited(now)
        )
        self._is_dirty = not self._mirror.is_equal
        if self._mirror.is_equal:
            self._agreed = now
        if frame and self._pace.answers is not False:
            frame += QUERY.encode()
        return frame

    def _take_size(self) -> None:
        if self._mirror.resize(*self._terminal_size()):
            self._pace.pressed(time.monotonic())

    def _take_control(self, sequence: str) -> None:
        if sequence in ALTERNATE_SCREEN:
            self._controls.append(_PLAIN)  # a shell writes on in the style that is set
            self._is_open = sequence == ENTER_SCREEN
            self._mirror.forget()
            self._pace.renewed(time.monotonic())  # a shell may have had the last answer
        self._controls.append(sequence)

    def _send(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._descriptor, data) :]
