"""A catalog that looks again: the first look, silence by its own clock, several threads."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from catalog_runs import Clock, age, names, only, run_at
from tests.event_files import write_events
from tests.runs import Writer, record, track_run, write_run

from traintop.model import RunStatus, RunSummary
from traintop.process import current_process
from traintop.store import liveness
from traintop.store.catalog import RunCatalog
from traintop.store.files import AwayError, local
from traintop.store.formats import UnreadableRunError
from traintop.store.formats.traintop import TraintopFormat
from traintop.store.liveness import HEARTBEAT_TIMEOUT, NETWORK_TIMEOUT
from traintop.store.place_catalog import PlaceCatalog
from traintop.store.snapshot import Snapshot


def test_a_run_stalls_by_the_readers_clock_alone(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "experiment_x.json")
    writer.flush(record(0))
    os.utime(writer.path, (1e10, 1e10))  # so that it is no older when a busy machine comes to it
    clock = Clock()
    catalog = RunCatalog([tmp_path], clock=clock)
    first = catalog.refresh()
    assert only(first).status is RunStatus.RUNNING
    clock.now += HEARTBEAT_TIMEOUT - 1
    assert catalog.refresh() is first
    clock.now += 2
    stalled = catalog.refresh()
    assert (only(stalled).status, stalled.revision) == (RunStatus.STALLED, 2)
    assert catalog.refresh() is stalled
    writer.flush(updated_at="later")
    os.utime(writer.path, (0, 0))  # whatever the writer's clock says
    assert only(catalog.refresh()).status is RunStatus.RUNNING


def test_a_network_run_is_judged_by_its_neighbours_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's clock may be far from ours, but both files have it from the same server."""
    monkeypatch.setattr(local, "network_filesystem", lambda _: "nfs4")
    for name, modified in {"fresh": 5000.0, "still": 5000.0 - NETWORK_TIMEOUT - 5}.items():
        os.utime(run_at(tmp_path, name, status="running"), (modified, modified))
    clock = Clock()
    catalog = RunCatalog([tmp_path], clock=clock)
    status = {run.name: run.status for run in catalog.refresh().runs}
    assert status == {"fresh": RunStatus.RUNNING, "still": RunStatus.STALLED}


def test_live_runs_on_a_network_are_opened_for_a_fresh_stat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: list[str]
) -> None:
    monkeypatch.setattr(local, "network_filesystem", lambda _: "nfs4")
    run_at(tmp_path, "live", status="running")
    age(run_at(tmp_path, "done"), 10)
    clock = Clock()
    catalog = RunCatalog([tmp_path], clock=clock)
    catalog.refresh()
    clock.now += 10
    catalog.refresh()
    opened.clear()
    catalog.refresh()
    assert opened == ["experiment_live.json"]


def test_several_threads_may_refresh(tmp_path: Path) -> None:
    """Refreshing from several threads gives whole snapshots with growing revisions."""
    writer = Writer(tmp_path / "experiment_x.json")
    catalog = RunCatalog([tmp_path])
    done = threading.Event()
    seen: list[list[Snapshot]] = [[], []]

    def look(mine: list[Snapshot]) -> None:
        while not done.is_set():
            mine.append(catalog.refresh())

    threads = [threading.Thread(target=look, args=(mine,)) for mine in seen]
    for thread in threads:
        thread.start()
    for step in range(200):
        writer.flush(record(step, train_loss=1.0))
    done.set()
    for thread in threads:
        thread.join()
    assert only(catalog.refresh()).count == 200
    for mine in seen:
        revisions = [snapshot.revision for snapshot in mine]
        assert revisions == sorted(revisions)
        counts = [only(snapshot).count or 0 for snapshot in mine]
        assert counts == sorted(counts)


def test_the_newest_runs_are_read_first_and_none_twice(tmp_path: Path, opened: list[str]) -> None:
    newest = ["z_20250225_000000", "a_20250224_000000_2", "m_20250224_000000"]
    for name in [*newest, "old_20240101_000000", "older_20230101_000000"]:
        os.utime(run_at(tmp_path, name), (1.6e9, 1.6e9))
    undated = run_at(tmp_path, "undated")
    os.utime(undated, (1.735e9, 1.735e9))  # 2024-12-24: after the old ones
    opened.clear()
    [catalog] = RunCatalog([tmp_path]).places
    first = catalog.first_look(4, 60.0)
    assert set(names(first)) == {*newest, "undated"}
    assert first.unread == 2
    assert len(opened) == 4
    opened.clear()
    everything = catalog.refresh()
    assert (len(everything.runs), everything.unread) == (6, 0)
    assert everything.revision > first.revision
    assert sorted(opened) == [
        "experiment_old_20240101_000000.json",
        "experiment_older_20230101_000000.json",
    ]


def test_a_first_look_that_found_not_all_says_so(tmp_path: Path) -> None:
    for number in range(3):
        run_at(tmp_path / f"{number}", "run")
    catalog = RunCatalog([tmp_path])
    [place] = catalog.places
    place.first_look(4, 0.0)
    assert catalog.snapshot().is_partial
    assert not catalog.refresh().is_partial


def test_a_first_look_at_few_runs_is_the_whole(tmp_path: Path) -> None:
    run_at(tmp_path, "only")
    [catalog] = RunCatalog([tmp_path, tmp_path / "gone"]).places
    first = catalog.first_look(100, 60.0)
    assert (names(first), first.unread, len(first.notices)) == (["only"], 0, 1)
    assert catalog.refresh() is first


