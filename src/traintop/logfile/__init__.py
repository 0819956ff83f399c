"""The log file format: bytes to model and back. The only package that knows it.

A log file is one JSON document laid out in lines, so that appending to it and following it cost
the same however long it is (``docs/log-format.md`` has the specification and the proof)::

    {"config":{…},"start_time":"…","run":{…},"metrics_history":[      <- head, written once
    {"iteration":0,"gradient_step":1,…},                              <- lines: settled records
    {"iteration":1,"gradient_step":2,…}
    ],"end_time":null,"status":"running",…,"last":{…},…}              <- tail, rewritten

A flush overwrites the tail with new lines and a fresh tail. No remainder of an older tail can
complete a half-written line, and a tail counts only with its checksums, so a torn flush costs at
most what it brought.

Everything here is a pure function of bytes; no function opens a file. This module has what a
training loop needs; :mod:`.lines` reads a file's lines and ends for every reader, and
:mod:`.format_1` finds the tails of older files.
"""

from __future__ import annotations

import math
import re
import zlib
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

from traintop.model import (
    RECORD_FIELDS,
    STANDARD_METRICS,
    LoggedAlert,
    MetricsSnapshot,
    MetricStats,
    Pauses,
)
from traintop.values import as_number, finite_or_name

FORMAT_VERSION = 2

HEAD_END = b',"metrics_history":[\n'
"""Ends the head of a file of this format, and is found in no other place."""

SEPARATOR = b",\n"
"""Stands between two lines."""

TAIL_START = b" \n]"
"""Starts the tail; the separator of the next line will take the place of its first two bytes.

A tail ends with at least two blanks and a newline, as no line does."""

LONGEST_NAME = 500
"""Characters of a key: a line with a longer one is damaged, for an older tail may look like it."""

_REWIND = b'{"iteration":%b,"rewind":true}'

_END = re.compile(
    rb',"last":(\{.*\})((?:,"status":"[a-z]*")?),"flush_at":(\d{1,18}),"tail_at":(\d{1,18})'
    rb',"flush_crc32":(\d{1,10}),"end_crc32":(\d{1,10})\} {2,}\n\Z'
)
_END_START = b',"last":{'  # a record's values are no objects, so no record holds this

_Struct = TypeVar("_Struct", bound=msgspec.Struct)

WrittenStatus = Literal["running", "finished", "failed", "interrupted"]
"""What a run says of its life."""

Row = dict[str, Any]
"""A JSON object, as each record is one."""

MOST_ALERTS = 20
"""A run keeps the last ones that its program logged: each flush writes them anew."""

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding bytes that are not of this format raises."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What is written once when a run starts."""

    config: dict[str, Any] = {}
    start_time: str | None = None
    run: dict[str, Any] = {}


class Tail(msgspec.Struct, frozen=True, kw_only=True):
    """What every flush rewrites: the state of the run.

    Without a ``count``, count, statistics and best losses are to be computed from the records.
    """

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
    launched: dict[str, Any] = {}  # what `traintop run` says of the command, once that has ended
    config_changes: dict[str, Any] = {}
    gradient_step: int = 0
    iterations_per_second: float | None = None
    pauses: Pauses | None = None
    gpus_sampled_at: float | None = None  # in seconds of the run
    alerts: list[LoggedAlert] = []
    count: int | None = None
    dropped: int = 0
    left_out: list[str] = []
    rewinds: int = 0
    lines_crc32: int | None = None  # of all lines before it, each with a separator behind it
    stats: dict[str, MetricStats] = {}
    highest_record: Row = msgspec.field(default={}, name="highest")
    last_record: Row = msgspec.field(default={}, name="last")

    @property
    def newest(self) -> MetricsSnapshot | None:
        """The record of the highest iteration, ``None`` before the first."""
        return snapshot_of_row(self.highest_record or self.last_record)


# ---------------------------------------------------------------------------------- writing


def encode_head(head: Head) -> bytes:
    """The first bytes of a file, up to where the first line begins."""
    document = {"config": head.config, "start_time": head.start_time, "run": head.run}
    return msgspec.json.encode(document)[:-1] + HEAD_END


def encode_record(snapshot: MetricsSnapshot) -> bytes:
    """One record, without separator or newline."""
    return msgspec.json.encode(record_row(snapshot))


def encode_rewind(iteration: float) -> bytes:
    """The line that makes void all records before it that are beyond an iteration."""
    return _REWIND % msgspec.json.encode(iteration)


