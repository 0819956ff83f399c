"""`traintop list`: the comparison table of all runs, or everything about them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click

from traintop.commands.output import LONGEST_LINE, print_document, print_text, warn
from traintop.commands.runs import (
    format_option,
    given_or_default,
    log_directories,
    unreadable_lines,
)
from traintop.text import safe_text


@click.command()
@log_directories
@format_option
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
    log_dirs: tuple[Path, ...], sort: str, reverse: bool, as_json: bool, as_csv: bool
) -> None:
    """Print a table of all runs, the best first.

    LOG_DIRS are directories or files of runs; the default is $TRAINTOP_DIR, else
    ./experiment_logs, else this directory.
    """
    from traintop.analysis.field_names import field_among, other_meaning
    from traintop.analysis.ranking import sorted_runs
    from traintop.analysis.run_tables import comparison_table, runs_csv, runs_json
    from traintop.metrics import choose_directions_for
    from traintop.model import RunStatus
    from traintop.store.catalog import RunCatalog
    from traintop.store.other_files import READ_FILES

    if as_json and as_csv:
        raise click.UsageError("--json and --csv cannot be combined")
    log_dirs = given_or_default(log_dirs)
    choose_directions_for(log_dirs)
    catalog = RunCatalog(log_dirs)
    snapshot = catalog.refresh()
    readable = [run for run in snapshot.runs if run.status is not RunStatus.UNREADABLE]
    try:
        runs = sorted_runs(readable, sort, reverse=reverse) if readable else []
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        print_document(runs_json(runs))
    elif as_csv:
        print_document(runs_csv(runs))
    elif not runs:
        places = (safe_text(os.path.abspath(each), LONGEST_LINE) for each in log_dirs)
        print_text(f"No runs in {', '.join(places)}.")
    else:
        print_text(comparison_table(runs, sort=sort, width=shutil.get_terminal_size().columns))
    field = field_among(sort, readable)
    if other := other_meaning(field, readable):
        warn(f"sorted by {field.explanation}; for the other meaning of {sort}: --sort {other}")
    warn(*snapshot.notices, *unreadable_lines(snapshot.runs))
    if others := snapshot.others or catalog.other_files(tools_only=True):
        warn(f"not read: {others}; traintop reads {READ_FILES}")
    if snapshot.notices:
        raise SystemExit(1)  # as `ls` does for a directory that it cannot list
