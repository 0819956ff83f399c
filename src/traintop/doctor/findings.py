"""What a check found, and all that was found together."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_MOST_NAMES = 3


class Level(enum.StrEnum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"  # worth knowing; nothing is broken
    PROBLEM = "problem"  # something does not work, or records are missing


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    ``check`` is a stable name for scripts. ``what`` is one line, a few words if the check passed.
    ``next_step`` says what to do, and is empty if there is nothing to do. ``runs`` names all runs
    concerned, ``what`` only the first few.
    """

    check: str
    level: Level
    what: str
    next_step: str = ""
    runs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found about a log directory, its runs and the environment.

    ``torn_files`` are the files that ``repair`` can make valid again, ``left_behind`` those that
    ``set_aside`` can put away, each with the file of the whole run.
    """

    log_dir: str
    run_count: int
    findings: tuple[Finding, ...]
    torn_files: tuple[Path, ...] = ()
    left_behind: tuple[tuple[Path, Path], ...] = ()

    def of_level(self, level: Level) -> tuple[Finding, ...]:
        """The findings of one level, in the order of the checks."""
        return tuple(finding for finding in self.findings if finding.level is level)

    @property
    def exit_status(self) -> int:
        """1 when there is any problem, else 0."""
        return int(bool(self.of_level(Level.PROBLEM)))


def first_ones(names: Sequence[str]) -> str:
    """The first few of some names, and how many more there are."""
    more = len(names) - _MOST_NAMES
    shown = ", ".join(names[:_MOST_NAMES])
    return f"{shown} and {more:,} more" if more > 0 else shown
