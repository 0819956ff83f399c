"""The log file format: bytes to model and back. The only package that knows it.

A log file is one JSON document laid out in lines, so that appending to it and following it cost
the same however long it is (``docs/log-format.md`` has the whole specification)::

    {"config":{…},"start_time":"…","run":{…},"metrics_history":[      <- head, written once
    {"iteration":0,"gradient_step":1,…},                              <- records, one a line
    {"iteration":1,"gradient_step":2,…}
    ],"end_time":null,"status":"running",…,"last":{…}}                <- tail, rewritten

Strings in JSON hold no raw newline, so ``[\\n`` after the head and ``\\n]`` before the tail can
stand nowhere else, and a reader may start at any line. The tail ends with the object ``last`` and
its checksum before it: whatever byte a write is torn at, no remainder of an older tail can complete
a half-written record, and either that record's line or the older ``last`` is whole; the checksum
tells which.

Everything here is a pure function of bytes; no function opens a file. This module has what a
training loop needs as well; what only readers need is in :mod:`.columns` (records, quickly), and
in :mod:`.documents` and :mod:`.tolerance` (JSON of the same schema by other programs).
"""

from __future__ import annotations

import math
import re
import zlib
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

from traintop.model import RECORD_FIELDS, STANDARD_METRICS, MetricsSnapshot, MetricStats
from traintop.values import as_number, finite_or_name

FORMAT_VERSION = 1

HEAD_END = b',"metrics_history":[\n'
"""Ends the head of a file of this format, and is found in no other place."""

TAIL_START = b"\n]"
"""Starts the tail."""

SEPARATORS = b", \n\r\0"
"""What may stand around a record; NULs are what a power loss leaves of a write."""

_LAST = b'"last":{'
_CHECKSUM = re.compile(rb'"last_crc32":(\d+),\Z')
_LONGEST_CHECKSUM = len(b'"last_crc32":4294967295,')

_Struct = TypeVar("_Struct", bound=msgspec.Struct)

WrittenStatus = Literal["running", "finished", "failed", "interrupted"]
"""What a run says of its life."""

Row = dict[str, Any]
"""A JSON object, as each record is one."""

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding bytes that are not of this format raises."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What is written once when a run starts."""

    config: dict[str, Any] = {}
    start_time: str | None = None
    run: dict[str, Any] = {}


class Tail(msgspec.Struct, frozen=True, kw_only=True):
    """What every flush writes anew: how the run stands."""

    end_time: str | None = None
    duration_seconds: float | None = None
    best_train_loss: float | None = None
    best_val_loss: float | None = None
    final_train_loss: float | None = None
    final_val_loss: float | None = None
    notes: str = ""
    status: WrittenStatus = "running"
    error: str = ""
    updated_at: str | None = None
    resumed: list[dict[str, Any]] = []
    gradient_step: int = 0
    iterations_per_second: float | None = None
    count: int = 0
    dropped: int = 0
    stats: dict[str, MetricStats] = {}
    last_record: Row = msgspec.field(default={}, name="last")

    @property
    def last(self) -> MetricsSnapshot | None:
        """The last record, ``None`` before the first."""
        return snapshot_of_row(self.last_record)


# ---------------------------------------------------------------------------------- writing


def encode_head(head: Head) -> bytes:
    """The first bytes of a file, up to and with the bracket that opens the records."""
    document = {"config": head.config, "start_time": head.start_time, "run": head.run}
    return msgspec.json.encode(document)[:-1] + HEAD_END[:-1]


def encode_record(snapshot: MetricsSnapshot) -> bytes:
    """One record, without separator or newline."""
    return msgspec.json.encode(record_row(snapshot))


def record_row(snapshot: MetricsSnapshot) -> Row:
    """A record as the JSON object that stands in the file."""
    row: Row = {name: finite_or_name(getattr(snapshot, name)) for name in RECORD_FIELDS}
    row.update((name, finite_or_name(value)) for name, value in snapshot.metrics.items())
    return row


def encode_tail(tail: Tail) -> bytes:
    """The last bytes of a file, from the newline after the last record on."""
    row: Row = {
        name: finite_or_name(value) if isinstance(value, float) else value
        for name, value in msgspec.structs.asdict(tail).items()
    }
    row["stats"] = {
        metric: {
            name: finite_or_name(value) for name, value in msgspec.structs.asdict(stats).items()
        }
        for metric, stats in tail.stats.items()
    }
    last = msgspec.json.encode(row.pop("last_record"))
    # The last record and its checksum end the file, see the module's docstring.
    end = b',"last_crc32":%d,"last":%b}\n' % (zlib.crc32(last), last)
    return TAIL_START + b"," + msgspec.json.encode(row)[1:-1] + end


def padded(block: bytes, size: int) -> bytes:
    """A block that ends a file, filled up with blanks to at least ``size`` bytes.

    So one positioned write also covers whatever a longer tail left behind.
    """
    return block[:-1].ljust(size - 1) + b"\n"


# ---------------------------------------------------------------------------------- reading


class FoundHead(NamedTuple):
    head: Head
    records_at: int  # offset of the first byte after the opening bracket


class FoundTail(NamedTuple):
    tail: Tail
    starts_at: int  # offset of the newline that starts it, in the bytes that were searched


def find_head(data: bytes) -> FoundHead | None:
    """The head at the start of ``data``; ``None`` when it is not whole, or not of this format."""
    end = data.find(HEAD_END)
    if end < 0 or not data.startswith(b'{"config":'):
        return None
    try:
        head = _decode_usable(_HEAD, data[:end] + b"}")
    except UNREADABLE:
        return None
    return FoundHead(head, end + len(HEAD_END) - 1)


