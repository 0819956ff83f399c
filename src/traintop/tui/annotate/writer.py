"""Writing the annotations that a person asked for, off the UI thread."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

from textual.message import Message

from traintop.store.annotations import AnnotationChange, Saved
from traintop.store.formats import UnreadableRunError
from traintop.text import error_text, safe_text
from traintop.tui.messages import AnnotationRequested, AnnotationsWritten

QUIT_SECONDS = 5.0
"""How long the end of the program waits for a filesystem that may never answer."""

_LONGEST_TEXT = 10_000


class AnnotationWriter:
    """Writes one change after the other, for each reads what is there before; all before the end.

    ``annotate`` writes that of one run. ``post`` gets an :class:`AnnotationsWritten` for each; it
    returns whether that was received.
    """

    def __init__(
        self,
        annotate: Callable[[str, AnnotationChange], Saved],
        post: Callable[[Message], bool],
    ) -> None:
        self._annotate = annotate
        self._post = post
        self._asked: SimpleQueue[AnnotationRequested | None] = SimpleQueue()
        self._thread = Thread(target=self._write_all, name="traintop-annotations", daemon=True)
        self._unreported: dict[AnnotationRequested, tuple[str, ...]] = {}

    def write(self, request: AnnotationRequested) -> None:
        """Write soon."""
        self._unreported[request] = ("the filesystem does not answer",)
        self._asked.put(request)
        if self._thread.ident is None:
            self._thread.start()

    def finish(self) -> tuple[str, ...]:
        """Write what is left; what could not be written and was not reported, in words."""
        self._asked.put(None)
        if self._unreported:
            self._thread.join(QUIT_SECONDS)
        return tuple(
            safe_text(f"not saved, {failure}: {request.change.note or ''}", _LONGEST_TEXT)
            for request, failures in dict(self._unreported).items()
            for failure in failures
        )

    def _write_all(self) -> None:
        while (request := self._asked.get()) is not None:
            written = self._written(request)
            if self._post(written):
                del self._unreported[request]
            else:
                self._unreported[request] = written.failures

    def _written(self, request: AnnotationRequested) -> AnnotationsWritten:
        """Write it; where that is, and why it could not be, each reason once."""
        failures: dict[str, None] = {}
        saved: dict[str, None] = {}
        for run_id in request.run_ids:
            try:
                saved[self._annotate(run_id, request.change).where] = None
            except OSError as error:
                where = f": {error.filename}" if error.filename else ""
                failures[f"{error_text(error).lower()}{where}"] = None
            except UnreadableRunError as error:
                failures[str(error)] = None
        return AnnotationsWritten(request, tuple(failures), tuple(filter(None, saved)))
