"""Log directories and runs as the arguments of commands."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import click

from traintop.commands.output import LONGEST_LINE, failure, warn
from traintop.model import RunStatus, RunSummary
from traintop.text import counted, safe_text
from traintop.tracking.environment import DEFAULT_LOG_DIR, default_log_dir

if TYPE_CHECKING:
    from traintop.store.catalog import RunCatalog

# Or the file of a run. It need not exist or be readable: the catalog says so, and shows the others.
_DIRECTORY = click.Path(path_type=Path, readable=False)

log_directories = click.argument("log_dirs", nargs=-1, type=_DIRECTORY)
optional_log_directory = click.argument("log_dir", required=False, type=_DIRECTORY)
log_directory = click.argument("log_dir", type=_DIRECTORY)
run_names = click.argument("names", nargs=-1)


def _force_format(ctx: click.Context, option: click.Parameter, name: str | None) -> None:
    if name is not None:
        from traintop.store.formats import force_format

        try:
            force_format(name)
        except ValueError as error:
            raise click.BadParameter(safe_text(error, LONGEST_LINE)) from None


format_option = click.option(
    "--format",
    metavar="NAME",
    expose_value=False,
    callback=_force_format,
    help="Read files in this format only: see `traintop formats`.",
)

_MOST_REASONS = 5

MOST_RUNS = 8
"""Runs that are shown unless they are named: as many as there are colours for curves."""


def given_or_default(log_dirs: Sequence[Path]) -> tuple[Path, ...]:
    """The directories that were given; else that of our runs, or this one where there is none."""
    if log_dirs:
        return (*dict.fromkeys(log_dirs),)
    default = default_log_dir()
    is_chosen = default != Path(DEFAULT_LOG_DIR)
    return (default if is_chosen or default.exists() else Path(),)


def named_runs(
    log_dir: Path, names: Sequence[str], baseline: str | None = None, most: int | None = None
) -> tuple[RunCatalog, dict[str, RunSummary]]:
    """The runs of these names, or all that can be read, the newest first; the baseline before.

    Without names these are the ``most`` newest, with a warning of the others. And the catalog,
    which has their readers.

    Raises ``ClickException`` for a name that no run has, and when there are no runs.
    """
    from traintop.analysis.naming import find_run, unique_names
    from traintop.metrics import choose_directions_for
    from traintop.store.catalog import RunCatalog
    from traintop.text import suggestions

    choose_directions_for([log_dir])
    catalog = RunCatalog([log_dir])
    snapshot = catalog.refresh()
    warn(*snapshot.notices)
    unreadable = [run for run in snapshot.runs if run.status is RunStatus.UNREADABLE]
    if not names:
        warn(*(f"left out: {line}" for line in unreadable_lines(unreadable)))
    runs = {run.id: run for run in snapshot.runs if run.status is not RunStatus.UNREADABLE}
    known = unique_names(runs.values())
    if not runs:
        raise failure(f"no runs in {log_dir}")
    if not names and most is not None and len(known) > most:
        warn(f"{len(known) - most:,} older runs are not shown; name runs to choose which are")
    found = {}
    chosen = names or [*known.values()][:most]
    for name in (*([] if baseline is None else [baseline]), *chosen):
        path = find_run(name, known)
        if path is None:
            refused = [run for run in unreadable if name in (run.stem, PurePath(run.id).name)]
            if refused:
                raise click.ClickException(unreadable_lines(refused)[0])
            hint = suggestions(name, known.values())
            raise click.ClickException(f"no run named {safe_text(repr(name))}: {safe_text(hint)}")
        found[known[path]] = runs[path]
    return catalog, found


def unreadable_lines(runs: Iterable[RunSummary]) -> list[str]:
    """Lines with each file that cannot be read, or only in part, and the reason.

    Files that are read in part for one reason have a line together; of many reasons some are said.
    """
    lines: list[str] = []
    partly: dict[str, list[str]] = {}
    for run in runs:
        name, reason = safe_text(run.id, 500), safe_text(run.problem, LONGEST_LINE)
        if run.status is not RunStatus.UNREADABLE and reason:
            partly.setdefault(reason, []).append(name)
            reason = ""
        if run.damaged:
            skipped = counted(run.damaged, "damaged line")
            reason = f"has {skipped}, left out: traintop doctor --repair removes them"
        if reason:
            lines.append(f"{name} {reason}")
    for reason, (name, *more) in itertools.islice(partly.items(), _MOST_REASONS):
        like_it = f" and {len(more):,} more" if more else ""
        lines.append(f"not read in {name}{like_it}: {reason}")
    if others := sum(map(len, itertools.islice(partly.values(), _MOST_REASONS, None))):
        lines.append(f"not read as a whole: {counted(others, 'more run')}; their details say why")
    return lines