def record_row(snapshot: MetricsSnapshot) -> Row:
    """A record as the JSON object in the file."""
    row: Row = {name: getattr(snapshot, name) for name in RECORD_FIELDS}
    row.update(snapshot.metrics)
    for name, value in row.items():
        if isinstance(value, float) and not math.isfinite(value):
            row[name] = finite_or_name(value)
    return row


def encode_flush(lines: bytes, tail: Tail, at: int) -> bytes:
    """What is written at an offset at once: lines, if any, and the tail, which vouches for both.

    Lines begin with a separator, or at the end of the head.
    """
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
    row["highest"] = row.pop("highest_record")
    last, status = (msgspec.json.encode(row.pop(name)) for name in ("last_record", "status"))
    block = lines + TAIL_START + b"," + msgspec.json.encode(row)[1:-1]
    places = b',"flush_at":%d,"tail_at":%d' % (at, at + len(lines))
    end = b',"last":%b,"status":%b%b,"flush_crc32":%d' % (last, status, places, zlib.crc32(block))
    return block + end + b',"end_crc32":%d}  \n' % zlib.crc32(end)


def padded(block: bytes, size: int) -> bytes:
    """A block that ends a file, filled up with blanks to at least ``size`` bytes.

    So one positioned write also covers whatever a longer tail left behind.
    """
    return block[:-1].ljust(size - 1) + b"\n"


# ---------------------------------------------------------------------------------- reading


class FoundHead(NamedTuple):
    """The head of a file, and where its lines begin."""

    head: Head
    records_at: int  # offset of the first line


class FoundEnd(NamedTuple):
    """The end of a tail, whose checksum holds whatever became of the beginning."""

    starts_at: int  # offset in the bytes that were searched
    last: Row | None  # the record that was no line yet, if any
    status: bytes  # as it is written, with a comma before it
    flush_at: int  # offset in the file at which the flush begins
    tail_at: int  # offset in the file at which its tail begins
    flush_crc32: int  # of the bytes between the flush's beginning and this end


def find_head(data: bytes) -> FoundHead | None:
    """The head at the start of ``data``; ``None`` when it is not whole, or not of this format."""
    end = data.find(HEAD_END)
    if end < 0 or not data.startswith(b'{"config":'):
        return None
    try:
        head = decode_usable(_HEAD, Head, data[:end] + b"}")
    except UNREADABLE:
        return None
    return FoundHead(head, end + len(HEAD_END))


def find_end(data: bytes) -> FoundEnd | None:
    """The end of a tail that ends ``data``; ``None`` when it is not whole."""
    start = max(data.rfind(_END_START), 0)
    found = _END.match(data, start)
    if found is None or zlib.crc32(data[start : found.end(5)]) != int(found[6]):
        return None
    try:
        last = msgspec.json.decode(found[1])
    except UNREADABLE:
        return None
    places = map(int, found.group(3, 4, 5))
    return FoundEnd(start, last if is_record(last) else None, found[2], *places)


def decode_tail(flush: bytes, end: FoundEnd) -> Tail | None:
    """The tail of a flush of which ``end`` is the end; ``None`` when that is not whole."""
    start = flush[end.tail_at - end.flush_at :]
    if zlib.crc32(flush) != end.flush_crc32 or not start.startswith(TAIL_START + b","):
        return None
    try:
        tail = decode_usable(TAIL, Tail, b"{%b%b}" % (start[len(TAIL_START) + 1 :], end.status))
    except UNREADABLE:
        return None
    return msgspec.structs.replace(tail, last_record=end.last) if end.last else tail


def snapshot_of_row(row: Row) -> MetricsSnapshot | None:
    """The record in a decoded JSON object; ``None`` when it has no usable iteration.

    Values that are no numbers count as not measured.
    """
    numbers: Row = {
        name: value if type(value) is float else as_number(value)  # as most are
        for name, value in row.items()
    }
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


def has_iteration(row: object) -> bool:
    """Whether a decoded JSON value is an object with a finite iteration."""
    iteration = as_number(row.get("iteration")) if isinstance(row, dict) else None
    return iteration is not None and math.isfinite(iteration)


def is_record(row: object) -> bool:
    """Whether a decoded JSON value is a record: flat, with a finite iteration."""
    if not isinstance(row, dict) or not has_iteration(row):
        return False
    return not any(isinstance(value, (dict, list)) for value in row.values())


def decode_usable(
    decoder: msgspec.json.Decoder[_Struct], wanted: type[_Struct], data: bytes
) -> _Struct:
    """A Head or Tail; values of a wrong type, as of a later format, count as missing."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        return convert_usable(msgspec.json.decode(data), wanted)


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
TAIL = msgspec.json.Decoder(Tail, strict=False)
