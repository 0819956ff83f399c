"""`traintop best`: the leaderboard, and which settings go with a good place in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import click

from traintop.commands.output import (
    LONGEST_LINE,
    failure,
    output_styles,
    print_document,
    print_json,
    print_table,
    print_text,
    warn,
)
from traintop.commands.runs import among_runs, columns_option, complete_metrics, selected_runs
from traintop.text import counted, safe_text

if TYPE_CHECKING:
    from traintop.analysis.ranking import Ranking
    from traintop.analysis.runs import Runs


@click.command()
@click.argument("metric", required=False, shell_complete=complete_metrics)
@among_runs
@click.option(
    "--mode",
    type=click.Choice(["min", "max"]),
    help="Whether the lowest or the highest value is best, where its name does not say so.",
)
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="How many to show.",
)
@click.option(
    "--importance", is_flag=True, help="Show which settings go with a good place, over all runs."
)
@columns_option
@output_styles("json", "csv", "markdown", "latex")
def command(
    metric: str | None,
    roots: tuple[str, ...],
    query: str,
    mode: Literal["min", "max"] | None,
    limit: int,
    importance: bool,
    columns: tuple[str, ...],
    style: str | None,
) -> None:
    """Rank runs by the best value of METRIC that each reached: a loss, where none is named.

    With --importance, settings are ranked instead, by how much of the order of all runs each
    explains, beyond chance. A correlation is no cause: mind the warnings.
    """
    from traintop.analysis.ranking import UnknownDirectionError, ranking_of

    if importance and columns:
        raise click.UsageError("--importance and --columns cannot be combined")
    runs = selected_runs(roots, (), query)
    try:
        ranking = ranking_of(runs.summaries, metric, mode, among=runs.opened.runs.summaries)
        if not ranking.leaders:
            words = ranking.field.words
            raise failure(f"none of {counted(len(runs), 'run')} has a finite {words}")
        if importance:
            _print_importance(ranking, runs, limit, style)
        else:
            _print_leaders(ranking, runs, limit, columns, style)
    except UnknownDirectionError as error:
        raise click.UsageError(f"{error.what}: say --mode min or --mode max") from None
    except ValueError as error:
        raise click.UsageError(safe_text(error, LONGEST_LINE)) from None


def _print_leaders(
    ranking: Ranking, runs: Runs, limit: int, columns: Sequence[str], style: str | None
) -> None:
    """Raises ``ValueError`` for a column that no run has."""
    from traintop.analysis import leaderboard, run_tables
    from traintop.tables import Table

    shown = ranking._replace(leaders=ranking.leaders[:limit])
    summaries = [leader.run for leader in shown.leaders]
    chosen = run_tables.chosen_columns(columns, runs.opened.runs.summaries)
    if style == "json":
        rows = run_tables.run_rows(summaries, runs.names, chosen)
        print_json(
            metric=ranking.field.name,
            direction=ranking.direction,
            ranked=len(ranking.leaders),
            runs=[
                {"rank": place, "value": one.value, "value_iteration": one.iteration, **row}
                for place, (one, row) in enumerate(zip(shown.leaders, rows, strict=True), start=1)
            ],
            away=runs.opened.away,
        )
    elif style == "csv":
        headings, lines = run_tables.flat_run_rows(summaries, runs.names, chosen)
        rows_of_values = [
            [place, one.value, one.iteration, *line]
            for place, (one, line) in enumerate(zip(shown.leaders, lines, strict=True), start=1)
        ]
        headings = ["rank", "value", "value_iteration", *headings]
        print_document(Table.of_values(headings, rows_of_values).csv())
    else:
        print_table(leaderboard.leader_table(shown, runs.names, chosen), style)
        if len(ranking.leaders) > limit:
            warn(f"the best {limit:,} of {len(ranking.leaders):,} runs: --limit shows more")


def _print_importance(ranking: Ranking, runs: Runs, limit: int, style: str | None) -> None:
    from traintop.analysis import leaderboard
    from traintop.analysis.importance import importance_of

    found = importance_of(ranking.leaders, ranking.direction)
    shown = found.settings[:limit]
    if style == "json":
        document = leaderboard.importance_document(found)
        document["settings"] = document["settings"][:limit]
        document |= {"away": runs.opened.away}
        print_json(metric=ranking.field.name, direction=ranking.direction, **document)
        return
    if style == "csv":
        print_document(leaderboard.importance_csv(shown))
    elif not shown:
        raise failure(
            f"no setting that differs was given in 3 or more of {counted(found.n, 'ranked run')}"
        )
    else:
        print_table(leaderboard.importance_table(shown), style)
    if style is None:
        words = f"{ranking.field.words} of {counted(found.n, 'run')}"
        print_text(f"\nEXPLAINS is the share of the order by {words}, beyond that of chance.")
        if any(one.may_be_chance for one in shown):
            print_text("? may be chance all the same.")
    warn(*found.warnings)
