"""`traintop run`: a training command, recorded without a changed line."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePath

import click

from traintop.commands.output import LocalPath, failure, warn
from traintop.commands.runs import time_option
from traintop.text import error_text
from traintop.tracking.environment import log_directory
from traintop.tracking.launched import is_launched

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126  # as a shell has it

_PUSHED_EVERY = 30.0  # seconds: as often as a bucket is looked at

_LAUNCHERS = ("launch", "run", "runner")  # of torch.distributed, Accelerate, DeepSpeed


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--name", metavar="NAME", help="Name of the run (default: that of the program).")
@click.option(
    "-d",
    "--dir",
    "log_dir",
    type=LocalPath(file_okay=False),
    help="Log directory (default: $TRAINTOP_DIR, else ./experiment_logs).",
)
@click.option("--no-patch", is_flag=True, help="Leave out what was changed since the last commit.")
@click.option(
    "--push",
    metavar="s3://BUCKET/PREFIX",
    help="Copy the run into a bucket while the program runs, and at its end.",
)
@time_option("--push-every", "How often, as 1m (default: 30s).")
@click.option("--keep-wandb", is_flag=True, help="Let the program use the real W&B.")
def command(
    command: tuple[str, ...],
    name: str | None,
    log_dir: Path | None,
    no_patch: bool,
    push: str | None,
    push_every: float | None,
    keep_wandb: bool,
) -> None:
    """Run a training COMMAND, and record it: traintop run -- python train.py

    What it logs by way of W&B, TensorBoard, Transformers, Lightning or traintop is recorded, else
    the losses that it prints; and its output, its exit code, and the changes of its code since the
    last commit. It behaves as it does without traintop; so does the exit status, also where a
    bucket does not answer.
    """
    from traintop.launch import Outcome, Push, end_like, run_command

    def start(command: tuple[str, ...]) -> Outcome:
        if is_launched():
            warn("recorded by the `traintop run` around this one, with all that it runs")
            os.execvp(command[0], command)
        return run_command(
            command,
            run_name,
            directory,
            patch=not no_patch,
            keep_wandb=keep_wandb,
            push=Push(push, push_every or _PUSHED_EVERY) if push else None,
        )

    run_name, directory = name or _name_of(command), log_directory(log_dir)
    program = shutil.which(command[0])
    if program is None:
        is_there = os.path.exists(command[0])
        reason = "cannot be executed" if is_there else "there is no such command"
        raise _not_started(command, reason, _NOT_EXECUTABLE if is_there else _NOT_FOUND)
    try:
        outcome = start(command)
    except OSError as error:
        if error.errno == errno.ENOEXEC:
            outcome = start(("/bin/sh", program, *command[1:]))  # as shells do where no #! is
        elif error.filename == command[0] and error.errno == errno.ENOENT:
            raise _not_started(command, "its interpreter is not there", _NOT_FOUND) from None
        elif error.filename is not None:
            reason = f"{error.filename}: {error_text(error)}"
            raise failure(f"{reason}; nothing was started; -d is another log directory") from None
        else:
            raise
    warn(*outcome.problems)
    if outcome.run is not None:
        warn(f"recorded in {outcome.run}")
    end_like(outcome.status)


def _not_started(command: Sequence[str], reason: str, status: int) -> SystemExit:
    warn(f"{command[0]}: {reason}")
    return SystemExit(status)


def _name_of(command: Sequence[str]) -> str:
    """What a command runs: its script or module, else its program."""
    for before, argument in itertools.pairwise(command):
        if argument.endswith(".py"):
            return PurePath(argument).stem
        if before == "-m" and argument.rpartition(".")[2] not in _LAUNCHERS:
            return argument
    return PurePath(command[0]).name
