"""Writing the annotations that a person asked for, off the UI thread."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from textual.message import Message

from traintop.store.annotations import annotate, sidecar_of
from traintop.text import safe_text
from traintop.tui.messages import AnnotationRequested, AnnotationsWritten

_LONGEST_TEXT = 10_000


class AnnotationWriter:
    """Writes one change after the other, for each reads what is there before; all before the end.

    ``post`` gets an :class:`AnnotationsWritten` for each, and says whether anybody still hears it.
    """

    def __init__(self, post: Callable[[Message], bool]) -> None:
        self._post = post
        self._thread = ThreadPoolExecutor(1, "traintop-annotations")
        self._untold: list[AnnotationsWritten] = []

    def write(self, request: AnnotationRequested) -> None:
        """Write soon."""
        self._thread.submit(self._write, request)

    def finish(self) -> tuple[str, ...]:
        """Write what is left; what could not be written and nobody heard of, in words."""
        self._thread.shutdown()
        return tuple(
            safe_text(f"not kept, {failure}: {written.request.change.note or ''}", _LONGEST_TEXT)
            for written in self._untold
            for failure in written.failures
        )

    def _write(self, request: AnnotationRequested) -> None:
        failures: dict[str, None] = {}
        for path in request.paths:
            try:
                annotate(path, request.change)
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                failures[f"{reason}: {os.path.abspath(error.filename or sidecar_of(path))}"] = None
        written = AnnotationsWritten(request, tuple(failures))
        if not self._post(written):
            self._untold.append(written)
