"""What goes through the pipe between this program and its helper on another machine.

A frame is the length of what follows, whether more frames belong to the same answer, and packed: a
text of JSON, a zero byte, and bytes of files. This file runs on other machines, too: see
:mod:`traintop.store.files.far_side`.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from typing import Any

READY = b"\0traintop helper 1\n"
"""What the helper says first. What a login shell prints before it is no answer."""

TOO_OLD = b"\0traintop cannot use Python "
"""What an old Python says instead, before its version and a newline."""

LARGEST_FRAME = 4 << 20
"""Bytes of a frame at most, packed."""

LARGEST_MESSAGE = 8 << 20
"""Bytes of a frame at most, unpacked."""

HEADER = struct.Struct(">I?")
"""The length of what follows, and whether more frames belong to the same answer."""

STILL_AT_IT = HEADER.pack(0, True)
"""A frame that only says that an answer will come."""


def frame(head: Any, data: bytes = b"", *, more: bool = False) -> bytes:
    """A frame with plain data as JSON, and with bytes of files."""
    message = json.dumps(head, separators=(",", ":")).encode() + b"\0" + data
    packed = zlib.compress(message, 1)
    return HEADER.pack(len(packed), more) + packed


def unpacked(packed: bytes, most: int = LARGEST_MESSAGE) -> tuple[bytes, bytes]:
    """The text of JSON and the bytes in a frame, without its header.

    Raises ``ValueError`` where there is neither, or more than so many bytes.
    """
    decompressor = zlib.decompressobj()
    try:
        message = decompressor.decompress(packed, most)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not decompressor.eof or decompressor.unused_data:
        raise ValueError("not one whole message")
    head, _, data = message.partition(b"\0")
    return head, data


def text_of(path: str) -> str:
    """A path in JSON, whatever bytes it has: each is a character."""
    return os.fsencode(path).decode("latin-1")


def path_of(text: str) -> str:
    """The path that a text stands for. Raises ``ValueError`` where it stands for none."""
    return os.fsdecode(text.encode("latin-1"))
