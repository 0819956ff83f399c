"""What tests of files need: one of a run, and what the reader does to the files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "experiment_baseline.json"


@pytest.fixture
def preads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of all positioned reads."""
    sizes: list[int] = []
    pread = os.pread

    def counted(descriptor: int, length: int, offset: int) -> bytes:
        data = pread(descriptor, length, offset)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(os, "pread", counted)
    return sizes


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were opened."""
    seen: list[str] = []
    open_file = os.open

    def counted(path: str, flags: int, *rest: int) -> int:
        seen.append(os.path.basename(path))
        return open_file(path, flags, *rest)

    monkeypatch.setattr(os, "open", counted)
    return seen
