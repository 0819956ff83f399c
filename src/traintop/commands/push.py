"""`traintop push`: runs into a bucket."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from traintop.commands.output import LocalPath, failure, print_text, warn
from traintop.commands.runs import time_option
from traintop.text import counted, file_size, safe_text

if TYPE_CHECKING:
    from traintop.store.push import Pushed


@click.command()
@click.argument("directory", type=LocalPath(exists=True))
@click.argument("bucket", metavar="s3://BUCKET/PREFIX")
@time_option("--every", "Push again each 30s, 5m …, until it is interrupted.")
@click.option("--force", is_flag=True, help="Also over what is another run there, or longer.")
def command(directory: Path, bucket: str, every: float | None, force: bool) -> None:
    """Copy the runs of a DIRECTORY that have changed into a bucket.

    All files of runs in all formats, with what lies beside them, such as notes; s3://, gs:// of
    Google or az:// of Azure. Objects are stored as a whole, so it may be interrupted. What it
    costs is in docs/fleet.md.
    """
    from traintop.store.catalog import RunCatalog
    from traintop.store.copies import files_of_runs
    from traintop.store.push import Pusher

    try:
        pusher, catalog = Pusher(bucket, force=force), RunCatalog([directory])
    except ValueError as error:
        raise failure(error) from None
    while True:
        started = time.monotonic()
        catalog.refresh()
        files = files_of_runs(catalog.places[0], os.fspath(catalog.roots[0]))
        found = {name: Path(entry.id) for name, entry in files.items()}
        done = pusher.push(found, is_last=every is None)
        if done.files or every is None:
            print_text(_summary(done, bucket, pusher.bucket.requests))
        warn(*done.problems)
        if every is None:
            if done.away:
                raise failure(f"{bucket}: {done.away}")
            raise SystemExit(1 if done.problems else 0)
        if done.away:
            warn(f"{bucket}: {done.away}")
        time.sleep(max(every - (time.monotonic() - started), 1.0))


def _summary(done: Pushed, bucket: str, requests: int) -> str:
    parts = [f"pushed {counted(len(done.files), 'file')}, {file_size(done.size)}"]
    parts[0] += f", to {safe_text(bucket)}"
    if done.unchanged:
        parts.append(f"{done.unchanged:,} had not changed")
    if done.waiting:
        parts.append(f"{done.waiting:,} will follow")
    return "; ".join([*parts, f"{counted(requests, 'request')} so far"])
