"""`traintop compare`: runs against a baseline."""

from __future__ import annotations

import math

import click

from traintop.commands.output import failure, output_styles, print_document, print_json, print_table
from traintop.commands.runs import MOST_RUNS, complete_runs, runs_as_arguments, selected_runs


@click.command()
@runs_as_arguments
@click.option(
    "--baseline",
    metavar="NAME",
    shell_complete=complete_runs,
    help="Run to compare with (default: the first).",
)
@click.option("--seeds", is_flag=True, help="Combine runs that differ only in the seed: mean ±std.")
@click.option("--target", type=float, metavar="LOSS", help="Show when each run reached this loss.")
@output_styles("json", "csv", "markdown", "latex")
def command(
    roots: tuple[str, ...],
    references: tuple[str, ...],
    query: str,
    baseline: str | None,
    seeds: bool,
    target: float | None,
    style: str | None,
) -> None:
    """Compare the newest runs, or those named, with a baseline: settings, losses, speed."""
    from traintop.analysis import comparison_text
    from traintop.store.formats import UnreadableRunError

    if target is not None and not math.isfinite(target):
        raise click.UsageError(f"--target must be a finite number, not {target}")
    most = None if style or seeds else MOST_RUNS
    chosen = selected_runs(roots, references, query, baseline=baseline, most=most)
    try:
        comparison = (chosen.group() if seeds else chosen).compare(target=target).comparison
    except UnreadableRunError as error:
        raise failure(error) from None
    if style == "csv":
        print_document(comparison_text.comparison_csv(comparison))
    elif style == "json":
        document = comparison_text.comparison_document(comparison)
        print_json(**document, away=chosen.opened.away)
    else:
        table = comparison_text.comparison_table(comparison, short=style is None)
        print_table(table, style, stacked=True)
