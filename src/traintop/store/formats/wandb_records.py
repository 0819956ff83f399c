"""The bytes of W&B's ``run-*.wandb`` files.

Behind seven bytes of its own, a file is a log of LevelDB
(https://github.com/google/leveldb/blob/main/doc/log_format.md): blocks of 32 KiB with chunks in
them. Each chunk has a checksum, which here is the usual CRC-32. A record is one chunk, or several
where it goes on in the next block. It is a ``Record`` of Protocol Buffers
(``wandb/proto/wandb_internal.proto``), whose values are JSON.

Most records are rows of the history. Their values come in any order, so the bytes of a name are
taken apart once, and the values of a metric are decoded together.
"""

from __future__ import annotations

import itertools
import json
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
import numpy as np

from traintop.logfile.columns import kept_names, most_keys
from traintop.store.formats.protobuf import fields, integer, message, text
from traintop.store.history import FloatColumn, as_column, unmeasured
from traintop.values import as_number

BLOCK = 32 * 1024
"""Bytes of a block of a file."""

HEADER = b":W&B\xe1\xbe\x00"
"""What a file begins with: a name, a magic number, and the version 0."""

_CHUNK = struct.Struct("<IHB")
_FULL, _FIRST, _LAST = 1, 2, 4  # 3 is in between
_LARGEST_RECORD = 4 * 1024 * 1024
_LARGEST_GAP = 16 * 1024 * 1024

_HISTORY, _SUMMARY = 2, 3  # of a Record
_ITEM, _ROW_STEP = 1, 2  # of a HistoryRecord
_KEY, _NESTED_KEY, _VALUE = 1, 2, 16  # of an item of the history or the configuration

_STEP, _TIME = "_step", "_timestamp"  # which W&B adds to each row, the time since 1970
_NO_METRICS = frozenset({_STEP, _TIME, "_runtime", "_wandb", "iteration", "wallclock_time"})
_MEDIA = "_type"  # what an object has that stands for a picture, a table, a histogram

_BEGINNING = re.compile(rb"\x08[\x80-\xff]*[\x00-\x7f]([\x12\x1a])[\x80-\xff]*[\x00-\x7f]")
"""A record of the history or of the summary: its number, which of both it is, and its length."""

_ITEMS = re.compile(rb"\n.([\n\x12][^\x82]{1,250})\x82\x01.([^\n]+)", re.DOTALL)
"""The bytes of names, with their tags and lengths, and of values. Behind the last value is the
step. No length is checked, but no JSON that was cut elsewhere is a number."""

_VALUE_TAG = b"\x82\x01"
_MOST_NAMES = 20_000
_MOST_LEAVES = 5000
_DEEPEST = 20

_as_numbers = msgspec.json.Decoder(list[float]).decode


class RecordLog:
    """Finds the records in the bytes of a file, from the start of a block on."""

    def __init__(self, offset: int = 0) -> None:
        self._offset = offset  # of the next bytes
        self._damaged = 0
        self._gap = 0  # bytes since the last whole chunk
        self._ends_damaged = False
        self._parts: list[bytes] | None = None  # of a record that goes on
        self._size = 0  # of these, in the file

    @property
    def damaged(self) -> int:
        """How many parts of the file were left out."""
        return self._damaged + self._ends_damaged

    def take(self, data: bytes) -> tuple[list[bytes], int]:
        """The records in some bytes, and how many bytes are done with.

        Raises ``ValueError`` when there are no records any more.
        """
        records: list[bytes] = []
        start, size = self._offset, len(data)
        place = 0 if start else len(HEADER)
        if place > size:
            return records, 0
        if not start and not data.startswith(HEADER):
            raise ValueError("does not begin as files of W&B do")
        self._ends_damaged = False
        while place + _CHUNK.size <= size:
            block_end = place + BLOCK - (start + place) % BLOCK
            begin = place + _CHUNK.size
            if begin > block_end:  # there is no room for a chunk
                place = block_end
                continue
            checksum, length, kind = _CHUNK.unpack_from(data, place)
            end = begin + length
            fits = end <= block_end and kind > 0
            if fits and end > size:
                break
            if fits and zlib.crc32(data[begin - 1 : end]) == checksum:
                self._gap = 0
                if kind == _FULL:
                    records.append(data[begin:end])
                else:
                    records += self._completed(kind, data[begin:end])
                place = end
            elif block_end > size:  # it may be in the midst of being written
                self._ends_damaged = True
                break
            else:
                after = end if fits and not self._gap else block_end
                self._skip(after - place)
                place = after
        self._offset += place
        return records, place

    def _completed(self, kind: int, part: bytes) -> Iterator[bytes]:
        """The record that a chunk completes, if it does."""
        if kind == _FIRST:
            self._parts, self._size = [], 0
        if self._parts is None:
            return
        self._size += _CHUNK.size + len(part)
        self._parts.append(part)
        if self._size > _LARGEST_RECORD:
            self._parts = None
        elif kind == _LAST:
            yield b"".join(self._parts)
            self._parts = None

    def _skip(self, length: int) -> None:
        self._damaged += not self._gap
        self._gap += length
        self._parts = None
        if self._gap > _LARGEST_GAP:
            raise ValueError(f"has no records in {_LARGEST_GAP // 2**20} MB")


