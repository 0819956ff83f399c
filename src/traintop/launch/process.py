"""A command as a child process: started, listened to, and waited for."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from traintop.launch.signals import PassedOnSignals
from traintop.launch.streams import Channels

_TICK_SECONDS = 0.25


class Exit(NamedTuple):
    """How a command ended: with a code, or by a signal."""

    code: int | None
    signal: str | None
    seconds: float


class Launched:
    """A command that runs; as a context manager, so that signals are passed on to it.

    Raises ``OSError`` where it cannot be started.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._command = command
        self._environment = environment
        self._signals = PassedOnSignals()
        self.status = 0
        """That of the process: a code, or a signal below 0."""

    def __enter__(self) -> Self:
        self._channels = Channels()
        self._signals.__enter__()
        self._began = time.monotonic()
        try:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdout=self._channels.given(1),
                stderr=self._channels.given(2),
                preexec_fn=self._signals.unblock,
            )
        except BaseException:
            self._channels.close_given()
            self._channels.close()
            self._signals.__exit__(None, None, None)
            raise
        self._channels.close_given()
        self._signals.pass_on_to(self._process.send_signal, self._channels.copy_window_size)
        self._channels.copy_window_size()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._channels.close()
        self._signals.__exit__(kind, exception, traceback)

    def wait(self, take: Callable[[bytes], None], tick: Callable[[], None]) -> Exit:
        """Wait until the command itself has ended, whatever it leaves behind.

        ``take`` gets what it writes once that was passed on, and ``tick`` is called now and then.
        """
        while self._process.poll() is None:
            if self._channels.are_open:
                for data in self._channels.read(_TICK_SECONDS):
                    take(data)
            else:
                self._wait_a_moment()
            tick()
        seconds = time.monotonic() - self._began
        for data in self._channels.read_rest():
            take(data)
        self.status = self._process.returncode
        if self.status >= 0:
            return Exit(self.status, None, seconds)
        return Exit(None, _name_of(-self.status), seconds)

    @property
    def output_failure(self) -> OSError | None:
        """Why some of the output could not be passed on; ``None`` where all was."""
        return self._channels.failure

    def _wait_a_moment(self) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_TICK_SECONDS)


def _name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # one of those for real time
