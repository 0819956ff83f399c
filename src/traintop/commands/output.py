"""What commands print: text for people, documents for programs, warnings on standard error."""

from __future__ import annotations

import codecs
import functools
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from traintop.model import RunStatus, RunSummary
from traintop.run_ids import is_remote
from traintop.text import counted, safe_text

if TYPE_CHECKING:
    from traintop.tables import Table

STANDARD_OUTPUT = Path("-")
"""As the name of a file to write."""

JSON_VERSION = 1
"""It grows when a key of a document goes, or means something else: see docs/json.md."""

FAILS = f"{__name__}.fails"
"""In the ``meta`` of a context: whether the command ends with 1 when it is through."""

_STYLES = {
    "json": "Print JSON, in full precision.",
    "csv": "Print CSV, in full precision.",
    "markdown": "Print a Markdown table.",
    "latex": "Print a LaTeX table for the package booktabs.",
}

LONGEST_LINE = 500

_WIDTH_OF_FILES = 10_000
_MOST_REASONS = 5


class LocalPath(click.Path):
    """What is written on this machine: an address elsewhere is not taken for a directory."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path as it was given."""
        if isinstance(value, str) and is_remote(value):
            self.fail(f"{safe_text(value)} is elsewhere; name a path of this machine", param, ctx)
        return super().convert(value, param, ctx)


def print_text(text: str, *, color: bool | None = None) -> None:
    """Print what may hold any character, with look-alikes for those that the encoding lacks."""
    encoding = sys.stdout.encoding or "ascii"
    click.echo(text.encode(encoding, "look-alikes").decode(encoding), color=color)


def _look_alikes(error: UnicodeError) -> tuple[str, int]:
    from traintop.terminal import to_ascii

    assert isinstance(error, UnicodeEncodeError)
    return to_ascii(error.object[error.start : error.end]), error.end


codecs.register_error("look-alikes", _look_alikes)


@contextmanager
def output_file(path: Path) -> Iterator[TextIO]:
    """A file that takes the place of ``path``, or is printed, when it is complete."""
    from traintop.analysis.export import replacing_file

    if path != STANDARD_OUTPUT:
        with replacing_file(path) as file:
            yield file
        return
    with tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as file:
        yield file
        file.seek(0)
        shutil.copyfileobj(file.buffer, sys.stdout.buffer)
    sys.stdout.flush()


def output_styles(*styles: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Options that choose how a command prints, one at most: its ``style``, ``None`` for people."""

    def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_style(**values: Any) -> Any:
            chosen = [style for style in styles if values.pop(f"as_{style}")]
            if len(chosen) > 1:
                raise click.UsageError(f"--{chosen[0]} and --{chosen[1]} cannot be combined")
            return command(style=chosen[0] if chosen else None, **values)

        decorated: Callable[..., Any] = with_style
        for style in reversed(styles):
            option = click.option(f"--{style}", f"as_{style}", is_flag=True, help=_STYLES[style])
            decorated = option(decorated)
        return decorated

    return with_options


def print_json(**document: object) -> None:
    """Print one JSON document with its version; a list in it has an item a line."""
    from traintop.tables import json_text

    parts = [f'"version":{JSON_VERSION}']
    for key, value in document.items():
        if isinstance(value, list) and value:
            parts.append(f'"{key}":[\n' + ",\n".join(map(json_text, value)) + "\n]")
        else:
            parts.append(f'"{key}":{json_text(value)}')
    print_document("{" + ",".join(parts) + "}\n")


def print_table(table: Table, style: str | None, *, stacked: bool = False) -> None:
    """Print a table for people: as text, in Markdown, or in LaTeX.

    As text, it is as wide as the terminal, and in a pipe whole; ``stacked`` puts columns without
    room below the others.
    """
    if style == "latex":
        from traintop.latex import latex_table

        print_document(latex_table(table))
    elif style == "markdown":
        print_text(table.markdown())
    else:
        print_text(table.stacked_text(text_width()) if stacked else table.text(text_width()))


def text_width() -> int:
    """The cells of a line: the terminal's, or ``$COLUMNS``; else, in a pipe or file, very many."""
    is_bounded = sys.stdout.isatty() or os.environ.get("COLUMNS")
    return shutil.get_terminal_size().columns if is_bounded else _WIDTH_OF_FILES


def print_document(text: str) -> None:
    """Print JSON, CSV or SVG, which programs read: in UTF-8, whatever the locale."""
    click.echo(text.encode("utf-8", "replace"), nl=False)


def warn(*lines: object) -> None:
    """Print lines on standard error, each made safe and with the name of the program."""
    for line in lines:
        click.echo(f"traintop: {safe_text(line, LONGEST_LINE)}", err=True)


def fail_at_the_end() -> None:
    """Let the command go on, and end with 1: some of what it was asked about was not to be seen."""
    click.get_current_context().meta[FAILS] = True


def failure(error: object) -> click.ClickException:
    """An error that ends the command with one safe line, for ``raise … from None``."""
    return click.ClickException(safe_text(error, LONGEST_LINE))


def unreadable_lines(runs: Iterable[RunSummary]) -> list[str]:
    """Lines with each file that cannot be read, or only in part, and the reason.

    Files that are read in part for one reason have a line together; of many reasons some are said.
    """
    lines: list[str] = []
    partly: dict[str, list[str]] = {}
    for run in runs:
        name, reason = safe_text(run.id, 500), safe_text(run.problem, LONGEST_LINE)
        if run.status is not RunStatus.UNREADABLE and reason:
            partly.setdefault(reason, []).append(name)
            reason = ""
        if run.damaged:
            skipped = counted(run.damaged, "damaged line")
            reason = f"has {skipped}, left out: traintop doctor --repair removes them"
        if reason:
            lines.append(f"{name} {reason}")
    for reason, (name, *more) in itertools.islice(partly.items(), _MOST_REASONS):
        like_it = f" and {len(more):,} more" if more else ""
        lines.append(f"not read in {name}{like_it}: {reason}")
    if others := sum(map(len, itertools.islice(partly.values(), _MOST_REASONS, None))):
        lines.append(f"not read as a whole: {counted(others, 'more run')}; their details say why")
    return lines
