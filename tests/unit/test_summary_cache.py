"""Summaries that are kept for the next start, and what becomes of a cache that is harmed."""

from __future__ import annotations

import json
import operator
import os
import shutil
import time
from pathlib import Path

import pytest
from platformdirs import user_cache_path
from tests.event_files import write_events
from tests.runs import track_run
from tests.unit.test_formats_elsewhere import catalog_elsewhere

from traintop.model import RunStatus, RunSummary
from traintop.store import cache
from traintop.store.annotations import AnnotationChange
from traintop.store.catalog import RunCatalog
from traintop.store.files import AwayError
from traintop.store.files.local import LocalFiles
from traintop.store.formats import UnreadableRunError
from traintop.store.formats.json_document import JsonDocumentFormat
from traintop.store.place_catalog import PlaceCatalog
from traintop.store.snapshot import Snapshot

FOREIGN = Path(__file__).parents[1] / "foreign"


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


def first_look(logs: Path) -> tuple[RunCatalog, PlaceCatalog, Snapshot]:
    """What is listed before all files were looked at."""
    catalog = RunCatalog([logs])
    [place] = catalog.places
    assert place.first_look(1, 60.0).unread
    return catalog, place, place.add_kept()


def test_all_runs_are_listed_before_they_are_looked_at(logs: Path) -> None:
    for name in ("two", "three"):
        write_document(logs / f"{name}.json", 5)
    before = RunCatalog([logs])
    before.refresh()
    before.annotate(str(logs / "one.json"), AnnotationChange(archived=True))
    known = before.refresh().runs
    save_again(before)
    (logs / "two.json").unlink()
    catalog, _, kept = first_look(logs)
    assert kept.runs == known
    assert (kept.kept, kept.is_complete) == (2, False)
    assert len(catalog.reader(str(logs / "one.json")).history()) == 3
    checked = catalog.refresh()
    assert (len(checked.runs), checked.kept, checked.is_complete) == (2, 0, True)
    assert {run.stem for run in checked.runs if run.annotations.archived} == {"one"}


def save_again(catalog: RunCatalog) -> None:
    """Save what changed since, for which a catalog takes its time."""
    [place] = catalog.places
    place._cache._save_at = 0.0
    catalog.refresh()


def test_a_run_that_did_not_change_stays_the_same_object(logs: Path) -> None:
    write_document(logs / "two.json", 5)
    runs(logs)
    catalog, _, kept = first_look(logs)
    assert all(map(operator.is_, kept.runs, catalog.refresh().runs))


def test_a_run_that_ran_then_is_not_listed_as_it_was(logs: Path) -> None:
    events = write_events(logs / "live", {"loss": [(1, 2.0), (2, 1.0)]})
    os.utime(events, (time.time() - 100, time.time() - 100))  # still, but not for long
    assert {run.status for run in runs(logs)} == {RunStatus.RUNNING, RunStatus.STALLED}
    assert events.name.encode() in cache_file().read_bytes()
    catalog = RunCatalog([logs])
    assert {run.stem for run in catalog.places[0].add_kept().runs} == {"one"}
    assert len(catalog.refresh().runs) == 2


@pytest.mark.parametrize("harm", [b"", b"damaged"])
def test_runs_are_not_listed_of_a_harmed_cache(logs: Path, harm: bytes) -> None:
    write_document(logs / "two.json", 5)
    runs(logs)
    data = cache_file().read_bytes()
    cache_file().write_bytes(data[: -len(harm)] + harm if harm else harm)
    assert len(first_look(logs)[2].runs) == 1


def test_a_cache_of_a_part_of_the_runs_lists_none(logs: Path) -> None:
    for number in range(5):
        write_document(logs / f"more-{number}.json", 3)
    RunCatalog([logs]).refresh(seconds=0.0)
    assert cache_file().exists()
    assert len(first_look(logs)[2].runs) == 1


