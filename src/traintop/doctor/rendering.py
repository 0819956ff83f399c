"""A diagnosis as text for a terminal, and as JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from traintop.doctor.findings import Diagnosis, Finding, Level
from traintop.terminal import to_ascii
from traintop.text import cell_width, counted, safe_text, wrap

_LABEL_WIDTH = 9
_ARROW = "→ "
_BETWEEN = " · "
_LEAST_WIDTH = 20
_LONGEST_LINE = 1000


def render(diagnosis: Diagnosis, width: int, *, ascii_only: bool = False) -> str:
    """Problems first, then notes, each with what to do; then, in short, what is in order.

    No line is wider than ``width`` cells (20 at least). The text ends without a newline.
    """
    lines = list(_lines(diagnosis, max(width, _LEAST_WIDTH)))
    return "\n".join(map(to_ascii, lines) if ascii_only else lines)


def _lines(diagnosis: Diagnosis, width: int) -> Iterator[str]:
    shown = safe_text(diagnosis.log_dir, _LONGEST_LINE)
    title = f"traintop doctor{_BETWEEN}{shown}{_BETWEEN}{counted(diagnosis.run_count, 'run')}"
    yield from _wrapped(title, width, "")
    yield ""
    for level in (Level.PROBLEM, Level.NOTE):
        for finding in diagnosis.of_level(level):
            yield from _finding_lines(finding, width)
    passed = diagnosis.of_level(Level.OK)
    if passed:
        label = f"{Level.OK:<{_LABEL_WIDTH}}"
        whats = _BETWEEN.join(safe_text(finding.what) for finding in passed)
        yield from _wrapped(whats, width, label)
    yield ""
    problems, notes = diagnosis.of_level(Level.PROBLEM), diagnosis.of_level(Level.NOTE)
    yield from _wrapped(
        f"{counted(len(problems), 'problem')}, {counted(len(notes), 'note')}, {len(passed)} ok",
        width,
        "",
    )


def _finding_lines(finding: Finding, width: int) -> Iterator[str]:
    yield from _wrapped(finding.what, width, f"{finding.level:<{_LABEL_WIDTH}}")
    if finding.next_step:
        yield from _wrapped(finding.next_step, width, " " * _LABEL_WIDTH + _ARROW)


def _wrapped(text: str, width: int, start: str) -> Iterator[str]:
    """Lines of at most ``width`` cells: ``start`` and text, then indented text."""
    for part in wrap(safe_text(text, _LONGEST_LINE), width - cell_width(start)):
        yield start + part
        start = " " * cell_width(start)


def as_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """The diagnosis as plain values, with all runs that each finding is about."""
    return {
        "log_dir": safe_text(diagnosis.log_dir, _LONGEST_LINE),
        "runs": diagnosis.run_count,
        "problems": len(diagnosis.of_level(Level.PROBLEM)),
        "notes": len(diagnosis.of_level(Level.NOTE)),
        "torn_files": [safe_text(path, _LONGEST_LINE) for path in diagnosis.torn_files],
        "findings": [asdict(finding) for finding in diagnosis.findings],
    }
