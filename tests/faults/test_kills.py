"""Kill -9 at random moments, a few times; ``tests/faults/README.md`` has the 200."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from kills import PACES, kill_together


@pytest.mark.parametrize("pace", PACES)
def test_a_killed_writer_loses_nothing_that_was_flushed(tmp_path: Path, pace: str) -> None:
    [death] = kill_together(tmp_path, [pace], random.Random(pace))
    assert death.records > 0


def test_writers_killed_together_lose_nothing_flushed(tmp_path: Path) -> None:
    paces = [*PACES, "training"]
    assert len(kill_together(tmp_path, paces, random.Random(1))) == len(paces)
