"""`traintop show`: all that is known of runs, or what their commands printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from traintop.commands.output import failure, output_styles, print_json, print_text
from traintop.commands.runs import runs_as_arguments, selected_runs

if TYPE_CHECKING:
    from traintop.analysis.run import Run


@click.command()
@runs_as_arguments
@click.option("--log", "wants_log", is_flag=True, help="Print what the run's command printed.")
@output_styles("json")
def command(
    roots: tuple[str, ...],
    references: tuple[str, ...],
    query: str,
    wants_log: bool,
    style: str | None,
) -> None:
    """Print all that is known of runs; without RUN or a filter, of the latest one.

    What a command printed is kept of runs that `traintop run` started.
    """
    from traintop.analysis.run_tables import run_rows
    from traintop.analysis.summary_text import summary_lines

    if wants_log and style:
        raise click.UsageError("--log and --json cannot be combined")
    if not references and not query:
        references = ("@latest",)
    runs = selected_runs(roots, references, query)
    if style == "json":
        print_json(runs=run_rows(runs.summaries, runs.names), away=runs.opened.away)
        return
    for number, run in enumerate(runs):
        lines = _console_lines(run) if wants_log else summary_lines(run.summary, run.name)
        print_text("\n" * (number > 0) + "\n".join(lines).removesuffix("\n"))


def _console_lines(run: Run) -> list[str]:
    """What the command of a run printed; raises ``ClickException`` where that was not kept."""
    from traintop.store.formats import UnreadableRunError

    try:
        lines = run.console()
    except UnreadableRunError as error:
        raise failure(error) from None
    if lines is None:
        raise failure(f"no output of {run.name} is kept: `traintop run` does that")
    return [*lines]
