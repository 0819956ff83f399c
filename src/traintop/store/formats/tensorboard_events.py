"""The bytes of TensorBoard's event files.

A file is a row of records, each with its length, a checksum of that, the data, and a checksum of
these. The data is an ``Event`` of Protocol Buffers (``tensorboard/compat/proto/event.proto``).

Most events are one number of one tag, and differ from the last one of their tag in time, step and
value only. So the other bytes are looked up, and are taken apart once for each tag.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from traintop.store.formats.crc32c import are_whole, crc32c, masked
from traintop.store.formats.protobuf import fields, message, signed, text, varint
from traintop.store.formats.series import Series, columns_of
from traintop.store.history import FloatColumn

_HEADER = 12  # bytes: the length, and its checksum
_LARGEST_EVENT = 1024 * 1024
_LONGEST_NUMBER = 512
_LARGEST_DECODED = 256 * 1024  # pictures, sounds and graphs are larger; no number is
_ZEROS = bytes(5)
_LARGEST_GAP = 16 * 1024 * 1024
MOST_TAGS = 10_000
"""Of a file; further ones are left out."""

_MOST_LENGTHS = 4096
_MOST_TEXTS, _LONGEST_TEXT = 20, 2000

_EVENT_STEP, _EVENT_SUMMARY, _EVENT_SESSION = 2, 5, 7
_TAG, _SIMPLE_VALUE, _TENSOR, _METADATA = 1, 2, 8, 9  # of a Summary.Value
_DTYPE, _CONTENT, _STRINGS = 1, 4, 8  # of a TensorProto

# How a number of each dtype of a tensor is stored, and the field that has those not in _CONTENT.
_DTYPES = {1: ("<f4", 5), 2: ("<f8", 6), 3: ("<i4", 7), 9: ("<i8", 10), 19: ("<f2", 13)}

_PLUGINS = ("hparams", "text")
_TEXT_SUFFIX = "/text_summary"


class _Scalar(NamedTuple):
    """A tag that has a number, and how that is stored."""

    tag: str
    dtype: str


class _Logged:
    """The numbers of one tag as they are read."""

    __slots__ = ("steps", "times", "values")

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.times: list[bytes] = []
        self.values: list[bytes] = []

    def series(self, scalar: _Scalar) -> Series:
        """The same as columns."""
        steps, times = np.array(self.steps, np.float64), np.frombuffer(b"".join(self.times), "<f8")
        values = np.frombuffer(b"".join(self.values), scalar.dtype).astype(np.float64)
        return Series(scalar.tag, steps, times, values)


class _Contents(NamedTuple):
    """What is of use in an event."""

    starts_session: bool
    scalars: list[tuple[_Scalar, bytes]]
    others: list[bytes]  # values for a plugin of TensorBoard that is known here


class EventDecoder:
    """Takes one event file apart. ``named`` says what the numbers of a tag are called."""

    def __init__(self, named: Callable[[str], str] = str) -> None:
        self.settings: dict[str, Any] = {}
        self.texts: dict[str, str] = {}
        self.purged_from: int | None = None
        """The step from which on earlier files are void, where the program says so."""
        self.first_time: float | None = None
        """In seconds since 1970."""
        self.damaged = 0
        """Records that were left out."""
        self.has_more_tags = False
        """Whether some tags were left out, for there were too many."""
        self._named = named
        self._series: dict[_Scalar, _Logged] = {}
        self._templates: dict[bytes, _Logged] = {}
        self._ends: dict[int, None] = {4: None}  # how far before its end an event has its value
        self._lengths: dict[bytes, int] = {}
        self._gap = 0  # bytes since the last whole record

    def take(self, data: bytes) -> int:
        """Decode the whole records at the start of some bytes; how many bytes are done with.

        That may be more than there are: a large record is left unread. Raises ``ValueError`` when
        there are no records any more.
        """
        found: dict[int, list[int]] = {}  # where events begin, by their lengths
        place, size, lengths = 0, len(data), self._lengths
        while place + _HEADER <= size:
            header = data[place : place + _HEADER]
            length = lengths.get(header)
            if length is None:
                length = length_at(data, place)
                if length is None:
                    place = self._after_gap(data, place)
                    continue
                if len(lengths) < _MOST_LENGTHS:
                    lengths[header] = length
            end = place + _HEADER + length + 4
            if end > size and length <= _LARGEST_EVENT:
                break
            self._gap = 0
            if length <= _LARGEST_DECODED:
                found.setdefault(length, []).append(place + _HEADER)
            place = end
        for event in sorted(self._events(data, found)):
            try:
                self._take_event(data, *event)
            except (ValueError, struct.error):
                self.damaged += 1
        return place

    def _after_gap(self, data: bytes, place: int) -> int:
        """Where the next record begins after bytes that are none, or where to look on."""
        self.damaged += self._gap == 0
        found = first_record(data, place + 1)
        after = len(data) - _HEADER + 1 if found is None else found
        self._gap += after - place
        if self._gap > _LARGEST_GAP:
            raise ValueError(f"has no events in {_LARGEST_GAP // 2**20} MB")
        return after

    def _events(
        self, data: bytes, found: Mapping[int, list[int]]
    ) -> Iterator[tuple[int, int, bool]]:
        """Where each event begins and ends, and whether its checksum is known to be right.

        Long ones, such as histograms, are looked at first: of most, nothing is of use.
        """
        for length, starts in found.items():
            is_checked = length <= _LONGEST_NUMBER
            if is_checked:
                whole = are_whole(data, starts, length)
                if not whole.all():
                    self.damaged += len(starts) - int(whole.sum())
                    starts = [starts[at] for at in np.flatnonzero(whole)]
            for start in starts:
                yield start, start + length, is_checked

    def _take_event(self, data: bytes, start: int, end: int, is_checked: bool) -> None:
        if data[start] != 0x09:  # field 1, a double: the time always stands first
            raise ValueError("is an event without a time")
        time, place, step = data[start + 1 : start + 9], start + 9, 0
        if place < end and data[place] == _EVENT_STEP << 3:  # which is left out where it is 0
            step, place = varint(data, place + 1)
            step = signed(step)
        for before_end in self._ends if is_checked else ():
            at = end - before_end
            series = self._templates.get(data[place:at] + data[at + 4 : end])
            if series is not None:
                series.steps.append(step)
                series.times.append(time)
                series.values.append(data[at : at + 4])
                return
        contents = _contents(data[place:end])
        if not is_checked and any(contents) and not is_whole(data, start, end):
            raise ValueError("has a wrong checksum")
        self._take_new_kind(contents, time, step)
        if is_checked and len(contents.scalars) == 1 and not self.has_more_tags:
            self._learn(data[place:end], *contents.scalars[0])

    def _take_new_kind(self, contents: _Contents, time: bytes, step: int) -> None:
        """What an event holds that is no number of a known tag."""
        if self.first_time is None:
            (self.first_time,) = struct.unpack("<d", time)
        if contents.starts_session:
            self.purged_from = step
        for value in contents.others:
            self._take_setting_or_text(value)
        for scalar, stored in contents.scalars:
            series = self._series_of(scalar)
            series.steps.append(step)
            series.times.append(time)
            series.values.append(stored)

    def _series_of(self, scalar: _Scalar) -> _Logged:
        named = scalar._replace(tag=self._named(scalar.tag))
        series = self._series.get(named)
        if series is None:
            series = _Logged()
            if len(self._series) < MOST_TAGS:
                self._series[named] = series
            else:
                self.has_more_tags = True
        return series

    def _learn(self, rest: bytes, scalar: _Scalar, stored: bytes) -> None:
        """Know the next event of a tag by all of its bytes but its value, if that has four."""
        at = rest.rfind(stored)
        other = bytes(byte ^ 0x55 for byte in stored)
        changed = _contents(rest[:at] + other + rest[at + 4 :]).scalars
        if len(stored) == 4 and changed == [(scalar, other)]:
            self._ends[len(rest) - at] = None
            self._templates[rest[:at] + rest[at + 4 :]] = self._series_of(scalar)

    def _take_setting_or_text(self, value: bytes) -> None:
        known = dict(fields(value))
        tag, tensor = text(known.get(_TAG, b"")), message(known.get(_TENSOR, b""))
        plugin, content = _plugin(value)
        if plugin == "hparams":
            self.settings |= _hyperparameters(content)
        elif len(self.texts) < _MOST_TEXTS or tag in self.texts:
            lines = [text(line) for number, line in fields(tensor) if number == _STRINGS]
            self._take_text(tag.removesuffix(_TEXT_SUFFIX), "\n".join(lines))

    def _take_text(self, tag: str, words: str) -> None:
        """A text, which is a note, or settings where it is a JSON object."""
        if words.lstrip().startswith("{"):
            with suppress(ValueError, RecursionError):
                found = json.loads(words)
                self.settings |= found if tag == "args" else {tag: found}
                return
        if words.strip():
            self.texts[tag] = words[:_LONGEST_TEXT]

    def columns(self) -> Iterator[dict[str, FloatColumn]]:
        """The records that were decoded since this was asked last.

        They come in several parts where one would be large, as of thousands of tags that have no
        step in common. ``wallclock_time`` is in seconds since 1970.
        """
        logged = [(scalar, one) for scalar, one in self._series.items() if one.steps]
        yield from columns_of([one.series(scalar) for scalar, one in logged])
        for _, one in logged:
            one.steps, one.times, one.values = [], [], []


def length_at(data: bytes, place: int) -> int | None:
    """The length of the record that begins there; ``None`` where none begins."""
    header = data[place : place + _HEADER]
    if len(header) < _HEADER:
        return None
    length, checksum = struct.unpack("<QI", header)
    return length if masked(crc32c(header[:8])) == checksum else None


def first_record(data: bytes, start: int) -> int | None:
    """Where the first record begins from some place on; ``None`` where none does.

    The length of one that is no larger than 16 MB ends with five zeros.
    """
    at = data.find(_ZEROS, start) if len(data.rstrip(b"\0")) > start else -1
    while at >= 0:
        place, checksum = at - 8 + len(_ZEROS), data[at + len(_ZEROS) : at + len(_ZEROS) + 4]
        if place >= start and checksum.strip(b"\0") and length_at(data, place) is not None:
            return place
        at = data.find(_ZEROS, at + 1)
    return None


def _contents(rest: bytes) -> _Contents:
    """What an event holds, given the bytes behind its step."""
    contents = _Contents(False, [], [])
    for number, value in fields(rest):
        if number == _EVENT_SESSION:
            contents = contents._replace(starts_session=(1, 1) in fields(message(value)))
        elif number == _EVENT_SUMMARY:
            for kind, one in fields(message(value)):
                scalar = scalar_of(message(one)) if kind == 1 else None
                if scalar is not None:
                    contents.scalars.append(scalar)
                elif kind == 1 and _plugin(message(one))[0] in _PLUGINS:
                    contents.others.append(message(one))
    return contents


def _plugin(value: bytes) -> tuple[str, bytes]:
    """The plugin of TensorBoard that a ``Summary.Value`` is for, and what it left for itself."""
    metadata = dict(fields(message(dict(fields(value)).get(_METADATA, b""))))
    data = dict(fields(message(metadata.get(1, b""))))
    return text(data.get(1, b"")), message(data.get(2, b""))


def is_whole(data: bytes, start: int, end: int) -> bool:
    """Whether the checksum behind one record is right."""
    return masked(crc32c(data[start:end])) == int.from_bytes(data[end : end + 4], "little")


def scalar_of(value: bytes) -> tuple[_Scalar, bytes] | None:
    """The number in a ``Summary.Value`` and its bytes, be it a tensor; ``None`` where none is."""
    known = dict(fields(value))
    tag = text(known.get(_TAG, b""))
    simple = known.get(_SIMPLE_VALUE)
    if simple is not None:
        return (_Scalar(tag, "<f4"), message(simple)) if len(message(simple)) == 4 else None
    tensor = dict(fields(message(known.get(_TENSOR, b""))))
    kind = tensor.get(_DTYPE)
    if not isinstance(kind, int) or kind not in _DTYPES:
        return None
    dtype, number = _DTYPES[kind]
    stored, width = tensor.get(_CONTENT, tensor.get(number, b"")), int(dtype[-1])
    if isinstance(stored, int) or (len(stored) != width and dtype[1] == "i"):  # a varint, or packed
        whole = stored if isinstance(stored, int) else varint(stored, 0)[0]
        stored = struct.pack("<q", signed(whole))[:width]
    return (_Scalar(tag, dtype), stored) if len(stored) == width else None  # else of several


def _hyperparameters(plugin_data: bytes) -> Iterator[tuple[str, Any]]:
    """The settings in the data of the plugin ``hparams``."""
    for number, session in fields(plugin_data):
        if number != 3:  # session_start_info
            continue
        for kind, entry in fields(message(session)):
            if kind == 1:
                pair = dict(fields(message(entry)))
                yield text(pair.get(1, b"")), _plain(message(pair.get(2, b"")))


def _plain(value: bytes) -> object:
    """A ``google.protobuf.Value`` that is no list or object."""
    for number, content in fields(value):
        if number == 2:
            (decimal,) = struct.unpack("<d", message(content))
            return int(decimal) if decimal.is_integer() and abs(decimal) < 2**53 else decimal
        if number == 3:
            return text(content)
        if number == 4:
            return bool(content)
    return None
