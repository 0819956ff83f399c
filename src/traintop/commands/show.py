"""`traintop show`: all that is known of one run, or what its command printed."""

from __future__ import annotations

from pathlib import Path

import click

from traintop.commands.output import failure, print_text
from traintop.commands.runs import among_runs, complete_runs, selected_runs


@click.command()
@click.argument("reference", metavar="RUN", shell_complete=complete_runs)
@among_runs
@click.option("--log", "wants_log", is_flag=True, help="Print what its command printed.")
def command(reference: str, roots: tuple[Path, ...], query: str, wants_log: bool) -> None:
    """Print all that is known of RUN: its name, its run id, or its file.

    What a command printed is kept of runs that `traintop run` started.
    """
    run = selected_runs(roots, [reference], query, most=1)[0]
    if not wants_log:
        from traintop.analysis.summary_text import summary_lines

        print_text("\n".join(summary_lines(run.summary, run.name)))
        return
    from traintop.store.console import read_console
    from traintop.store.formats import UnreadableRunError

    path = run.summary.path
    try:
        lines = None if path is None else read_console(path)
    except UnreadableRunError as error:
        raise failure(error) from None
    if lines is None:
        raise failure(f"no output of {run.name} is kept: `traintop run` does that")
    print_text("\n".join(lines).removesuffix("\n"))
