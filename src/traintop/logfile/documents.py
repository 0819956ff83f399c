"""JSON documents of this schema as other programs write them, read in portions.

Decoded at once, a document would take up to thirty times its size in memory: a record of 20 bytes
becomes a dictionary of 200 and more. So its records are taken out by their brackets, some ten
thousand at a time, and become columns; only what stands around them is decoded as a whole.
Nothing here opens a file.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple, get_args

import msgspec

from traintop.logfile import Head, Row, Tail, WrittenStatus, convert_usable
from traintop.logfile.columns import Columns, RecordDecoder
from traintop.logfile.tolerance import decode_tolerantly

LONGEST_MEMBERS = 4 * 1024 * 1024
"""Bytes of settings, notes and results, which stay in memory."""

LONGEST_RECORD = 4 * 1024 * 1024
"""A longer record is none."""

_PORTION = 16 * 1024 * 1024
_MOST_KEYS_TRIED = 8
_DEEPEST = 1000

_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_RECORD = rb'\{(?:[^{}\[\]"]++|%b)*+\}' % _STRING  # no object or list in it
_NO_RECORD = rb'(?:[^\s,{}\[\]"]++|%b|\[[^{}\[\]"]*+\])' % _STRING
_SOME = rb"(?:\s*+%b\s*+,?+){1,65536}+"

_RECORDS_KEY = re.compile(rb'"metrics_history"\s*+:\s*+\[')
_ONE_RECORD = re.compile(_RECORD, re.DOTALL)
_RECORDS = re.compile(_SOME % _RECORD, re.DOTALL)
_NO_RECORDS = re.compile(_SOME % _NO_RECORD, re.DOTALL)
_SEPARATORS = re.compile(rb"[\s,]*+")
_BRACKET = re.compile(rb"%b|[{}\[\]]" % _STRING, re.DOTALL)
_SEPARATING = b", \t\r\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Surroundings(NamedTuple):
    """What a document says beside its records."""

    head: Head
    tail: Tail  # its `count` and `last` are left to the records


def parse_document(data: bytes, take: Callable[[Columns], object]) -> Surroundings:
    """Any JSON document of this schema, however it is indented, with bare NaN and Infinity.

    ``take`` is given the records, portion by portion; what is none is left out. Optional keys may
    be missing or of a wrong type. Raises ``ValueError`` with the reason when the bytes are no such
    document, which may be after some records.
    """
    start = len(_BYTE_ORDER_MARK) if data.startswith(_BYTE_ORDER_MARK) else 0
    begun = _before_records(data, start)
    if begun is None:
        found = _members(data[start:])
        if not isinstance(found.get("config"), dict):
            raise ValueError('has neither "config" nor "metrics_history"')
    else:
        found, records_at = begun
        end = _take_records(data, records_at, take)
        rest = data[end + 1 :].lstrip()
        if not rest.startswith((b",", b"}")):
            raise ValueError(f"is not JSON: its members do not go on at byte {end + 1}")
        found |= _members(b"{" + rest.removeprefix(b","))
    found = {key: value for key, value in found.items() if value is not None}
    if found.get("status") not in get_args(WrittenStatus):
        found["status"] = "finished" if found.get("end_time") else "running"
    found |= {"count": 0, "last": {}}
    return Surroundings(convert_usable(found, Head), convert_usable(found, Tail))


def _before_records(data: bytes, start: int) -> tuple[Row, int] | None:
    """The members before the records, and where these begin; ``None`` where there is no list.

    What stands before a key, closed by a brace, is an object only where the key is one of the
    document's own: elsewhere a brace, a bracket or a quote would stay open.
    """
    for key in itertools.islice(_RECORDS_KEY.finditer(data), _MOST_KEYS_TRIED):
        before = data[start : key.start()].rstrip()
        if not before.endswith((b"{", b",")):
            continue
        try:
            return _members(before.removesuffix(b",") + b"}"), key.end()
        except _TooMuchError:
            raise
        except ValueError:
            continue
    return None


class _TooMuchError(ValueError):
    def __init__(self, size: int) -> None:
        super().__init__(
            f"has settings or notes of {size / 1e6:.0f} MB; up to {LONGEST_MEMBERS / 1e6:.0f} MB "
            "are read"
        )


_MEMBERS = msgspec.json.Decoder(
    msgspec.defstruct(
        "Members",
        [
            (key, msgspec.Raw, msgspec.Raw())
            for key in (*Head.__struct_encode_fields__, *Tail.__struct_encode_fields__)
        ],
    )
)


def _members(text: bytes) -> Row:
    """The members of an object that a head or a tail has; of others nothing is kept in memory."""
    try:
        members = _MEMBERS.decode(text)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        if len(text) > LONGEST_MEMBERS:
            raise ValueError(f"is not JSON: {error}") from None
        return _members_tolerantly(text)
    raw = {key: memoryview(getattr(members, key)) for key in members.__struct_fields__}
    size = sum(map(len, raw.values()))
    if size > LONGEST_MEMBERS:
        raise _TooMuchError(size)
    return {key: decode_tolerantly(bytes(value)) for key, value in raw.items() if value}


def _members_tolerantly(text: bytes) -> Row:
    found = decode_tolerantly(text)
    if not isinstance(found, dict):
        raise ValueError(f"holds a JSON {type(found).__name__}, not an object")
    return found


def _take_records(data: bytes, at: int, take: Callable[[Columns], object]) -> int:
    """Hands out the records from an offset on; returns the offset of the bracket that ends them."""
    decoder = RecordDecoder()
    while True:
        if found := _RECORDS.match(data, at):
            for portion in _portions(data, at, found.end()):
                columns = decoder.decode_list(portion)
                if columns["iteration"]:
                    take(columns)
            at = found.end()
            continue
        at = _end(_SEPARATORS.match(data, at))
        if data.startswith(b"]", at):
            return at
        found = _NO_RECORDS.match(data, at)
        end = found.end() if found else _after_nested(data, at)
        if end - at <= LONGEST_RECORD:
            decode_tolerantly(b"[%b]" % data[at:end].strip(_SEPARATING))  # or it is no JSON
        at = end


def _portions(data: bytes, start: int, end: int) -> Iterator[bytes]:
    """The records between two offsets as elements of lists, none of which is too long."""
    if end - start <= _PORTION:
        yield data[start:end].strip(_SEPARATING)
        return
    first = last = start
    for record in _ONE_RECORD.finditer(data, start, end):
        is_too_long = record.end() - record.start() > LONGEST_RECORD
        if is_too_long or record.end() - first > _PORTION:
            yield data[first:last].strip(_SEPARATING)
            first = record.end() if is_too_long else record.start()
        last = record.end()
    yield data[first:last].strip(_SEPARATING)


def _after_nested(data: bytes, at: int) -> int:
    """The offset after an object or list of any depth, which is no record."""
    depth = 0
    for bracket in _BRACKET.finditer(data, at):
        if depth == 0 and bracket.start() != at:
            break
        depth += {b"{": 1, b"[": 1, b"}": -1, b"]": -1}.get(bracket.group(), 0)
        if depth > _DEEPEST:
            raise ValueError("is nested too deeply")
        if depth <= 0:
            return _end(_SEPARATORS.match(data, bracket.end()))
    raise ValueError(f"is not JSON: its records do not go on at byte {at}")


def _end(found: re.Match[bytes] | None) -> int:
    assert found is not None  # of a pattern that also matches nothing
    return found.end()
