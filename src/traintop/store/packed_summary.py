"""Summaries in a tenth of the memory, for there may be a hundred thousand of them."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Mapping
from typing import Any

import msgspec

from traintop.model import LoggedAlert, MetricsSnapshot, MetricStats, RunStatus, RunSummary
from traintop.run_columns import Names, names_of_run

_LEVEL = 6  # 8 % less than with 1, for 3 µs more a run
_WINDOW = 12  # bits: what is packed is rarely longer
_LONGEST_DICTIONARY = 1 << _WINDOW
_POOR = 0.25  # of the size, by which it could be less with another dictionary
_UNPACKED_KEPT = 1024  # at a time: more than a screen shows


class _Details(msgspec.Struct, array_like=True, gc=False):
    """What is asked of a run when it is looked at; the names are those of the summary.

    What is raw is decoded when somebody asks for it.
    """

    config: msgspec.Raw
    changed: msgspec.Raw
    environment: msgspec.Raw
    end_time: str | None
    updated_at: str | None
    duration_seconds: float | None
    count: int | None
    gradient_step: int
    iterations_per_second: float | None
    gpus_sampled_at: float | None
    best_train_loss: float | None
    best_val_loss: float | None
    final_train_loss: float | None
    final_val_loss: float | None
    stats: msgspec.Raw
    last: msgspec.Raw
    notes: str
    error: str
    damaged: int
    alerts: msgspec.Raw
    left_out: tuple[str, ...]


class PackedSummary(RunSummary, frozen=True, kw_only=True, gc=False):
    """A summary whose details are compressed until somebody asks for one of them.

    It has all that the others have, under the same names.
    """

    packed: bytes
    dictionary: bytes
    """What it has in common with other runs, by which :mod:`zlib` compresses it."""
    names: Names

    @property
    def given_names(self) -> tuple[str, ...] | None:
        """See :attr:`RunSummary.given_names`."""
        return self.names.given

    def __eq__(self, other: object) -> bool:
        """Whether another says the same, packed or not."""
        return isinstance(other, RunSummary) and is_same(self, other)


_PACKED: Any = object()
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Details)
_any_mapping = msgspec.msgpack.Decoder(dict[str, Any])
_decoders: Mapping[str, msgspec.msgpack.Decoder[Any]] = {
    "config": _any_mapping,
    "changed": _any_mapping,
    "environment": _any_mapping,
    "stats": msgspec.msgpack.Decoder(dict[str, MetricStats]),
    "last": msgspec.msgpack.Decoder(MetricsSnapshot | None),
    "alerts": msgspec.msgpack.Decoder(tuple[LoggedAlert, ...]),
}


def _detail(name: str) -> property:
    of_struct = RunSummary.__dict__[name].__get__

    def get(summary: PackedSummary) -> Any:
        value = of_struct(summary)  # one that was replaced since
        if value is not _PACKED:
            return value
        details = _unpacked(summary.packed, summary.dictionary)
        value = getattr(details, name)
        if isinstance(value, msgspec.Raw):
            value = _decoders[name].decode(value)
            setattr(details, name, value)
        return value

    return property(get, doc=f"See :attr:`RunSummary.{name}`.")


for _name in _Details.__struct_fields__:
    setattr(PackedSummary, _name, _detail(_name))

_ALL_PACKED = dict.fromkeys(_Details.__struct_fields__, _PACKED)
_OTHERS = tuple(name for name in RunSummary.__struct_fields__ if name not in _ALL_PACKED)
_NOTHING_ELSE = PackedSummary(
    id="",
    status=RunStatus.UNREADABLE,
    packed=b"",
    dictionary=b"",
    names=Names((), (), (), (), None),
    **_ALL_PACKED,
)


@functools.lru_cache(_UNPACKED_KEPT)
def _unpacked(packed: bytes, dictionary: bytes) -> _Details:
    return _decoder.decode(zlib.decompressobj(-_WINDOW, dictionary).decompress(packed))


class SummaryPacker:
    """Packs summaries. Any thread may use it."""

    def __init__(self) -> None:
        self._dictionaries: dict[str, bytes] = {}

    def pack(self, summary: RunSummary, kind: str = "") -> RunSummary:
        """The same in less memory; the very same where it holds what cannot be encoded.

        Runs of a ``kind`` have much in common, as those of one tool have.
        """
        if isinstance(summary, PackedSummary):
            return summary
        try:
            data = _encoded_details(summary)
        except (TypeError, ValueError, OverflowError):  # a value of another package's format
            return summary
        dictionary = self._dictionaries.get(kind, b"")
        compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -_WINDOW, zdict=dictionary)
        packed = compressor.compress(data) + compressor.flush()
        if (
            not dictionary or len(packed) > len(data) * _POOR
        ):  # those that follow are rather like this one
            self._dictionaries[kind] = data[-_LONGEST_DICTIONARY:]
        others = {name: getattr(summary, name) for name in _OTHERS}
        names = names_of_run(summary)
        return packed_again(packed=packed, dictionary=dictionary, names=names, **others)


def packed_again(**parts: Any) -> PackedSummary:
    """A summary of what was packed of it, and of what was not."""
    return msgspec.structs.replace(_NOTHING_ELSE, **parts)


def is_same(one: RunSummary, other: RunSummary) -> bool:
    """Whether two summaries say the same, packed or not; NaN is the same as NaN."""
    if any(getattr(one, name) != getattr(other, name) for name in _OTHERS):
        return False
    try:
        ours, theirs = _encoded_details(one), _encoded_details(other)
        # A whole number comes back as one of floating point.
        return ours == theirs or _as_it_comes_back(ours) == _as_it_comes_back(theirs)
    except (TypeError, ValueError, OverflowError):
        return one == other


def _as_it_comes_back(details: bytes) -> bytes:
    unpacked = _decoder.decode(details)
    values = {name: getattr(unpacked, name) for name in _ALL_PACKED}
    values |= {name: decoder.decode(values[name]) for name, decoder in _decoders.items()}
    return _encoder.encode([*values.values()])


def _encoded_details(summary: RunSummary) -> bytes:
    return _encoder.encode([getattr(summary, name) for name in _ALL_PACKED])