def find_tail(data: bytes) -> FoundTail | None:
    """The tail at the end of ``data``; ``None`` when it is torn or starts before ``data``."""
    start = data.rfind(TAIL_START)
    if start < 0 or not _is_last_record_sound(data):
        return None
    rest = data[start + len(TAIL_START) :]
    if not rest.startswith((b",", b"}")):
        return None
    try:
        tail = _decode_usable(_TAIL, b"{" + rest.removeprefix(b","))
    except UNREADABLE:
        return None
    return FoundTail(tail, start)


def find_last_record(data: bytes) -> MetricsSnapshot | None:
    """The object ``last`` that ends ``data``, of a tail whose beginning may be overwritten."""
    start = data.rfind(_LAST)
    if start < 0 or not _is_last_record_sound(data):
        return None
    try:
        row = msgspec.json.decode(_last_record_bytes(data, start))
    except UNREADABLE:
        return None
    return snapshot_of_row(row)


def _is_last_record_sound(data: bytes) -> bool:
    """Whether the object ``last`` that ends ``data`` has the checksum that stands before it.

    Without a checksum, as in the files of other programs, nothing speaks against it.
    """
    start = data.rfind(_LAST)
    written = _CHECKSUM.search(data, max(start - _LONGEST_CHECKSUM, 0), max(start, 0))
    return written is None or int(written[1]) == zlib.crc32(_last_record_bytes(data, start))


def _last_record_bytes(data: bytes, start: int) -> bytes:
    """The bytes of the object ``last``, whose key starts at an offset of ``data``."""
    return data[start + len(_LAST) - 1 :].rstrip()[:-1]


def trusted_last_record(line: Row, tail: Tail) -> Row:
    """The last record of a file whose last line and whole tail do not say the same of it.

    A write that was torn inside of an amended record leaves a line of new and old bytes, which may
    happen to parse, before the older tail, whose checksum holds.
    """
    by_tail = tail.last_record
    same = as_number(by_tail.get("iteration")) == as_number(line.get("iteration"))
    return by_tail if same else line


def is_followed(line: bytes) -> bool:
    """Whether the comma behind a record tells that another one was written: so it is whole."""
    return line.rstrip(b" \n\r\0").endswith(b",")


def records_region(data: bytes) -> tuple[bytes, bool]:
    """The part of ``data`` that holds records, and whether the end of the records was seen.

    ``data`` starts anywhere between two records or at the first byte of one.
    """
    end = data.find(TAIL_START)
    return (data, False) if end < 0 else (data[:end], True)


def snapshot_of_row(row: object) -> MetricsSnapshot | None:
    """The record in a decoded JSON object; ``None`` when it has no usable iteration.

    Values that are no numbers count as not measured.
    """
    if not isinstance(row, dict):
        return None
    numbers: Row = {name: as_number(value) for name, value in row.items()}
    take = numbers.pop
    iteration = take("iteration", None)
    if iteration is None or not math.isfinite(iteration):
        return None
    step = take("gradient_step", None) or 0
    return MetricsSnapshot(
        iteration=iteration,
        gradient_step=int(step) if math.isfinite(step) else 0,
        wallclock_time=take("wallclock_time", None) or 0.0,
        **{name: take(name, None) for name in STANDARD_METRICS},
        metrics={name: value for name, value in numbers.items() if value is not None},
    )


def whole_rows(region: bytes) -> list[Row]:
    """The records of a region as dictionaries, up to the first line that is not one.

    A record is an object with an ``iteration`` whose values are no objects or lists.
    """
    try:
        rows = _ROWS.decode(b"[" + region.strip(SEPARATORS) + b"]")
        if len(rows) == line_count(region) and all(map(is_record, rows)):
            return rows
    except UNREADABLE:
        pass
    rows = []
    for line in region.split(b"\n"):
        if not (line := line.strip(SEPARATORS)):
            continue
        try:
            row = msgspec.json.decode(line)
        except UNREADABLE:
            break
        if not is_record(row):
            break
        rows.append(row)
    return rows


def line_count(region: bytes) -> int:
    """The lines of a region of records, without blank ones at its ends."""
    stripped = region.strip(SEPARATORS)
    return stripped.count(b"\n") + 1 if stripped else 0


def is_record(row: object) -> bool:
    """Whether a decoded JSON value is a record."""
    if not isinstance(row, dict):
        return False
    iteration = as_number(row.get("iteration"))
    if iteration is None or not math.isfinite(iteration):
        return False
    return not any(isinstance(value, (dict, list)) for value in row.values())


def _decode_usable(decoder: msgspec.json.Decoder[_Struct], data: bytes) -> _Struct:
    """A Head or Tail; values of a wrong type, as of a later format, count as missing."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        return convert_usable(msgspec.json.decode(data), decoder.type)


def convert_usable(found: Row, wanted: type[_Struct]) -> _Struct:
    """A Head or Tail from those keys of a document that have a usable value."""
    usable: Row = {}
    for key in wanted.__struct_encode_fields__:
        if key in found:
            try:
                msgspec.convert({key: found[key]}, wanted, strict=False)
            except msgspec.ValidationError:
                continue
            usable[key] = found[key]
    return msgspec.convert(usable, wanted, strict=False)


# The lax mode reads the names of non-finite numbers where a number is due.
_HEAD = msgspec.json.Decoder(Head)
_TAIL = msgspec.json.Decoder(Tail, strict=False)
_ROWS = msgspec.json.Decoder(list[Row])
