"""Exports: files for the person, written in a worker thread, whole or not at all."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

from traintop.analysis.export import write_new
from traintop.tui.messages import ExportFailed, ExportFinished

if TYPE_CHECKING:
    from traintop.tui.messages import TextExportRequested

_NOT_WRITABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT})


def export_text(request: TextExportRequested, post: Callable[[Message], object]) -> None:
    """Write a text that was asked for into the first directory that can be written to."""
    try:
        directory, note = writable_directory()
        target = write_new(
            directory, request.stem, request.suffix, lambda file: file.write(request.text)
        )
    except Exception as error:
        post(ExportFailed(f"{request.stem}{request.suffix}", describe(error)))
    else:
        post(ExportFinished(target, note))


def writable_directory(candidates: Sequence[Path] = ()) -> tuple[Path, str]:
    """The current directory, or another where that refuses files, with a word on why.

    Raises ``OSError`` when not even the directory for temporary files takes one.
    """
    first, *others = candidates or (Path.cwd(), Path.home(), Path(tempfile.gettempdir()))
    refusal = ""
    for directory in (first, *others):
        try:
            with tempfile.NamedTemporaryFile(prefix=".traintop-", dir=directory):
                return directory, refusal
        except OSError as error:
            if error.errno not in _NOT_WRITABLE:
                raise
            refusal = refusal or f"{first} cannot be written to ({describe(error)})"
    raise PermissionError(errno.EACCES, f"{refusal}, and neither can {others[-1]}")


def describe(error: Exception) -> str:
    """An error in words for a person who knows already which file it is about."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
