"""`traintop import`: runs of other tools as files of ours."""

from __future__ import annotations

from pathlib import Path

import click

from traintop.commands.output import LocalPath, failure, print_text, unreadable_lines, warn
from traintop.commands.runs import (
    RootType,
    format_option,
    given_or_default,
)
from traintop.text import counted, safe_text


@click.command()
@click.argument("roots", nargs=-1, required=True, metavar="RUN...", type=RootType())
@click.option(
    "--to",
    "directory",
    type=LocalPath(file_okay=False),
    required=True,
    help="Directory in which a log file is made for each run.",
)
@format_option
def command(roots: tuple[str, ...], directory: Path) -> None:
    """Copy runs of other tools into log files of traintop.

    RUN is the file or directory of a run, or a directory with runs below it. Their own files are
    left as they are. What was imported before is imported again only if it has grown.
    """
    from traintop.analysis.importing import ORIGIN, import_run, is_of_other_tool, origin_of
    from traintop.store.catalog import RunCatalog
    from traintop.store.formats import UnreadableRunError

    catalog = RunCatalog(given_or_default(roots))
    snapshot = catalog.refresh()
    warn(*snapshot.troubles, *unreadable_lines(snapshot.runs))
    theirs = [run for run in snapshot.runs if is_of_other_tool(run)]
    if not theirs:
        raise failure(f"no runs of other tools in {', '.join(roots)}")
    ours = RunCatalog([directory]).refresh().runs
    known = {(run.environment.get(ORIGIN), run.count): run for run in ours}
    for run in theirs:
        before = known.get((origin_of(run), run.count))
        if before is not None:
            print_text(f"{safe_text(run.title)}: is in {safe_text(before.id)} already")
            continue
        try:
            path = import_run(run, catalog.reader(run.id).history(), directory)
        except UnreadableRunError as error:
            warn(f"left out: {error}")
            continue
        records = counted(run.count or 0, "record")
        print_text(f"{safe_text(run.title)}: {records} to {safe_text(path)}")
