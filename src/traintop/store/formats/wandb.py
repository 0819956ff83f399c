"""W&B: the files that ``wandb`` writes on this machine, online or not.

A process writes ``wandb/run-<time>-<id>/run-<id>.wandb``, or offline ``wandb/offline-run-…``. One
that resumes a run makes another directory with its id.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

from traintop.store.files import Entry, Files
from traintop.store.formats.followed import FollowedFormat

if TYPE_CHECKING:
    from traintop.store.formats.wandb_files import WandbFollower
    from traintop.store.history import History

_IDENTIFIER = b":W&B"
_OUTPUT = "output.log"
_DIRECTORY = re.compile(r"(?:offline-)?run-(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)-")


class WandbFormat(FollowedFormat):
    """A directory a run, or several of one id."""

    name = "wandb"

    def __init__(self) -> None:
        super().__init__()
        self._ids: dict[str, tuple[str, str]] = {}  # of runs: the folder that they are in, the id
        self._alike: dict[tuple[str, str], set[str]] = {}

    def claims(self, entry: Entry, start: Callable[[], bytes]) -> str | None:
        """Files that begin like one of W&B, and what it keeps of the output of their process."""
        path = PurePath(entry.id)
        if path.name == _OUTPUT:
            directory = path.parent.parent
            is_ours = path.parent.name == "files" and _DIRECTORY.match(directory.name)
            return str(directory) if is_ours else None
        if not _IDENTIFIER.startswith(start()[: len(_IDENTIFIER)]):
            return None
        directory = path.parent
        if not _DIRECTORY.match(directory.name):  # it was copied to another place
            return entry.id
        run_id = str(directory)
        self._ids[run_id] = of_id = str(directory.parent), path.stem
        self._alike.setdefault(of_id, set()).add(run_id)
        return run_id

    def joined(self, run_id: str, others: Mapping[str, str]) -> str:
        """The first run beside it that has its id: the others resume that one."""
        alike = self._alike[self._ids[run_id]] if run_id in self._ids else ()
        known = [one for one in alike if others.get(one) == self.name]
        return min(known, key=in_order, default=run_id)

    def follower(self) -> WandbFollower:
        """A follower of the files of a run."""
        from traintop.store.formats.wandb_files import WandbFollower  # numpy

        return WandbFollower()

    def sample(self, files: Files, entries: Sequence[Entry], points: int) -> History | None:
        """The records at the start of some blocks."""
        from traintop.store.formats.wandb_files import sample_of_blocks  # numpy

        logs = logs_of(entries)
        return sample_of_blocks(files, logs[0], points) if len(logs) == 1 else None


def logs_of(entries: Sequence[Entry]) -> list[Entry]:
    """The files with the records, in their order. What else there is, is a sign of life."""
    logs = [entry for entry in entries if PurePath(entry.id).suffix == ".wandb"]
    if not logs:
        raise ValueError("has no file run-*.wandb any more")
    return sorted(logs, key=lambda entry: in_order(entry.id))


def in_order(path: str) -> tuple[str, str]:
    """By it, files and directories are in the order in which their processes began."""
    return start_in_name(path) or "", path


def start_in_name(path: str) -> str | None:
    """When a process began, by its directory and the clock of its machine."""
    stamp = _DIRECTORY.search(path)
    return "{}-{}-{}T{}:{}:{}".format(*stamp.groups()) if stamp else None
