"""The command line. Every command imports what it needs, so `traintop list` loads no UI."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from traintop.tracking.environment import default_log_dir

_DEFAULT_COMMAND = "watch"

_directories = click.argument(
    "log_dirs", nargs=-1, type=click.Path(path_type=Path, file_okay=False)
)


class _DefaultCommandGroup(click.Group):
    """A group in which `traintop DIR` means `traintop watch DIR`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own_options = {"--help", "--version", "-h"}
        if not args or (args[0] not in self.commands and args[0] not in own_options):
            args = [_DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)


@click.group(cls=_DefaultCommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="traintop")
def main() -> None:
    """htop for training runs.

    `traintop [LOG_DIR]...` watches the runs in one or more log directories, live.
    Without LOG_DIR that is $TRAINTOP_DIR, else ./experiment_logs.
    """


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


def _open_ui(*log_dirs: Path) -> None:
    from traintop.tui.app import run

    run(log_dirs)


def _print_table(log_dir: Path) -> None:
    raise NotImplementedError
