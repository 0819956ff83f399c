"""`traintop export`: the records of runs as one CSV file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from traintop.commands.output import STANDARD_OUTPUT, output_file, warn
from traintop.commands.runs import runs_as_arguments, selected_runs
from traintop.text import counted

if TYPE_CHECKING:
    from traintop.store.history import History


@click.command()
@runs_as_arguments
@click.option(
    "--output",
    "--out",
    "output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    required=True,
    help="CSV file to write; an existing one is replaced once the new one is complete. "
    "- is standard output.",
)
def command(roots: tuple[Path, ...], references: tuple[str, ...], query: str, output: Path) -> None:
    """Write the records of all runs, or of those named, to one CSV file."""
    from traintop.analysis.export import write_runs
    from traintop.store.formats import UnreadableRunError

    runs = selected_runs(roots, references, query)
    left_out: list[str] = []

    def histories() -> Iterator[tuple[str, History]]:
        left_out.clear()
        for run in runs:
            try:
                yield run.name, run.history()
            except UnreadableRunError as error:
                left_out.append(f"left out: {error}")

    with output_file(output) as file:
        write_runs(file, histories, [name for run in runs.summaries for name in run.stats])
    warn(*left_out)
    if output != STANDARD_OUTPUT:
        warn(f"wrote {counted(len(runs) - len(left_out), 'run')} to {output}")
