"""Which files are looked at and are one run, and which source of a run is shown: pure."""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import PurePath
from typing import NamedTuple

import msgspec

from traintop.store.files import Entry
from traintop.store.formats import ManyRunsFormat, RunFormat
from traintop.store.sidecars import SIDECARS

_DEEPEST_PART = 4
_SUFFIX = re.compile(r"\*\.\w+")  # patterns that most files are known by


@functools.cache
def wanted_names(formats: tuple[RunFormat, ...]) -> tuple[str, ...]:
    """The patterns of what may be a run, and of what people say of runs."""
    return (*dict.fromkeys(pattern for each in formats for pattern in each.patterns), SIDECARS)


def formats_by_name(formats: tuple[RunFormat, ...], file_id: str) -> Sequence[RunFormat]:
    """Those formats that a file may be of, by its name or its folder."""
    by_suffix, others, may_be_other = _formats_by_pattern(formats)
    of_suffix = by_suffix.get(file_id.rpartition(".")[2], ())
    path = f"/{file_id}"
    if not may_be_other(path):
        return of_suffix
    found = {*of_suffix, *(run_format for run_format, match in others if match(path))}
    return [run_format for run_format in formats if run_format in found]


_Match = Callable[[str], object]


class _ByPattern(NamedTuple):
    """Formats by what their files are called: by a suffix alone, or by more of the path."""

    by_suffix: dict[str, list[RunFormat]]
    others: Sequence[tuple[RunFormat, _Match]]
    may_be_other: _Match


@functools.cache
def _formats_by_pattern(formats: tuple[RunFormat, ...]) -> _ByPattern:
    by_suffix: dict[str, list[RunFormat]] = {}
    others: list[tuple[RunFormat, str]] = []
    for run_format in formats:
        for pattern in run_format.patterns:
            if _SUFFIX.fullmatch(pattern):
                by_suffix.setdefault(pattern[2:], []).append(run_format)
            else:
                others.append((run_format, fnmatch.translate(f"*/{pattern}")))
    any_other = "|".join(pattern for _, pattern in others) or r"(?!)"
    matches = [(run_format, re.compile(pattern).match) for run_format, pattern in others]
    return _ByPattern(by_suffix, matches, re.compile(any_other).match)


@functools.cache
def many_runs_formats(formats: tuple[RunFormat, ...]) -> frozenset[RunFormat]:
    """Those of some formats whose files hold many runs."""
    return frozenset(each for each in formats if isinstance(each, ManyRunsFormat))


class Claim(msgspec.Struct, frozen=True, gc=False):
    """Which run a file belongs to, and by which formats, those tried first before the others."""

    run_id: str | None  # None: to no run
    formats: tuple[RunFormat, ...]
    seen: Entry  # the file as it was then
    is_final: bool  # of a run: whatever is added to the file; of none: while it stays as it is

    def holds(self, entry: Entry) -> bool:
        """Whether it holds for the file as it is now, without another look at its start."""
        if self.is_final and self.run_id:
            return True
        is_unchanged = self.seen is entry or self.seen[:3] == entry[:3]
        return is_unchanged and (self.is_final or self.run_id is not None)

    def is_same(self, other: Claim | None) -> bool:
        """Whether it says the same of a file as another."""
        if other is None:
            return False
        return (self.run_id, self.formats) == (other.run_id, other.formats)


def other_runs_of_files(
    claims: Mapping[str, Claim], known: tuple[RunFormat, ...]
) -> dict[str, str | None]:
    """Of files that are not shown in the run that claims them, the one that they are shown in.

    ``None`` where a file of a format that is known to be richer has the same run. Files of a run
    that is a part of another are shown in the whole.
    """
    ranks = {run_format: rank for rank, run_format in enumerate(known)}
    format_of: dict[str, RunFormat] = {}
    for claim in claims.values():
        run_id = claim.run_id
        if run_id is not None:
            best, first = format_of.get(run_id), claim.formats[0]
            if best is None or ranks[first] < ranks[best]:
                format_of[run_id] = first
    names = {run_id: run_format.name for run_id, run_format in format_of.items()}
    owners = {run_id for run_id, run_format in format_of.items() if run_format.owns_directories}
    joined = {
        run_id: _owner(run_id, owners) or run_format.joined(run_id, names)
        for run_id, run_format in format_of.items()
    }

    def whole(run_id: str) -> str:
        for _ in range(_DEEPEST_PART):
            if joined.get(run_id, run_id) == run_id:
                break
            run_id = joined[run_id]
        return run_id

    def shown(claim: Claim) -> str | None:
        run_id = claim.run_id
        return (
            None if run_id is None or claim.formats[0] is not format_of[run_id] else whole(run_id)
        )

    found = ((file_id, claim.run_id, shown(claim)) for file_id, claim in claims.items())
    return {file_id: run_id for file_id, claimed, run_id in found if run_id != claimed}


def _owner(run_id: str, owners: Collection[str]) -> str | None:
    """The run in a directory above that has all that is in it."""
    above = (str(path) for path in PurePath(run_id).parents) if owners else ()
    return next((path for path in above if path in owners), None)
