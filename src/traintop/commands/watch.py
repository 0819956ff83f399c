"""`traintop watch`: the terminal UI."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path, PurePath

import click

from traintop.commands.event_stream import rehearse_rules, stream_events
from traintop.commands.output import LocalPath, failure, output_styles
from traintop.commands.runs import filter_option, given_or_default, roots_as_arguments
from traintop.model import RunStatus
from traintop.mounts import answer
from traintop.run_ids import folder_of, is_named_like_a_file, is_remote, parts_of, root_of
from traintop.text import safe_text


@click.command()
@roots_as_arguments
@filter_option
@click.option("--events", is_flag=True, help="Print a line for each event; needs no terminal.")
@click.option(
    "--since",
    metavar="CURSOR",
    help="Events after that of this cursor, or after a time: 2h, today, 2025-02-22T14:05.",
)
@click.option(
    "--prometheus",
    metavar="FILE",
    type=LocalPath(dir_okay=False),
    help="Keep metrics of the runs in a file for node_exporter, such as runs.prom.",
)
@click.option("--dry-run", is_flag=True, help="Print what the rules would have done for past runs.")
@output_styles("json")
def command(
    roots: tuple[str, ...],
    query: str,
    events: bool,
    since: str | None,
    prometheus: Path | None,
    dry_run: bool,
    style: str | None,
) -> None:
    """Watch runs live in the terminal (the default command).

    ROOT is a directory, ssh://[user@]host/path, s3://bucket/prefix, or @NAME, which stands for
    those of that name in the settings file. The default is $TRAINTOP_DIR, else ./experiment_logs,
    else this directory. Given the file of a run, its directory is watched and the run is selected.

    With --events: a line for each run that starts or ends, for each alert, and for its end; as
    JSON, with a cursor that --since goes on from. The other options are for --events only.
    """
    if events and dry_run:
        rehearse_rules(roots, query, as_json=style == "json")
    elif events:
        stream_events(roots, query, since, prometheus, as_json=style == "json")
    elif query or since or prometheus or dry_run or style:
        raise click.UsageError("--filter, --since, --prometheus, --dry-run, --json need --events")
    else:
        _watch_on_screen(roots)


def _watch_on_screen(roots: Sequence[str]) -> None:
    from traintop.terminal import has_screen

    found = [_root_and_run(given) for given in roots]
    opened = next((run for _, run in found if run), "")
    if not sys.stdout.isatty():
        raise click.ClickException(
            "watching needs a terminal; in a script, use `traintop list` or `watch --events`"
        )
    if not has_screen(os.environ):
        raise click.ClickException(
            f"this terminal (TERM={safe_text(os.environ['TERM'], 40)}) cannot show the UI; "
            "use `traintop list` or `traintop plot`"
        )
    from traintop.tui.app import run

    run(given_or_default([root for root, _ in found]), opened)


def _root_and_run(given: str) -> tuple[str, str]:
    """What is to be watched, and the run to be selected where the file of one was given."""
    holder, key = parts_of(given)
    if is_remote(given):
        return (folder_of(holder), given) if is_named_like_a_file(given) else (given, "")
    path = Path(given)
    if answer(given, os.path.isfile, False) or (key and answer(holder, os.path.isfile, False)):
        from traintop.store.catalog import RunCatalog
        from traintop.store.other_files import READ_FILES

        runs = RunCatalog([path]).refresh(0.0).runs  # of many in a file, the newest
        if not runs:
            raise failure(f"{path} is not the log of a run; traintop reads {READ_FILES}")
        if runs[0].status is RunStatus.UNREADABLE and path.suffix != ".json":  # as ours are
            raise failure(f"{path} {runs[0].problem}")
        root = root_of(str(path.parent))
        return root, os.path.join(root, PurePath(runs[0].id).name)  # as the catalog names it
    if path.suffix == ".json" and not answer(given, os.path.isdir, True):
        raise failure(f"there is no file {path}")
    return given, ""
