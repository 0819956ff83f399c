"""Writing the annotations that a person asked for, off the UI thread."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from textual.message import Message

from traintop.store.annotations import annotate, annotations_file
from traintop.text import safe_text
from traintop.tui.messages import AnnotationRequested, AnnotationsWritten

QUIT_SECONDS = 5.0
"""How long the end of the program waits for a filesystem that may never answer."""

_LONGEST_TEXT = 10_000


class AnnotationWriter:
    """Writes one change after the other, for each reads what is there before; all before the end.

    ``post`` gets an :class:`AnnotationsWritten` for each; it returns whether that was received.
    """

    def __init__(self, post: Callable[[Message], bool]) -> None:
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
            failures = _failures_of(request)
            if self._post(AnnotationsWritten(request, failures)):
                del self._unreported[request]
            else:
                self._unreported[request] = failures


def _failures_of(request: AnnotationRequested) -> tuple[str, ...]:
    """Write it; why it could not be written, each reason once."""
    failures: dict[str, None] = {}
    for path in map(Path, request.run_ids):
        try:
            annotate(path, request.change)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            failures[f"{reason}: {os.path.abspath(error.filename or annotations_file(path))}"] = (
                None
            )
    return tuple(failures)
