"""`traintop note`: what a person wants to remember of a run."""

from __future__ import annotations

import sys

import click

from traintop.commands.output import print_text
from traintop.commands.runs import among_runs, complete_runs, selected_runs

_LONGEST_LINE = 10_000


@click.command()
@click.argument("reference", metavar="RUN", shell_complete=complete_runs)
@click.argument("text", required=False)
@among_runs
def command(reference: str, text: str | None, roots: tuple[str, ...], query: str) -> None:
    """Write a note on a run, or print it: `traintop note baseline 'warmup was too short'`.

    TEXT replaces the note that was there; - reads it from standard input, and '' removes it. It
    stands beside the file of the run, which is left as it is.
    """
    from traintop.commands.annotating import change_annotations
    from traintop.store.annotations import AnnotationChange
    from traintop.text import safe_text

    runs = selected_runs(roots, [reference], query)
    if text is None:
        notes = [run.summary.annotations.note for run in runs]
        for line in "\n".join(filter(None, notes)).splitlines():
            print_text(safe_text(line, _LONGEST_LINE))
        raise SystemExit(0 if any(notes) else 1)
    note = sys.stdin.read() if text == "-" else text
    change_annotations(runs, AnnotationChange(note=note.strip()), "noted on")
