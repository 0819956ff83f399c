"""Many writers at a training's pace and the UI over them; ``soak.py`` has the 20 minutes."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from soak import (
    LIVE,
    ONE_WRITER,
    RECORDS_PER_SECOND,
    Soak,
    grown_bytes,
    open_ui,
    select_live_run,
    wait_for_end,
)

_WRITERS, _SECONDS = 24, 40
_MOST_GROWTH = {LIVE: 7_000_000, ONE_WRITER: 1_000_000}
"""Bytes in the second half, several times what is usual; lists of each snapshot take 16 MB."""


@pytest.mark.timeout(360)
def test_every_record_is_accounted_for_and_memory_stays(tmp_path: Path) -> None:
    count = _SECONDS * RECORDS_PER_SECOND
    with ExitStack() as stack:
        terminal = stack.enter_context(open_ui(tmp_path))
        soak = stack.enter_context(Soak(tmp_path, _WRITERS, count, RECORDS_PER_SECOND))
        select_live_run(terminal)
        samples = soak.watch({LIVE: terminal})
        assert soak.account() == _WRITERS * count
        wait_for_end(terminal)
    for name, most in _MOST_GROWTH.items():
        assert grown_bytes(samples[name]) < most, (name, samples[name])
