"""The command line. Every command imports what it needs, so `traintop list` loads no UI."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from traintop.analysis.axes import X_AXES, XAxis
from traintop.text import safe_text
from traintop.tracking.environment import default_log_dir

if TYPE_CHECKING:
    from traintop.model import RunSummary
    from traintop.store.history import History

_DEFAULT_COMMAND = "watch"

_directories = click.argument(
    "log_dirs", nargs=-1, type=click.Path(path_type=Path, file_okay=False)
)


_directory = click.argument(
    "log_dir", required=False, type=click.Path(path_type=Path, file_okay=False)
)


class _DefaultCommandGroup(click.Group):
    """A group in which `traintop DIR` means `traintop watch DIR`.

    What the system refuses (a full disk, a directory without permission) ends a command with one
    line that names the file and the reason.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own_options = {"--help", "--version", "-h"}
        if not args or (args[0] not in self.commands and args[0] not in own_options):
            self._refuse_misspelled_command(ctx, args)
            args = [_DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)

    def _refuse_misspelled_command(self, ctx: click.Context, args: list[str]) -> None:
        """A directory may be missing yet, but one that is named almost like a command is not."""
        if len(args) == 1 and not os.path.lexists(args[0]):
            from difflib import get_close_matches

            for command in get_close_matches(args[0], self.commands, 1, cutoff=0.75):
                shown = safe_text(args[0])
                ctx.fail(
                    f"there is no directory {shown!r}; did you mean `traintop {command}`? "
                    f"To wait for the directory: traintop ./{shown}"
                )

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # nobody reads on, as in `traintop list | head -1`: click ends quietly
        except OSError as error:
            raise click.ClickException(_reason(error)) from None


@click.group(cls=_DefaultCommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="traintop")
def main() -> None:
    """htop for training runs.

    `traintop [LOG_DIR]...` watches the runs in one or more log directories, live.
    Without LOG_DIR that is $TRAINTOP_DIR, else ./experiment_logs.
    """
    # A command is short and makes no garbage, for which the collector would search all summaries
    # again and again. The UI lasts: it turns the collector on after its first frame.
    gc.disable()


@main.command()
@_directories
def watch(log_dirs: tuple[Path, ...]) -> None:
    """Watch runs live in the terminal (the default command)."""
    if not sys.stdout.isatty():
        raise click.ClickException(
            "watching needs a terminal; for scripts there is `traintop list`"
        )
    _open_ui(*(log_dirs or (default_log_dir(),)))


@main.command()
@click.option("--headless", is_flag=True, help="Train briefly and print the table; no UI.")
@click.option(
    "--log-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the runs are written; a new directory of its own unless given.",
)
def demo(headless: bool, log_dir: Path | None) -> None:
    """Train small real language models, and watch them learn."""
    from traintop.demo.sweep import run_demo

    interactive = sys.stdout.isatty() and sys.stdin.isatty() and not headless
    run_demo(log_dir, open_ui=_open_ui if interactive else None, print_table=_print_table)


@main.command(name="list")
@_directories
@click.option(
    "--sort",
    default="val_loss",
    show_default=True,
    metavar="KEY",
    help="A metric, a setting, or name, status, start_time, duration, progress.",
)
@click.option("--reverse", is_flag=True, help="The worst first.")
@click.option("--json", "as_json", is_flag=True, help="Everything about each run, as JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Everything about each run, as CSV.")
def list_runs(
    log_dirs: tuple[Path, ...], sort: str, reverse: bool, as_json: bool, as_csv: bool
) -> None:
    """Print the comparison table of all runs, the best first."""
    from traintop.analysis.listing import (
        flat_rows,
        rows_as_json,
        run_rows,
        sorted_runs,
        unreadable_lines,
    )
    from traintop.model import RunStatus
    from traintop.store.catalog import RunCatalog

    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    snapshot = RunCatalog(log_dirs or (default_log_dir(),)).refresh()
    readable = [run for run in snapshot.runs if run.status is not RunStatus.UNREADABLE]
    try:
        runs = sorted_runs(readable, sort, reverse=reverse) if readable else []
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(rows_as_json(run_rows(runs)), nl=False)
    elif as_csv:
        from traintop.analysis.export import csv_table

        click.echo(csv_table(flat_rows(run_rows(runs))), nl=False)
    else:
        _print(_table(runs))
    for line in (*map(safe_text, snapshot.notices), *unreadable_lines(snapshot.runs)):
        click.echo(f"traintop: {line}", err=True)
    if snapshot.notices:
        raise SystemExit(1)  # as `ls` does for a directory that it cannot list


