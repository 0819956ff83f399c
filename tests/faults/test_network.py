"""A real network filesystem: written through one mount and read through another."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from sshfs import Export, Mount, export
from tests.runs import OpenedRun, records, write_run
from tests.waiting import wait_until
from training_processes import next_line, only_run, start

from traintop import ExperimentAnalyzer, ExperimentConfig, ExperimentTracker, RunStatus
from traintop.mounts import network_filesystem
from traintop.store.catalog import RunCatalog
from traintop.store.snapshot import Snapshot
from traintop.store.watch import CatalogWatcher

TRAINS = """
tracker.start()
for i in range(int(sys.argv[2])):
    tracker.log_metrics(i, i * 0.5)
    if i % 50 == 0:
        tracker.log_eval(i, val_loss=i * 0.25)
    time.sleep(0.005)
tracker.finish()
"""


@pytest.fixture
def exported(tmp_path: Path) -> Iterator[Export]:
    logs = tmp_path / "logs"
    logs.mkdir()
    with export(logs, tmp_path / "server") as server:
        yield server


def test_a_reader_on_another_mount_misses_nothing(exported: Export, tmp_path: Path) -> None:
    code = """
tracker.start()
for line in sys.stdin:
    for i in range(int(line), int(line) + 100):
        tracker.log_metrics(i, i * 0.5)
        if i % 50 == 0:
            tracker.log_eval(i, val_loss=i * 0.25)
        time.sleep(0.005)
tracker.finish()
"""
    with exported.mounted(tmp_path / "a") as ours, exported.mounted(tmp_path / "b") as theirs:
        assert network_filesystem(theirs.directory) == "fuse.sshfs"
        process = start(code, ours.directory)
        assert process.stdin is not None
        print(0, file=process.stdin, flush=True)
        wait_until(lambda: list(theirs.directory.glob("*.json")))
        [path] = theirs.directory.glob("*.json")
        wait_until(lambda: OpenedRun(path).summary().count)
        run, seen = OpenedRun(path), 0
        for count in range(100, 500, 100):
            while seen < count:  # it is read while it grows
                run.follow()
                history = run.history()
                assert list(history.columns["train_loss"]) == [i * 0.5 for i in range(len(history))]
                assert len(history) >= seen
                seen = len(history)
                assert process.poll() is None
                analyzer = ExperimentAnalyzer(theirs.directory)
                analyzer.load_all()
                assert list(analyzer.logs) == ["job"]
            print(count, file=process.stdin, flush=True)
        assert process.communicate(timeout=60)[1] == ""
        wait_until(lambda: OpenedRun(path).summary().status is RunStatus.FINISHED)
        run.follow()
        evaluated = run.history().columns["val_loss"][::50]
        assert list(evaluated) == [i * 0.25 for i in range(0, 500, 50)]


def test_the_watcher_polls_for_changes_through_another_mount(
    exported: Export, tmp_path: Path
) -> None:
    with exported.mounted(tmp_path / "a") as ours, exported.mounted(tmp_path / "b") as theirs:
        heard = threading.Condition()
        snapshots: list[Snapshot] = []

        def listen(snapshot: Snapshot) -> None:
            with heard:
                snapshots.append(snapshot)
                heard.notify_all()

        watcher = CatalogWatcher(RunCatalog([theirs.directory]), listen)
        watcher.start()
        try:
            with ExperimentTracker(
                ExperimentConfig(experiment_name="x"), ours.directory, quiet=True
            ) as tracker:
                tracker.log_metrics(0, 1.0)
            with heard:
                assert heard.wait_for(
                    lambda: (
                        [(run.name, run.status, run.count) for run in snapshots[-1].runs]
                        == [("x", RunStatus.FINISHED, 1)]
                        if snapshots
                        else False
                    ),
                    60,
                )
            assert watcher.mode == "polling 2 s"
        finally:
            watcher.stop()


def test_the_loop_goes_on_while_the_file_server_hangs(exported: Export, tmp_path: Path) -> None:
    code = """
