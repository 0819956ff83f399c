"""`traintop pull`: runs from a bucket."""

from __future__ import annotations

from pathlib import Path

import click

from traintop.commands.output import LocalPath, failure, print_text, warn
from traintop.text import counted, file_size, safe_text


@click.command()
@click.argument("bucket", metavar="s3://BUCKET/PREFIX")
@click.argument("directory", type=LocalPath(file_okay=False))
@click.option("--force", is_flag=True, help="Also over what would be left alone here.")
def command(bucket: str, directory: Path, force: bool) -> None:
    """Copy the runs of a bucket that have changed into a DIRECTORY.

    The other way round of `traintop push`, file by file as a whole, and never outside of the
    directory. A run is left alone that is being written here, is longer or newer here than in the
    bucket, or is another one of the same name.
    """
    from traintop.store.pull import pull

    try:
        done = pull(bucket, directory, force=force)
    except ValueError as error:
        raise failure(error) from None
    warn(*done.notices)
    parts = [f"pulled {counted(len(done.files), 'file')}, {file_size(done.size)}"]
    parts[0] += f", to {safe_text(directory)}"
    if done.unchanged:
        parts.append(f"{done.unchanged:,} had not changed")
    print_text("; ".join([*parts, counted(done.requests, "request")]))
    warn(*(f"left alone: {line}" for line in done.kept), *done.problems)
    if done.away:
        raise failure(f"{bucket}: {done.away}")
    raise SystemExit(1 if done.problems or done.notices else 0)