_run_names = click.argument("names", nargs=-1)


@main.command()
@click.argument("log_dir", type=click.Path(path_type=Path, file_okay=False))
@_run_names
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The CSV file to write; an older one is replaced by a complete one.",
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
        with replacing_file(out) as file:
            write(file)
        return out

    try:
        write_together(histories, [name for run in runs.values() for name in run.stats], place)
    except OSError as error:
        raise click.ClickException(safe_text(error, 500)) from None
    for line in left_out:
        click.echo(f"traintop: {safe_text(line, 500)}", err=True)
    written = len(runs) - len(left_out)
    words = f"{written:,} {'run' if written == 1 else 'runs'}"
    click.echo(f"traintop: wrote {words} to {safe_text(out, 500)}", err=True)


@main.command(name="compare")
@click.argument("log_dir", type=click.Path(path_type=Path, file_okay=False))
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

    found = _named_runs(log_dir, names, baseline)
    try:
        runs = [
            compare.ComparedRun(name, run, Run(run.path).history()) for name, run in found.items()
        ]
    except UnreadableRunError as error:
        raise click.ClickException(safe_text(error, 500)) from None
    columns = grouped(runs) if seeds else compare.columns_of(runs)
    metric = next(iter(compare.metrics_of(found.values())), compare.LOSSES[0])
    reach = compare.default_target(columns, metric)
    if target is not None:
        reach = compare.Target(metric, target)
    comparison = compare.compare(columns, reach)
    if style == "csv":
        click.echo(comparison_text.comparison_csv(comparison), nl=False)
    elif style == "json":
        _print(comparison_text.comparison_json(comparison))
    elif style == "markdown":
        _print(comparison_text.comparison_markdown(comparison).rstrip("\n"))
    else:
        _print(comparison_text.comparison_text(comparison, shutil.get_terminal_size().columns))


def _named_runs(
    log_dir: Path, names: Sequence[str], baseline: str | None = None
) -> dict[str, RunSummary]:
    """The runs of these names, or all that can be read, the newest first; the baseline before.

    Raises ``ClickException`` for a name that no run has, and when there are no runs.
    """
    from traintop.analysis.naming import find_run, suggestions, unique_names
    from traintop.model import RunStatus
    from traintop.store.catalog import RunCatalog

    snapshot = RunCatalog([log_dir]).refresh()
    for notice in snapshot.notices:
        click.echo(f"traintop: {safe_text(notice, 500)}", err=True)
    runs = {run.path: run for run in snapshot.runs if run.status is not RunStatus.UNREADABLE}
    known = unique_names(runs.values())
    if not runs:
        raise click.ClickException(f"no runs in {safe_text(log_dir, 500)}")
    found = {}
    for name in (*([] if baseline is None else [baseline]), *(names or known.values())):
        path = find_run(name, known)
        if path is None:
            hint = suggestions(name, known.values())
            raise click.ClickException(f"no run named {safe_text(repr(name))}: {safe_text(hint)}")
        found[known[path]] = runs[path]
    return found


@main.command()
@click.argument("log_dir", type=click.Path(path_type=Path, file_okay=False))
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
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write an SVG file instead; an older one is replaced.",
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
    from traintop.tui.terminal import draws_ascii_only

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
        click.echo(text, color=True)  # it has colours only where they are wanted
        return
    with replacing_file(svg) as file:
        file.write(chart_svg(spec, palette=DARK if dark else LIGHT))
    click.echo(f"traintop: wrote {safe_text(svg, 500)}", err=True)


