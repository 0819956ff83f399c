"""The command line. Every command imports what it needs, so `traintop list` loads no UI."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from traintop.run_commands import (
    LOG_DIRECTORY,
    compare_runs,
    export,
    plot,
    print_document,
    print_text,
)
from traintop.text import safe_text
from traintop.tracking.environment import default_log_dir

if TYPE_CHECKING:
    from traintop.model import RunSummary

_DEFAULT_COMMAND = "watch"
_OPTIONS_BY_NAME = {"help": "--help", "version": "--version"}  # which others have as commands

_directories = click.argument("log_dirs", nargs=-1, type=LOG_DIRECTORY)
_directory = click.argument("log_dir", required=False, type=LOG_DIRECTORY)


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

            known = {name: name for name in self.commands} | _OPTIONS_BY_NAME
            for command in get_close_matches(args[0], known, 1, cutoff=0.75):
                shown = safe_text(args[0])
                ctx.fail(
                    f"there is no directory {shown!r}; did you mean `traintop {known[command]}`? "
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
    from traintop.terminal import has_screen

    if not sys.stdout.isatty():
        raise click.ClickException(
            "watching needs a terminal; for scripts there is `traintop list`"
        )
    if not has_screen(os.environ):
        raise click.ClickException(
            f"this terminal (TERM={safe_text(os.environ['TERM'], 40)}) cannot be drawn on; "
            "`traintop list` and `traintop plot` print"
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
    from traintop.terminal import has_screen

    terminal = sys.stdout.isatty() and sys.stdin.isatty() and has_screen(os.environ)
    interactive = terminal and not headless
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
        ROW_FIELDS,
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
        print_document(rows_as_json(run_rows(runs)))
    elif as_csv:
        from traintop.analysis.export import csv_table

        print_document(csv_table(flat_rows(run_rows(runs)), ROW_FIELDS))
    else:
        print_text(_table(runs))
    for line in (*map(safe_text, snapshot.notices), *unreadable_lines(snapshot.runs)):
        click.echo(f"traintop: {line}", err=True)
    if snapshot.notices:
        raise SystemExit(1)  # as `ls` does for a directory that it cannot list


for _command in (export, compare_runs, plot):
    main.add_command(_command)


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
    done = f"{'Updated' if result.changed else 'Nothing new in'} {safe_text(result.path, 500)}"
    if output.is_file():
        print_text(done)
    else:  # a device or pipe, which may be the output itself
        click.echo(done, err=True)
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
    from traintop.terminal import draws_ascii_only

    diagnosis = examination.diagnose(log_dir)
    if mend:
        for path in diagnosis.torn_files:
            _repair(path)
        diagnosis = examination.diagnose(log_dir)
    if as_json:
        print_text(json.dumps(examination.as_json(diagnosis), indent=2))
    else:
        width, ascii_only = shutil.get_terminal_size().columns, draws_ascii_only(os.environ)
        print_text(examination.render(diagnosis, width, ascii_only=ascii_only))
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
    print_text(f"# {safe_text(path, 1000)}{'' if path.exists() else ' (not there yet)'}\n")
    print_text(DEFAULT_FILE)
    print_text("# The actions that [keys] may name, with the keys they have by themselves:")
    for key in KEYS:
        print_text(f"# {key.name:<26} = {key.keys:<24} {key.help}")
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

    print_text(_table(sorted_runs(RunCatalog([log_dir]).refresh().runs)))


def _table(runs: Sequence[RunSummary]) -> str:
    from traintop.analysis.comparison_table import comparison_table

    return comparison_table(runs, width=shutil.get_terminal_size().columns)
