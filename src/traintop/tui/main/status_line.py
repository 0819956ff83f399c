"""The first lines of the screen: what is watched, how many runs there are, and what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from traintop.fields import STATUS_WORDS
from traintop.lines import Line, Piece, fit_line, line_width, spread
from traintop.model import ALIVE, RunStatus, RunSummary
from traintop.run_ids import is_remote
from traintop.store.snapshot import PlaceState, state_of
from traintop.text import cell_width, counted, safe_text
from traintop.tui.kit.runs import LAST_KNOWN_MARK, STATUS_MARKS

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
    is_partial: bool = False,
    kept: int = 0,
    listed: int | None = None,
    archived: int = 0,
    query: str = "",
    places: Sequence[PlaceState] = (),
) -> Line:
    """``runs`` is ``None`` before the first scan, which leaves some ``unread``.

    Where that ``is_partial``, there are more than it found; or those that an earlier start has
    kept, of which so many are ``kept`` as they were then.

    Whether a run goes on is not said of those in ``places`` that cannot be looked at now.

    Finished runs are not worth a count. ``listed`` is how many runs are shown, where not all are;
    ``query`` is the filter, and ``archived`` how many of them are out of sight for that reason.
    """
    head: Line = (
        Piece(" traintop", "accent", bold=True),
        Piece(f"  {roots_text(roots)}"),
    )
    if runs is None:
        words = places[0].words if places else "reading"
        return fit_line((*head, Piece(f"  {words}…", "muted")), width)
    count = len(runs) + unread
    total = f"{count:,}+ runs" if is_partial else counted(count, "run")
    shown = f"{len(runs):,} of " if unread else ""
    if kept:
        total, shown = f"{len(runs):,}+ runs" + ("" if places else ", checking…"), ""
    if listed not in (None, len(runs)):
        shown = f"{listed:,} of "
    total = f"   {shown}{total}"
    filtered = [Piece(f"  {archived} archived", "muted")] if archived else []
    filtered += [Piece(f"  / {safe_text(query, _LONGEST_FILTER)}", "accent")] if query else []
    asked = (one for one in places if one.is_first and is_remote(one.roots[0]))
    first = "".join(f"{safe_text(one.place)} {one.words} · " for one in asked)
    long, short = status_counts(runs, places)
    right: Line = (Piece(f"{first}{safe_text(mode)} ", "muted"),)
    # What is watched is known to whoever typed it; the counts are not.
    without_roots = (head[0], Piece(total[1:]), *filtered)
    lines = ((*head, Piece(total), *filtered, *long), (*without_roots, *long))
    fitting = (line for line in lines if line_width(line) + line_width(right) < width)
    left = next(fitting, (*without_roots, *short))
    while line_width(left) + line_width(right) >= width and " · " in right[0].text:
        right = (Piece(f"{right[0].text.rpartition(' · ')[0]} ", "muted"),)
    return spread(left, right, width)


def status_counts(runs: Sequence[RunSummary], places: Sequence[PlaceState]) -> tuple[Line, Line]:
    """How many of the runs need a look, by their status; the same in fewer cells."""
    counts: Counter[RunStatus | None] = Counter(
        None if run.status in ALIVE and state_of(run.id, places) else run.status for run in runs
    )
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
    if counts[None]:
        unknown = Piece(f"  {LAST_KNOWN_MARK.glyph} {counts[None]}", "muted")
        long.append(Piece(f"{unknown.text} last known", "muted"))
        short.append(unknown)
    return tuple(long), tuple(short)


def notices_line(notices: Sequence[str], places: Sequence[PlaceState], width: int) -> Line:
    """What is wrong with the roots, and which ``places`` do not answer: why, if there is room.

    Of those without room, how many there are.
    """
    away = [one for one in places if not one.is_first]
    said = [safe_text(notice) for notice in notices]
    whole = [*said, *(safe_text(one.text) for one in away)]
    brief = [*said, *(safe_text(f"{one.place} {one.words}") for one in away)]
    fewer = ([*brief[:-left], f"{left} more"] for left in range(1, len(brief)))
    texts = map(" · ".join, (whole, brief, *fewer))
    text = next((text for text in texts if cell_width(text) < width), " · ".join(brief))
    return fit_line((Piece(" "), Piece(text, "warn")), width)
