"""The details of many runs together: one array a field, and once what many of them have.

There may be a hundred thousand runs with a hundred details each, most of which are the same in all
of them. Who asks about all runs asks for one detail of each, and unpacks one array of each block.
"""

from __future__ import annotations

import functools
import itertools
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from traintop.model import LoggedAlert, MetricsSnapshot, MetricStats, RunSummary
from traintop.run_columns import Names

MOST_RUNS = 128
"""In a block: with more they take less memory each, and looking at one of them takes longer."""

DETAILS = (
    "changed",
    "end_time",
    "updated_at",
    "duration_seconds",
    "count",
    "gradient_step",
    "iterations_per_second",
    "gpus_sampled_at",
    "best_train_loss",
    "best_val_loss",
    "final_train_loss",
    "final_val_loss",
    "last",
    "notes",
    "error",
    "damaged",
    "alerts",
    "left_out",
)
"""The fields of a summary that have one array each."""

MAPPINGS = ("config", "environment", "stats")
"""Those that have one for each of their names."""

Row = Sequence[Any]
"""The details of a run, in the order of the arrays."""

_LEVEL = 1  # a third faster than 6, for a twentieth more
_COMPRESSED_FROM = 64  # bytes
_COMPRESSED = 0x78  # how these begin, and no array of msgpack does
_UNPACKED_KEPT = 512  # arrays at a time: as a screen of runs has, each of another block
_MOST_SHARED = 10_000  # arrays

_types: Mapping[str, Any] = {
    "last": MetricsSnapshot | None,
    "alerts": tuple[LoggedAlert, ...],
    "left_out": tuple[str, ...],
    "stats": MetricStats,
}
_decoders = {name: msgspec.msgpack.Decoder(list[one]) for name, one in _types.items()}  # type: ignore[valid-type]
_any_decoder = msgspec.msgpack.Decoder(list[Any])
_encode = msgspec.msgpack.Encoder().encode
_shared: dict[bytes, bytes] = {}  # short arrays, each once


class _Layout(NamedTuple):
    """Which array is which, in the blocks of runs with some names."""

    fields: Sequence[str]
    within: Mapping[str, Mapping[str, int]]  # by the fields that are mappings


@functools.lru_cache(maxsize=1024)
def _layout_of(names: Names) -> _Layout:
    places = itertools.count(len(DETAILS))
    within = {field: {name: next(places) for name in getattr(names, field)} for field in MAPPINGS}
    of_mappings = (field for field in MAPPINGS for _ in within[field])
    config = within["config"]
    known = config if names.given is None else names.given
    within["given"] = {name: config[name] for name in known if name in config}
    return _Layout((*DETAILS, *of_mappings), within)


class SummaryBlock:
    """The details of runs with the same names, by their rows.

    One thread at a time may add to it; any may read it.
    """

    __slots__ = ("_content", "_layout", "_length", "names")

    def __init__(
        self, names: Names, arrays: Sequence[bytes] | None = None, length: int = 0
    ) -> None:
        self.names = names
        self._length = length
        self._layout = _layout_of(names)
        self._content: list[Row] | tuple[bytes, ...] = []
        if arrays:
            self._content = tuple(map(_once, arrays))

    def add(self, row: Row) -> int:
        """Add a run; its row. It has the names of the others, and its values can be encoded."""
        assert isinstance(self._content, list)
        self._content.append(row)
        self._length += 1
        return self._length - 1

    def __len__(self) -> int:
        return self._length

    def pack(self) -> None:
        """Pack what was added; nothing can be added to it any more."""
        content, fields = self._content, self._layout.fields
        if isinstance(content, list) and content:
            arrays = zip(fields, zip(*content, strict=True), strict=True)
            self._content = tuple(_packed(field, values) for field, values in arrays)

    @property
    def is_whole(self) -> bool:
        """Whether there is an array for each field."""
        return not self.is_packed or len(self._content) == len(self._layout.fields)

    @property
    def is_packed(self) -> bool:
        """Whether it is full, or will not become it."""
        return isinstance(self._content, tuple)

    @property
    def arrays(self) -> Sequence[bytes]:
        """All arrays, in order, of a block that is packed."""
        assert isinstance(self._content, tuple)
        return self._content

    def value(self, place: int, row: int) -> Any:
        """What a run has in the array at a place."""
        content = self._content
        if isinstance(content, list):
            return content[row][place]
        values = _unpacked(content[place], self._layout.fields[place])
        return values[row] if len(values) > 1 else values[0]

    def row(self, row: int) -> Row:
        """All details of a run."""
        return [self.value(place, row) for place in range(len(self._layout.fields))]

    def mapping(self, field: str, row: int) -> Mapping[str, Any]:
        """What a run has of a field with names of its own, or of the settings that were given."""
        return _OfRun(self, self._layout.within[field], row)


