"""Small files that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def hidden_path(directory: Path) -> Iterator[Path]:
    """A free hidden path in a directory; whatever is still there at the end is removed."""
    path = directory / f".traintop-{os.urandom(8).hex()}.tmp"
    try:
        yield path
    finally:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def write_atomically(path: Path, data: bytes) -> None:
    """Replace ``path`` by a file with this content; readers see the old one or the new one.

    A symbolic link there is replaced, not followed: in a shared directory, somebody else may have
    put it there. Raises an ``OSError`` that names ``path``; nothing is left behind then.
    """
    with hidden_path(path.parent) as partial:
        try:
            with partial.open("xb") as file:
                file.write(data)
            os.replace(partial, path)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
