"""Exports: files for the person, written in a worker thread, whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, TextIO

from textual.message import Message

from traintop.analysis.naming import unique_names
from traintop.text import error_text, safe_text
from traintop.tui.messages import ExportEnded, ExportProgress

if TYPE_CHECKING:
    from traintop.model import RunSummary
    from traintop.store.formats import RunReader
    from traintop.store.history import History
    from traintop.tui.messages import TextExportRequested

_NOT_WRITABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT})
_PROGRESS_SECONDS = 0.25
_LONGEST_PATH = 4096


class WritableDirectory(NamedTuple):
    """Where files go; ``note`` tells why it is not where they were to go, else it is empty."""

    path: Path
    note: str


class StoppedError(Exception):
    """The person stopped an export."""


class RunsExport:
    """Writes the records of runs as CSV: one file together, or a file each in a new directory.

    ``names`` are those of the runs in the column ``run``; ``stem`` is what the name of the file or
    directory of several begins with. :meth:`run` is for a worker thread, and tells by messages how
    far it is and how it ended.
    """

    def __init__(
        self,
        runs: Sequence[RunSummary],
        stem: str,
        reader_of: Callable[[str], RunReader],
        *,
        together: bool,
        post: Callable[[Message], object],
        directories: Sequence[Path] = (),
    ) -> None:
        self._runs = tuple(runs)
        self._stem = stem
        self._reader_of = reader_of
        self._together = together
        self._post = post
        self._directories = directories
        self._stop = Event()
        self._names = unique_names(runs)
        self._left_out: list[str] = []
        self._begun = 0
        self._rows = 0
        self._told_at = float("-inf")
        self.ended = False

    @property
    def name(self) -> str:
        """What the file or directory is called, as long as no other has that name."""
        if self._together:
            return f"{self._stem}.csv"
        return f"{self._runs[0].stem}.csv" if len(self._runs) == 1 else f"{self._stem}_csv"

    def stop(self) -> None:
        """Let the export end soon, and leave nothing behind."""
        self._stop.set()

    def run(self) -> None:
        """Write, and post how it ended."""
        try:
            directory = writable_directory(self._directories)
            target = self._write(directory.path)
        except StoppedError:
            ended = ExportEnded(None, f"Stopped: {self.name} was not written")
        except Exception as error:
            ended = ExportEnded(None, f"No {self.name}: {error_text(error)}", failed=True)
        else:
            notes = [directory.note, *self._left_out]
            ended = ExportEnded(target, "\n".join(note for note in notes if note))
        self.ended = True
        self._post(ended)

    def _write(self, directory: Path) -> Path:
        if self._together:
            return self._write_together(directory)
        if len(self._runs) == 1:
            return self._write_each(directory)[0]
        return self._write_directory(directory)

    def _write_together(self, directory: Path) -> Path:
        from traintop.analysis.export import write_new, write_together

        def named() -> Iterator[tuple[str, History]]:
            return ((self._names[run.id], history) for run, history in self._histories())

        def place(write: Callable[[TextIO], None]) -> Path:
            return write_new(directory, self._stem, ".csv", write)

        metrics = [metric for run in self._runs for metric in run.stats]
        return write_together(named, metrics, place, self._advance)

    def _write_directory(self, directory: Path) -> Path:
        from traintop.analysis.export import numbered_paths

        partial = directory / f".traintop-{os.urandom(8).hex()}.tmp"
        partial.mkdir()
        try:
            self._write_each(partial)
            paths = numbered_paths(directory, self.name)
            target = next(path for path in paths if not os.path.lexists(path))
            return partial.rename(target)  # which would replace nothing but an empty directory
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _write_each(self, directory: Path) -> list[Path]:
        from traintop.analysis.export import write_new, write_records

        written = []
        for run, history in self._histories():

            def write(file: TextIO, history: History = history) -> None:
                write_records(file, history, self._advance)

            written.append(write_new(directory, run.stem, ".csv", write))
        return written

    def _histories(self) -> Iterator[tuple[RunSummary, History]]:
        """Each run with its records, read one after the other; several may be left out."""
        from traintop.store.formats import UnreadableRunError

        self._rows, self._left_out = 0, []
        for place, run in enumerate(self._runs, start=1):
            self._begun = place
            self._advance(0)
            try:
                history = self._reader_of(run.id).history(lambda share: self._advance(0))
            except UnreadableRunError as error:
                if len(self._runs) == 1:
                    raise
                self._left_out.append(f"left out: {error}")
                continue
            yield run, history

    def _advance(self, rows: int) -> None:
        if self._stop.is_set():
            raise StoppedError
        self._rows += rows
        if monotonic() - self._told_at >= _PROGRESS_SECONDS:
            self._told_at = monotonic()
            self._post(ExportProgress(self._begun, len(self._runs), self._rows))


class TextExport:
    """Writes a text that was asked for into the first directory that can be written to."""

    def __init__(
        self,
        request: TextExportRequested,
        post: Callable[[Message], object],
        directories: Sequence[Path] = (),
    ) -> None:
        self._request = request
        self._post = post
        self._directories = directories

    @property
    def name(self) -> str:
        """What the file is called, as long as no other has that name."""
        return f"{self._request.stem}{self._request.suffix}"

    def stop(self) -> None:
        """Nothing: it takes one moment."""

    def run(self) -> None:
        """Write, and post how it ended."""
        from traintop.analysis.export import write_new

        request = self._request
        try:
            directory = writable_directory(self._directories)
            target = write_new(
                directory.path, request.stem, request.suffix, lambda file: file.write(request.text)
            )
        except Exception as error:
            self._post(ExportEnded(None, f"No {self.name}: {error_text(error)}", failed=True))
        else:
            self._post(ExportEnded(target, directory.note))


def ended_text(ended: ExportEnded) -> str:
    """How an export ended, in lines for a person."""
    wrote = f"Wrote {safe_text(ended.target, _LONGEST_PATH)}" if ended.target else ""
    lines = [wrote, *(safe_text(line, _LONGEST_PATH) for line in ended.note.splitlines())]
    return "\n".join(line for line in lines if line)


def writable_directory(candidates: Sequence[Path] = ()) -> WritableDirectory:
    """The current directory, or the home or the temporary one where that refuses files.

    Raises ``OSError`` when none of them takes a file.
    """
    first, *others = candidates or (Path.cwd(), Path.home(), Path(tempfile.gettempdir()))
    note = ""
    for directory in (first, *others):
        try:
            with tempfile.NamedTemporaryFile(prefix=".traintop-", dir=directory):
                return WritableDirectory(directory, note)
        except OSError as error:
            if error.errno not in _NOT_WRITABLE:
                raise
            note = note or f"{first} takes no files ({error_text(error)})"
    raise PermissionError(errno.EACCES, note)
