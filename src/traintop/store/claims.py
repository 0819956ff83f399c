"""Which run each file belongs to: found out once, and known for as long as it holds."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from msgspec.structs import replace

from traintop.run_ids import DATABASES
from traintop.store.cache import SummaryCache
from traintop.store.files import AwayError, Entry, FileError, Files, Span
from traintop.store.files.database_copies import LOG
from traintop.store.formats import RunFormat, Start, is_format_forced, run_formats
from traintop.store.formats.traintop import LogFile, is_run_name
from traintop.store.liveness import SETTLING
from traintop.store.sources import Claim, formats_by_name, other_runs_of_files

_START_BYTES = 64 * 1024
_REREAD_BYTES = 4096  # before what is new: a line that had no end
_DECISIVE_BYTES = 4096  # of a file; a shorter one may yet show that it is of a richer format


class ClaimedRun(NamedTuple):
    """A run, or a file of many runs, as the formats claim it."""

    id: str
    entries: Sequence[Entry]
    formats: tuple[RunFormat, ...]


class FileClaims:
    """The runs that files of a place belong to, as of the last look.

    Files that are roots were named by a person: formats that read such names say what is wrong
    with them. One thread at a time may change it.
    """

    def __init__(self, files: Files, cache: SummaryCache, roots: Collection[str]) -> None:
        self._files = files
        self._cache = cache
        self._roots = roots
        self._claims: dict[str, Claim] = {}
        self._shown_in: dict[str, str | None] = {}  # by the ids of files, where it is another run
        self._formats: dict[tuple[RunFormat, ...], tuple[RunFormat, ...]] = {}  # each once

    def __contains__(self, file_id: str) -> bool:
        return file_id in self._claims

    def __len__(self) -> int:
        return len(self._claims)

    def fresh(self, files: Sequence[Entry], overdue: Collection[str] = ()) -> list[Entry]:
        """Those of some files that may be others than at the last look, or are ``overdue``."""
        known = self._claims
        return [
            one
            for one in files
            if one.id not in known or known[one.id].seen is not one or one.id in overdue
        ]

    def before(self, files: Sequence[Entry], known: Collection[str]) -> dict[str, Entry | None]:
        """How those of some files were at the last look that are not known; ``None``: not there."""
        claims = {one.id: self._claims.get(one.id) for one in files if one.id not in known}
        return {one: None if claim is None else claim.seen for one, claim in claims.items()}

    def take(self, files: Sequence[Entry]) -> None:
        """Find out which run each of all files belongs to."""
        before, claims, is_new = self._claims, {}, False
        for entry, claim in zip(files, self._files.in_turns(self._claim, files), strict=True):
            claims[entry.id] = claim
            is_new |= not claim.is_same(before.get(entry.id))
        self._claims = claims
        if is_new or len(claims) != len(before):
            self._shown_in = other_runs_of_files(claims, run_formats().known)

    def take_changed(self, files: Sequence[Entry]) -> bool:
        """Note how some known files are now; whether each still belongs to the run it did."""
        for entry, claim in zip(files, self._files.in_turns(self._claim, files), strict=True):
            if not claim.is_same(self._claims[entry.id]):
                return False
            self._claims[entry.id] = claim
        return True

    def runs(self) -> Iterator[ClaimedRun]:
        """All runs with their files, and the formats that read them."""
        files_of: dict[str, list[Entry]] = {}
        for file_id, claim in self._claims.items():
            run_id = self._shown_in.get(file_id, claim.run_id)
            if run_id is not None:
                files_of.setdefault(run_id, []).append(claim.seen)
        for run_id, entries in files_of.items():
            claim = self._claims[entries[0].id]
            if claim.run_id != run_id:  # that of a part
                own_claims = (self._claims[each.id] for each in entries)
                claim = next((one for one in own_claims if one.run_id == run_id), claim)
            yield ClaimedRun(run_id, entries, claim.formats)

    def run_of(self, file_id: str) -> str | None:
        """The run that a file is shown in."""
        claim = self._claims.get(file_id)
        return self._shown_in.get(file_id, None if claim is None else claim.run_id)

    def formats_of(self, file_id: str) -> tuple[RunFormat, ...]:
        """The formats that claim a file."""
        return self._claims[file_id].formats

    def of(self, file_id: str) -> Claim | None:
        """What is known of a file as of the last look."""
        return self._claims.get(file_id)

    def is_no_run(self, file_id: str) -> bool:
        """Whether a file was found that belongs to no run."""
        claim = self._claims.get(file_id)
        return claim is not None and not claim.run_id

    @property
    def files(self) -> list[str]:
        """The ids of all files that are runs or parts of some."""
        return [file_id for file_id, claim in self._claims.items() if claim.run_id is not None]

    def expected(self, fresh: Sequence[Entry], unsettled: Sequence[Entry]) -> Iterator[Span]:
        """What will be read of fresh files, and of those to be read again, as far as is known."""
        again = {entry.id for entry in unsettled}
        for entry in {entry.id: entry for entry in (*unsettled, *fresh)}.values():
            claim = self._claims.get(entry.id)
            before = None if claim is None else claim.seen
            is_same = before is not None and before[:3] == entry[:3] and entry.id not in again
            if entry.is_dir or entry.problem or is_same:
                continue
            if entry.id.removesuffix(LOG).endswith(DATABASES):
                continue  # what is kept of it would be older than the rest of a copy
            if self._cache.claim(entry) is not None:
                continue  # it is as it was when it was kept
            if is_run_name(entry.id):
                yield from LogFile(self._files, entry.id).expected(entry.size)
            elif before is None or before.size > entry.size:
                yield entry.id, 0, min(entry.size, _START_BYTES)
            else:
                start = max(before.size - _REREAD_BYTES, 0)
                yield entry.id, start, entry.size - start

    def _claim(self, entry: Entry) -> Claim:
        known = self._claims.get(entry.id)
        if known is not None and known.holds(entry):
            return known if known.seen is entry else replace(known, seen=entry)
        every = run_formats()
        kept = self._cache.claim(entry)
        if kept is not None:  # it was read as a run of its own, and is as it was then
            run_id, name = kept
            if (formats := every.by_name.get(name)) is not None:
                return Claim(run_id, formats, entry, entry.size >= _DECISIVE_BYTES)
        start = _Start(self._files, entry)
        is_named = entry.id in self._roots
        known_formats: Sequence[RunFormat] = every.known
        if not (is_format_forced() and is_named):
            known_formats = formats_by_name(every.known, entry.id)
        claims = [(_claimed(each, entry, start), each) for each in known_formats]
        first = next((run_id for run_id, _ in claims if run_id is not None), None)
        if first is None and is_named:
            claims = [(entry.id, each) for each in known_formats]
            first = entry.id if claims else None
        if first is None and known is not None and known.run_id:
            return replace(known, seen=entry)  # it may just be written anew
        formats = tuple(each for run_id, each in claims if run_id and run_id == first)
        formats = self._formats.setdefault(formats, formats)
        is_still = entry.is_exact or entry.age is None or entry.age >= SETTLING
        is_still &= not start.has_failed
        is_final = entry.size >= _DECISIVE_BYTES if first else is_still
        return Claim(first, formats, entry, is_final)


@dataclass(slots=True)
class _Start:
    """Reads the start of a file, once."""

    files: Files
    entry: Entry
    read: bytes | None = None
    has_failed: bool = False  # as it may not the next time

    def __call__(self) -> bytes:
        if self.entry.problem or self.entry.is_dir:
            raise FileError(self.entry.problem)
        if self.read is None:
            self.has_failed = True
            self.read = self.files.read(self.entry.id, 0, _START_BYTES)
            self.has_failed = False
        return self.read


def _claimed(run_format: RunFormat, entry: Entry, start: Start) -> str | None:
    try:
        return run_format.claims(entry, start)
    except AwayError:
        raise
    except Exception:  # it cannot be read; or another package is wrong, which hides no other run
        return None
