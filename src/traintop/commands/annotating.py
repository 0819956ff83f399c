"""What `traintop tag`, `note` and `archive` have in common: which runs, and writing beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from traintop.commands.output import LONGEST_LINE, print_text, warn
from traintop.commands.runs import selected_runs
from traintop.store.annotations import AnnotationChange
from traintop.store.formats import UnreadableRunError
from traintop.text import counted, error_text, safe_text

if TYPE_CHECKING:
    from traintop.analysis.runs import Runs


def named_or_matching(roots: Sequence[str], references: Sequence[str], query: str) -> Runs:
    """The runs that were named, or that a query chose: never all because nothing was said.

    Raises ``UsageError`` where nothing was, and as :func:`selected_runs` does.
    """
    if not references and not query:
        raise click.UsageError("name runs, or choose them with --filter")
    return selected_runs(roots, references, query)


def change_annotations(runs: Runs, change: AnnotationChange, done: str) -> None:
    """Write a change beside each run, and say what was ``done``, and where that is unusual.

    Raises ``SystemExit`` with 1 when one could not be saved; each of these is warned of.
    """
    changed = []
    saved: dict[str, None] = {}
    for run in runs:
        try:
            saved[run.annotate(change).where] = None
        except (OSError, UnreadableRunError) as error:
            warn(f"cannot save what is said of {run.id}: {error_text(error)}")
        else:
            changed.append(run.name)
    if changed:
        names = ", ".join(safe_text(name) for name in changed)
        print_text(safe_text(f"{done} {counted(len(changed), 'run')}: {names}", LONGEST_LINE))
    for where in filter(None, saved):
        print_text(safe_text(f"saved {where}", LONGEST_LINE))
    if len(changed) < len(runs):
        raise SystemExit(1)
