"""Summaries that are kept for the next start, and what becomes of a cache that is harmed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from platformdirs import user_cache_path
from tests.event_files import write_events
from tests.runs import track_run

from traintop.model import RunSummary
from traintop.store import cache
from traintop.store.catalog import RunCatalog
from traintop.store.files.local import LocalFiles
from traintop.store.formats.json_document import JsonDocumentFormat


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_WORTH_KEEPING", 0.0)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    logs = tmp_path / "logs"
    logs.mkdir()
    write_document(logs / "one.json", 3)
    return logs


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are read for their summaries."""
    files: list[str] = []
    summary = JsonDocumentFormat.summary

    def noted(self, of, entries, known):  # type: ignore[no-untyped-def]
        files.append(Path(entries[0].id).name)
        return summary(self, of, entries, known)

    monkeypatch.setattr(JsonDocumentFormat, "summary", noted)
    return files


def write_document(path: Path, records: int) -> None:
    rows = [{"iteration": at, "train_loss": float(at)} for at in range(records)]
    path.write_text(json.dumps({"config": {}, "metrics_history": rows}))
    os.utime(path, (1_700_000_000, 1_700_000_000))


def runs(logs: Path) -> tuple[RunSummary, ...]:
    return RunCatalog([logs]).refresh().runs


def cache_file() -> Path:
    [path] = user_cache_path("traintop", appauthor=False).iterdir()
    return path


def test_a_run_that_did_not_change_is_not_read_again(logs: Path, read: list[str]) -> None:
    first = runs(logs)
    assert runs(logs) == first
    assert read == ["one.json"]


def test_only_what_changed_is_read_again(logs: Path, read: list[str]) -> None:
    runs(logs)
    write_document(logs / "two.json", 5)
    assert {run.stem: run.count for run in runs(logs)} == {"one": 3, "two": 5}
    write_document(logs / "two.json", 6)
    assert {run.stem: run.count for run in runs(logs)} == {"one": 3, "two": 6}
    assert read == ["one.json", "two.json", "two.json"]


def test_the_start_of_a_run_that_did_not_change_is_not_read(
    logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = runs(logs)
    monkeypatch.setattr(LocalFiles, "read", lambda *_: pytest.fail("a file was read"))
    assert runs(logs) == first


@pytest.mark.parametrize("harm", ["flip", "cut", "empty", "other version", "directory"])
def test_a_harmed_cache_is_as_if_it_were_not_there(
    logs: Path, read: list[str], monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    first, path = runs(logs), cache_file()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    if harm == "other version":
        monkeypatch.setattr("traintop.__version__", "0.0.1")
    elif harm == "directory":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes({"flip": bytes(data), "cut": bytes(data[:50]), "empty": b""}[harm])
    assert runs(logs) == first
    assert read == ["one.json", "one.json"]


def test_a_cache_that_cannot_be_written_harms_nobody(tmp_path: Path, logs: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert len(runs(logs)) == 1


def test_what_is_quickly_read_is_not_kept(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_WORTH_KEEPING", 3600.0)
    runs(logs)
    assert not user_cache_path("traintop", appauthor=False).exists()


def test_runs_that_are_gone_are_forgotten(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_document(logs / "two.json", 5)
    runs(logs)
    assert b"two.json" in cache_file().read_bytes()
    (logs / "two.json").unlink()
    write_document(logs / "one.json", 4)
    runs(logs)
    assert b"two.json" not in cache_file().read_bytes()


def test_what_is_read_in_portions_is_all_kept(logs: Path, read: list[str]) -> None:
    for number in range(5):
        write_document(logs / f"more-{number}.json", 3)
    catalog = RunCatalog([logs])
    while catalog.refresh(seconds=0.0).unread:
        pass
    read.clear()
    assert len(runs(logs)) == 6
    assert read == []


def test_runs_of_the_tracker_are_kept_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    track_run(tmp_path / "logs", "ours", val_loss=2.5)
    for path in (tmp_path / "logs").iterdir():
        os.utime(path, (1_700_000_000, 1_700_000_000))
    first = runs(tmp_path / "logs")
    monkeypatch.setattr(LocalFiles, "read_many", lambda *_: pytest.fail("a file was read"))
    assert runs(tmp_path / "logs") == first


def test_a_file_in_a_run_of_another_name_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = write_events(tmp_path / "logs" / "run", {"loss": [(1, 2.0), (2, 1.0)]})
    os.utime(events, (1_700_000_000, 1_700_000_000))
    first = runs(tmp_path / "logs")
    monkeypatch.setattr(LocalFiles, "read_many", lambda *_: pytest.fail("a file was read"))
    assert runs(tmp_path / "logs") == first
