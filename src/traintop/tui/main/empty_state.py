"""What the screen shows without runs: where it looked, and the lines to paste to make one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from traintop.lines import EMPTY_LINE, Line, Piece
from traintop.run_ids import is_remote
from traintop.store.other_files import READ_FILES
from traintop.text import cell_width, counted, safe_text, wrap
from traintop.tracking.environment import default_root
from traintop.tui.main.status_line import shorten_path

_EXAMPLE = """\
from traintop import ExperimentTracker
with ExperimentTracker({{"experiment_name": "first"}}{argument}) as tracker:
    for i in range(1000): tracker.log_metrics(i, train_loss=4 / (i + 1))"""

_NARROW_EXAMPLE = """\
from traintop import ExperimentTracker
config = {{"experiment_name": "first"}}
log_dir = {directory}
with ExperimentTracker(config, log_dir) as tracker:
    for i in range(1000):
        tracker.log_metrics(i, train_loss=4 / (i + 1))"""


def example(root: str, width: int) -> tuple[str, ...]:
    """Lines of Python that make a run in a directory; none where they are wider than ``width``.

    None either for a place elsewhere, where no tracker of this machine writes.
    """
    if is_remote(root):
        return ()
    text = safe_text(root, 4096)
    argument = "" if root == default_root() else f", {_literal(text)}"
    room = max(width - len('log_dir = "" \\'), 1)
    parts = [text[begin : begin + room] for begin in range(0, len(text), room)]
    codes = (
        _EXAMPLE.format(argument=argument),
        _NARROW_EXAMPLE.format(directory=" \\\n".join(map(_literal, parts))),
    )
    fitting = (code for code in codes if max(map(cell_width, code.splitlines())) <= width)
    return tuple(next(fitting, "").splitlines())


def _literal(text: str) -> str:
    """A text in Python."""
    return json.dumps(text, ensure_ascii=False)


def empty_lines(
    roots: Sequence[str], notices: Sequence[str], width: int, others: str = ""
) -> tuple[Line, ...]:
    """The explanation in ``width`` cells; ``others`` are the files there that are not read.

    The code begins at the left edge: what is selected there with the mouse and pasted into Python
    may not be indented.
    """
    inner = max(width - 4, 1)
    first = roots[0] if roots else default_root()
    said = [safe_text(notice) for notice in notices]
    said = said or [f"No runs in {shorten_path(first, inner)} yet."]
    unread = f"Not read: {others}. traintop reads {READ_FILES}." if others else ""
    code = example(first, width)
    hint = "A run appears here by itself as soon as it starts. "
    hint += "Paste this into Python, or put it around a training loop:" if code else ""
    demo = "To try it out, `traintop demo` trains small models and shows them here."
    return (
        EMPTY_LINE,
        *_indented(
            (Piece(part, "strong", bold=True),) for text in said for part in wrap(text, inner)
        ),
        *_indented((Piece(part, "warn"),) for part in wrap(unread, inner)),
        EMPTY_LINE,
        *_indented((Piece(part, "muted"),) for part in wrap(hint, inner)),
        EMPTY_LINE,
        *((Piece(line, "accent"),) for line in code),
        *((EMPTY_LINE,) if code else ()),
        *_indented((Piece(part, "muted"),) for part in wrap(demo, inner)),
    )


def no_match_lines(query: str, mistake: str, archived: int, width: int) -> tuple[Line, ...]:
    """What the screen shows when the filter or the archive leaves no run in the list."""
    inner = max(width - 4, 1)
    lines: list[Line] = [EMPTY_LINE]
    said = f"No run matches {safe_text(query, limit=500)}" if query else "All runs are archived."
    lines += [(Piece(part, "strong", bold=True),) for part in wrap(said, inner)]
    lines += [(Piece(part, "warn"),) for part in wrap(safe_text(mistake), inner)]
    lines.append(EMPTY_LINE)
    hints = ["/ edits the filter, esc clears it."] if query else []
    hints += [f"A shows the {counted(archived, 'archived run')}."] if archived else []
    hint = " ".join(hints)
    lines += [(Piece(part, "muted"),) for part in wrap(hint, inner)]
    return _indented(lines)


def _indented(lines: Iterable[Line]) -> tuple[Line, ...]:
    return tuple((Piece("  "), *line) for line in lines)
