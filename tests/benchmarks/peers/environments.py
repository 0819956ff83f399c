"""A virtual environment for each tool, and how its script is asked there."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks.measuring import child_environment
from tests.benchmarks.peers.tools import OURS, Peer
from tests.foreign.make import versions_of

_SCRIPTS = Path(__file__).parent / "trackers"
_QUIET = {
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_MODE": "offline",
}


class NoAnswerError(Exception):
    """A tool could not be installed or asked; the message is the reason, in words."""


class Installed(NamedTuple):
    """A tool with the interpreter that has it, and a home folder of its own."""

    peer: Peer
    python: Path
    home: Path

    def environment(self) -> dict[str, str]:
        """Of its processes: nothing of the user's settings, and nothing goes out."""
        mine = {name: value for name, value in child_environment().items() if name[:4] != "XDG_"}
        return {**mine, **_QUIET, "HOME": str(self.home)}

    def command(self, question: str, home: Path, *number: float) -> list[str]:
        """What asks its script; see ``trackers/asked.py``."""
        script = _SCRIPTS / f"use_{self.peer.name}.py"
        return [str(self.python), str(script), question, str(home), *map(str, number)]

    def ask(self, question: str, home: Path, *number: float, seconds: float = 300.0) -> Any:
        """The answer of its script; ``None`` where it has none. Raises ``NoAnswerError``."""
        try:
            done = subprocess.run(
                self.command(question, home, *number),
                env=self.environment(),
                cwd=self.home,
                capture_output=True,
                text=True,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            raise NoAnswerError(f"did not end within {seconds:.0f} s") from None
        if done.returncode:
            raise NoAnswerError(f"failed: {_last_line(done.stderr)}")
        return json.loads(_last_line(done.stdout) or "null") if question in _ANSWERED else None

    def versions(self) -> dict[str, str]:
        """Of its packages, and of the interpreter."""
        return versions_of(self.python, self.peer.packages)


_ANSWERED = ("calls", "table", "curve")


def install(peer: Peer, environments: Path, home: Path) -> Installed:
    """The newest release in an environment that is made if need be. Raises ``NoAnswerError``."""
    home.mkdir()
    if peer.name == OURS:
        return Installed(peer, Path(sys.executable), home)
    folder = environments / peer.name
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--upgrade", *peer.packages],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise NoAnswerError(f"could not be installed: {_last_line(done.stderr)}")
    return Installed(peer, python, home)


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")
