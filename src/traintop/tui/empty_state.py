"""What stands where no run is: what was looked for, and the lines to paste to get one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from traintop.text import safe_text
from traintop.tui.lines import EMPTY_LINE, Line, Piece, wrap
from traintop.tui.status_line import shorten_path

_EXAMPLE = """\
from traintop import ExperimentTracker, ExperimentConfig

config = ExperimentConfig(experiment_name="first", max_iters=1000)
with ExperimentTracker(config, log_dir={directory!r}) as tracker:
    for i in range(1000):
        loss = 4 / (i + 1)  # the training step
        tracker.log_metrics(i, train_loss=loss)"""


def empty_lines(
    directories: Sequence[Path], notices: Sequence[str], width: int
) -> tuple[Line, ...]:
    """The explanation in ``width`` cells."""
    inner = max(width - 4, 1)
    first = directories[0] if directories else Path("experiment_logs")
    said = [safe_text(notice) for notice in notices]
    said = said or [f"No runs in {shorten_path(first, inner)} yet."]
    lines: list[Line] = [EMPTY_LINE]
    lines += [(Piece(part, "strong", bold=True),) for text in said for part in wrap(text, inner)]
    lines.append(EMPTY_LINE)
    hint = "A run appears here by itself as soon as it starts. In the training script:"
    lines += [(Piece(part, "muted"),) for part in wrap(hint, inner)]
    lines.append(EMPTY_LINE)
    example = _EXAMPLE.format(directory=safe_text(first))
    lines += [(Piece(f"  {line}", "accent"),) for line in example.splitlines()]
    lines.append(EMPTY_LINE)
    hint = "No training at hand? `traintop demo` trains small models and shows them here."
    lines += [(Piece(part, "muted"),) for part in wrap(hint, inner)]
    return _indented(lines)


def nothing_listed_lines(query: str, mistake: str, archived: int, width: int) -> tuple[Line, ...]:
    """What stands in place of the list when the filter or the archive leaves no run in it."""
    inner = max(width - 4, 1)
    lines: list[Line] = [EMPTY_LINE]
    said = f"No run matches {safe_text(query, limit=500)}" if query else "All runs are archived."
    lines += [(Piece(part, "strong", bold=True),) for part in wrap(said, inner)]
    lines += [(Piece(part, "warn"),) for part in wrap(safe_text(mistake), inner)]
    lines.append(EMPTY_LINE)
    hints = ["/ changes the filter, esc lists all runs again."] if query else []
    hints += [f"A lists the {archived} archived too."] if archived else []
    hint = " ".join(hints)
    lines += [(Piece(part, "muted"),) for part in wrap(hint, inner)]
    return _indented(lines)


def _indented(lines: Sequence[Line]) -> tuple[Line, ...]:
    return tuple((Piece("  "), *line) for line in lines)
