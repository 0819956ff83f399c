"""Summaries in a tenth of the memory, for there may be a hundred thousand of them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import msgspec

from traintop.model import RunStatus, RunSummary
from traintop.run_columns import Names, names_of_run
from traintop.store.summary_block import (
    DETAILS,
    MAPPINGS,
    MOST_RUNS,
    SummaryBlock,
    encoded,
    is_same_row,
    row_of,
)

_MOST_OPEN = 16  # blocks that are not full


class PackedSummary(RunSummary, frozen=True, kw_only=True, gc=False):
    """A summary whose details lie in a block with those of others until somebody asks for one.

    It has all that the others have, under the same names.
    """

    block: SummaryBlock
    row: int

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
        if _config_of(self) is _PACKED:
            return self.block.mapping("given", self.row)
        return super().given

    def __eq__(self, other: object) -> bool:
        """Whether another says the same, packed or not."""
        return isinstance(other, RunSummary) and is_same(self, other)


_PACKED: Any = object()
_config_of = RunSummary.__dict__["config"].__get__


def _detail(name: str, place: int | None) -> property:
    of_struct = RunSummary.__dict__[name].__get__

    def get(summary: PackedSummary) -> Any:
        value = of_struct(summary)  # one that was replaced since
        if value is not _PACKED:
            return value
        if place is None:
            return summary.block.mapping(name, summary.row)
        return summary.block.value(place, summary.row)

    return property(get, doc=f"See :attr:`RunSummary.{name}`.")


for _place, _name in enumerate(DETAILS):
    setattr(PackedSummary, _name, _detail(_name, _place))
for _name in MAPPINGS:
    setattr(PackedSummary, _name, _detail(_name, None))

_ALL_PACKED = dict.fromkeys((*DETAILS, *MAPPINGS), _PACKED)
_OTHERS = tuple(name for name in RunSummary.__struct_fields__ if name not in _ALL_PACKED)
_NOTHING_ELSE = PackedSummary(
    id="",
    status=RunStatus.UNREADABLE,
    block=SummaryBlock(Names((), (), (), (), None)),
    row=0,
    **_ALL_PACKED,
)


class SummaryPacker:
    """Packs summaries. Any thread may use it."""

    def __init__(self) -> None:
        self._open: dict[Names, SummaryBlock] = {}  # the one that was added to last comes last
        self._lock = threading.Lock()

    def pack(self, summary: RunSummary) -> RunSummary:
        """The same in less memory; the very same where it holds what cannot be encoded."""
        if isinstance(summary, PackedSummary):
            return summary
        row = row_of(summary)
        try:
            encoded(row)
        except (TypeError, ValueError, OverflowError):  # a value of another package's format
            return summary
        names = names_of_run(summary)
        with self._lock:
            block = self._open.pop(names, None) or SummaryBlock(names)
            number = block.add(row)
            if number + 1 == MOST_RUNS:
                block.pack()
            else:
                self._open[names] = block
            if len(self._open) > _MOST_OPEN:
                self._open.pop(next(iter(self._open))).pack()
        others = {name: getattr(summary, name) for name in _OTHERS}
        return packed_again(block=block, row=number, **others)


def packed_again(**parts: Any) -> PackedSummary:
    """A summary of the block that its details are in, and of what is not among these."""
    return msgspec.structs.replace(_NOTHING_ELSE, **parts)


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
    except (TypeError, ValueError, OverflowError):
        return ours == theirs
