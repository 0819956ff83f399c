"""`traintop doctor`: what is wrong with a log directory, its runs, and this machine."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import click

from traintop.commands.output import print_json, print_text, warn
from traintop.commands.runs import root_as_argument
from traintop.text import error_text, safe_text


@click.command()
@root_as_argument
@click.option("--repair", "with_repair", is_flag=True, help="Mend files; copies are kept.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(root: str, with_repair: bool, as_json: bool) -> None:
    """Check a log directory, its runs, and this machine for problems.

    Of a root elsewhere, whether it can be read, and its runs, as far as that is seen from here.
    """
    from traintop import doctor
    from traintop.terminal import draws_ascii_only

    diagnosis = doctor.diagnose(root)
    if with_repair:
        for path, whole in diagnosis.left_behind:
            _mend(path, "set aside", functools.partial(doctor.set_aside, path, whole))
        for path in filter(os.path.exists, diagnosis.torn_files):
            _mend(path, "repaired", functools.partial(doctor.repair, path))
        diagnosis = doctor.diagnose(root)
    if as_json:
        print_json(**doctor.as_json(diagnosis))
    else:
        width, ascii_only = shutil.get_terminal_size().columns, draws_ascii_only(os.environ)
        print_text(doctor.render(diagnosis, width, ascii_only=ascii_only))
    raise SystemExit(diagnosis.exit_status)


def _mend(path: Path, done: str, mend: Callable[[], Path]) -> None:
    from traintop.doctor import RepairRefusedError

    shown = safe_text(path, 250)  # two of which have to fit a line
    try:
        copy = mend()
    except (RepairRefusedError, OSError) as error:
        warn(f"cannot repair {shown}: {error_text(error)}")
    else:
        warn(f"{done} {shown}; the original is kept as {safe_text(copy, 250)}")
