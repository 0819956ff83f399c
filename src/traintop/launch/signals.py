"""Signals to us are for the command: they are passed on, and we end when it does."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

_PASSED_ON = (
    *(signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM),
    *(signal.SIGUSR1, signal.SIGUSR2),
)
_OF_TERMINAL = (signal.SIGWINCH, signal.SIGCONT)


class PassedOnSignals:
    """Within the block, the signals that would end us are passed on to a command instead.

    Those that are ignored, as under ``nohup``, are so by the command too.
    """

    def __init__(self) -> None:
        passed_on = (one for one in _PASSED_ON if signal.getsignal(one) is not signal.SIG_IGN)
        self._signals = {*passed_on, *_OF_TERMINAL}
        self._before: set[signal.Signals] = set()

    def __enter__(self) -> Self:
        found = signal.pthread_sigmask(signal.SIG_BLOCK, self._signals)
        self._before = {signal.Signals(number) for number in found}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)

    def unblock(self) -> None:
        """For the command, before it begins."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)

    def pass_on_to(self, send: Callable[[int], None], copy_window_size: Callable[[], bool]) -> None:
        """Send what comes from now on; the size of our terminal is copied when it changes."""
        threading.Thread(
            target=self._pass_on,
            args=(send, copy_window_size),
            name="traintop-signals",
            daemon=True,
        ).start()

    def _pass_on(self, send: Callable[[int], None], copy_window_size: Callable[[], bool]) -> None:
        while True:
            number, is_for_group = _next_signal(self._signals)
            if number in _OF_TERMINAL:
                if copy_window_size():
                    # The command had it before its own terminal was so large. We get it too, and
                    # find nothing more to copy.
                    with contextlib.suppress(OSError):
                        os.killpg(os.getpgrp(), signal.SIGWINCH)
            elif not is_for_group:
                send(number)


def _next_signal(signals: set[signal.Signals]) -> tuple[int, bool]:
    """A signal that came, and whether the terminal sent it: then the whole group has it."""
    if hasattr(signal, "sigwaitinfo"):
        found = signal.sigwaitinfo(signals)
        return found.si_signo, found.si_code > 0
    number = signal.sigwait(signals)  # macOS does not say who sent it
    return number, number in (signal.SIGINT, signal.SIGQUIT) and _is_in_foreground()


def _is_in_foreground() -> bool:
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)
