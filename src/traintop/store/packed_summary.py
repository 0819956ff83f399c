"""Summaries in a tenth of the memory, for there may be a hundred thousand of them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from traintop.model import Annotations, Pauses, RunStatus, RunSummary
from traintop.run_columns import Names, names_of_run
from traintop.store.summary_block import (
    DETAILS,
    MAPPINGS,
    MOST_RUNS,
    UNENCODABLE,
    SummaryBlock,
    check_row,
    is_same_row,
    row_of,
)

_MOST_OPEN = 16  # blocks that are not full


# A summary to type checkers only: as one, it would have room for every detail, in a hundred
# thousand runs.
if TYPE_CHECKING:
    _Summary = RunSummary
else:
    _Summary = msgspec.Struct


class PackedSummary(_Summary, frozen=True, kw_only=True, array_like=True, gc=False):
    """A summary whose details lie in a block with those of others until somebody asks for one.

    It has all that the others have, under the same names; :func:`unpacked` has room for other
    details.
    """

    id: str
    status: RunStatus
    name: str
    start_time: str | None
    pauses: Pauses | None
    problem: str
    file_size: int
    row: int
    annotations: Annotations = Annotations()
    root: str = ""
    block: SummaryBlock = SummaryBlock(Names((), (), (), (), None))

    @property
    def names(self) -> Names:
        """By which names something can be asked of it."""
        return self.block.names

    @property
    def given_names(self) -> tuple[str, ...] | None:
        """See :attr:`RunSummary.given_names`."""
        return self.block.names.given

    @property
    def given(self) -> Mapping[str, Any]:
        """See :attr:`RunSummary.given`."""
        return self.block.mapping("given", self.row)

    def __eq__(self, other: object) -> bool:
        """Whether another says the same, packed or not."""
        return isinstance(other, (RunSummary, PackedSummary)) and is_same(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other


def _detail(name: str, place: int) -> property:
    return property(
        lambda summary: summary.block.value(place, summary.row),
        doc=f"See :attr:`RunSummary.{name}`.",
    )


def _mapping(name: str) -> property:
    return property(
        lambda summary: summary.block.mapping(name, summary.row),
        doc=f"See :attr:`RunSummary.{name}`.",
    )


for _place, _name in enumerate(DETAILS):
    setattr(PackedSummary, _name, _detail(_name, _place))
for _name in MAPPINGS:
    setattr(PackedSummary, _name, _mapping(_name))
for _name in ("path", "stem", "title", "tags", "iteration"):
    setattr(PackedSummary, _name, RunSummary.__dict__[_name])

_FIELDS = RunSummary.__struct_fields__
_OTHERS = tuple(name for name in _FIELDS if name not in {*DETAILS, *MAPPINGS})


class SummaryPacker:
    """Packs summaries. Any thread may use it."""

    def __init__(self) -> None:
        self._open: dict[Names, SummaryBlock] = {}  # the one that was added to last comes last
        self._lock = threading.Lock()

    def pack(self, summary: RunSummary) -> RunSummary:
        """The same in less memory; the very same where it holds what cannot be encoded."""
        if isinstance(summary, PackedSummary):
            return summary
        row, names = row_of(summary), names_of_run(summary)
        others = {name: getattr(summary, name) for name in _OTHERS}
        try:
            check_row(row, names)
            msgspec.msgpack.encode(others)
        except UNENCODABLE:  # a value of another package's format, or the name of a file
            return summary
        with self._lock:
            block = self._open.pop(names, None) or SummaryBlock(names)
            number = block.add(row)
            if number + 1 == MOST_RUNS:
                block.pack()
            else:
                self._open[names] = block
            if len(self._open) > _MOST_OPEN:
                self._open.pop(next(iter(self._open))).pack()
        return PackedSummary(block=block, row=number, **others)


def unpacked(summary: RunSummary) -> RunSummary:
    """The same, with room for other details."""
    if not isinstance(summary, PackedSummary):
        return summary
    values = {name: getattr(summary, name) for name in _FIELDS}
    return RunSummary(**values | {name: dict(values[name]) for name in MAPPINGS})


def is_same(one: RunSummary, other: RunSummary) -> bool:
    """Whether two summaries say the same, packed or not; NaN is the same as NaN."""
    if any(getattr(one, name) != getattr(other, name) for name in _OTHERS):
        return False
    names = names_of_run(one)
    if names_of_run(other) != names:
        return False
    ours, theirs = row_of(one), row_of(other)
    try:
        return is_same_row(ours, theirs, names)
    except UNENCODABLE:
        return ours == theirs
