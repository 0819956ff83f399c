"""Memory that was freed goes back to the system."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_FREES = """
import psutil
from traintop.tui.process_memory import give_back_large_blocks
if {asked}:
    give_back_large_blocks()
large = b"x" * (30 << 20)  # after which the C library takes a megabyte for small
del large
blocks = [b"x" * (1 << 20) for _ in range(100)]
full = psutil.Process().memory_info().rss
del blocks[::2]
print(full - psutil.Process().memory_info().rss)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library is not asked")
def test_large_blocks_are_given_back_when_they_are_freed() -> None:
    given_back = {
        asked: int(subprocess.check_output([sys.executable, "-c", _FREES.format(asked=asked)]))
        for asked in (False, True)
    }
    assert given_back[True] >= 40 << 20
    assert given_back[False] < given_back[True] / 2
