"""What lies beside runs, written and read without a list of them."""

from __future__ import annotations

import os
from pathlib import Path

from traintop.model import Annotations
from traintop.store.annotations import AnnotationChange, AnnotationFiles, decode
from traintop.store.console import ConsoleReader
from traintop.store.files.local import LocalFiles
from traintop.store.sidecars import ANNOTATIONS, sidecar_of


def annotations_file(run: Path) -> Path:
    """The file that holds the annotations of a run."""
    return sidecar_of(run, ANNOTATIONS)


def annotate(run: Path, change: AnnotationChange) -> Annotations:
    """Change the annotations of a run, as the catalog does."""
    return AnnotationFiles(LocalFiles(), "").change(os.fspath(run), change).annotations


def read_annotations(run: Path) -> Annotations:
    """What is said beside a run."""
    path = annotations_file(run)
    return decode(path.read_bytes()) if path.exists() else Annotations()


def read_console(run: Path) -> tuple[str, ...] | None:
    """The lines that a run's command printed."""
    reader = ConsoleReader(LocalFiles(), os.fspath(run))
    reader.follow()
    return reader.lines
