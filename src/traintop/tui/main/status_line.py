"""The first lines of the screen: what is watched, how many runs there are, and what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from traintop.fields import STATUS_WORDS
from traintop.lines import Line, Piece, fit_line, line_width, spread
from traintop.model import RunSummary
from traintop.text import counted, safe_text
from traintop.tui.kit.runs import STATUS_MARKS

_LONGEST_ROOT = 60
_LONGEST_FILTER = 48


def roots_text(roots: Sequence[str]) -> str:
    """What is watched in few words: the first root, and how many more."""
    if not roots:
        return ""
    more = f" +{len(roots) - 1}" if len(roots) > 1 else ""
    return f"{shorten_path(roots[0], _LONGEST_ROOT)}{more}"


def shorten_path(path: str, limit: int) -> str:
    """A path in at most ``limit`` characters: its end says more than its beginning."""
    text = safe_text(path, limit=4096)
    return text if len(text) <= limit else f"…{text[len(text) - limit + 1 :]}"


def status_line(
    roots: Sequence[str],
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
        Piece(f"  {roots_text(roots)}"),
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
    # What is watched is known to whoever typed it; the counts are not.
    without_roots = (head[0], Piece(total[1:]), *filtered)
    lines = ((*head, Piece(total), *filtered, *long), (*without_roots, *long))
    fitting = (line for line in lines if line_width(line) + line_width(right) < width)
    return spread(next(fitting, (*without_roots, *short)), right, width)


def notices_line(notices: Sequence[str], width: int) -> Line:
    """What is wrong with the roots."""
    return fit_line((Piece(" "), Piece(" · ".join(map(safe_text, notices)), "warn")), width)
