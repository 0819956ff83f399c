"""Filesystems of a test's own: small, full, read-only, taken away."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


class Tmpfs:
    """A mounted filesystem in memory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def remount(self, *options: str) -> None:
        """Change its options, such as ``size=1m`` or ``ro``."""
        joined = ",".join(("remount", *options))
        subprocess.run(["mount", "-o", joined, self.directory], check=True)

    def unmount(self) -> None:
        """Take it away, as an administrator does."""
        subprocess.run(["umount", "--lazy", self.directory], check=True)


@contextlib.contextmanager
def tmpfs(directory: Path, *options: str) -> Iterator[Tmpfs]:
    """A filesystem mounted on a directory, which is made. Skips the test where that is refused."""
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options) or "rw", "tmpfs", directory]
    try:
        refused = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    except OSError as error:
        refused = str(error)
    if refused:
        pytest.skip(f"needs to mount a small filesystem, as root may: {refused.strip()}")
    try:
        yield Tmpfs(directory)
    finally:
        subprocess.run(["umount", "--lazy", directory], capture_output=True, check=False)
