"""Files of a FUSE filesystem, which another process opens.

The program itself has none open while their server hangs. Else what it starts would not begin, and
it could not end: see :func:`traintop.mounts.waits_at_close`.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator, Sequence

from traintop.store.files import FileError, Span
from traintop.store.files.connection import Connection
from traintop.store.files.local import LocalFiles
from traintop.store.files.piped import CommandFiles


class FuseFiles(LocalFiles):
    """Looks for them as for those of any disk, and has them read and written by a helper here."""

    def __init__(self) -> None:
        super().__init__()
        self._helper = _Helper()

    def read_many(self, spans: Sequence[Span]) -> list[bytes]:
        return self._helper.parts(spans)

    def replace(self, file_id: str, data: bytes | None) -> None:
        self._helper.replace(_plain(file_id), data)

    def close(self) -> None:
        self._helper.close()


class _Helper(CommandFiles):
    """A Python of this machine that is asked for what nobody keeps."""

    def __init__(self) -> None:
        super().__init__(shlex.join([sys.executable, "-"]))

    def parts(self, spans: Sequence[Span]) -> list[bytes]:
        """Parts of files, as they are now."""
        found: list[bytes] = []
        asked = [(_plain(file_id), start, length) for file_id, start, length in spans]
        for part in self._fetch(asked):
            if isinstance(part, FileError):
                raise part
            found.append(part)
        return found

    @contextlib.contextmanager
    def _talking(self, *, connects: bool = False) -> Iterator[Connection]:
        """The connection, for one question; it is made anew for the next one, as no walk does."""
        connection = self._connection
        if connection is not None and connection.has_ended:  # as it was asked nothing for long
            self.close()
        with super()._talking(connects=True) as connection:
            yield connection


def _plain(path: str) -> str:
    """A path that means the same to the helper, to which a tilde is somebody's home."""
    return os.path.join(".", path)
