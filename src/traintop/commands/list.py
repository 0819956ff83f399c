"""`traintop list`: the comparison table of all runs, or everything about them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click

from traintop.commands.output import LONGEST_LINE, print_document, print_text, warn
from traintop.commands.runs import (
    filter_option,
    opened_roots,
    roots_as_arguments,
    unreadable_lines,
)
from traintop.text import counted, safe_text


@click.command()
@roots_as_arguments
@filter_option
@click.option(
    "--sort",
    default="best_val_loss",
    show_default=True,
    metavar="NAME",
    help="Any metric, setting or field: best_val_loss, config.seed, age, duration, …",
)
@click.option("--reverse", is_flag=True, help="Reverse the order: worst first.")
@click.option("--json", "as_json", is_flag=True, help="Print everything about each run as JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print everything about each run as CSV.")
def command(
    roots: tuple[Path, ...],
    query: str,
    sort: str,
    reverse: bool,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Print a table of all runs, the best first.

    LOG_DIR is a directory or files of runs; the default is $TRAINTOP_DIR, else
    ./experiment_logs, else this directory.
    """
    from traintop.analysis.field_names import field_among, other_meaning
    from traintop.analysis.run_tables import comparison_table, runs_csv, runs_json
    from traintop.store.other_files import READ_FILES

    if as_json and as_csv:
        raise click.UsageError("--json and --csv cannot be combined")
    opened = opened_roots(roots)
    try:
        matching = opened.runs.filter(query)
        runs = matching.sort(sort, reverse=reverse).summaries if matching else []
    except ValueError as error:
        raise click.UsageError(safe_text(error, LONGEST_LINE)) from None
    if as_json:
        print_document(runs_json(runs))
    elif as_csv:
        print_document(runs_csv(runs))
    elif opened.runs and not runs:
        print_text(f"None of {counted(len(opened.runs), 'run')} matches.")
    elif not runs:
        places = (safe_text(os.path.abspath(each), LONGEST_LINE) for each in opened.roots)
        print_text(f"No runs in {', '.join(places)}.")
    else:
        print_text(comparison_table(runs, sort=sort, width=shutil.get_terminal_size().columns))
    readable = opened.runs.summaries
    field = field_among(sort, readable)
    if other := other_meaning(field, readable):
        warn(f"sorted by {field.explanation}; for the other meaning of {sort}: --sort {other}")
    warn(*opened.notices, *unreadable_lines([*readable, *opened.unreadable]))
    if others := opened.others or opened.catalog.other_files(tools_only=True):
        warn(f"not read: {others}; traintop reads {READ_FILES}")
    if opened.notices or not runs:
        raise SystemExit(1)  # as `ls` does for a directory that it cannot list
