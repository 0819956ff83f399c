"""`traintop run`: a command that is recorded, and behaves as if it were not.

Its terminal is in :mod:`.streams` and :mod:`.signals`, what it prints in :mod:`.console`. Its own
trackers say in :mod:`.reports` which runs it writes; :mod:`.recorder` makes one run of all that.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from traintop.launch.patch import Patch
from traintop.launch.process import Launched
from traintop.launch.reports import Reports
from traintop.text import error_text

if TYPE_CHECKING:
    from traintop.launch.pushing import RunPush
    from traintop.launch.recorder import RunRecorder

_SITE = Path(__file__).parent / "site"
"""Has the ``sitecustomize`` that leads imports of the command's Python to our faces."""


class Push(NamedTuple):
    """Where the runs of a command are pushed to, and every so many seconds."""

    address: str
    every: float


class Outcome(NamedTuple):
    """How a command ended, the run of ours if it had none, and what could not be written."""

    status: int
    run: Path | None
    problems: tuple[str, ...]


def run_command(
    command: Sequence[str],
    name: str,
    log_dir: Path,
    *,
    patch: bool,
    keep_wandb: bool,
    push: Push | None = None,
) -> Outcome:
    """Run a command to its end, and record it in a log directory.

    Raises ``OSError`` where the log directory cannot be written into, or the command not be run;
    then nothing was started, and nothing is left.
    """
    reports = Reports(log_dir)
    environment = {
        **os.environ,
        **reports.environment,
        "TRAINTOP_DIR": str(log_dir),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(_SITE), os.environ.get("PYTHONPATH")))),
        **({"TRAINTOP_KEEP_WANDB": "1"} if keep_wandb else {}),
    }
    try:
        with Launched(command, environment) as launched:
            from traintop.launch.recorder import RunRecorder  # while the command starts

            difference = Patch() if patch else None
            recorder = RunRecorder(command, name, log_dir, reports, difference)
            pushed = _pushed(recorder, push, log_dir)
            recorder.end(launched.wait(recorder.take, recorder.tick))
    finally:
        reports.close()
    problems = [*recorder.problems.values()]
    if failure := launched.output_failure:
        problems.append(f"some of the output is lost but for its record: {error_text(failure)}")
    if pushed is not None:
        pushed.end()
        problems += filter(None, [pushed.problem])
    return Outcome(launched.status, recorder.own_run, (*problems,))


def _pushed(recorder: RunRecorder, push: Push | None, log_dir: Path) -> RunPush | None:
    if push is None:
        return None
    from traintop.launch.pushing import RunPush

    return RunPush(push.address, push.every, lambda: recorder.runs, log_dir)


def end_like(status: int) -> NoReturn:
    """End this process as another did, with its exit code or by its signal."""
    if status >= 0:
        raise SystemExit(status)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the command has left one if it should
    with suppress(OSError):  # SIGKILL has no other
        signal.signal(-status, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {-status})
    os.kill(os.getpid(), -status)
    raise SystemExit(128 - status)  # of a signal that does not end a process
