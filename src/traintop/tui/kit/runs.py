"""How a run is named and marked wherever it is drawn: its status and its name."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from traintop.analysis.alerts import AlertKind
from traintop.lines import Role
from traintop.model import RunStatus, RunSummary
from traintop.text import LONGEST_NAME, fit_middle, safe_text


class StatusMark(msgspec.Struct, frozen=True):
    """``letter`` stands for the word of the status where there is no room."""

    glyph: str
    letter: str
    role: Role
    meaning: str


MARK_GLYPH, BASELINE_GLYPH = "◆", "⚑"
NOTE_GLYPH, TAG_GLYPH, ARCHIVED_GLYPH, UNKNOWN_GLYPH = "✎", "#", "a", "?"

ROW_MARKS: Mapping[str, str] = {
    MARK_GLYPH: "marked",
    BASELINE_GLYPH: "the pinned baseline",
    NOTE_GLYPH: "has a note",
    TAG_GLYPH: "has tags",
    ARCHIVED_GLYPH: "archived",
    UNKNOWN_GLYPH: "as last known: its place does not answer",
}
"""What may stand before a run in the list, and what it means."""

STATUS_MARKS: Mapping[RunStatus, StatusMark] = {
    RunStatus.RUNNING: StatusMark("●", "R", "good", "running now"),
    RunStatus.STALLED: StatusMark("◐", "S", "warn", "logs nothing for longer than usual"),
    RunStatus.CRASHED: StatusMark("✗", "C", "bad", "process exited without finishing"),
    RunStatus.FAILED: StatusMark("✗", "F", "bad", "ended by an exception"),
    RunStatus.INTERRUPTED: StatusMark("■", "I", "warn", "stopped before its end"),
    RunStatus.FINISHED: StatusMark("✓", "D", "muted", "finished"),
    RunStatus.QUIET: StatusMark("○", "Q", "muted", "has ended or hangs: its format does not say"),
    RunStatus.UNREADABLE: StatusMark("!", "U", "bad", "its file cannot be read"),
}


LAST_KNOWN_MARK = StatusMark("◌", "?", "muted", "ran when its place last answered")
LAST_KNOWN_WORD = "run?"

ALERT_MARKS: Mapping[AlertKind, StatusMark] = {
    AlertKind.NOT_FINITE: StatusMark("!", "N", "bad", "running, but its train loss is NaN"),
    AlertKind.DIVERGED: StatusMark("!", "D", "bad", "running, but its train loss has risen"),
    AlertKind.GPU_IDLE: StatusMark("!", "I", "warn", "running, but a GPU does nothing"),
    AlertKind.GPU_THROTTLED: StatusMark("!", "T", "warn", "running, but a GPU is throttled"),
    AlertKind.SLOWER: StatusMark("!", "S", "warn", "running, but slower than usual"),
}


def run_name(summary: RunSummary) -> str:
    """The name of a run as it is drawn: the experiment's, or the file's where there is none."""
    return safe_text(summary.title, LONGEST_NAME)


def short_run_name(summary: RunSummary, width: int) -> str:
    """The name of a run that stands alone in ``width`` cells, cut in its middle."""
    return fit_middle(run_name(summary), width)
