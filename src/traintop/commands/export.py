"""`traintop export`: the records of runs as one CSV file."""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from traintop.commands.output import STANDARD_OUTPUT, warn
from traintop.commands.runs import log_directory, named_runs, run_names
from traintop.text import counted

if TYPE_CHECKING:
    from traintop.store.history import History


@click.command()
@log_directory
@run_names
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    required=True,
    help="CSV file to write; an existing one is replaced once the new one is complete. "
    "- is standard output.",
)
def command(log_dir: Path, names: tuple[str, ...], out: Path) -> None:
    """Write the records of all runs, or of NAMES, to one CSV file."""
    from traintop.analysis.export import replacing_file, write_together
    from traintop.store.formats import UnreadableRunError

    catalog, runs = named_runs(log_dir, names)
    left_out: list[str] = []

    def histories() -> Iterator[tuple[str, History]]:
        left_out.clear()
        for name, run in runs.items():
            try:
                yield name, catalog.reader(run.id).history()
            except UnreadableRunError as error:
                left_out.append(f"left out: {error}")

    def place(write: Callable[[TextIO], None]) -> Path:
        if out == STANDARD_OUTPUT:
            _print_when_complete(write)
        else:
            with replacing_file(out) as file:
                write(file)
        return out

    write_together(histories, [name for run in runs.values() for name in run.stats], place)
    warn(*left_out)
    if out != STANDARD_OUTPUT:
        warn(f"wrote {counted(len(runs) - len(left_out), 'run')} to {out}")


def _print_when_complete(write: Callable[[TextIO], None]) -> None:
    """Print what ``write`` writes once it is complete, for it may have to begin again."""
    with tempfile.TemporaryFile() as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        write(text)
        file.seek(0)
        shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.flush()
