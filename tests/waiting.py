"""Waiting for a condition, for as long as even a very busy machine may take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from textual.pilot import Pilot

TIMEOUT = 60.0
"""Seconds after which a condition will not come true any more."""

_LOOKS = 4000


def wait_until(condition: Callable[[], object]) -> None:
    """Wait for a condition; fails the test when it never holds."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.005)


async def settle(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    """Let the App work until ``condition`` holds; fails the test when it never does."""
    for _ in range(_LOOKS):
        if condition():
            return
        await pilot.pause(0.005)
    pytest.fail("the awaited condition never became true")
