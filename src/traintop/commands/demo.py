"""`traintop demo`: small language models that learn while one watches."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import click

from traintop.commands.output import LocalPath, print_text
from traintop.commands.runs import former_name


@click.command()
@click.option("--headless", is_flag=True, help="Train briefly and print the table, without the UI.")
@click.option(
    "-d",
    "--dir",
    "log_dir",
    type=LocalPath(file_okay=False),
    help="Log directory (default: a new temporary directory).",
)
@former_name("--log-dir", "--dir")
def command(headless: bool, log_dir: Path | None) -> None:
    """Train small language models and watch them learn."""
    from traintop.demo.sweep import run_demo
    from traintop.terminal import has_screen

    terminal = sys.stdout.isatty() and sys.stdin.isatty() and has_screen(os.environ)
    run_demo(
        log_dir,
        open_ui=_open_ui if terminal and not headless else None,
        print_table=_print_table,
    )


def _open_ui(log_dir: Path) -> None:
    from traintop.tui.app import run

    run([str(log_dir)])


def _print_table(log_dir: Path) -> None:
    from traintop.analysis.ranking import sorted_runs
    from traintop.analysis.run_tables import comparison_table
    from traintop.store.catalog import RunCatalog

    runs = sorted_runs(RunCatalog([log_dir]).refresh().runs)
    print_text(comparison_table(runs, width=shutil.get_terminal_size().columns))
