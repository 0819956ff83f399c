"""A program in a real pseudo-terminal, and the moment at which each of its bytes arrived."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

import pyte
from tests.benchmarks.measuring import child_environment

COLUMNS, LINES = 160, 48

_TIMEOUT = 60.0


class Chunk(NamedTuple):
    """Bytes that arrived together, and when by ``time.monotonic``."""

    arrived: float
    data: bytes


class PseudoTerminal:
    """One running Python program; a context manager that ends it whatever happens.

    It only notes what arrives: what a person would have seen is worked out afterwards, by
    :func:`screens`, so that the emulator does not take CPU time from what is measured.
    """

    def __init__(
        self,
        *arguments: str,
        size: tuple[int, int] = (COLUMNS, LINES),
        bytes_per_second: float | None = None,
        environment: Mapping[str, str] | None = None,
        python: str = sys.executable,
    ) -> None:
        """The line to it takes no more than ``bytes_per_second``."""
        self.chunks: list[Chunk] = []
        self._seconds_per_byte = 1 / bytes_per_second if bytes_per_second else 0.0
        self._most = max(int(bytes_per_second / 100), 1) if bytes_per_second else 1 << 20
        self._master, slave = pty.openpty()
        columns, lines = size
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.started = time.monotonic()
        self._process = subprocess.Popen(
            [python, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env=child_environment() | dict(environment or {}),
        )
        os.close(slave)

    @property
    def pid(self) -> int:
        """The program's process."""
        return self._process.pid

    def listen(self, seconds: float) -> int:
        """Note what arrives within a time; returns how many bytes those were."""
        deadline = time.monotonic() + seconds
        count = 0
        while (left := deadline - time.monotonic()) > 0:
            count += self._take(left)
        return count

    def listen_until(self, holds: Callable[[], object]) -> None:
        """Note what arrives until a condition holds. Raises ``TimeoutError``."""
        deadline = time.monotonic() + _TIMEOUT
        while not holds():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise TimeoutError(f"never came; the last bytes: {self.received()[-2000:]!r}")
            self._take(0.05)

    def listen_until_quiet(self, seconds: float) -> None:
        """Note what arrives until nothing has for a while. Raises ``TimeoutError``."""
        self.listen_until(lambda: not self.listen(seconds))

    def received(self) -> bytes:
        """All that arrived so far."""
        return b"".join(chunk.data for chunk in self.chunks)

    def press(self, key: str) -> float:
        """Type a key; returns when."""
        moment = time.monotonic()
        os.write(self._master, key.encode())
        return moment

    def _take(self, seconds: float) -> int:
        if not select.select([self._master], [], [], seconds)[0]:
            return 0
        try:
            data = os.read(self._master, self._most)
        except OSError:  # the program has ended
            self._process.wait()
            raise TimeoutError(f"the program ended: {self.received()[-2000:]!r}") from None
        time.sleep(len(data) * self._seconds_per_byte)
        self.chunks.append(Chunk(time.monotonic(), data))
        # It answers when it is asked for its status, as terminals do; a query may come in parts.
        before = self.chunks[-2].data[-3:] if len(self.chunks) > 1 else b""
        os.write(self._master, b"\x1b[0n" * (before + data).count(b"\x1b[5n"))
        return len(data)

    def __enter__(self) -> PseudoTerminal:
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # with what it has started
        self._process.wait()
        os.close(self._master)


def screens(
    chunks: list[Chunk], size: tuple[int, int] = (COLUMNS, LINES)
) -> Iterator[tuple[float, list[str]]]:
    """The screen after each chunk, and when that had arrived."""
    screen = pyte.Screen(*size)
    stream = pyte.ByteStream(screen)
    for chunk in chunks:
        stream.feed(chunk.data)
        yield chunk.arrived, screen.display
