"""`traintop list`: the comparison table of all runs, or everything about them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from traintop.commands.output import (
    LONGEST_LINE,
    output_styles,
    print_document,
    print_json,
    print_table,
    print_text,
    unreadable_lines,
    warn,
)
from traintop.commands.runs import (
    columns_option,
    complete_fields,
    filter_option,
    opened_roots,
    roots_as_arguments,
)
from traintop.run_ids import is_remote
from traintop.text import counted, safe_text

if TYPE_CHECKING:
    from traintop.analysis.runs import OpenedRuns, Runs


@click.command()
@roots_as_arguments
@filter_option
@click.option(
    "--sort",
    default="best_val_loss",
    show_default=True,
    metavar="NAME",
    shell_complete=complete_fields,
    help="Any metric, setting or field: best_val_loss, config.seed, age, duration, …",
)
@click.option("--reverse", is_flag=True, help="Reverse the order: worst first.")
@click.option(
    "--group-by",
    metavar="NAME",
    shell_complete=complete_fields,
    help="Runs with the same value together: host, root, status, config.lr, …",
)
@columns_option
@output_styles("json", "csv", "markdown", "latex")
def command(
    roots: tuple[str, ...],
    query: str,
    sort: str,
    reverse: bool,
    group_by: str | None,
    columns: tuple[str, ...],
    style: str | None,
) -> None:
    """Print a table of all runs, the best first; as JSON and CSV, everything about each.

    Archived runs are left out, unless the filter asks for them: -f archived.

    ROOT is a directory or the file of a run, here or elsewhere (ssh://host/path); the default is
    $TRAINTOP_DIR, else ./experiment_logs, else this directory.
    """
    from traintop.analysis.field_names import field_among, other_meaning
    from traintop.analysis.query_tokens import QueryError
    from traintop.store.other_files import READ_FILES

    opened = opened_roots(roots)
    try:
        runs = opened.runs.sort(sort, reverse=reverse).listed(query)
        if runs or style in ("json", "csv"):
            _print_runs(runs, columns, sort, group_by, style)
        else:
            _print_none(opened)
    except QueryError as error:
        raise click.UsageError(f"--filter: {safe_text(error, LONGEST_LINE)}") from None
    except ValueError as error:
        raise click.UsageError(safe_text(error, LONGEST_LINE)) from None
    readable = opened.runs.summaries
    field = field_among(sort, readable)
    if other := other_meaning(field, readable):
        warn(f"sorted by {field.explanation}; for the other meaning of {sort}: --sort {other}")
    warn(*opened.notices, *unreadable_lines([*readable, *opened.unreadable]))
    if others := opened.others or opened.catalog.other_files(tools_only=True):
        warn(f"not read: {others}; traintop reads {READ_FILES}")
    if opened.notices or not runs:
        raise SystemExit(1)  # as `ls` does for a directory that it cannot list


def _print_runs(
    runs: Runs, columns: Sequence[str], sort: str, group_by: str | None, style: str | None
) -> None:
    """Raises ``ValueError`` for a column that no run has."""
    from traintop.analysis import ranking, run_tables

    summaries, names, all_runs = runs.summaries, runs.names, runs.opened.runs.summaries
    groups = [] if group_by is None else ranking.grouped_runs(summaries, group_by, all_runs)
    if groups:
        summaries = [run for group in groups for run in group.runs]
    chosen = run_tables.chosen_columns(columns, all_runs)
    if style == "json":
        print_json(runs=run_tables.run_rows(summaries, names, chosen), away=runs.opened.away)
    elif style == "csv":
        print_document(run_tables.runs_csv(summaries, names, chosen))
    else:
        complete = style is not None
        table = (
            run_tables.chosen_table(summaries, names, chosen)
            if chosen
            else run_tables.runs_table(summaries, names, sort=sort, complete=complete)
        )
        print_table(run_tables.in_groups(table, groups), style)


def _print_none(opened: OpenedRuns) -> None:
    if opened.runs:
        archived = sum(run.summary.annotations.archived for run in opened.runs)
        hint = f" {archived:,} are archived: -f archived" if archived else ""
        print_text(f"None of {counted(len(opened.runs), 'run')} matches.{hint}")
        return
    absolute = (each if is_remote(each) else os.path.abspath(each) for each in opened.answered)
    if places := ", ".join(safe_text(each, LONGEST_LINE) for each in absolute):
        print_text(f"No runs in {places}.")
