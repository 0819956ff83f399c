"""Event files of TensorBoard, as far as tests make their own; those of the real writers are in
``tests/foreign``.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

from traintop.store.formats.crc32c import crc32c, masked

START = 1_700_000_000.0
_numbers = itertools.count()


def record(data: bytes) -> bytes:
    """A record of a file: length, checksum, data, checksum."""
    length = struct.pack("<Q", len(data))
    checksums = (struct.pack("<I", masked(crc32c(part))) for part in (length, data))
    return length + next(checksums) + data + next(checksums)


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    data = bytearray()
    while number >= 0x80:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*data, number])


def field(number: int, data: bytes) -> bytes:
    """A field with a length."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def event(time: float, step: int, rest: bytes) -> bytes:
    place = b"\x10" + varint(step) if step else b""
    return record(b"\x09" + struct.pack("<d", time) + place + rest)


def version_event(time: float = START) -> bytes:
    """The first event of a file."""
    return event(time, 0, field(3, b"brain.Event:2"))


def scalar_event(tag: str, step: int, value: float, time: float | None = None) -> bytes:
    stored = field(1, tag.encode()) + b"\x15" + struct.pack("<f", value)
    return event(START + step if time is None else time, step, field(5, field(1, stored)))


def write_events(
    directory: Path, metrics: Mapping[str, Iterable[tuple[int, float]]], start: float = START
) -> Path:
    """A new event file in a directory, with a number a step for each tag."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"events.out.tfevents.{start:.0f}.box.1.{next(_numbers):03}"
    values = sorted((step, tag, value) for tag, rows in metrics.items() for step, value in rows)
    events = (scalar_event(tag, step, value, start + step) for step, tag, value in values)
    path.write_bytes(version_event(start) + b"".join(events))
    return path


def text_event(tag: str, words: str, time: float = START) -> bytes:
    """What ``add_text`` writes."""
    plugin = field(9, field(1, field(1, b"text")))
    tensor = field(8, b"\x08\x07" + field(8, words.encode()))
    value = field(1, f"{tag}/text_summary".encode()) + plugin + tensor
    return event(time, 0, field(5, field(1, value)))


def hparams_event(name: str, number: float, time: float = START) -> bytes:
    """What ``add_hparams`` writes of one setting."""
    setting = field(1, name.encode()) + field(2, b"\x11" + struct.pack("<d", number))
    plugin = field(1, b"hparams") + field(2, field(3, field(1, setting)))
    value = field(1, b"_hparams_/session_start_info") + field(9, field(1, plugin))
    return event(time, 0, field(5, field(1, value)))