def test_kept_runs_elsewhere_are_known_by_their_addresses(logs: Path) -> None:
    write_document(logs / "two.json", 5)
    known = {run.id for run in catalog_elsewhere(logs)[0].refresh().runs}
    place, _ = catalog_elsewhere(logs)
    assert place.first_look(1, 60.0).unread == 1
    kept = place.add_kept().runs
    assert {run.id for run in kept} == known
    assert {len(place.reader(run.id).history()) for run in kept} == {3, 5}


def test_of_runs_in_one_file_only_a_look_tells(tmp_path: Path, logs: Path) -> None:
    shutil.copytree(FOREIGN / "optuna", logs / "optuna")
    for path in logs.rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    assert any("#" in run.id for run in runs(logs))
    assert not any("#" in run.id for run in first_look(logs)[2].runs)


def test_a_blocks_rows_are_packed_again_when_few_are_left(logs: Path, read: list[str]) -> None:
    for number in range(200):
        write_document(logs / f"more-{number:03}.json", 3)
    runs(logs)
    for number in range(0, 200, 3):
        (logs / f"more-{number:03}.json").unlink()
    left = runs(logs)
    read.clear()
    assert runs(logs) == left
    assert read == []


def test_a_file_whose_name_is_no_text_is_only_not_kept(logs: Path, read: list[str]) -> None:
    write_document(Path(os.fsdecode(os.fsencode(logs) + b"/caf\xe9.json")), 5)
    assert len(runs(logs)) == 2
    read.clear()
    assert len(runs(logs)) == 2
    assert read == ["caf\udce9.json"]


def test_what_a_person_changed_is_kept_too(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_document(logs / "two.json", 5)
    runs(logs)
    monkeypatch.setattr(cache, "_WORTH_KEEPING", 3600.0)
    catalog = RunCatalog([logs])
    catalog.refresh()
    catalog.annotate(str(logs / "one.json"), AnnotationChange(archived=True))
    catalog.refresh()
    kept = first_look(logs)[2].runs
    assert {run.stem: run.annotations.archived for run in kept} == {"one": True, "two": False}


def test_a_failure_does_not_make_a_list_complete(logs: Path) -> None:
    write_document(logs / "two.json", 5)
    runs(logs)
    _, place, _ = first_look(logs)
    assert not place.report("cannot look for changes").is_complete


def test_no_note_is_written_over_one_that_was_not_seen(logs: Path) -> None:
    write_document(logs / "two.json", 5)
    runs(logs)
    other, two = RunCatalog([logs]), str(logs / "two.json")
    other.refresh()
    other.annotate(two, AnnotationChange(note="a colleague's"))
    catalog = RunCatalog([logs])
    catalog.places[0].add_kept()
    with pytest.raises(UnreadableRunError, match="is being checked"):
        catalog.annotate(two, AnnotationChange(note="mine"))
    assert {run.annotations.note for run in catalog.refresh().runs} == {"", "a colleague's"}
    assert catalog.annotate(two, AnnotationChange(note="mine")).annotations.note == "mine"


def test_what_did_not_change_elsewhere_is_not_fetched_again(logs: Path) -> None:
    for number in range(20):
        write_document(logs / f"more-{number:02}.json", 50)
    first, files = catalog_elsewhere(logs)
    known = first.refresh().runs
    assert files.fetched > 20 * 500
    again, files = catalog_elsewhere(logs)
    assert again.refresh().runs == known
    assert files.fetched == 0


def test_runs_of_a_place_that_is_away_are_listed_as_last_known(logs: Path) -> None:
    write_document(logs / "two.json", 5)
    known = {run.id for run in catalog_elsewhere(logs)[0].refresh().runs}

    def is_away() -> None:
        raise AwayError("no route to host")

    place, files = catalog_elsewhere(logs)
    files.before_each = is_away
    assert place.first_look(100, 60.0).places
    snapshot = place.add_kept()
    assert {run.id for run in snapshot.runs} == known
    assert snapshot.places
    assert {run.id for run in place.refresh().runs} == known
    files.before_each = int
    found = place.refresh()
    assert {run.id for run in found.runs} == known
    assert (found.kept, found.is_complete) == (0, True)
