"""`traintop export`: the records of runs as one CSV file, or as a Parquet dataset."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from traintop.commands.output import STANDARD_OUTPUT, LocalPath, failure, output_file, warn
from traintop.commands.runs import former_name, runs_as_arguments, selected_runs
from traintop.text import count, counted

if TYPE_CHECKING:
    from traintop.analysis.runs import Runs
    from traintop.store.history import History


@click.command()
@runs_as_arguments
@former_name("--out", "--output")
@click.option(
    "--output",
    type=LocalPath(dir_okay=False, allow_dash=True),
    help="CSV file to write; an existing one is replaced once the new one is complete. "
    "- is standard output.",
)
@click.option(
    "--parquet",
    type=LocalPath(file_okay=False),
    metavar="DIR",
    help="Parquet dataset to write or update: see docs/engines.md.",
)
def command(
    roots: tuple[str, ...],
    references: tuple[str, ...],
    query: str,
    output: Path | None,
    parquet: Path | None,
) -> None:
    """Write the records of all runs, or of those named, to a CSV file or a Parquet dataset."""
    if (output is None) == (parquet is None):
        raise click.UsageError("give one of --output FILE and --parquet DIR")
    runs = selected_runs(roots, references, query)
    if parquet is not None:
        _export_dataset(runs, parquet)
    elif output is not None:
        _export_csv(runs, output)


def _export_csv(runs: Runs, output: Path) -> None:
    from traintop.analysis.export import write_runs
    from traintop.store.formats import UnreadableRunError

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


def _export_dataset(runs: Runs, directory: Path) -> None:
    from traintop.analysis.parquet import write_dataset

    records = sum(run.count or 0 for run in runs.summaries)
    with click.progressbar(
        length=records,
        label=f"{count(records)} records",
        file=sys.stderr,
        hidden=not sys.stderr.isatty(),
    ) as bar:
        try:
            done = write_dataset(runs, directory, bar.update)
        except ImportError as error:
            raise failure(error) from None
    warn(*done.left_out)
    unchanged = f", {done.unchanged:,} had not changed" if done.unchanged else ""
    warn(f"wrote {counted(done.written, 'run')} to {directory}{unchanged}")