class HistoryDecoder:
    """Takes records apart: gathers the rows of the history, and gives the others away by field."""

    def __init__(self, take_other: Callable[[int, bytes], None]) -> None:
        self.damaged = 0
        """Records that were left out."""
        self._take_other = take_other
        self._rows: list[dict[bytes, bytes]] = []
        self._names: dict[bytes, str] = {}  # by the bytes that stand for them in a row
        self._place = _STEP
        self._last_place: float | None = None

    def count_by(self, metric: str) -> None:
        """Have a metric say where rows are, unless there were any."""
        if self._last_place is None and not self._rows:
            self._place = metric

    def take(self, records: Sequence[bytes]) -> None:
        """Take records apart."""
        for record in records:
            begins = _BEGINNING.match(record)
            if begins is not None and begins[1] == b"\x1a":
                continue
            if begins is not None and self._take_usual(record, begins.end()):
                continue
            try:
                for number, value in fields(record):
                    if number == _HISTORY:
                        self._rows.append(self._row(message(value)))
                    elif number != _SUMMARY and isinstance(value, bytes):
                        self._take_other(number, value)
            except ValueError:
                self.damaged += 1

    def _take_usual(self, record: bytes, start: int) -> bool:
        """Take a row whose values are no objects, as most are; whether it is one."""
        found = _ITEMS.findall(record, start)
        if len(found) != record.count(_VALUE_TAG) or not found or b"_step" not in record:
            return False
        if b"{" in record or b"_type" in record:
            return False
        row = dict(found)
        name, last = found[-1]
        row[name], step, _ = last.partition(b"\x12")
        if not step or not (row.keys() <= self._names.keys() or all(map(self._learn, row))):
            return False
        self._rows.append(row)
        return True

    def _learn(self, name: bytes) -> bool:
        """Know a name by its bytes from now on; whether they are one."""
        if name not in self._names:
            try:
                parts = [text(part) for number, part in fields(name)]
            except ValueError:
                return False
            self._names[name] = ".".join(parts)
        return True

    def _row(self, history: bytes) -> dict[bytes, bytes]:
        """Any row, with the objects in it taken apart, but for those that stand for media."""
        leaves: dict[tuple[str, ...], Any] = {}
        for number, item in fields(history):
            if number == _ROW_STEP:
                leaves.setdefault((_STEP,), integer(dict(fields(message(item))).get(1, 0)))
            elif number == _ITEM:
                path, value = item_of(message(item))
                leaves.update(itertools.islice(_leaves(path, value), _MOST_LEAVES))
        media = {path[:-1] for path in leaves if path[-1] == _MEDIA}
        row = {}
        for path, leaf in leaves.items():
            if not any(path[:depth] in media for depth in range(1, len(path))):
                name = ".".join(path)
                raw = name.encode(errors="replace")
                self._names[raw] = name
                row[raw] = json.dumps(leaf).encode()
        return row

    def columns(self) -> dict[str, FloatColumn]:
        """The rows that were taken since this was asked last; empty where there are none.

        ``wallclock_time`` is in seconds since 1970.
        """
        rows, self._rows = self._rows, []
        if not rows:
            return {}
        alike: dict[str, list[bytes]] = {}
        for raw in dict.fromkeys(itertools.chain.from_iterable(rows)):
            alike.setdefault(self._names[raw], []).append(raw)
        metrics = (name for name in alike if name not in _NO_METRICS)
        columns = {
            name: _column(rows, alike.get(name, ()))
            for name in (*kept_names(metrics, most_keys(len(rows))), self._place, _TIME)
        }
        if len(self._names) > _MOST_NAMES:
            self._names.clear()
        columns["wallclock_time"] = columns.pop(_TIME)
        columns["iteration"] = self._filled(columns[self._place])
        columns.pop(_STEP, None)
        return columns

    def _filled(self, places: FloatColumn) -> FloatColumn:
        """The places of rows, each that has none at the one before it, as W&B has it."""
        known = np.concatenate(([self._last_place or 0.0], places))
        at = np.maximum.accumulate(np.where(np.isfinite(known), np.arange(len(known)), 0))
        self._last_place = float(known[at[-1]])
        return known[at[1:]]


def item_of(item: bytes) -> tuple[tuple[str, ...], Any]:
    """The parts of a name, and the value: ``None`` where it is no JSON."""
    path, value = [], b""
    for number, part in fields(item):
        if number in (_KEY, _NESTED_KEY):
            path.append(text(part))
        elif number == _VALUE:
            value = message(part)
    if not 0 < len(path) <= _DEEPEST:
        raise ValueError("has a value without a name, or with one of very many parts")
    return (*path,), _decoded(value)


def _leaves(path: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The values in a JSON value that are no objects, and their paths."""
    if not isinstance(value, dict):
        yield path, value
    elif len(path) < _DEEPEST:
        for name, inner in value.items():
            yield from _leaves((*path, name), inner)


def _column(rows: Sequence[Mapping[bytes, bytes]], names: Sequence[bytes]) -> FloatColumn:
    """What rows have under any of some names; what is no number is not measured."""
    values: list[bytes | None] = (
        [row.get(names[0]) for row in rows] if names else [None] * len(rows)
    )
    for name in names[1:]:
        values = [row.get(name, value) for row, value in zip(rows, values, strict=True)]
    given = [value for value in values if value is not None]
    numbers = _numbers(given)
    if len(given) == len(values):
        return numbers
    column = unmeasured(len(values))
    column[[value is not None for value in values]] = numbers
    return column


def _numbers(values: Sequence[bytes]) -> FloatColumn:
    with suppress(ValueError):  # where any of them is NaN, a text …
        numbers = _as_numbers(b"[%b]" % b",".join(values))
        if len(numbers) == len(values):
            return np.array(numbers)
    return as_column([as_number(_decoded(value)) for value in values])


def _decoded(value: bytes) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None
