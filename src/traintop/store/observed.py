"""One run's file as a reader sees it over time: its newest summary, and whether it is alive."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from traintop.model import RunStatus, RunSummary
from traintop.process import has_ended
from traintop.store.liveness import Vigil, judged_status
from traintop.store.regular_file import kind_of
from traintop.store.summary import (
    Reading,
    Soundness,
    names_a_run,
    read_summary,
    unreadable,
    with_status,
)

Signature = tuple[int, int, int, int]
"""Inode, size, modification time in ns, and mode of a file.

When one of the first three changes, the content may have changed.
"""

_RUN_PREFIX = "experiment_"

# Two writes within one tick of the file's clock leave the same time, and a server's clock may tick
# once in two seconds. So a file is read again until it has been still for that long.
_SETTLING = 2.0


def signature_of(info: os.stat_result) -> Signature:
    """The signature of a file in this state."""
    return (info.st_ino, info.st_size, info.st_mtime_ns, info.st_mode)


def is_run_name(name: str) -> bool:
    """Whether a file of this name is shown as a run whatever it holds."""
    return name.startswith(_RUN_PREFIX) and name.endswith(".json")


class ObservedRun:
    """A run's file and what is known of it. One thread at a time may use it.

    ``now`` is everywhere the reader's monotonic clock in seconds; ``age`` is for how long the file
    had not changed when it was first seen. With ``sniff``, a file that does not look like a run's
    is none.
    """

    __slots__ = (
        "_network",
        "_path",
        "_process_ended",
        "_reading",
        "_settled",
        "_signature",
        "_sniff",
        "_vigil",
        "summary",
    )

    def __init__(
        self, path: Path, now: float, *, age: float, network: bool, sniff: bool = False
    ) -> None:
        self.summary: RunSummary | None = None  # None: not read yet, or no run
        self._path = path
        self._network = network
        self._sniff = sniff
        self._vigil = Vigil(now, age)
        self._signature: Signature | None = None
        self._settled = False
        self._reading: Reading | None = None
        self._process_ended = False

    @property
    def may_change_by_itself(self) -> bool:
        """Whether its status depends on more than its file: it says "running"."""
        reading = self._reading
        return reading is not None and reading.summary.status is RunStatus.RUNNING

    def look(self, signature: Signature, now: float) -> bool:
        """Brings the summary up to date, given the file's present state; whether it changed."""
        if signature != self._signature:
            if self._signature is not None:
                self._vigil.saw_change(now)
            self._signature = signature
            self._process_ended = False
        elif self._settled and not self._is_live_remote():
            return self.may_change_by_itself and self._judge(now)
        mode = signature[3]
        if not stat.S_ISREG(mode):
            self._settled = True
            return self._take(unreadable(self._path, kind_of(mode)), now)
        return self._read(now)

    def _is_live_remote(self) -> bool:
        """Opening a file is what makes NFS ask its server whether the attributes are still true."""
        summary = self.summary
        return self._network and summary is not None and summary.status is RunStatus.RUNNING

    def _read(self, now: float) -> bool:
        is_still = self._vigil.quiet(now) >= _SETTLING
        if self._sniff and self._reading is None and not names_a_run(self._path):
            self._settled = is_still
            return False
        before = self._reading
        was_whole = before is not None and before.soundness is Soundness.WHOLE
        keep = was_whole and not is_still and not self._process_ended
        reading = read_summary(self._path, recover=not keep)
        self._settled = is_still and reading.soundness is not Soundness.REFUSED
        if keep and reading.soundness is not Soundness.WHOLE:
            return False
        return self._take(reading, now)

    def _take(self, reading: Reading, now: float) -> bool:
        before = self._reading
        if before is not None and before.fingerprint == reading.fingerprint:
            return self._judge(now)
        if before is not None and self._settled:
            self._vigil.saw_change(now)  # which its signature did not tell
        self._reading = reading
        self.summary = reading.summary
        self._judge(now)
        return True

    def _judge(self, now: float) -> bool:
        """Brings the status up to date; whether it changed."""
        reading, summary = self._reading, self.summary
        if reading is None or summary is None or not self.may_change_by_itself:
            return False
        if not self._process_ended and has_ended(reading.process):
            self._process_ended = True
            # It may have written between our reading and its end: now the file is final.
            return self._read(now)
        status = judged_status(
            reading.summary.status,
            process_ended=self._process_ended,
            quiet=self._vigil.quiet(now),
            patience=self._vigil.patience(heartbeat=reading.heartbeat, network=self._network),
        )
        if status is summary.status:
            return False
        self.summary = with_status(reading.summary, status)
        return True
