"""Small files that are written whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Replace ``path`` by a file with this content; readers see the old one or the new one.

    A symbolic link there is replaced, not followed: in a shared directory, somebody else may have
    put it there. Raises an ``OSError`` that names ``path``; nothing is left behind then.
    """
    partial = path.with_name(f".traintop-{os.urandom(8).hex()}.tmp")
    try:
        with partial.open("xb") as file:
            file.write(data)
        os.replace(partial, path)
    except BaseException as error:
        with suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
