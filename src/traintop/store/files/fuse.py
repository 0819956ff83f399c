"""Files of a FUSE filesystem, by another process: see :func:`traintop.mounts.is_fuse`."""

from __future__ import annotations

import contextlib
import functools
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence

from traintop.store.files import AwayError, Entry, FileError, Span
from traintop.store.files.connection import Connection
from traintop.store.files.local import LocalFiles
from traintop.store.files.piped import CommandFiles


class FuseFiles(LocalFiles):
    """Those of any disk, by a helper on this machine."""

    def __init__(self) -> None:
        super().__init__()
        self._helper = _Helper()

    def walk(self, roots: Sequence[str], patterns: tuple[str, ...]) -> Iterator[Entry]:
        return self._helper.walk(roots, patterns)

    def repeated_walk(
        self, roots: Sequence[str], patterns: tuple[str, ...]
    ) -> Callable[[], Iterator[Entry]]:
        return functools.partial(self.walk, roots, patterns)

    def stat_many(self, ids: Sequence[str]) -> list[Entry]:
        return self._helper.stat_now(ids)

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
        self._newest: Connection | None = None

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
        last = self._newest
        if last is not None and last.has_ended:  # as one does that was asked nothing for long
            self.close()
        elif last is not None and last is not self._connection:
            raise AwayError("no answer")  # one that waits for a server may outlive SIGKILL
        with super()._talking(connects=True) as self._newest:
            yield self._newest


def _plain(path: str) -> str:
    """A path that means the same to the helper, to which a tilde is somebody's home."""
    return os.path.join(".", path)
