"""How a run is named and marked wherever it is drawn: its status and its name."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from traintop.lines import Role
from traintop.model import RunStatus, RunSummary
from traintop.text import ELLIPSIS, cell_width, fit_middle, safe_text


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
        RunStatus.STALLED: StatusMark(
            "◐", "stall", "S", "warn", "no records for longer than usual"
        ),
        RunStatus.CRASHED: StatusMark("✗", "crash", "C", "bad", "process exited without finishing"),
        RunStatus.FAILED: StatusMark("✗", "fail", "F", "bad", "ended by an exception"),
        RunStatus.INTERRUPTED: StatusMark("■", "stop", "I", "warn", "stopped before its end"),
        RunStatus.FINISHED: StatusMark("✓", "done", "D", "muted", "finished"),
        RunStatus.UNREADABLE: StatusMark("!", "file", "U", "bad", "its file cannot be read"),
    }
)

_WORD_ENDS = "_-/. "
"""Between the words of a name."""


def common_prefix(names: Sequence[str]) -> str:
    """The whole words that all names begin with, as in a sweep; may be empty."""
    ends = [safe_text(min(names)), safe_text(max(names))] if names else []
    if len(set(ends)) < 2:
        return ""
    pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(*ends, strict=False))
    common = "".join(letter for letter, _ in pairs)
    return common[: max(map(common.rfind, _WORD_ENDS)) + 1]


def fit_name(name: str, width: int, prefix: str = "") -> str:
    """The name in ``width`` cells, without the words of the ``prefix`` that all names share.

    Where it does not begin so, or what is left has no room, it is cut in its middle.
    """
    if not prefix or not name.startswith(prefix) or not 0 < width < cell_width(name):
        return fit_middle(name, width)
    ends = [place for place, sign in enumerate(prefix, start=1) if sign in _WORD_ENDS]
    rests = (name[end:] for end in ends if cell_width(name[end:]) < width)
    return f"{ELLIPSIS}{fit_middle(next(rests, name[len(prefix) :]), width - 1)}"


def run_name(summary: RunSummary) -> str:
    """The name of a run as it is drawn: the experiment's, or the file's where there is none."""
    return safe_text(summary.name or summary.stem)
