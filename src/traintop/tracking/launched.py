"""A process that `traintop run` started says which runs it writes."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

REPORTS = "TRAINTOP_LAUNCH"
"""The environment variable with the file to report to, which is there while the command runs."""


def is_launched() -> bool:
    """Whether `traintop run` started this process, or one above, and waits for reports."""
    return os.path.exists(os.environ.get(REPORTS) or "")


def report_run(path: Path) -> None:
    """Report that this process writes a run's file; nothing happens outside of `traintop run`."""
    reports = os.environ.get(REPORTS)
    if not reports:
        return
    with contextlib.suppress(OSError):
        # Not made here: whoever started this process may be gone, and its environment left.
        descriptor = os.open(reports, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            os.write(descriptor, msgspec.json.encode(os.path.realpath(path)) + b"\n")
        finally:
            os.close(descriptor)
