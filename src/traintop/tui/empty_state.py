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
    return tuple((Piece("  "), *line) for line in lines)
