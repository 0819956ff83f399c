"""The first lines of the screen: the directories, how many runs there are, and what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from traintop.fields import STATUS_WORDS
from traintop.lines import Line, Piece, fit_line, line_width, spread
from traintop.model import RunSummary
from traintop.text import counted, safe_text
from traintop.tui.kit.runs import STATUS_MARKS

_LONGEST_DIRECTORY = 60
_LONGEST_FILTER = 48


def directories_text(directories: Sequence[Path]) -> str:
    """The watched directories in few words: the first, and how many more."""
    if not directories:
        return ""
    more = f" +{len(directories) - 1}" if len(directories) > 1 else ""
    return f"{shorten_path(directories[0], _LONGEST_DIRECTORY)}{more}"


def shorten_path(path: Path, limit: int) -> str:
    """A path in at most ``limit`` characters: its end says more than its beginning."""
    text = safe_text(path, limit=4096)
    return text if len(text) <= limit else f"…{text[len(text) - limit + 1 :]}"


def status_line(
    directories: Sequence[Path],
    runs: Sequence[RunSummary] | None,
    mode: str,
    width: int,
    *,
    unread: int = 0,
    listed: int | None = None,
    archived: int = 0,
    query: str = "",
) -> Line:
    """``runs`` is ``None`` before the first scan, which leaves some ``unread``.

    Finished runs are not worth a count. ``listed`` is how many runs are shown, where not all are;
    ``query`` is the filter, and ``archived`` how many of them are out of sight for that reason.
    """
    head: Line = (
        Piece(" traintop", "accent", bold=True),
        Piece(f"  {directories_text(directories)}"),
    )
    if runs is None:
        return fit_line((*head, Piece("  reading…", "muted")), width)
    counts = Counter(run.status for run in runs)
    count = len(runs) + unread
    shown = f"{len(runs):,} of " if unread else ""
    if listed not in (None, len(runs)):
        shown = f"{listed:,} of "
    total = f"   {shown}{counted(count, 'run')}"
    filtered = [Piece(f"  {archived} archived", "muted")] if archived else []
    filtered += [Piece(f"  / {safe_text(query, _LONGEST_FILTER)}", "accent")] if query else []
    counted_marks = [
        (status, mark, counts[status])
        for status, mark in STATUS_MARKS.items()
        if counts[status] and mark.role != "muted"
    ]
    long = [
        Piece(f"  {mark.glyph} {number} {status}", mark.role)
        for status, mark, number in counted_marks
    ]
    short = [
        Piece(f"  {mark.glyph} {number} {STATUS_WORDS[status]}", mark.role)
        for status, mark, number in counted_marks
    ]
    right: Line = (Piece(f"{safe_text(mode)} ", "muted"),)
    # The directory is known to whoever typed it; the counts are not.
    without_directory = (head[0], Piece(total[1:]), *filtered)
    lines = ((*head, Piece(total), *filtered, *long), (*without_directory, *long))
    fitting = (line for line in lines if line_width(line) + line_width(right) < width)
    return spread(next(fitting, (*without_directory, *short)), right, width)


def notices_line(notices: Sequence[str], width: int) -> Line:
    """What is wrong with the directories."""
    return fit_line((Piece(" "), Piece(" · ".join(map(safe_text, notices)), "warn")), width)
