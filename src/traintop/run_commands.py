"""The commands about runs that are named one by one: export, compare, plot.

Like those of :mod:`traintop.cli`, which has them all, they import what they need when they run.
"""

from __future__ import annotations

import io
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from traintop.analysis.axes import X_AXES, XAxis
from traintop.text import counted, safe_text

if TYPE_CHECKING:
    from traintop.model import RunSummary
    from traintop.store.history import History

LOG_DIRECTORY = click.Path(path_type=Path, file_okay=False, readable=False)
"""A directory that need not be there, or readable: the catalog says so, and shows the others."""

_STANDARD_OUTPUT = Path("-")

_run_names = click.argument("names", nargs=-1)


@click.command()
@click.argument("log_dir", type=LOG_DIRECTORY)
@_run_names
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    required=True,
    help="The CSV file to write; an older one is replaced by a complete one. - is the output.",
)
def export(log_dir: Path, names: tuple[str, ...], out: Path) -> None:
    """Write the records of runs (all, unless NAMES are given) below one another as CSV."""
    from traintop.analysis.export import replacing_file, write_together
    from traintop.store.run import Run, UnreadableRunError

    runs = _named_runs(log_dir, names)
    left_out: list[str] = []

    def histories() -> Iterator[tuple[str, History]]:
        left_out.clear()
        for name, run in runs.items():
            try:
                yield name, Run(run.path).history()
            except UnreadableRunError as error:
                left_out.append(f"left out: {error}")

    def place(write: Callable[[TextIO], None]) -> Path:
        if out == _STANDARD_OUTPUT:
            _print_whole(write)
        else:
            with replacing_file(out) as file:
                write(file)
        return out

    write_together(histories, [name for run in runs.values() for name in run.stats], place)
    for line in left_out:
        click.echo(f"traintop: {safe_text(line, 500)}", err=True)
    if out != _STANDARD_OUTPUT:
        words = counted(len(runs) - len(left_out), "run")
        click.echo(f"traintop: wrote {words} to {safe_text(out, 500)}", err=True)


def _print_whole(write: Callable[[TextIO], None]) -> None:
    """Print what ``write`` writes once it is complete, for it may have to begin again."""
    with tempfile.TemporaryFile() as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        write(text)
        file.seek(0)
        shutil.copyfileobj(file, sys.stdout.buffer)
    sys.stdout.flush()


@click.command(name="compare")
@click.argument("log_dir", type=LOG_DIRECTORY)
@_run_names
@click.option("--baseline", metavar="NAME", help="The run to compare with; the first otherwise.")
@click.option("--seeds", is_flag=True, help="Runs that differ only in the seed as one: mean ±std.")
@click.option("--target", type=float, metavar="LOSS", help="The loss that runs are to reach.")
@click.option("--markdown", "style", flag_value="markdown", help="As a Markdown table.")
@click.option("--csv", "style", flag_value="csv", help="As CSV, in full precision.")
@click.option("--json", "style", flag_value="json", help="As JSON, in full precision.")
def compare_runs(
    log_dir: Path,
    names: tuple[str, ...],
    baseline: str | None,
    seeds: bool,
    target: float | None,
    style: str | None,
) -> None:
    """Print what sets runs apart: settings, losses, pace, against a baseline."""
    from traintop.analysis import compare, comparison_text
    from traintop.analysis.groups import grouped
    from traintop.store.run import Run, UnreadableRunError

    if target is not None and not math.isfinite(target):
        raise click.UsageError(f"--target must be a finite number, not {target}")
    found = _named_runs(log_dir, names, baseline)
    try:
        runs = [
            compare.ComparedRun(name, run, Run(run.path).history()) for name, run in found.items()
        ]
    except UnreadableRunError as error:
        raise click.ClickException(safe_text(error, 500)) from None
    columns = grouped(runs) if seeds else compare.columns_of(runs)
    metric = compare.target_metric(found.values())
    reach = compare.default_target(columns, metric)
    if target is not None:
        reach = compare.Target(metric, target)
    comparison = compare.compare(columns, reach)
    if style == "csv":
        print_document(comparison_text.comparison_csv(comparison))
    elif style == "json":
        print_document(comparison_text.comparison_json(comparison) + "\n")
    elif style == "markdown":
        print_text(comparison_text.comparison_markdown(comparison).rstrip("\n"))
    else:
        print_text(comparison_text.comparison_text(comparison, shutil.get_terminal_size().columns))