def test_runs_that_take_long_are_published_in_portions(tmp_path: Path) -> None:
    for number in range(5):
        track_run(tmp_path, f"run-{number}")
    catalog = RunCatalog([tmp_path])
    portions = [catalog.refresh(0.0) for _ in range(6)]
    assert [len(each.runs) for each in portions] == [1, 2, 3, 4, 5, 5]
    assert [each.unread for each in portions] == [4, 3, 2, 1, 0, 0]


def test_a_file_that_becomes_a_run_is_listed_at_its_next_hint(tmp_path: Path) -> None:
    path = write_events(tmp_path / "run", {"loss": [(0, 3.0)]})
    whole = path.read_bytes()
    path.write_bytes(whole[:5])
    catalog = RunCatalog([tmp_path])
    assert not catalog.refresh().runs
    path.write_bytes(whole)
    assert names(catalog.places[0].refresh_files([str(path)])) == ["run"]


def test_a_run_stays_while_its_file_is_written_anew(tmp_path: Path) -> None:
    path = write_events(tmp_path / "run", {"loss": [(0, 3.0)]})
    catalog = RunCatalog([tmp_path])
    catalog.refresh()
    path.write_bytes(path.read_bytes()[:5])
    assert names(catalog.refresh()) == ["run"]


def test_a_slow_look_changes_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the listing of a file and its reading, a second may become the next one."""
    (tmp_path / "metrics.csv").write_text("step,loss\n1,2.5\n2,2.25\n")
    catalog = RunCatalog([tmp_path])
    first = catalog.refresh()
    assert first.runs[0].updated_at is not None
    late = SimpleNamespace(time=lambda: time.time() + 2.0, monotonic=time.monotonic)
    monkeypatch.setattr(liveness, "time", late)
    assert catalog.refresh() is first


def fail_in_the_middle(catalog: PlaceCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look in which the place answers for one run only."""
    answers, summary = iter([True]), TraintopFormat.summary

    def answered_once(*asked: object) -> RunSummary:
        if next(answers, False):
            return summary(*asked)  # type: ignore[arg-type]
        raise AwayError("no route to host")

    with monkeypatch.context() as patched:
        patched.setattr(TraintopFormat, "summary", answered_once)
        assert catalog.refresh().places


def test_a_look_that_fails_in_the_middle_leaves_nothing_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(name: str, records: int) -> None:
        rows = [record(at, train_loss=1.0) for at in range(records)]
        age(write_run(tmp_path / f"experiment_{name}.json", rows, status="finished"), 10)

    for name in ("a", "b", "c"):
        write(name, 1)
    [catalog] = RunCatalog([tmp_path]).places
    catalog.refresh()
    for name in ("a", "b", "new"):
        write(name, 2)
    fail_in_the_middle(catalog, monkeypatch)
    found = catalog.refresh()
    assert {run.stem[-1]: run.count for run in found.runs} == {"a": 2, "b": 2, "c": 1, "w": 2}


@pytest.mark.parametrize("status", ["finished", "running"])
def test_a_run_at_rest_wakes_when_its_file_changes(tmp_path: Path, status: str) -> None:
    path = tmp_path / "experiment_a.json"
    ended = {"status": status, "run": {**current_process(), "pid": 1, "pid_started": "0"}}
    age(write_run(path, [record(0, train_loss=1.0)], **ended), 100)
    catalog = RunCatalog([tmp_path])
    [place] = catalog.places
    before = only(catalog.refresh())
    assert before.status is RunStatus(status if status == "finished" else "crashed")
    assert [*place._runs.resting] == [str(path)]
    assert not place._runs.awake
    reader = catalog.reader(str(path))
    assert len(reader.history()) == 1
    write_run(path, [record(at, train_loss=1.0) for at in range(3)], status="running")
    assert (only(catalog.refresh()).status, only(catalog.refresh()).count) == ("running", 3)
    assert place._runs.awake
    assert reader.follow()
    assert len(reader.history()) == 3


def test_a_run_at_rest_is_gone_with_its_file(tmp_path: Path) -> None:
    path = run_at(tmp_path, "a")
    age(path, 100)
    age(run_at(tmp_path, "b"), 100)
    catalog = RunCatalog([tmp_path])
    assert names(catalog.refresh()) == ["b", "a"]
    path.unlink()
    assert names(catalog.refresh()) == ["b"]
    with pytest.raises(UnreadableRunError, match="does not exist"):
        catalog.reader(str(path))


@pytest.mark.parametrize("what_follows", ["gone", "changed"])
def test_what_a_failed_look_has_seen_is_no_run_of_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what_follows: str
) -> None:
    for name in ("a", "b"):
        age(run_at(tmp_path, name), 100)
    [catalog] = RunCatalog([tmp_path]).places
    catalog.refresh()
    (tmp_path / "experiment_b.json").unlink()
    age(run_at(tmp_path, "new"), 10)
    age(run_at(tmp_path, "newer"), 10)
    fail_in_the_middle(catalog, monkeypatch)
    if what_follows == "gone":
        for name in ("new", "newer"):
            (tmp_path / f"experiment_{name}.json").unlink()
    rows = [record(at, train_loss=1.0) for at in range(3)]
    age(write_run(tmp_path / "experiment_a.json", rows, status="finished"), 10)
    found = {run.stem.removeprefix("experiment_"): run.count for run in catalog.refresh().runs}
    others = {} if what_follows == "gone" else {"new": 1, "newer": 1}
    assert found == {"a": 3, **others}
