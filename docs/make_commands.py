"""Makes docs/commands.md from the program: python docs/make_commands.py"""

from pathlib import Path

import click

from traintop.cli import main

PAGE = Path(__file__).with_name("commands.md")

TEMPLATE = """\
# The commands

Every command prints for people on a terminal, whole lines in a pipe, and for programs with
`--json` ([docs/json.md](json.md)) or `--csv`; `--markdown` and `--latex` print tables for papers.
(Made by `python docs/make_commands.py`.)

**Runs** are named as the list names them, by the name or path of their file, or by the beginning
of one of these where no other run begins so. `@latest` is the run that started last, `@best` the
one with the best value of the metric by which runs are judged: a loss, where any has one. A
directory means all runs below it. **Roots** stand after `-d`, or alone where no runs are named:
directories, places elsewhere as `ssh://host/path`, and `@NAME` for
[those of a name](settings.md#roots). The default is `$TRAINTOP_DIR`, else `./experiment_logs`, else
the current directory. A place elsewhere that does not answer is a warning; the others are shown,
and where all runs were meant, as by `@latest`, the exit status is 1.

**Filters** are those of the UI ([docs/filter.md](filter.md)); fields, metrics and settings have
the same names everywhere ([docs/fields.md](fields.md)). Archived runs are left out unless named or
asked for: `-f archived`.

**The exit status** is 0 if there was something to answer, 1 if there was nothing or something is
wrong, 2 for a mistake in the command, and 124 where the time was up.

**A shell completes** commands, options and runs after
`eval "$(_TRAINTOP_COMPLETE=bash_source traintop)"`; for zsh it is `zsh_source`, and for fish
`_TRAINTOP_COMPLETE=fish_source traintop | source`.

{commands}
"""


def page() -> str:
    """The page as it should be."""
    context = click.Context(main, info_name="traintop", terminal_width=100, max_content_width=100)
    names = main.list_commands(context)
    return TEMPLATE.format(commands="\n\n".join(section(context, name) for name in names))


def section(context: click.Context, name: str) -> str:
    """A command with its help, as it prints it itself."""
    command = main.get_command(context, name)
    assert command is not None
    inner = click.Context(
        command,
        parent=context,
        info_name=name,
        terminal_width=100,
        max_content_width=100,
        help_option_names=["-h", "--help"],
    )
    return f"## traintop {name}\n\n```text\n{command.get_help(inner)}\n```"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