def _named_runs(
    log_dir: Path, names: Sequence[str], baseline: str | None = None
) -> dict[str, RunSummary]:
    """The runs of these names, or all that can be read, the newest first; the baseline before.

    Raises ``ClickException`` for a name that no run has, and when there are no runs.
    """
    from traintop.analysis.listing import unreadable_lines
    from traintop.analysis.naming import find_run, suggestions, unique_names
    from traintop.model import RunStatus
    from traintop.store.catalog import RunCatalog

    snapshot = RunCatalog([log_dir]).refresh()
    for notice in snapshot.notices:
        click.echo(f"traintop: {safe_text(notice, 500)}", err=True)
    unreadable = [run for run in snapshot.runs if run.status is RunStatus.UNREADABLE]
    if not names:
        for line in unreadable_lines(unreadable):
            click.echo(f"traintop: left out: {line}", err=True)
    runs = {run.path: run for run in snapshot.runs if run.status is not RunStatus.UNREADABLE}
    known = unique_names(runs.values())
    if not runs:
        raise click.ClickException(f"no runs in {safe_text(log_dir, 500)}")
    found = {}
    for name in (*([] if baseline is None else [baseline]), *(names or known.values())):
        path = find_run(name, known)
        if path is None:
            refused = [run for run in unreadable if name in (run.run_id, run.path.name)]
            if refused:
                raise click.ClickException(unreadable_lines(refused)[0])
            hint = suggestions(name, known.values())
            raise click.ClickException(f"no run named {safe_text(repr(name))}: {safe_text(hint)}")
        found[known[path]] = runs[path]
    return found


@click.command()
@click.argument("log_dir", type=LOG_DIRECTORY)
@_run_names
@click.option("--metric", default="loss", show_default=True, help="Any metric; loss for both.")
@click.option(
    "--x",
    "x_axis",
    type=click.Choice(X_AXES),
    default=X_AXES[0],
    show_default=True,
    help="What stands along x.",
)
@click.option("--log", "log_y", is_flag=True, help="A logarithmic y axis.")
@click.option("--outliers", is_flag=True, help="Let a few outliers stretch the y axis.")
@click.option(
    "--smooth",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    metavar="WEIGHT",
    help="Weight of the moving average, such as 0.9.",
)
@click.option("--width", type=click.IntRange(1, 1000), help="Cells; as wide as the terminal.")
@click.option("--height", type=click.IntRange(1, 1000), help="Lines.")
@click.option(
    "--svg",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="Write an SVG file instead; an older one is replaced. - is the output.",
)
@click.option("--dark", is_flag=True, help="The SVG on a dark background.")
def plot(
    log_dir: Path,
    names: tuple[str, ...],
    metric: str,
    x_axis: XAxis,
    log_y: bool,
    outliers: bool,
    smooth: float,
    width: int | None,
    height: int | None,
    svg: Path | None,
    dark: bool,
) -> None:
    """Print a chart of runs (the newest ones, unless NAMES are given)."""
    from traintop.analysis.export import replacing_file
    from traintop.charts import DARK, LIGHT, chart_svg
    from traintop.charts.curves import ChartChoice
    from traintop.charts.plot import MOST_PLOTTED, plot_of, terminal_text
    from traintop.terminal import draws_ascii_only

    runs = _named_runs(log_dir, names)
    if not names and len(runs) > MOST_PLOTTED:
        rest = len(runs) - MOST_PLOTTED
        click.echo(f"traintop: {rest:,} older runs are left out; name runs to see them", err=True)
        runs = dict(list(runs.items())[:MOST_PLOTTED])
    try:
        spec = plot_of(runs, metric, ChartChoice(x_axis, log_y, not outliers, smooth))
    except ValueError as error:
        raise click.ClickException(safe_text(error, 500)) from None
    if svg is None:
        ascii_only = draws_ascii_only(os.environ)
        text = terminal_text(spec, width, height, sys.stdout, ascii_only=ascii_only)
        print_text(text, color=True)  # it has colours only where they are wanted
        return
    picture = chart_svg(spec, palette=DARK if dark else LIGHT)
    if svg == _STANDARD_OUTPUT:
        print_document(picture)
        return
    with replacing_file(svg) as file:
        file.write(picture)
    click.echo(f"traintop: wrote {safe_text(svg, 500)}", err=True)


def print_text(text: str, *, color: bool | None = None) -> None:
    """Print what may hold any character, also where the locale has only ASCII."""
    click.echo(_drawable(text, sys.stdout.encoding or "ascii"), color=color)


def _drawable(text: str, encoding: str) -> str:
    """``text`` with look-alikes for the characters that an encoding does not have."""
    from traintop.terminal import to_ascii

    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        if len(text) == 1:
            return to_ascii(text)
        return "".join(_drawable(character, encoding) for character in text)
    return text


def print_document(text: str) -> None:
    """Print JSON, CSV or SVG, which programs read: in UTF-8, whatever the locale."""
    click.echo(text.encode("utf-8", "replace"), nl=False)
