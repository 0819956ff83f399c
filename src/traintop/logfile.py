"""The log file format: bytes to model and back. The only module that knows it.

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

Everything here is a pure function of bytes; no function opens a file.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
import re
import zlib
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple, TypeVar, get_args

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

_MOST_KEYS = 1000
_FEWEST_KEYS = 32
_MOST_CELLS = 1 << 26

_LAST = b'"last":{'
_CHECKSUM = re.compile(rb'"last_crc32":(\d+),\Z')
_LONGEST_CHECKSUM = len(b'"last_crc32":4294967295,')

_Struct = TypeVar("_Struct", bound=msgspec.Struct)

WrittenStatus = Literal["running", "finished", "failed", "interrupted"]
"""What a run says of its life."""

Row = dict[str, Any]
Columns = dict[str, list[Any]]

_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


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
    except _UNREADABLE:
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
    except _UNREADABLE:
        return None
    return FoundTail(tail, start)


def find_last_record(data: bytes) -> MetricsSnapshot | None:
    """The object ``last`` that ends ``data``, of a tail whose beginning may be overwritten."""
    start = data.rfind(_LAST)
    if start < 0 or not _is_last_record_sound(data):
        return None
    try:
        row = msgspec.json.decode(_last_record_bytes(data, start))
    except _UNREADABLE:
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
        if len(rows) == line_count(region) and all(map(_is_record, rows)):
            return rows
    except _UNREADABLE:
        pass
    rows = []
    for line in region.split(b"\n"):
        if not (line := line.strip(SEPARATORS)):
            continue
        try:
            row = msgspec.json.decode(line)
        except _UNREADABLE:
            break
        if not _is_record(row):
            break
        rows.append(row)
    return rows


def line_count(region: bytes) -> int:
    """The lines of a region of records, without blank ones at its ends."""
    stripped = region.strip(SEPARATORS)
    return stripped.count(b"\n") + 1 if stripped else 0


def _is_record(row: object) -> bool:
    if not isinstance(row, dict):
        return False
    iteration = as_number(row.get("iteration"))
    if iteration is None or not math.isfinite(iteration):
        return False
    return not any(isinstance(value, (dict, list)) for value in row.values())


class RecordDecoder:
    """Decodes regions of records into columns of equal length, quickly for a stable set of keys.

    It remembers the keys it has met, so that the usual region, whose records have the same keys
    as those before, is decoded without a dictionary for each record.
    """

    def __init__(self) -> None:
        self._keys: tuple[str, ...] = RECORD_FIELDS

    def decode(self, region: bytes) -> Columns:
        """Values by key: numbers, strings (names of non-finite numbers), or ``None`` for no value.

        Stops before the first line that is not a record.
        """
        try:
            rows, columns = _column_decoder(self._keys)
            decoded = rows(b"[" + region.strip(SEPARATORS) + b"]")
        except _UNREADABLE:
            return self._decode_loosely(region)
        if len(decoded) != line_count(region):  # one of them is not in a line of its own
            return self._decode_loosely(region)
        return {key: list(map(column, decoded)) for key, column in columns.items()}

    def _decode_loosely(self, region: bytes) -> Columns:
        columns = columns_of_rows(whole_rows(region), self._keys)
        self._keys = tuple(filter(_can_name_a_field, columns))
        return columns


def most_keys(records: int) -> int:
    """How many keys a reader keeps of so many records: those it met first.

    Columns take records times keys in memory, whatever a file holds: one whose every record has a
    key of its own would cost the square of its length.
    """
    return min(_MOST_KEYS, max(_MOST_CELLS // max(records, 1), _FEWEST_KEYS))


def columns_of_rows(rows: list[Row], known: Iterable[str] = RECORD_FIELDS) -> Columns:
    """Columns of equal length from decoded records; what is no number becomes ``None``.

    The first ones are those of the ``known`` keys; of very many keys only the first are kept.
    """
    met = dict.fromkeys((*known, *(key for row in rows for key in row)))
    kept = itertools.islice(met, most_keys(len(rows)))
    columns: Columns = {key: [None] * len(rows) for key in kept}
    for place, row in enumerate(rows):
        for key, value in row.items():
            if key in columns:
                columns[key][place] = as_number(value)
    return columns


def _can_name_a_field(key: str) -> bool:
    """Whether msgspec takes the key; records with others are decoded one by one."""
    return not any(character in '"\\' or character < " " for character in key)


@functools.lru_cache(maxsize=64)
def _column_decoder(
    keys: tuple[str, ...],
) -> tuple[Callable[[bytes], list[Any]], dict[str, operator.attrgetter[Any]]]:
    """A decoder for records of these keys, and a getter for each key's value."""
    names = {key: f"value_{index}" for index, key in enumerate(keys)}
    others = [name for key, name in names.items() if key != "iteration"]
    record = msgspec.defstruct(
        "Record",
        [(names["iteration"], float), *((name, float | str | None, None) for name in others)],
        rename={name: key for key, name in names.items()},
        forbid_unknown_fields=True,
        gc=False,
    )
    getters = {key: operator.attrgetter(name) for key, name in names.items()}
    decoder: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[record])  # type: ignore[valid-type]
    return decoder.decode, getters


# ---------------------------------------------------------------------------------- documents


class Document(NamedTuple):
    """A whole file in memory: ours or another program's of the same schema."""

    head: Head
    rows: list[Row]
    tail: Tail


def parse_document(data: bytes) -> Document:
    """Any JSON document of this schema, however it is indented, with bare NaN and Infinity.

    Optional keys may be missing or of a wrong type. Raises ``ValueError`` with the reason when
    the bytes are no such document.
    """
    document = _decode_tolerantly(data)
    if not isinstance(document, dict):
        raise ValueError(f"holds a JSON {type(document).__name__}, not an object")
    rows = document.get("metrics_history")
    config = document.get("config")
    if not isinstance(rows, list) and not isinstance(config, dict):
        raise ValueError('has neither "config" nor "metrics_history"')
    kept = [row for row in rows if _is_record(row)] if isinstance(rows, list) else []
    found: Row = {key: value for key, value in document.items() if value is not None}
    if found.get("status") not in get_args(WrittenStatus):
        found["status"] = "finished" if found.get("end_time") else "running"
    found |= {"count": len(kept), "last": kept[-1] if kept else {}}
    head = _convert_usable(found, Head)
    return Document(head, kept, _convert_usable(found, Tail))


def _decode_tolerantly(data: bytes) -> object:
    try:
        return msgspec.json.decode(data)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    import json  # the slow path only: accepts bare NaN, Infinity and numbers out of range

    try:
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 text: {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from None


def _decode_usable(decoder: msgspec.json.Decoder[_Struct], data: bytes) -> _Struct:
    """A Head or Tail; values of a wrong type, as of a later format, count as missing."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        return _convert_usable(msgspec.json.decode(data), decoder.type)


def _convert_usable(found: Row, wanted: type[_Struct]) -> _Struct:
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
