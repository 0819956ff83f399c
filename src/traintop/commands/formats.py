"""`traintop formats`: what is read."""

from __future__ import annotations

import click

from traintop.commands.output import print_text, warn
from traintop.text import safe_text


@click.command()
def command() -> None:
    """List the formats of runs that are read, and what marks their files."""
    from traintop.store.formats import run_formats

    known, problems, _ = run_formats()
    width = max(len(each.name) for each in known)
    for each in known:
        print_text(f"{safe_text(each.name):<{width}}  {safe_text(each.marks, 200)}")
    warn(*problems)
