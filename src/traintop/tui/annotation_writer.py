"""Writing the annotations that a person asked for, off the UI thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock

from textual.message import Message

from traintop.store.annotations import AnnotationChange, annotate, sidecar_of
from traintop.tui.messages import AnnotationsWritten

_one_at_a_time = Lock()
"""A change reads what is there before it writes, so two must not cross."""


def write_annotations(
    paths: Sequence[Path], change: AnnotationChange, post: Callable[[Message], object]
) -> None:
    """Change the annotations of these runs, and post :class:`AnnotationsWritten`."""
    failures: dict[str, None] = {}
    with _one_at_a_time:
        for path in paths:
            try:
                annotate(path, change)
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                failures[f"{error.filename or sidecar_of(path)} cannot be written: {reason}"] = None
    post(AnnotationsWritten(paths, change, tuple(failures)))
