"""What tests of files need: one of a run, and what the reader does to the files."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.object_store import ENVIRONMENT, ObjectStore, object_store

_NUMBERS = itertools.count()


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


@pytest.fixture(scope="session")
def running_store() -> Iterator[ObjectStore]:
    with object_store() as store:
        yield store


@pytest.fixture
def store(running_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """An object store, whose address and credentials are in the environment."""
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": running_store.endpoint}.items():
        monkeypatch.setenv(name, value)
    running_store.fault = lambda asked: None
    return running_store


@pytest.fixture
def bucket(store: ObjectStore) -> str:
    """The address of an empty bucket."""
    return store.make_bucket(f"lab-{next(_NUMBERS)}")
