"""`traintop watch`: the terminal UI."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from traintop.commands.runs import log_directories
from traintop.text import safe_text
from traintop.tracking.environment import default_log_dir


@click.command()
@log_directories
def command(log_dirs: tuple[Path, ...]) -> None:
    """Watch runs live in the terminal (the default command)."""
    from traintop.terminal import has_screen

    if not sys.stdout.isatty():
        raise click.ClickException("watching needs a terminal; in a script, use `traintop list`")
    if not has_screen(os.environ):
        raise click.ClickException(
            f"this terminal (TERM={safe_text(os.environ['TERM'], 40)}) cannot show the UI; "
            "use `traintop list` or `traintop plot`"
        )
    from traintop.tui.app import run

    run(log_dirs or (default_log_dir(),))
