"""CRC-32C (Castagnoli) of many short records at once, and of single ones.

Python has no such checksum. One table look-up per byte is slow for a million records one by one;
numpy does it for all records of one length in one go.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78


def _table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return table


_TABLE = _table()
_TABLE_ARRAY = np.array(_TABLE, dtype=np.uint32)


def crc32c(data: bytes, crc: int = 0) -> int:
    """The checksum of some bytes, or of them behind those of which ``crc`` is the checksum."""
    crc ^= 0xFFFF_FFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFF_FFFF


def masked(crc: int) -> int:
    """A checksum as LevelDB and TensorFlow store it beside the data: rotated, with an offset."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFF_FFFF


def are_whole(data: bytes, starts: Sequence[int], length: int) -> NDArray[np.bool_]:
    """Which records of one length have their masked checksum behind them, given their starts."""
    array = np.frombuffer(data, np.uint8)
    rows = array[np.add.outer(np.arange(length + 4), np.asarray(starts))]
    crc = np.full(len(starts), 0xFFFF_FFFF, np.uint32)
    for column in rows[:length]:
        crc = _TABLE_ARRAY[(crc ^ column) & 0xFF] ^ crc >> np.uint32(8)
    crc ^= np.uint32(0xFFFF_FFFF)
    stored = np.ascontiguousarray(rows[length:].T).view("<u4")[:, 0]
    found: NDArray[np.bool_] = (crc >> np.uint32(15) | crc << np.uint32(17)) + np.uint32(
        0xA282EAD8
    ) == stored
    return found
