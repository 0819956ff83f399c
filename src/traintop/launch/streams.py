"""What a command writes into: terminals where ours are some, else pipes; all of it goes on to ours.

The command stays in our session and process group, with our standard input and our terminal as its
controlling one, so job control and the keys that send signals work as without us. Only its output
is a terminal or a pipe of its own.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import selectors
import termios
import time
from collections.abc import Iterator
from typing import NamedTuple

_OUTPUTS = (1, 2)
_AT_ONCE = 65536
_DRAIN_SECONDS = 1.0
_GONE = (errno.EPIPE, errno.EIO, errno.EBADF)


class Channel(NamedTuple):
    """One of them: what we read from, what the command has, and where all goes on to."""

    reading: int
    given: int
    target: int
    is_terminal: bool


class Channels:
    """Those of the standard output and error: one for both where both lead to the same place.

    Raises ``OSError`` where the system has none left.
    """

    def __init__(self) -> None:
        self._by_output: dict[int, Channel] = {}
        found: dict[tuple[int, ...], Channel] = {}
        for output in _OUTPUTS:
            try:
                info = os.fstat(output)
            except OSError:
                continue  # it is closed, and so it is for the command
            place = (info.st_dev, info.st_ino, info.st_rdev)
            if place not in found:
                found[place] = _terminal(output) if os.isatty(output) else _pipe(output)
            self._by_output[output] = found[place]
        self.failure: OSError | None = None
        """Why some of the output got lost on the way, as on a full disk."""
        self._open = {channel.reading: channel for channel in found.values()}
        self._selector = selectors.DefaultSelector()
        for reading, channel in self._open.items():
            self._selector.register(reading, selectors.EVENT_READ, channel)

    def given(self, output: int) -> int | None:
        """What the command gets as an output; ``None`` for a closed one."""
        channel = self._by_output.get(output)
        return None if channel is None else channel.given

    def close_given(self) -> None:
        """The command has its own: ours are closed, so that its end is seen."""
        for channel in self._open.values():
            os.close(channel.given)

    @property
    def are_open(self) -> bool:
        """Whether anything may come."""
        return bool(self._open)

    def read(self, seconds: float) -> Iterator[bytes]:
        """Pass on what comes within so many seconds at most, and yield it."""
        for key, _ in self._selector.select(seconds):
            if data := self._pass_on(key.data):
                yield data

    def read_rest(self) -> Iterator[bytes]:
        """Pass on what the command has written before it ended.

        Processes that it left behind may write for ever, so this takes a second at most.
        """
        deadline = time.monotonic() + _DRAIN_SECONDS
        while self._open and time.monotonic() < deadline:
            if not self._selector.select(0):
                break
            yield from self.read(0)

    def close(self) -> None:
        """Whoever still writes is told as when a terminal is gone."""
        for channel in [*self._open.values()]:
            self._close(channel)
        self._selector.close()

    def copy_window_size(self) -> bool:
        """Let the command's terminals be as large as ours; whether one changed."""
        terminals = [channel for channel in [*self._open.values()] if channel.is_terminal]
        changed = [_copy_size(channel.target, channel.reading) for channel in terminals]
        return any(changed)

    def _pass_on(self, channel: Channel) -> bytes:
        try:
            data = os.read(channel.reading, _AT_ONCE)
        except OSError:  # of a terminal that nobody has open any more
            data = b""
        if not data:
            self._close(channel)
            return b""
        try:
            _write(channel.target, data)
        except OSError as error:
            if error.errno in _GONE:  # then the command notices when it writes again
                self._close(channel)
            else:
                self.failure = error
        return data

    def _close(self, channel: Channel) -> None:
        self._selector.unregister(channel.reading)
        del self._open[channel.reading]
        os.close(channel.reading)


def _write(target: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(target, rest) :]
        except BlockingIOError:  # another program made what it shares with us so
            select.select([], [target], [])


def _pipe(output: int) -> Channel:
    reading, given = os.pipe()
    return Channel(reading, given, output, is_terminal=False)


def _terminal(output: int) -> Channel:
    reading, given = os.openpty()
    attributes = termios.tcgetattr(output)
    attributes[1] &= ~termios.OPOST  # ours makes what is to be made of an end of a line
    attributes[3] &= ~termios.ECHO
    termios.tcsetattr(given, termios.TCSANOW, attributes)
    _copy_size(output, reading)
    return Channel(reading, given, output, is_terminal=True)


def _copy_size(source: int, target: int) -> bool:
    with contextlib.suppress(OSError):
        wanted, found = (fcntl.ioctl(of, termios.TIOCGWINSZ, bytes(8)) for of in (source, target))
        if wanted != found:
            fcntl.ioctl(target, termios.TIOCSWINSZ, wanted)
            return True
    return False
