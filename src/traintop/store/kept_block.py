"""The runs of a block as they are kept in a file: what they say, and how their files were then."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgspec
from msgspec.structs import force_setattr, replace

from traintop.model import Annotations, RunStatus, RunSummary
from traintop.run_columns import Names, shared
from traintop.store.files import Entry
from traintop.store.packed_summary import PackedSummary
from traintop.store.summary_block import MOST_RUNS, UNENCODABLE, SummaryBlock

_Seen = tuple[int, tuple[int, int] | str | None] | str
_UNSIGNED = range(1 << 64)
_NO_NUMBERS = (0, 0, 0)


class ReadRun(NamedTuple):
    """A run as it was read: of which files, in which format, and what they say."""

    entries: Sequence[Entry]
    format: str
    summary: PackedSummary
    shown: RunSummary
    """As others see it: whether it is alive, and what people added."""


class KeptRun(NamedTuple):
    """A run as it was when it was kept."""

    files: Sequence[str]
    seen: _Seen
    """Size and version of its one file, or a digest of that of several."""
    format: str
    summary: PackedSummary
    shown: RunSummary


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    """Whatever most runs have as numbers is no object of its own: these runs are very many."""

    names: Names
    arrays: Sequence[bytes]
    runs: Sequence[PackedSummary]
    formats: Sequence[str]
    format_of: bytes  # of each run, which of them
    shown: Sequence[RunStatus]
    numbers: bytes  # of each run, the size and the version of its one file
    others: dict[int, tuple[Sequence[str], _Seen]]  # of runs with other files
    annotations: dict[int, Annotations]


class KeptBlock:
    """Some runs that were kept together.

    ``root_of`` says of a run below which address it was found. Raises ``ValueError`` for what is
    no such block.
    """

    def __init__(self, data: bytes, root_of: Callable[[str], str]) -> None:
        stored = msgspec.msgpack.decode(data, type=_Stored)
        block = SummaryBlock(shared(stored.names), stored.arrays, len(stored.runs))
        for run in stored.runs:
            force_setattr(run, "block", block)
            force_setattr(run, "root", root_of(run.id))
        self.runs = stored.runs
        self._formats, self._format_of, self._shown = stored.formats, stored.format_of, stored.shown
        self._numbers = array("Q", stored.numbers)
        parts = (stored.format_of, stored.shown, self._numbers[::3])
        if not block.is_whole or any(len(part) != len(self.runs) for part in parts):
            raise ValueError("has runs without all that is known of them")
        if [run.row for run in self.runs] != [*range(len(self.runs))]:
            raise ValueError("has runs of other rows")
        self._others, self._annotations = stored.others, stored.annotations
        self._judged: dict[int, RunSummary] = {}

    @property
    def files(self) -> Iterator[tuple[str, str]]:
        """The files that are not named like their run, each with that."""
        for number, (files, _) in self._others.items():
            for file in files:
                yield file, self.runs[number].id

    def format(self, number: int) -> str:
        """The format of a run."""
        return self._formats[self._format_of[number]]

    def run(self, number: int) -> KeptRun:
        """A run as it was."""
        summary = self.runs[number]
        files, seen = self._others.get(number) or ((summary.id,), self._seen(number))
        return KeptRun(files, seen, self.format(number), summary, self.shown(number))

    def shown(self, number: int) -> RunSummary:
        """A run as others saw it; always the same object."""
        summary, status = self.runs[number], self._shown[number]
        annotations = self._annotations.get(number)
        if status is summary.status and annotations is None:
            return summary
        if number not in self._judged:
            self._judged[number] = replace(
                summary, status=status, annotations=annotations or summary.annotations
            )
        return self._judged[number]

    def is_as_seen(self, number: int, entries: Sequence[Entry]) -> bool:
        """Whether a run is of these files, and these are as they were."""
        if number not in self._others:
            return len(entries) == 1 and (
                (entries[0].id, _numbers_of(entries[0])) == (self.runs[number].id, self._at(number))
            )
        files, seen = self._others[number]
        return seen == _seen(entries) and [*files] == _ids(entries)

    def _at(self, number: int) -> tuple[int, ...]:
        return (*self._numbers[3 * number : 3 * number + 3],)

    def _seen(self, number: int) -> _Seen:
        size, inode, modification = self._at(number)
        return size, (inode, modification)


def kept(run: ReadRun) -> KeptRun:
    """A run that was read, to be kept."""
    return KeptRun(_ids(run.entries), _seen(run.entries), run.format, run.summary, run.shown)


def encoded_blocks(runs: Iterable[KeptRun]) -> Iterator[tuple[list[str], bytes]]:
    """The blocks of some runs, each with the ids of these and of their files."""
    for block, of_block in _in_blocks(filter(_can_be_kept, runs)):
        formats: dict[str, int] = {}
        numbers = array("Q")
        others, annotations = {}, {}
        for number, run in enumerate(of_block):
            formats.setdefault(run.format, len(formats))
            own = _own_numbers(run)
            numbers.extend(own or _NO_NUMBERS)
            if own is None:
                others[number] = run.files, run.seen
            if run.shown.annotations != Annotations():
                annotations[number] = run.shown.annotations
        stored = (
            block.names,
            block.arrays,
            [_summary_of(run.summary, row) for row, run in enumerate(of_block)],
            [*formats],
            bytes(formats[run.format] for run in of_block),
            [run.shown.status for run in of_block],
            numbers.tobytes(),
            others,
            annotations,
        )
        ids = {one for run in of_block for one in (run.summary.id, *run.files)}
        yield [*ids], msgspec.msgpack.encode(stored)


def _can_be_kept(run: KeptRun) -> bool:
    try:
        msgspec.msgpack.encode((run.files, run.shown.annotations))
    except UNENCODABLE:  # the name of a file may be no text
        return False
    return True


def _summary_of(run: PackedSummary, row: int) -> tuple[object, ...]:
    """The fields of a summary up to its row, in order."""
    return (
        run.id,
        run.status,
        run.name,
        run.start_time,
        run.pauses,
        run.problem,
        run.file_size,
        row,
    )


def _in_blocks(runs: Iterable[KeptRun]) -> Iterator[tuple[SummaryBlock, list[KeptRun]]]:
    """The runs of each block, by their rows; what is left of others together."""
    by_block: dict[SummaryBlock, list[KeptRun]] = {}
    for run in runs:
        by_block.setdefault(run.summary.block, []).append(run)
    left: dict[Names, list[KeptRun]] = {}
    for block, of_block in by_block.items():
        if block.is_packed and len(of_block) == len(block):
            yield block, sorted(of_block, key=lambda run: run.summary.row)
        else:
            left.setdefault(block.names, []).extend(of_block)
    for names, others in left.items():
        for at in range(0, len(others), MOST_RUNS):
            some, block = others[at : at + MOST_RUNS], SummaryBlock(names)
            for run in some:
                block.add(run.summary.block.row(run.summary.row))
            block.pack()
            yield block, some


def _own_numbers(run: KeptRun) -> tuple[int, int, int] | None:
    """Those that say how the one file of a run was; ``None`` where they do not."""
    if len(run.files) == 1 and run.files[0] == run.summary.id and isinstance(run.seen, tuple):
        return _as_numbers(*run.seen)
    return None


def _numbers_of(entry: Entry) -> tuple[int, int, int] | None:
    return _as_numbers(entry.size, entry.version)


def _as_numbers(size: int, version: object) -> tuple[int, int, int] | None:
    match version:
        case (int(inode), int(modification)):
            numbers = size, inode, modification
            return numbers if all(one in _UNSIGNED for one in numbers) else None
    return None


def _seen(entries: Sequence[Entry]) -> _Seen:
    """By which it shows whether files are as they were."""
    if len(entries) == 1:
        match entries[0].version:
            case (int(inode), int(modification)):
                return entries[0].size, (inode, modification)
            case str() | None as version:
                return entries[0].size, version
    text = "\n".join(sorted(repr(entry[:3]) for entry in entries))
    return blake2b(text.encode(errors="surrogateescape"), digest_size=16).hexdigest()


def _ids(entries: Sequence[Entry]) -> list[str]:
    return sorted(entry.id for entry in entries)
