"""Exports: files for the person, each written in a thread, whole or not at all."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from textual.app import ComposeResult
from textual.message import Message
from textual.screen import ModalScreen

from traintop.lines import Line, Piece, fit_line
from traintop.text import error_text, safe_text
from traintop.tui.kit.keys import Place
from traintop.tui.kit.pane import LinePane
from traintop.tui.kit.screen import PlaceScreen
from traintop.tui.messages import ExportEnded, ExportProgress

if TYPE_CHECKING:
    from traintop.analysis.export import Exported
    from traintop.model import RunSummary
    from traintop.store.formats import RunReader
    from traintop.tui.messages import TextExportRequested

QUIT_SECONDS = 5.0
"""How long the end of the program waits for exports to be done."""

_STOPPING_SECONDS = 1.0  # in which an export that is stopped removes what it has written
_PROGRESS_SECONDS = 0.25
_NOT_WRITABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT})
_LONGEST_LINE = 10_000


class ExportStoppedError(Exception):
    """The person stopped an export."""


class Export:
    """An export that is running. ``name`` is what the file or directory is to be called."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._stop = Event()
        # Python 3.11 takes a thread for one that has ended when joining it is interrupted.
        self.done = Event()

    def stop(self) -> None:
        """Let it end soon, and leave nothing behind."""
        self._stop.set()

    def check_stopped(self) -> None:
        """Raise :class:`ExportStoppedError` if it was stopped."""
        if self._stop.is_set():
            raise ExportStoppedError


class ExportWriter:
    """Runs exports; each is done, or is reported on, before the program ends.

    The threads are daemons: a filesystem that never answers holds nobody up. Files go into the
    first of the ``directories`` that takes them: see :func:`writable_directory`.
    """

    def __init__(
        self,
        post: Callable[[Message], object],
        reader_of: Callable[[str], RunReader],
        directories: Sequence[Path] = (),
    ) -> None:
        self._post = post
        self._reader_of = reader_of
        self._directories = directories
        self._exports: list[Export] = []
        self._unreported: list[ExportEnded] = []

    def write_runs(self, runs: Sequence[RunSummary], stem: str, *, together: bool) -> Export:
        """Begin to write the records of runs as :func:`~traintop.analysis.export.export_runs` does.

        How far it is and how it ended is posted.
        """
        from traintop.analysis.export import export_runs, exported_name

        export = Export(exported_name(runs, stem, together=together))
        posted_at = float("-inf")

        def progress(run: int, rows: int) -> None:
            nonlocal posted_at
            export.check_stopped()
            if monotonic() - posted_at >= _PROGRESS_SECONDS:
                posted_at = monotonic()
                self._post(ExportProgress(run, len(runs), rows))

        def write(directory: Path) -> Exported:
            return export_runs(
                runs, self._reader_of, stem, directory, together=together, progress=progress
            )

        return self._start(export, write)

    def write_text(self, request: TextExportRequested) -> Export:
        """Begin to write a text that was asked for; how it ended is posted."""
        from traintop.analysis.export import Exported, write_new

        export = Export(f"{request.stem}{request.suffix}")

        def write(directory: Path) -> Exported:
            export.check_stopped()
            stem, suffix, text = request.stem, request.suffix, request.text
            return Exported(write_new(directory, stem, suffix, lambda file: file.write(text)))

        return self._start(export, write)

    def _start(self, export: Export, write: Callable[[Path], Exported]) -> Export:
        self._exports.append(export)
        name = "traintop-export"
        Thread(target=self._run, args=[export, write], name=name, daemon=True).start()
        return export

    def _run(self, export: Export, write: Callable[[Path], Exported]) -> None:
        try:
            directory = writable_directory(self._directories)
            exported = write(directory.path)
        except ExportStoppedError:
            ended = ExportEnded(None, f"Cancelled: {export.name} was not written")
        except Exception as error:
            ended = ExportEnded(
                None, f"Could not write {export.name}: {error_text(error)}", failed=True
            )
        else:
            notes = filter(None, (directory.note, *exported.left_out))
            ended = ExportEnded(exported.path, "\n".join(notes))
        self._unreported.append(ended)
        export.done.set()
        self._post(ended)

    def mark_reported(self, ended: ExportEnded) -> None:
        """The person has seen how an export ended."""
        self._unreported = [one for one in self._unreported if one is not ended]

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The names of what is being written."""
        return tuple(export.name for export in self._exports if not export.done.is_set())

    def finish(self) -> tuple[str, ...]:
        """Wait for what is being written; how all ended that nobody has seen, in words.

        What takes too long is stopped, and so is all at once at an interrupt from the keyboard.
        """
        with suppress(KeyboardInterrupt):
            self._wait(QUIT_SECONDS)
        for export in self._exports:
            export.stop()
        with suppress(KeyboardInterrupt):
            self._wait(_STOPPING_SECONDS)
        lines = [line for ended in self._unreported for line in ended_text(ended).splitlines()]
        lines += [f"{name} was not written: no answer" for name in self.unfinished]
        return tuple(f"{line[:1].lower()}{line[1:]}" for line in lines)

    def _wait(self, seconds: float) -> None:
        end = monotonic() + seconds
        for export in self._exports:
            export.done.wait(max(end - monotonic(), 0.0))


class ProgressScreen(PlaceScreen, ModalScreen[None]):
    """How far an export is, while it takes long; it can be stopped here."""

    PLACES = (Place.PROGRESS,)

    def __init__(self, export: Export) -> None:
        super().__init__()
        self.export = export
        self._pane = LinePane(id="progress")

    def compose(self) -> ComposeResult:
        self._pane.border_title = "writing CSV"
        self._pane.border_subtitle = "esc cancels"
        yield self._pane

    def show(self, progress: ExportProgress) -> None:
        """Show a newer state."""
        words = f"run {progress.run:,} of {progress.runs:,}, " if progress.runs > 1 else ""
        line: Line = (Piece(f"{words}{progress.records:,} records written"),)
        self._pane.show_line(line, lambda width: fit_line(line, width))

    def action_stop(self) -> None:
        self.export.stop()


def ended_text(ended: ExportEnded) -> str:
    """How an export ended, in lines for a person."""
    lines = [f"Wrote {ended.target}"] if ended.target else []
    return "\n".join(safe_text(line, _LONGEST_LINE) for line in (*lines, *ended.note.splitlines()))


class WritableDirectory(NamedTuple):
    """Where files go; ``note`` says why they go elsewhere than they were to go."""

    path: Path
    note: str


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
            note = note or f"{first} cannot be written to ({error_text(error)})"
    raise PermissionError(errno.EACCES, note)
