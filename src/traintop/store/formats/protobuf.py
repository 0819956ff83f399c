"""The wire format of Protocol Buffers, as far as the files of other tools need it.

See https://protobuf.dev/programming-guides/encoding. Messages are taken apart field by field; what
a field means is known to those who ask. Functions raise ``ValueError`` for what is no message.
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Each field of a message: its number, and an integer, or the bytes of anything else."""
    place, end = 0, len(data)
    while place < end:
        key, place = varint(data, place)
        kind = key & 7
        if kind == _VARINT:
            number, place = varint(data, place)
            yield key >> 3, number
            continue
        if kind == _BYTES:
            length, place = varint(data, place)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"has a field of the unknown wire type {kind}")
        if length > end - place:
            raise ValueError("has a field that is longer than its message")
        yield key >> 3, data[place : place + length]
        place += length


def varint(data: bytes, place: int) -> tuple[int, int]:
    """The number at a place, unsigned, and where the next byte is."""
    number = shift = 0
    for at in range(place, min(place + _LONGEST_VARINT, len(data))):
        byte = data[at]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & 0xFFFF_FFFF_FFFF_FFFF, at + 1
        shift += 7
    raise ValueError("has a number that does not end")


def signed(number: int) -> int:
    """A 64-bit varint as the signed number that it stands for."""
    return number - (1 << 64) if number >= 1 << 63 else number


def message(field: int | bytes) -> bytes:
    """The bytes of a field that should have some."""
    if isinstance(field, int):
        raise ValueError("has a number where a message should be")
    return field


def integer(field: int | bytes) -> int:
    """A field that should be a signed number."""
    if isinstance(field, bytes):
        raise ValueError("has a message where a number should be")
    return signed(field)


def text(field: int | bytes) -> str:
    """A field that should be a text; what is no UTF-8 in it is replaced."""
    return message(field).decode(errors="replace")