tracker.start()
tracker.log_metrics(0, 0.0)
tracker.save()
print("saved", flush=True)
sys.stdin.readline()
for i in range(1, 20_000):
    tracker.log_metrics(i, i * 0.5)
print("logged", flush=True)
sys.stdin.readline()
tracker.finish()
"""
    with exported.mounted(tmp_path / "a") as mount:
        process = start(code, mount.directory)
        assert process.stdin is not None
        assert next_line(process) == "saved"
        mount.freeze()
        try:
            process.stdin.write("go\n")
            process.stdin.flush()
            assert next_line(process) == "logged", "while nothing is answered"
        finally:
            mount.thaw()
        assert process.communicate("finish\n", timeout=60)[1] == ""
    run = only_run(exported.directory)
    assert [record["train_loss"] for record in run["metrics_history"]] == [
        i * 0.5 for i in range(20_000)
    ]
    assert (run["status"], run["dropped"]) == ("finished", 0)


def test_a_writer_is_killed_on_a_network_filesystem(exported: Export, tmp_path: Path) -> None:
    with exported.mounted(tmp_path / "a") as ours, exported.mounted(tmp_path / "b") as theirs:
        process = start(TRAINS.replace("0.005", "0.0005"), ours.directory, "1000000")
        wait_until(lambda: list(theirs.directory.glob("*.json")))
        [path] = theirs.directory.glob("*.json")
        wait_until(lambda: OpenedRun(path).summary().count)
        run = OpenedRun(path)
        wait_until(lambda: run.follow() and len(run.history()) > 200)
        seen = len(run.history())
        process.kill()
        process.communicate()
        wait_until(lambda: OpenedRun(path).summary().status is RunStatus.CRASHED)
        kept = OpenedRun(path).history()
        assert len(kept) >= seen
        assert list(kept.columns["train_loss"]) == [i * 0.5 for i in range(len(kept))]


READS = """
import subprocess, sys, threading
from traintop.store.catalog import RunCatalog
runs = RunCatalog(sys.argv[1:])
[run] = runs.refresh().runs
print("known", flush=True)
def read_on():
    while True:
        runs.reader(run.id).history()
threading.Thread(target=read_on, daemon=True).start()
sys.stdin.readline()
subprocess.run(["echo", "started"])
sys.stdin.readline()
"""


@pytest.fixture
def reading(exported: Export, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that is in the midst of a file when the mount of it freezes."""
    long = exported.directory / "experiment_long_20250222_140530.json"
    write_run(long, records(20_000), status="finished")
    command = [sys.executable, "-c", READS, str(tmp_path / "a")]
    pipe = subprocess.PIPE
    with (
        exported.mounted(tmp_path / "a") as mount,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process,
    ):
        assert next_line(process) == "known"
        wait_until(lambda: freezes_in_midst(mount, psutil.Process(process.pid)))
        try:
            yield process
        finally:
            mount.thaw()
            process.kill()


def freezes_in_midst(mount: Mount, process: psutil.Process) -> bool:
    """Freeze a mount, unless nobody waits for a file that he has open there."""
    mount.freeze()
    wait_until(lambda: psutil.Process(mount.pid).status() == psutil.STATUS_STOPPED)
    for one in (process, *process.children()):
        with contextlib.suppress(FileNotFoundError):
            files = map(os.readlink, Path(f"/proc/{one.pid}/fd").iterdir())
            waits = (file.read_text() for file in Path(f"/proc/{one.pid}/task").glob("*/wchan"))
            if any(str(mount.directory) in one for one in files) and "request_wait_answer" in waits:
                return True
    mount.thaw()
    return False


def test_what_reads_a_frozen_mount_starts_a_process(reading: subprocess.Popen[str]) -> None:
    assert reading.stdin is not None
    print(file=reading.stdin, flush=True)
    assert next_line(reading) == "started"


def test_what_reads_a_frozen_mount_ends(reading: subprocess.Popen[str]) -> None:
    reading.kill()
    assert reading.wait(60) == -signal.SIGKILL
