"""What the process of the UI does with memory, which very many runs take much of."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of malloc.h
_LARGE = 512 * 1024  # bytes


def give_back_large_blocks() -> None:
    """Let the system have large blocks as soon as they are freed.

    The C library of Linux keeps them for others once it has seen some, and a tenth of the memory
    with them.
    """
    with suppress(Exception):  # that of another system knows no such thing
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE)


def collect_what_is_new() -> None:
    """Collect garbage from now on, which the command line left off for a quick start.

    What was imported stays, and most runs do, which may be very many: no pause of a collection is
    for these.
    """
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
