"""A training that logs at a steady pace in the environment of a tool, and can be killed."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, Popen

import psutil
from tests.benchmarks.peers.environments import Installed, NoAnswerError

_START_SECONDS = 60.0
_LOGGED = re.compile(r"^(\d+) (\d+\.\d+)$", re.MULTILINE)


class Training:
    """One that runs; made by :func:`training`."""

    def __init__(self, process: Popen[bytes], output: Path) -> None:
        self._process, self._output = process, output

    @property
    def pid(self) -> int:
        """Its process, which may have started others."""
        return self._process.pid

    def logged(self) -> list[tuple[int, float]]:
        """Each step, and the moment of ``time.monotonic`` before it was logged."""
        found = _LOGGED.findall(self._output.read_text(errors="replace"))
        return [(int(step), float(moment)) for step, moment in found]

    def kill(self) -> None:
        """As the kernel does that runs out of memory: this process, and nothing of its own."""
        self._process.kill()
        self._process.wait()


@contextmanager
def training(tool: Installed, question: str, home: Path, *pause: float) -> Iterator[Training]:
    """A process that was asked a question which it answers until it is killed.

    Raises ``NoAnswerError`` where it says nothing.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output"
        with open(output, "wb") as file:
            process = Popen(
                tool.command(question, home, *pause),
                env=tool.environment(),
                cwd=tool.home,
                stdout=file,
                stderr=DEVNULL,
            )
        family = [psutil.Process(process.pid)]
        try:
            _wait_for_word(process, output)
            family += family[0].children(recursive=True)
            yield Training(process, output)
        finally:
            for each in family:
                with suppress(psutil.NoSuchProcess):
                    each.kill()
            process.wait()


def _wait_for_word(process: Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not re.search(r"^(true|\d+ \d+\.\d+)$", output.read_text(errors="replace"), re.MULTILINE):
        if process.poll() is not None or time.monotonic() > deadline:
            raise NoAnswerError("its training did not start")
        time.sleep(0.05)
