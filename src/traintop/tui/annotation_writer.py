"""Writing the annotations that a person asked for, off the UI thread."""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Lock

from textual.message import Message

from traintop.store.annotations import annotate, sidecar_of
from traintop.tui.messages import AnnotationRequested, AnnotationsWritten

_one_at_a_time = Lock()
"""A change reads what is there before it writes, so two must not cross."""


def write_annotations(request: AnnotationRequested, post: Callable[[Message], object]) -> None:
    """Change the annotations of these runs, and post :class:`AnnotationsWritten`."""
    failures: dict[str, None] = {}
    with _one_at_a_time:
        for path in request.paths:
            try:
                annotate(path, request.change)
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                failures[f"{reason}: {os.path.abspath(error.filename or sidecar_of(path))}"] = None
    post(AnnotationsWritten(request, tuple(failures)))
