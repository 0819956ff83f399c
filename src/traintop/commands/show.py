"""`traintop show`: all that is known of one run, or what its command printed."""

from __future__ import annotations

from pathlib import Path

import click

from traintop.commands.output import failure, print_text
from traintop.commands.runs import format_option, given_or_default, named_runs


@click.command()
@click.argument("run", metavar="RUN")
@click.option(
    "-d",
    "--dir",
    "directory",
    type=click.Path(path_type=Path, readable=False),
    help="Log directory of the run (default: $TRAINTOP_DIR, else ./experiment_logs).",
)
@click.option("--log", "wants_log", is_flag=True, help="Print what its command printed.")
@format_option
def command(run: str, directory: Path | None, wants_log: bool) -> None:
    """Print all that is known of RUN: its file, its name, or its run id.

    What a command printed is kept of runs that were started with `traintop run`.
    """
    path = Path(run)
    if directory is None and path.exists() and path.parts[1:]:
        directory, run = path.parent, path.name
    root = given_or_default([] if directory is None else [directory])[0]
    _, found = named_runs(root, [run])
    [(name, summary)] = found.items()
    if not wants_log:
        from traintop.analysis.summary_text import summary_lines

        print_text("\n".join(summary_lines(summary, name)))
        return
    from traintop.store.console import read_console
    from traintop.store.formats import UnreadableRunError

    try:
        lines = None if summary.path is None else read_console(summary.path)
    except UnreadableRunError as error:
        raise failure(error) from None
    if lines is None:
        raise failure(f"no output is kept of {name}: `traintop run` does so")
    print_text("\n".join(lines).removesuffix("\n"))
