"""What processes of a command say of the runs that they write."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from traintop.store.sidecars import make_folder
from traintop.tracking.launched import REPORTS


class Reports:
    """The file that they report to, which exists as long as we do; see :mod:`..tracking.launched`.

    It is in the log directory, which processes on other machines may have, too. Raises ``OSError``.
    """

    def __init__(self, log_dir: Path) -> None:
        self._made = [path for path in (log_dir, *log_dir.parents) if not path.exists()]
        log_dir.mkdir(parents=True, exist_ok=True)
        self.path = make_folder(log_dir) / f"launch-{os.getpid()}-{os.urandom(4).hex()}"
        self.path.touch(exist_ok=False)
        self._at = 0
        self._known: set[Path] = set()

    @property
    def environment(self) -> dict[str, str]:
        """By what processes of the command find it."""
        return {REPORTS: str(self.path)}

    def new(self) -> Iterator[Path]:
        """The files of runs that were reported since the last call."""
        with suppress(OSError), self.path.open("rb") as file:
            file.seek(self._at)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._at += len(line)
                with suppress(msgspec.MsgspecError, UnicodeDecodeError, TypeError):
                    path = Path(msgspec.json.decode(line))
                    if path not in self._known:
                        self._known.add(path)
                        yield path

    def close(self) -> None:
        """Remove it, and the directories that were made for it if nothing else is in them."""
        with suppress(OSError):
            self.path.unlink()
            self.path.parent.rmdir()
            for directory in self._made:
                directory.rmdir()
