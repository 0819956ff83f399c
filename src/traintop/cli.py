"""The command line. A command's module is loaded when it runs, so `traintop list` loads no UI."""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

import click
from click.shell_completion import CompletionItem, add_completion_class

import traintop
from traintop.bash_completion import BashCompletion
from traintop.commands.output import FAILS, failure
from traintop.mounts import answer
from traintop.run_ids import is_remote
from traintop.text import safe_text

_COMMANDS = (
    *("archive", "best", "brief", "compare", "curve", "demo", "doctor", "export", "formats"),
    *("import", "list", "mcp", "note", "plot", "pull", "push", "report", "run"),
    *("settings", "show", "tag", "wait", "watch", "why"),
)
_MODULES = {"import": "import_"}  # which no module can be called
_DEFAULT_COMMAND = "watch"
_OPTIONS_BY_NAME = {"help": "--help", "version": "--version"}  # which others have as commands

add_completion_class(BashCompletion)


class _CommandGroup(click.Group):
    """Commands that are loaded on demand; `traintop DIR` means `traintop watch DIR`.

    What the system refuses (a full disk, a directory without permission) ends a command with one
    line that names the file and the reason.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"traintop.commands.{_MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = module.command
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and ctx.resilient_parsing:
            return super().parse_args(ctx, args)  # a shell wants to know which commands there are
        if not args or args[0] not in {*_COMMANDS, "--help", "--version", "-h"}:
            self._refuse_misspelled_command(ctx, args)
            args = [_DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        return [*super().shell_complete(ctx, incomplete), CompletionItem(incomplete, type="file")]

    def _refuse_misspelled_command(self, ctx: click.Context, args: list[str]) -> None:
        """A directory may be missing yet, but one that is named almost like a command is not."""
        is_option_of_watch = len(args) > 1 and args[0].startswith("-")
        is_path = bool(args) and not (is_remote(args[0]) or args[0].startswith("@"))
        if is_path and not is_option_of_watch and not answer(args[0], os.path.lexists, True):
            from difflib import get_close_matches

            alone = (name for name in _COMMANDS if name != "run")  # which has a command behind it
            known = {name: name for name in alone} | _OPTIONS_BY_NAME
            for command in get_close_matches(args[0], known, 1, cutoff=0.75):
                shown = safe_text(args[0])
                ctx.fail(
                    f"there is no directory {shown!r}; did you mean `traintop {known[command]}`? "
                    f"To wait for the directory: traintop ./{shown}"
                )

    def invoke(self, ctx: click.Context) -> object:
        try:
            result = super().invoke(ctx)
        except KeyboardInterrupt:
            _end_by_interrupt()
        except BrokenPipeError:
            raise  # nobody reads on, as in `traintop list | head -1`: click ends quietly
        except OSError as error:
            _discard_unwritten()
            file = f"{error.filename}: " if error.strerror and error.filename else ""
            raise failure(f"{file}{error.strerror or error}") from None
        if FAILS in ctx.meta:
            ctx.exit(1)
        return result


def _discard_unwritten() -> None:
    """Drop what the output still holds where it cannot be written: the interpreter would try again
    at its end, and make an exit code of its own of that.
    """
    with suppress(OSError, ValueError):
        try:
            sys.stdout.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _end_by_interrupt() -> NoReturn:
    """End as a program does on ctrl-c, so that a shell ends the loop that it runs it in."""
    atexit._run_exitfuncs()  # which a signal leaves out
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
    raise SystemExit(128 + signal.SIGINT)


@click.group(cls=_CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(traintop.__version__, prog_name="traintop")
def main() -> None:
    """htop for training runs.

    `traintop [ROOT]...` watches the runs below one or more roots, live: directories, and places
    elsewhere as ssh://host/path and s3://bucket/prefix.
    Without ROOT, it watches $TRAINTOP_DIR, or else ./experiment_logs, or else this directory.
    `traintop FILE.json` watches the directory of a run, with that run selected.
    """
    # A command is short and makes no garbage, for which the collector would search all summaries
    # again and again. The UI lasts: it turns the collector on once all runs are listed.
    gc.disable()
