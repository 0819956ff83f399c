"""What commands print: text for people, documents for programs, warnings on standard error."""

from __future__ import annotations

import codecs
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click

from traintop.text import safe_text

STANDARD_OUTPUT = Path("-")
"""As the name of a file to write."""

LONGEST_LINE = 500


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


def print_document(text: str) -> None:
    """Print JSON, CSV or SVG, which programs read: in UTF-8, whatever the locale."""
    click.echo(text.encode("utf-8", "replace"), nl=False)


def warn(*lines: object) -> None:
    """Print lines on standard error, each made safe and with the name of the program."""
    for line in lines:
        click.echo(f"traintop: {safe_text(line, LONGEST_LINE)}", err=True)


def failure(error: object) -> click.ClickException:
    """An error that ends the command with one safe line, for ``raise … from None``."""
    return click.ClickException(safe_text(error, LONGEST_LINE))
