"""Telling a run that is alive from one that only says so.

A file says "running" until its writer changes it, so a reader has to judge by what it sees. Wall
clocks of two hosts are never compared: what counts is for how long this reader has seen no
change, by its own monotonic clock.
"""

from __future__ import annotations

from traintop.model import RunStatus

HEARTBEAT_PATIENCE = 30.0
"""Seconds of silence after which a run of our writer, which writes every 10 s, is stalled."""

NETWORK_PATIENCE = 60.0
"""The same on a network filesystem, where attributes are cached for up to about 20 s."""

STRANGER_PATIENCE = 300.0
"""Seconds of silence that any other writer, which promises no heartbeat, is always granted."""

_STRANGER_PAUSES = 10


class Vigil:
    """For how long one file has not changed, and how long its pauses usually are.

    ``now`` is everywhere the reader's monotonic clock in seconds. ``age`` is for how long the
    file had not changed when it was first seen.
    """

    __slots__ = ("_changed_at", "_longest_pause")

    def __init__(self, now: float, age: float = 0.0) -> None:
        self._changed_at = now - max(age, 0.0)
        self._longest_pause = 0.0

    def saw_change(self, now: float) -> None:
        """The file was seen to have changed."""
        self._longest_pause = max(self._longest_pause, self.quiet(now))
        self._changed_at = now

    def quiet(self, now: float) -> float:
        """Seconds since the last change that was seen."""
        return now - self._changed_at

    def patience(self, *, heartbeat: bool, network: bool) -> float:
        """Seconds of silence that the rhythm of this file explains."""
        if heartbeat:
            return NETWORK_PATIENCE if network else HEARTBEAT_PATIENCE
        return max(STRANGER_PATIENCE, _STRANGER_PAUSES * self._longest_pause)


def judged_status(
    written: RunStatus, *, process_ended: bool | None, quiet: float, patience: float
) -> RunStatus:
    """What a run is, given what its file says and what a reader sees.

    ``process_ended`` is ``None`` when that cannot be told from this machine.
    """
    if written is not RunStatus.RUNNING:
        return written
    if process_ended:
        return RunStatus.CRASHED
    return RunStatus.STALLED if quiet > patience else RunStatus.RUNNING
