"""Several writers at a training's pace, for some seconds; ``soak.py`` has the 20 minutes."""

from __future__ import annotations

from pathlib import Path

from soak import RECORDS_PER_SECOND, Soak


def test_every_record_is_accounted_for(tmp_path: Path) -> None:
    with Soak(tmp_path, writers=8, count=60, per_second=RECORDS_PER_SECOND) as soak:
        assert soak.account() == 8 * 60
