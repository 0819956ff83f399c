"""`traintop report`: the lab notebook."""

from __future__ import annotations

from pathlib import Path

import click

from traintop.commands.output import LONGEST_LINE, LocalPath, failure, print_text, warn
from traintop.commands.runs import root_as_argument
from traintop.text import safe_text


@click.command()
@root_as_argument
@click.option(
    "--output",
    type=LocalPath(dir_okay=False),
    default=Path("EXPERIMENT_LOG.md"),
    show_default=True,
    help="Lab notebook to create or update.",
)
def command(root: str, output: Path) -> None:
    """Update the tables in the lab notebook. What you wrote is kept."""
    from traintop.analysis.report import write_report

    try:
        result = write_report(root, output)
    except ValueError as error:
        raise failure(error) from None
    done = f"{'Updated' if result.changed else 'Nothing new in'} "
    done += safe_text(result.path, LONGEST_LINE)
    if output.is_file():
        print_text(done)
    else:  # a device or pipe, which may be the output itself
        click.echo(done, err=True)
    warn(*result.notices)
