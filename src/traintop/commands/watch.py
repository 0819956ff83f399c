"""`traintop watch`: the terminal UI."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from traintop.commands.output import failure
from traintop.commands.runs import given_or_default, roots_as_arguments
from traintop.model import RunStatus
from traintop.run_ids import parts_of
from traintop.text import safe_text


@click.command()
@roots_as_arguments
def command(roots: tuple[Path, ...]) -> None:
    """Watch runs live in the terminal (the default command).

    LOG_DIR is a directory; the default is $TRAINTOP_DIR, else ./experiment_logs, else this one.
    Given the file of a run, its directory is watched and the run is selected.
    """
    from traintop.terminal import has_screen

    places = [_place_of(path) for path in roots]
    directories = [directory for directory, _ in places]
    opened = next((run for _, run in places if run is not None), None)
    if not sys.stdout.isatty():
        raise click.ClickException("watching needs a terminal; in a script, use `traintop list`")
    if not has_screen(os.environ):
        raise click.ClickException(
            f"this terminal (TERM={safe_text(os.environ['TERM'], 40)}) cannot show the UI; "
            "use `traintop list` or `traintop plot`"
        )
    from traintop.tui.app import run

    run([*given_or_default(directories)], opened)


def _place_of(path: Path) -> tuple[Path, Path | None]:
    """The directory to be watched, and the run to be selected where it is the file of one."""
    holder, key = parts_of(str(path))
    if path.is_file() or (key and Path(holder).is_file()):
        from traintop.store.catalog import RunCatalog
        from traintop.store.other_files import READ_FILES

        runs = RunCatalog([path]).refresh(0.0).runs  # of many in a file, the newest
        if not runs:
            raise failure(f"{path} is not the log of a run; traintop reads {READ_FILES}")
        if runs[0].status is RunStatus.UNREADABLE and path.suffix != ".json":  # as ours are
            raise failure(f"{path} {runs[0].problem}")
        return path.parent, Path(runs[0].id)
    if path.suffix == ".json" and not path.is_dir():
        raise failure(f"there is no file {path}")
    return path, None
