"""The watcher: real files, real events, real threads. Waits on conditions, never for a time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.listener import Listener
from tests.runs import Writer, record, write_run
from tests.waiting import TIMEOUT, wait_until

from traintop.store import watch as watch_module
from traintop.store.catalog import RunCatalog
from traintop.store.files.local import LocalFiles
from traintop.store.place_catalog import PlaceCatalog
from traintop.store.snapshot import Snapshot
from traintop.store.watch import CatalogWatcher

Start = Callable[..., tuple[CatalogWatcher, Listener]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts watchers, and afterwards stops them and sees that they are gone."""
    watchers: list[CatalogWatcher] = []

    def begin(*directories: Path) -> tuple[CatalogWatcher, Listener]:
        listener = Listener()
        watcher = CatalogWatcher(RunCatalog(directories), listener)
        watchers.append(watcher)
        watcher.start()
        return watcher, listener

    yield begin
    for watcher in watchers:
        watcher.stop()
    # stop() itself waits for a second at most, in which a busy machine may not end a thread.
    wait_until(lambda: "traintop-watch" not in {thread.name for thread in threading.enumerate()})


def names(snapshot: Snapshot) -> set[str]:
    return {run.stem.removeprefix("experiment_") for run in snapshot.runs}


def add_run(directory: Path, name: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return write_run(directory / f"experiment_{name}.json", [record(0)], status="finished")


@pytest.fixture
def slow_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without events, nothing would be seen before the deadline."""
    monkeypatch.setattr(LocalFiles, "interval", 10 * TIMEOUT)


@pytest.fixture
def quick_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalFiles, "interval", 0.05)
    monkeypatch.setattr(watch_module, "SHORTEST_INTERVAL", 0.02)


@pytest.fixture
def without_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "network_filesystem", lambda _: "nfs4")


@pytest.mark.usefixtures("slow_scans")
def test_every_kind_of_change_causes_a_scan(tmp_path: Path, start: Start) -> None:
    watcher, listener = start(tmp_path)
    wait_until(lambda: watcher.mode == "live")
    path = add_run(tmp_path, "a")
    listener.wait_for(lambda snapshot: names(snapshot) == {"a"})
    writer = Writer(tmp_path / "experiment_b.json")
    writer.flush(record(0), record(1))
    listener.wait_for(lambda snapshot: sum(run.count or 0 for run in snapshot.runs) == 3)
    os.replace(add_run(tmp_path / ".new", "a"), path)
    os.rename(path, tmp_path / "experiment_c.json")
    listener.wait_for(lambda snapshot: names(snapshot) == {"b", "c"})
    add_run(tmp_path / "some" / "where", "deep")
    listener.wait_for(lambda snapshot: names(snapshot) == {"b", "c", "deep"})
    shutil.move(tmp_path / "some", tmp_path / "any")
    listener.wait_for(lambda snapshot: any(run.path.parts[-3] == "any" for run in snapshot.runs))
    shutil.rmtree(tmp_path / "any")
    (tmp_path / "experiment_b.json").unlink()
    listener.wait_for(lambda snapshot: names(snapshot) == {"c"})


@pytest.mark.usefixtures("slow_scans")
def test_a_symbolic_link_is_watched_where_it_leads(tmp_path: Path, start: Start) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    watcher, listener = start(tmp_path / "link")
    wait_until(lambda: watcher.mode == "live")
    writer = Writer(tmp_path / "real" / "experiment_x.json")
    found = listener.wait_for(lambda snapshot: len(snapshot.runs) == 1)
    assert found.runs[0].path == tmp_path / "link" / "experiment_x.json"
    writer.flush(record(0))
    listener.wait_for(lambda snapshot: snapshot.runs[0].count == 1)


@pytest.mark.usefixtures("slow_scans")
def test_reading_causes_no_further_scans(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_run(tmp_path, "a")
    watcher, listener = start(tmp_path)
    wait_until(lambda: watcher.mode == "live")
    refreshes: list[str] = []
    refresh_files = PlaceCatalog.refresh_files

    def counted(catalog: PlaceCatalog, paths: set[str]) -> Snapshot:
        refreshes.extend(paths)
        return refresh_files(catalog, paths)

    monkeypatch.setattr(PlaceCatalog, "refresh_files", counted)
    path = add_run(tmp_path, "b")
    listener.wait_for(lambda snapshot: names(snapshot) == {"a", "b"})
    path.write_bytes(path.read_bytes() + b"\n")
    wait_until(lambda: str(path) in refreshes)
    (tmp_path / "experiment_a.json").read_bytes()
    (tmp_path / "checkpoint.bin").write_bytes(b"x")
    (tmp_path / ".hidden.json").write_bytes(b"x")
    refreshes.clear()
    path.write_bytes(path.read_bytes() + b"\n")
    wait_until(lambda: bool(refreshes))
    assert set(refreshes) == {str(path)}


@pytest.mark.usefixtures("slow_scans")
def test_a_change_before_the_events_come_is_not_missed(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm = watch_module._Hints.arm

    def arm_late(hints: watch_module._Hints) -> bool:
        if not hints.complete:
            add_run(tmp_path, "between")
        return arm(hints)

    monkeypatch.setattr(watch_module._Hints, "arm", arm_late)
    _, listener = start(tmp_path)
    listener.wait_for(lambda snapshot: names(snapshot) == {"between"})
    assert listener.snapshots[0].runs == ()


@pytest.mark.usefixtures("quick_scans", "without_events")
def test_listeners_hear_nothing_while_nothing_changes(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans: list[Snapshot] = []
    refresh = PlaceCatalog.refresh

    def counted(catalog: PlaceCatalog, seconds: float) -> Snapshot:
        scans.append(refresh(catalog, seconds))
        return scans[-1]

    monkeypatch.setattr(PlaceCatalog, "refresh", counted)
    _, listener = start(tmp_path)
    wait_until(lambda: len(scans) > 10)
    assert len(listener.snapshots) == 1


@pytest.mark.usefixtures("quick_scans", "without_events")
def test_network_filesystems_are_polled(tmp_path: Path, start: Start) -> None:
    watcher, listener = start(tmp_path)
    listener.wait_for(lambda snapshot: True)
    add_run(tmp_path, "a")
    listener.wait_for(lambda snapshot: names(snapshot) == {"a"})
    assert watcher.mode.startswith("polling")


@pytest.mark.usefixtures("quick_scans")
@pytest.mark.parametrize("trouble", ["missing", "deleted", "renamed", "relinked"])
def test_a_directory_that_goes_and_comes_is_found_again(
    tmp_path: Path, start: Start, trouble: str
) -> None:
    logs = tmp_path / "logs"
    if trouble == "relinked":
        add_run(tmp_path / "first", "old")
        logs.symlink_to(tmp_path / "first")
    elif trouble != "missing":
        add_run(logs, "old")
    watcher, listener = start(logs)
    if trouble != "missing":
        listener.wait_for(lambda snapshot: names(snapshot) == {"old"})
        wait_until(lambda: watcher.mode == "live")
    match trouble:
        case "deleted":
            shutil.rmtree(logs)
        case "renamed":
            logs.rename(tmp_path / "away")
        case "relinked":
            logs.unlink()
    gone = listener.wait_for(lambda snapshot: bool(snapshot.notices))
    assert (gone.runs, gone.notices) == ((), (f"{logs} does not exist",))
    wait_until(lambda: watcher.mode.startswith("polling"))
    if trouble == "relinked":
        add_run(tmp_path / "second", "new")
        logs.symlink_to(tmp_path / "second")
    else:
        add_run(logs, "new")
    listener.wait_for(lambda snapshot: names(snapshot) == {"new"} and not snapshot.notices)
    wait_until(lambda: watcher.mode == "live")


@pytest.mark.parametrize("swapped", ["recreated", "relinked"])
def test_events_come_from_the_new_directory(
    tmp_path: Path, start: Start, swapped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two scans, another directory took the name."""
    monkeypatch.setattr(LocalFiles, "interval", 0.3)
    logs = tmp_path / "logs"
    add_run(tmp_path / "first", "old")
    logs.symlink_to(tmp_path / "first")
    watcher, listener = start(logs)
    wait_until(lambda: watcher.mode == "live")
    (tmp_path / "second").mkdir()
    if swapped == "recreated":
        (tmp_path / "first").rename(tmp_path / "away")
        (tmp_path / "second").rename(tmp_path / "first")
    else:
        (tmp_path / "new link").symlink_to(tmp_path / "second")
        os.replace(tmp_path / "new link", logs)
    listener.wait_for(lambda snapshot: not snapshot.runs)
    real = os.path.realpath(logs)
    armed = watcher._places[0]._hints._armed
    wait_until(
        lambda: (
            logs in armed
            and (armed[logs].watch.path, armed[logs].identity[1]) == (real, os.stat(real).st_ino)
        )
    )
    monkeypatch.setattr(LocalFiles, "interval", 10 * TIMEOUT)
    add_run(Path(real), "first after")  # ends the last short interval
    listener.wait_for(lambda snapshot: names(snapshot) == {"first after"})
    add_run(Path(real), "second after")
    listener.wait_for(lambda snapshot: names(snapshot) == {"first after", "second after"})


@pytest.mark.usefixtures("quick_scans")
def test_dead_observers_are_replaced(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "_REARM_INTERVAL", 0.1)
    watcher, listener = start(tmp_path)
    wait_until(lambda: watcher.mode == "live")
    observer = watcher._places[0]._hints._observer
    assert observer is not None
    observer.stop()
    wait_until(
        lambda: watcher._places[0]._hints._observer is not observer and watcher.mode == "live"
    )
    add_run(tmp_path, "a")
    listener.wait_for(lambda snapshot: names(snapshot) == {"a"})


@pytest.mark.usefixtures("quick_scans")
def test_a_scan_error_is_reported_and_does_not_end_the_watch(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_run(tmp_path, "a")
    _, listener = start(tmp_path)
    listener.wait_for(lambda snapshot: names(snapshot) == {"a"})
    with monkeypatch.context() as patch:
        patch.setattr(PlaceCatalog, "_update", lambda *_: 1 / 0)
        troubled = listener.wait_for(lambda snapshot: bool(snapshot.notices))
        assert names(troubled) == {"a"}
        assert "ZeroDivisionError" in troubled.notices[0]
    add_run(tmp_path, "b")
    listener.wait_for(lambda snapshot: names(snapshot) == {"a", "b"} and not snapshot.notices)


@pytest.mark.usefixtures("quick_scans")
def test_a_failing_listener_does_not_end_the_watch(tmp_path: Path) -> None:
    listener = Listener()

    def fragile(snapshot: Snapshot) -> None:
        listener(snapshot)
        raise RuntimeError("no screen")

    watcher = CatalogWatcher(RunCatalog([tmp_path]), fragile)
    watcher.start()
    listener.wait_for(lambda snapshot: True)
    add_run(tmp_path, "a")
    listener.wait_for(lambda snapshot: names(snapshot) == {"a"})
    watcher.stop()


def test_listeners_hear_only_of_changes_four_times_a_second(tmp_path: Path, start: Start) -> None:
    writer = Writer(tmp_path / "experiment_x.json")
    watcher, listener = start(tmp_path)
    wait_until(lambda: watcher.mode == "live")
    began = time.monotonic()
    for step in range(150):
        writer.flush(record(step))
        time.sleep(0.005)
    listener.wait_for(lambda snapshot: snapshot.runs[0].count == 150)
    allowed = (time.monotonic() - began) / watch_module.SHORTEST_INTERVAL + 2
    assert len(listener.snapshots) <= allowed
    revisions = [snapshot.revision for snapshot in listener.snapshots]
    assert revisions == sorted(revisions)


def test_stopping_ends_all_threads_and_may_be_repeated(tmp_path: Path) -> None:
    def running() -> set[str]:
        # watchdog keeps one thread for the process, which reads all events.
        return {thread.name for thread in threading.enumerate() if "Inotify" not in thread.name}

    before = running()
    for _ in range(3):
        watcher = CatalogWatcher(RunCatalog([tmp_path]), Listener())
        watcher.stop()  # not started yet
        watcher = CatalogWatcher(RunCatalog([tmp_path]), Listener())
        watcher.start()
        wait_until(lambda watcher=watcher: watcher.mode == "live")
        watcher.stop()
        watcher.stop()
        wait_until(lambda: running() <= before)


def test_a_listener_may_stop_the_watch(tmp_path: Path) -> None:
    stopped = threading.Event()

    def stop(_: Snapshot) -> None:
        watcher.stop()
        stopped.set()

    watcher = CatalogWatcher(RunCatalog([tmp_path]), stop)
    watcher.start()
    assert stopped.wait(TIMEOUT)
    wait_until(lambda: "traintop-watch" not in {thread.name for thread in threading.enumerate()})


def test_without_inotify_left_it_polls_silently(tmp_path: Path) -> None:
    """No file descriptor is left for events, as when the limit of inotify instances is reached."""
    script = """
import os, resource, sys, threading, time
from pathlib import Path
from traintop.store import watch
from traintop.store.catalog import RunCatalog
from traintop.store.files.local import LocalFiles
import watchdog.observers, watchdog.events
LocalFiles.interval = 0.05
seen = threading.Event()
def listen(snapshot):
    if snapshot.runs:
        seen.set()
directory = Path(sys.argv[1])
watcher = watch.CatalogWatcher(RunCatalog([directory]), listen)
free = os.dup(0)
os.close(free)
resource.setrlimit(resource.RLIMIT_NOFILE, (free + 2, free + 2))  # two, but events need three
watcher.start()
(directory / "experiment_x.json").write_text('{"config": {}, "metrics_history": []}')
assert seen.wait(60)
print(watcher.mode)
watcher.stop()
"""
    found = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (found.stdout, found.stderr) == ("polling 0.05 s\n", "")


def test_warnings_of_watchdog_do_not_reach_the_screen() -> None:
    script = (
        "import logging, traintop.store.watch\n"
        "logging.getLogger('watchdog.observers').warning('events were lost')"
    )
    command = [sys.executable, "-c", script]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (found.stdout, found.stderr) == ("", "")


def test_the_newest_runs_are_reported_before_all_others(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "FIRST_RUNS", 2)
    monkeypatch.setattr(watch_module, "_FIRST_SECONDS", TIMEOUT)
    for day in range(10, 16):
        add_run(tmp_path, f"job_202502{day}_000000")
    _, listener = start(tmp_path)
    listener.wait_for(lambda snapshot: not snapshot.unread)
    first, whole = listener.snapshots[0], listener.snapshots[-1]
    assert names(first) == {"job_20250214_000000", "job_20250215_000000"}
    assert first.unread == 4
    assert len(whole.runs) == 6


def test_runs_of_an_earlier_start_are_listed_at_once(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("traintop.store.cache._WORTH_KEEPING", 0.0)
    monkeypatch.setattr(watch_module, "FIRST_RUNS", 2)
    for number in range(5):
        path = add_run(tmp_path / "logs", f"run_{number}")
        os.utime(path, (1_700_000_000, 1_700_000_000))
    RunCatalog([tmp_path / "logs"]).refresh()
    (tmp_path / "logs" / "experiment_run_0.json").unlink()
    _, listener = start(tmp_path / "logs")
    wait_until(lambda: listener.snapshots and not listener.snapshots[-1].unread)
    seen = [(len(snapshot.runs), snapshot.kept) for snapshot in listener.snapshots]
    assert seen[:2] == [(2, 0), (5, 3)]
    assert seen[-1] == (4, 0)
