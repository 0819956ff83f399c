"""The program in a real pseudo-terminal, with an emulator that shows what a person would see."""

from __future__ import annotations

import fcntl
import math
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

import pyte
from tests.waiting import TIMEOUT

# Who runs the tests may have SIGHUP ignored, as nohup does; a login shell's programs have not.
PROGRAM = """
import signal, sys
from pathlib import Path
signal.signal(signal.SIGHUP, signal.SIG_DFL)
from traintop.tui.app import run
run([Path(argument) for argument in sys.argv[1:]])
"""


def cells_of(screen: pyte.Screen) -> list[list[tuple[object, ...]]]:
    """What an emulator shows: each character with its style."""
    columns, lines = range(screen.columns), range(screen.lines)
    return [[tuple(screen.buffer[line][column]) for column in columns] for line in lines]


class TerminalSession:
    """One running traintop; a context manager that ends it whatever happens."""

    def __init__(
        self,
        *directories: Path | str,
        columns: int = 100,
        lines: int = 30,
        environment: Mapping[str, str] | None = None,
        working_directory: Path | None = None,
        bytes_per_second: float | None = None,
        round_trip: float = 0.0,
        program: str = PROGRAM,
    ) -> None:
        """With ``bytes_per_second`` the line to the terminal takes no more than that.

        ``round_trip`` is how many seconds a byte is under way, there and back.
        """
        self.received = bytearray()
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        self._seconds_per_byte = 1 / bytes_per_second if bytes_per_second else 0.0
        self._piece = int(bytes_per_second * 0.02) if bytes_per_second else 65536
        self._delay = round_trip / 2
        self._arriving: deque[tuple[float, bytes]] = deque()
        self._leaving: deque[tuple[float, bytes]] = deque()
        self._master, slave = pty.openpty()
        self.answers = True
        """Whether the terminal answers when the program asks for its status."""
        self.answered = 0
        self._screen.write_process_input = self._answer
        self._set_size(columns, lines)
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("LC_", "TEXTUAL", "NO_COLOR", "COLUMNS", "LINES"))
        }
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, directories)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            process_group=0,  # as a shell starts it, so that ctrl+z stops it
            cwd=working_directory,
            env={**inherited, "TERM": "xterm-256color", "LANG": "C.UTF-8", **(environment or {})},
        )
        os.close(slave)

    def __enter__(self) -> TerminalSession:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._master)

    @property
    def pid(self) -> int:
        """The process of the program."""
        return self._process.pid

    def text(self) -> str:
        """The screen as it stands."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    def clear(self) -> None:
        """Empty the screen, as when another program had it meanwhile."""
        self._screen.erase_in_display(2)

    def cells(self) -> list[list[tuple[object, ...]]]:
        """The characters on the screen with their colours, line by line."""
        return cells_of(self._screen)

    def has_ended(self) -> bool:
        """Whether the program has ended, by a key for instance."""
        return self._process.poll() is not None

    def line_with(self, text: str) -> str:
        """The first line that holds ``text``, empty when none does."""
        return next((line for line in self.text().splitlines() if text in line), "")

    def wait_for(self, condition: str | Callable[[], object]) -> None:
        """Read what the program draws until a text is on screen, or a condition holds."""
        holds = condition if callable(condition) else lambda: condition in self.text()
        deadline = time.monotonic() + TIMEOUT
        alive = True
        while not holds():
            if not alive or time.monotonic() > deadline:
                raise AssertionError(f"never came: {condition!r}\n{self.text()}")
            alive = self._read(0.2)

    def bytes_within(self, seconds: float) -> int:
        """How many bytes the program sends in a span of time."""
        before = len(self.received)
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and self._read(left):
            pass
        return len(self.received) - before

    def wait_until_quiet(self, seconds: float = 1.0) -> None:
        """Wait until the program has sent nothing for a while."""
        deadline = time.monotonic() + TIMEOUT
        while self.bytes_within(seconds):
            assert time.monotonic() < deadline, "the program never came to rest"

    def press(self, keys: str) -> None:
        """Type; over a line with a delay it leaves while what comes is read."""
        self._leaving.append((time.monotonic() + self._delay, keys.encode()))
        self._send()

    def _answer(self, data: str) -> None:
        if self.answers:
            self.answered += 1
            self.press(data)

    def resize(self, columns: int, lines: int, *, signals: bool = True) -> None:
        """Change the size as a terminal emulator does."""
        self._screen.resize(lines, columns)
        self._set_size(columns, lines)
        if signals:
            os.killpg(self._process.pid, signal.SIGWINCH)

    def has_stopped(self) -> bool:
        """Whether the program has stopped, as for ctrl+z, since this was asked last."""
        kinds = os.WSTOPPED | os.WNOHANG
        return not self.has_ended() and bool(os.waitid(os.P_PID, self._process.pid, kinds))

    def wait_until_stopped(self) -> None:
        """Wait until the program lets the shell have the terminal, as for ctrl+z."""
        self.wait_for(self.has_stopped)

    def thread_count(self) -> int:
        """How many threads the program has (Linux)."""
        return len(os.listdir(f"/proc/{self._process.pid}/task"))

    def send_signal(self, number: int) -> None:
        """Send the program a signal."""
        os.kill(self._process.pid, number)

    def continue_(self) -> None:
        """Let a stopped program go on, as the shell's ``fg`` does."""
        os.kill(self._process.pid, signal.SIGCONT)

    def draw(self, text: str) -> None:
        """Write on the screen, as another program does."""
        self._stream.feed(text.encode())

    def hang_up(self) -> int:
        """Take the terminal away, as a lost connection does; the exit code that follows."""
        os.close(self._master)
        self._master = os.open(os.devnull, os.O_RDONLY)
        return self._process.wait(TIMEOUT)

    def exit_code(self) -> int:
        """The exit code, once the program has ended by itself."""
        self.wait_for(lambda: self._process.poll() is not None)
        return self._process.wait()

    def _set_size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def _read(self, seconds: float) -> bool:
        """Take over what arrives within a time; whether the program still lives."""
        due = min((moment for moment, _ in (*self._arriving, *self._leaving)), default=math.inf)
        wait = min(seconds, max(due - time.monotonic(), 0.0))
        if select.select([self._master], [], [], wait)[0]:
            try:
                data = os.read(self._master, self._piece)
            except OSError:  # the program has ended
                self._process.wait()
                time.sleep(self._delay)
                self._pass_on()
                return False
            time.sleep(len(data) * self._seconds_per_byte)
            self._arriving.append((time.monotonic() + self._delay, data))
        self._pass_on()
        return True

    def _pass_on(self) -> None:
        """Let what was under way for long enough arrive, on both ends."""
        now = time.monotonic()
        while self._arriving and self._arriving[0][0] <= now:
            data = self._arriving.popleft()[1]
            self.received += data
            self._stream.feed(data)
        self._send()

    def _send(self) -> None:
        while self._leaving and self._leaving[0][0] <= time.monotonic():
            os.write(self._master, self._leaving.popleft()[1])
