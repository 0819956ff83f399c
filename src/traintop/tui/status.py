"""How a run's status is shown: a glyph and a word, so that colour is never the only signal."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from traintop.model import RunStatus
from traintop.tui.lines import Role


class StatusMark(msgspec.Struct, frozen=True):
    """``word`` is at most 5 cells; ``letter`` stands for it where there is no room."""

    glyph: str
    word: str
    letter: str
    role: Role
    meaning: str


STATUS_MARKS: Mapping[RunStatus, StatusMark] = MappingProxyType(
    {
        RunStatus.RUNNING: StatusMark("●", "run", "R", "good", "running now"),
        RunStatus.STALLED: StatusMark("◐", "stall", "S", "warn", "silent for longer than usual"),
        RunStatus.CRASHED: StatusMark("✗", "crash", "C", "bad", "its process is gone"),
        RunStatus.FAILED: StatusMark("✗", "fail", "F", "bad", "an exception ended it"),
        RunStatus.INTERRUPTED: StatusMark("■", "stop", "I", "warn", "stopped before its end"),
        RunStatus.FINISHED: StatusMark("✓", "done", "D", "muted", "finished"),
        RunStatus.UNREADABLE: StatusMark("!", "file", "U", "bad", "its file cannot be read"),
    }
)
"""In the order of the list's status sort: what lives first, then what needs a look."""

STATUS_RANK: Mapping[RunStatus, int] = MappingProxyType(
    {status: rank for rank, status in enumerate(STATUS_MARKS)}
)