class _OfRun(Mapping[str, Any]):
    """The settings of a run, its environment or statistics: each is unpacked when asked for."""

    __slots__ = ("_block", "_places", "_row")

    def __init__(self, block: SummaryBlock, places: Mapping[str, int], row: int) -> None:
        self._block = block
        self._places = places
        self._row = row

    def __getitem__(self, name: str) -> Any:
        return self._block.value(self._places[name], self._row)

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a name; most runs that are asked have none."""
        place = self._places.get(name)
        return default if place is None else self._block.value(place, self._row)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __repr__(self) -> str:
        return repr(dict(self))


def row_of(summary: RunSummary) -> Row:
    """The details of a run in the order of the arrays."""
    mappings = (getattr(summary, field).values() for field in MAPPINGS)
    return [*(getattr(summary, field) for field in DETAILS), *itertools.chain(*mappings)]


UNENCODABLE = (TypeError, ValueError, OverflowError, msgspec.MsgspecError)
"""What is raised where a value cannot be packed, or would not come back."""


def check_row(row: Row, names: Names) -> None:
    """Raises one of :data:`UNENCODABLE` where the details of a run cannot be packed."""
    _encode((row, names))
    if not all(isinstance(name, str) for of_kind in names[:4] for name in of_kind):
        raise TypeError("a name is no text")
    for field, value in zip(_layout_of(names).fields, row, strict=True):
        if field in _decoders:
            _decoders[field].decode(_encode((value,)))


def is_same_row(one: Row, other: Row, names: Names) -> bool:
    """Whether the details of two runs with the same names say the same, packed or not.

    NaN is the same as NaN. Raises as :func:`check_row` does.
    """
    fields = _layout_of(names).fields
    return _encode(one) == _encode(other) or all(map(_is_same, fields, one, other))


def _is_same(field: str, one: Any, other: Any) -> bool:
    ours, theirs = _encode((one,)), _encode((other,))
    if ours == theirs:
        return True
    # A whole number comes back as one of floating point.
    decode = _decoders.get(field, _any_decoder).decode
    return _encode(decode(ours)) == _encode(decode(theirs))


def _packed(field: str, values: Sequence[Any]) -> bytes:
    """An array of some values; of one where all are the same."""
    first = _encode(values[:1])
    data = _encode(values)
    if len(values) > 1 and data == _encode([values[0]] * len(values)):
        data = first
    return _once(zlib.compress(data, _LEVEL) if len(data) >= _COMPRESSED_FROM else data)


def _once(array: bytes) -> bytes:
    """The same object for all short arrays that are equal."""
    if len(array) >= _COMPRESSED_FROM:
        return array
    if len(_shared) >= _MOST_SHARED:
        _shared.clear()
    return _shared.setdefault(array, array)


@functools.lru_cache(_UNPACKED_KEPT)
def _unpacked(array: bytes, field: str) -> list[Any]:
    data = zlib.decompress(array) if array[0] == _COMPRESSED else array
    values: list[Any] = _decoders.get(field, _any_decoder).decode(data)
    return values