@main.command()
@_directory
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("EXPERIMENT_LOG.md"),
    show_default=True,
    help="The lab notebook to write or update.",
)
def report(log_dir: Path | None, output: Path) -> None:
    """Update the lab notebook: new tables, and every word that a person wrote in it."""
    from traintop.analysis.report import write_report

    try:
        result = write_report(log_dir or default_log_dir(), output)
    except ValueError as error:
        raise click.ClickException(safe_text(error, 500)) from None
    _print(f"{'Updated' if result.changed else 'Nothing new in'} {safe_text(result.path, 500)}")
    for notice in result.notices:
        click.echo(f"traintop: {safe_text(notice, 500)}", err=True)


@main.command()
@_directory
@click.option("--repair", "mend", is_flag=True, help="Rewrite torn files, after keeping a copy.")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
def doctor(log_dir: Path | None, mend: bool, as_json: bool) -> None:
    """Look for what is wrong with a log directory, its runs, and this machine."""
    import json

    from traintop import doctor as examination

    diagnosis = examination.diagnose(log_dir)
    if mend:
        for path in diagnosis.torn_files:
            _repair(path)
        diagnosis = examination.diagnose(log_dir)
    if as_json:
        _print(json.dumps(examination.as_json(diagnosis), indent=2))
    else:
        _print(examination.render(diagnosis, shutil.get_terminal_size().columns))
    raise SystemExit(diagnosis.exit_status)


@main.command(name="settings")
def show_settings() -> None:
    """Print where the settings file is, what is wrong with it, and an example with all of it."""
    from traintop.settings import DEFAULT_FILE, load_settings, settings_path
    from traintop.tui.key_table import KEYS
    from traintop.tui.keymap import remapped_keys

    path = settings_path()
    settings, problems = load_settings(path)
    _, unusable = remapped_keys(KEYS, settings.keys)
    _print(f"# {safe_text(path, 1000)}{'' if path.exists() else ' (not there yet)'}\n")
    _print(DEFAULT_FILE)
    _print("# The actions that [keys] may name, with the keys they have by themselves:")
    for key in KEYS:
        _print(f"# {key.name:<26} = {key.keys:<24} {key.help}")
    for problem in (*problems, *unusable):
        click.echo(f"traintop: {problem}", err=True)


def _repair(path: Path) -> None:
    from traintop.doctor import RepairRefusedError, repair

    shown = safe_text(path, 500)
    try:
        copy = repair(path)
    except (RepairRefusedError, OSError) as error:
        reason = _reason(error) if isinstance(error, OSError) else safe_text(error, 500)
        click.echo(f"traintop: cannot repair {shown}: {reason}", err=True)
    else:
        click.echo(f"traintop: repaired {shown}; as it was: {safe_text(copy, 500)}", err=True)


def _reason(error: OSError) -> str:
    """What the system said, without its number and with the name of the file."""
    if error.strerror is None:
        return safe_text(error, 500)
    file = f"{error.filename}: " if error.filename else ""
    return safe_text(f"{file}{error.strerror}", 500)


def _open_ui(*log_dirs: Path) -> None:
    from traintop.tui.app import run

    run(log_dirs)


def _print_table(log_dir: Path) -> None:
    from traintop.analysis.listing import sorted_runs
    from traintop.store.catalog import RunCatalog

    _print(_table(sorted_runs(RunCatalog([log_dir]).refresh().runs)))


def _table(runs: Sequence[RunSummary]) -> str:
    from traintop.analysis.comparison_table import comparison_table

    return comparison_table(runs, width=shutil.get_terminal_size().columns)


def _print(text: str) -> None:
    """Print what may hold any character, also where the locale has only ASCII."""
    encoding = sys.stdout.encoding or "ascii"
    click.echo(text.encode(encoding, "replace").decode(encoding))
