"""Runs pushed into a bucket, and pulled from it: what is copied, when, and what is left alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.object_store import Asked, ObjectStore
from tests.runs import new_tracker, track_run
from tests.sidecars import annotate
from tests.unit.catalog_runs import run_at
from tests.waiting import wait_until

from traintop.cli import main
from traintop.logfile.lines import read_ends
from traintop.store.annotations import AnnotationChange
from traintop.store.catalog import RunCatalog
from traintop.store.copies import files_of_runs, open_copy
from traintop.store.files.bucket import PART
from traintop.store.pull import Pulled, pull
from traintop.store.push import Pushed, Pusher

TRAINTOP = [sys.executable, "-m", "traintop"]
FOREIGN = Path(__file__).parents[1] / "foreign"


def files_in(directory: Path) -> Mapping[str, Path]:
    catalog = RunCatalog([directory])
    catalog.refresh()
    found = files_of_runs(catalog.places[0], str(directory))
    return {name: Path(entry.id) for name, entry in found.items()}


def push(directory: Path, address: str, pusher: Pusher | None = None) -> Pushed:
    return (pusher or Pusher(address)).push(files_in(directory))


def pulled(done: Pulled) -> tuple[tuple[str, ...], tuple[str, ...]]:
    assert not done.away
    return done.files, done.kept


def test_all_formats_there_and_back(tmp_path: Path, store: ObjectStore, bucket: str) -> None:
    here, back = tmp_path / "here", tmp_path / "back"
    shutil.copytree(FOREIGN, here, ignore=shutil.ignore_patterns("*.py"))
    annotate(track_run(here, "ours"), AnnotationChange(note="good"))
    assert not push(here, f"{bucket}/runs").problems
    assert not pull(f"{bucket}/runs", back).problems
    ours, theirs, again = (
        {run.id.removeprefix(f"{root}/"): run for run in RunCatalog([root]).refresh().runs}
        for root in (str(here), f"{bucket}/runs", str(back))
    )
    assert len(ours) > 30
    assert ours.keys() == theirs.keys() == again.keys()
    for name, run in ours.items():
        for other in (theirs[name], again[name]):
            assert (other.name, other.count) == (run.name, run.count)
            assert other.config == run.config
            assert other.environment == run.environment
            assert repr(other.stats) == repr(run.stats)
            assert other.annotations == run.annotations


def test_only_what_changed_is_pushed(tmp_path: Path, store: ObjectStore, bucket: str) -> None:
    runs = [track_run(tmp_path, f"run{number}") for number in range(5)]
    assert len(push(tmp_path, f"{bucket}/runs").files) == 5
    pusher = Pusher(f"{bucket}/runs")
    # A process that has not pushed them compares their ends, which were stored just now.
    asked = store.requests(lambda: push(tmp_path, "", pusher))
    assert sorted(asked) == ["GET"] * 5 + ["LIST"]
    assert store.requests(lambda: push(tmp_path, "", pusher)) == []
    annotate(runs[0], AnnotationChange(note="good"))
    with runs[1].open("a") as file:
        file.write(" ")
    done = push(tmp_path, "", pusher)
    assert set(done.files) == {f".traintop/{runs[0].name}", runs[1].name}
    assert done.unchanged == 4


def test_old_runs_cost_no_comparison(tmp_path: Path, store: ObjectStore, bucket: str) -> None:
    path = track_run(tmp_path, "old")
    push(tmp_path, bucket)
    days_ago = path.stat().st_mtime - 2 * 86_400
    os.utime(path, (days_ago, days_ago))
    assert store.requests(lambda: push(tmp_path, bucket)) == ["LIST"]


def test_a_run_is_readable_while_it_is_written(
    tmp_path: Path, store: ObjectStore, bucket: str
) -> None:
    tracker = new_tracker(tmp_path, "live")
    tracker.start()
    stop, counts = threading.Event(), []

    def log() -> None:
        iteration = 0
        while not stop.is_set():
            tracker.log_metrics(iteration, train_loss=1.0)
            iteration += 1
            if iteration % 20 == 0:
                tracker.save()

    thread = threading.Thread(target=log)
    thread.start()
    pusher = Pusher(bucket)
    try:
        wait_until(lambda: tracker.path.stat().st_size > 20_000)
        for _ in range(30):
            with open_copy(tracker.path) as copy:
                wait_until(lambda size=copy.size: tracker.path.stat().st_size > size)
                ends = read_ends(copy.read, copy.size)
                assert ends.tail is not None
                counts.append(ends.tail.count)
            pusher.push({tracker.path.name: tracker.path}, is_last=True)
            stored = store.get(f"{bucket}/{tracker.path.name}")
            assert len(json.loads(stored)["metrics_history"]) > 0
    finally:
        stop.set()
        thread.join()
        tracker.finish()
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]


def test_a_killed_push_leaves_whole_objects(
    tmp_path: Path, store: ObjectStore, bucket: str
) -> None:
    files = [track_run(tmp_path, f"run{number}", losses=[1.0] * 500) for number in range(40)]
    store.fault = lambda asked: 0.2 if asked.method == "PUT" else None
    command = [*TRAINTOP, "push", str(tmp_path), f"{bucket}/runs"]
    before = len(store.asked)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_until(lambda: sum(each.method == "PUT" for each in store.asked[before:]) > 20)
    process.send_signal(signal.SIGKILL)
    process.wait()
    store.fault = lambda asked: None
    runs = RunCatalog([f"{bucket}/runs"]).refresh().runs
    assert 0 < len(runs) < 40
    assert {run.count for run in runs} == {500}
    push(tmp_path, f"{bucket}/runs")
    assert all(store.get(f"{bucket}/runs/{path.name}") == path.read_bytes() for path in files)


def test_a_large_file_is_stored_in_parts(tmp_path: Path, store: ObjectStore, bucket: str) -> None:
    row = b'{"step": 1, "loss": 0.5, "text": "%b"}\n' % (b"x" * 960)
    (tmp_path / "metrics.jsonl").write_bytes(row * (PART // len(row) + 2000))
    asked = store.requests(lambda: push(tmp_path, bucket))
    assert asked.count("PUT") == 2
    assert store.get(f"{bucket}/metrics.jsonl") == (tmp_path / "metrics.jsonl").read_bytes()
    assert pulled(pull(bucket, tmp_path / "back"))[0] == ("metrics.jsonl",)
    assert (tmp_path / "back/metrics.jsonl").stat().st_size > PART


def test_google_buckets_are_written_alike(
    tmp_path: Path, store: ObjectStore, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = {"client_email": "", "private_key": "", "private_key_id": ""}
    emulated = {"gcs_base_url": store.endpoint, "disable_oauth": True}
    monkeypatch.setenv("GOOGLE_BASE_URL", store.endpoint)
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", json.dumps(account | emulated))
    here, back, address = tmp_path / "here", tmp_path / "back", bucket.replace("s3", "gs")
    annotate(track_run(here, "ours"), AnnotationChange(note="good"))
    large = here / "metrics.jsonl"
    large.write_bytes(b'{"step": 1, "loss": 0.5, "text": "%b"}\n' % (b"x" * 9600) * (PART // 9600))
    asked = store.requests(lambda: push(here, address))
    assert sorted(asked) == ["LIST", "POST", "POST", "PUT", "PUT", "PUT", "PUT"]
    assert len(pulled(pull(address, back))[0]) == 3
    for path in here.rglob("*.json*"):
        assert (back / path.relative_to(here)).read_bytes() == path.read_bytes()
    assert push(here, address, Pusher(address)).files == ()


def test_what_takes_long_is_pushed_seldom(tmp_path: Path, store: ObjectStore, bucket: str) -> None:
    path, pusher = track_run(tmp_path, "a"), Pusher(bucket)
    store.fault = lambda asked: 0.5 if asked.method == "PUT" else None
    push(tmp_path, "", pusher)
    store.fault = lambda asked: None
    with path.open("a") as file:
        file.write(" ")
    done = push(tmp_path, "", pusher)
    assert (done.files, done.waiting) == ((), 1)
    done = pusher.push(files_in(tmp_path), is_last=True)
    assert (done.files, done.waiting) == ((path.name,), 0)


def test_another_run_is_not_pushed_over(tmp_path: Path, store: ObjectStore, bucket: str) -> None:
    name = "experiment_baseline_20260101_000000.json"
    for host in ("one", "two"):
        track_run(tmp_path / host, "baseline", host=host).rename(tmp_path / host / name)
        done = push(tmp_path / host, bucket)
    [problem] = done.problems
    assert "is another run there: push to another prefix, or with --force" in problem
    assert store.get(f"{bucket}/{name}") == (tmp_path / "one" / name).read_bytes()
    assert push(tmp_path / "two", bucket, Pusher(bucket, force=True)).files == (name,)


def test_no_link_leads_to_what_is_no_run(tmp_path: Path, store: ObjectStore, bucket: str) -> None:
    here, secret = tmp_path / "here", tmp_path / "secret"
    secret.write_text("private")
    run = track_run(here, "a")
    annotate(run, AnnotationChange(note="good"))
    (here / ".traintop" / f"{run.stem}.log").symlink_to(secret)
    (here / "experiment_key.json").symlink_to(secret)
    (here / "experiment_link.json").symlink_to(run_at(tmp_path / "scratch", "b"))
    assert {*push(here, bucket).files} == {
        run.name,
        f".traintop/{run.name}",
        "experiment_link.json",
    }


def test_a_longer_run_is_not_pushed_over(tmp_path: Path, store: ObjectStore, bucket: str) -> None:
    path = track_run(tmp_path, "a")
    push(tmp_path, bucket)
    store.put(f"{bucket}/{path.name}", path.read_bytes() + b" " * 100)
    [problem] = push(tmp_path, bucket).problems
    assert problem == f"{path} is longer there: --force replaces it"


def test_a_database_is_pushed_with_its_log(tmp_path: Path, store: ObjectStore, bucket: str) -> None:
    shutil.copy(FOREIGN / "optuna/study.db", tmp_path / "study.db")
    writer = sqlite3.connect(tmp_path / "study.db", isolation_level=None)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("UPDATE studies SET study_name = 'in the log'")
    assert (tmp_path / "study.db-wal").stat().st_size
    assert push(tmp_path, bucket).files == ("study.db",)
    pull(bucket, tmp_path / "back")
    copy = sqlite3.connect(tmp_path / "back/study.db")
    assert copy.execute("SELECT DISTINCT study_name FROM studies").fetchall() == [("in the log",)]
    copy.close()
    writer.close()


def test_names_that_no_object_can_have_are_said(
    tmp_path: Path, store: ObjectStore, bucket: str
) -> None:
    run = run_at(tmp_path, "ok")
    for name in ("line\nbreak", "esc\x1b[2J", "\udcff"):
        shutil.copy(run, tmp_path / f"experiment_{name}.json")
    done = push(tmp_path, bucket)
    assert done.files == ("experiment_ok.json",)
    assert len(done.problems) == 3
    assert all("has a name that no object can have" in problem for problem in done.problems)
    assert not done.away


def test_a_store_that_fails_is_said_and_left(
    tmp_path: Path, store: ObjectStore, bucket: str
) -> None:
    track_run(tmp_path, "a")
    pusher = Pusher(bucket)
    for fault in (lambda asked: 403, lambda asked: 503 if asked.method == "PUT" else None):
        store.fault = fault
        done = push(tmp_path, "", pusher)
        assert done.files == ()
        assert done.away
    store.fault = lambda asked: None
    assert len(push(tmp_path, "", pusher).files) == 1


def test_one_that_may_not_be_replaced_stops_no_other(
    tmp_path: Path, store: ObjectStore, bucket: str
) -> None:
    path = track_run(tmp_path, "a")
    pusher = Pusher(bucket)
    push(tmp_path, "", pusher)
    path.write_bytes(path.read_bytes() + b" ")
    track_run(tmp_path, "b", losses=[1.0] * 100)  # stored behind the smaller one
    store.fault = lambda asked: 403 if (asked.method, asked.key) == ("PUT", path.name) else None
    done = push(tmp_path, "", Pusher(bucket))
    assert len(done.files) == 1
    assert done.problems == (f"{path} cannot be stored: access is denied to these credentials",)
    assert not done.away


def test_a_bucket_that_stores_nothing_is_asked_once(
    tmp_path: Path, store: ObjectStore, bucket: str
) -> None:
    for number in range(40):
        track_run(tmp_path, f"run{number}")
    store.fault = lambda asked: 403 if asked.method == "PUT" else None
    pusher = Pusher(bucket)
    asked = store.requests(lambda: push(tmp_path, "", pusher))
    done = push(tmp_path, "", pusher)
    assert done.away == "cannot be stored: access is denied to these credentials"
    assert not done.problems
    assert len(asked) < 40


# -------------------------------------------------------------------------------------- pulling


def test_only_what_changed_is_pulled(tmp_path: Path, store: ObjectStore, bucket: str) -> None:
    path = track_run(tmp_path / "here", "a")
    track_run(tmp_path / "here", "b")
    push(tmp_path / "here", bucket)
    back = tmp_path / "back"
    assert len(pull(bucket, back).files) == 2
    assert pull(bucket, back).unchanged == 2
    store.put(f"{bucket}/{path.name}", path.read_bytes() + b"   ")
    assert pulled(pull(bucket, back)) == ((path.name,), ())
    # A copy of the same content, however old, is known by its end.
    os.utime(back / path.name, (0, 0))
    assert pull(bucket, back).unchanged == 2


def test_a_run_that_is_written_here_is_left_alone(
    tmp_path: Path, store: ObjectStore, bucket: str
) -> None:
    tracker = new_tracker(tmp_path, "live")
    tracker.start()
    tracker.log_metrics(0, train_loss=1.0)
    data = tracker.save().read_bytes()
    store.put(f"{bucket}/{tracker.path.name}", data + b" " * 10_000)
    files, [kept] = pulled(pull(bucket, tmp_path))
    assert files == ()
    assert kept == f"{tracker.path} is being written here"
    tracker.finish()


def test_what_is_longer_or_newer_here_is_left_alone(
    tmp_path: Path, store: ObjectStore, bucket: str
) -> None:
    for name in ("longer", "newer", "older"):
        path = run_at(tmp_path, name)
        data = path.read_bytes()
        store.put(f"{bucket}/{path.name}", data + b" ")
        if name == "longer":
            path.write_bytes(data + b" " * 10)
        age = -3600 if name == "newer" else 3600
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    files, kept = pulled(pull(bucket, tmp_path))
    assert files == ("experiment_older.json",)
    assert sorted(line.rpartition("/")[2] for line in kept) == [
        "experiment_longer.json is longer here",
        "experiment_newer.json is newer here",
    ]
    assert len(pull(bucket, tmp_path, force=True).files) == 2


def test_another_run_is_not_pulled_over(tmp_path: Path, store: ObjectStore, bucket: str) -> None:
    name, back = "experiment_baseline_20260101_000000.json", tmp_path / "back"
    for directory, losses in ((tmp_path / "here", [1.0] * 500), (back, [1.0])):
        track_run(directory, "baseline", losses=losses).rename(directory / name)
    os.utime(back / name, (1.7e9, 1.7e9))  # shorter, and older
    push(tmp_path / "here", bucket)
    before = (back / name).read_bytes()
    [kept] = pull(bucket, back).kept
    assert "is another run here" in kept
    assert (back / name).read_bytes() == before
    assert pull(bucket, back, force=True).files == (name,)


def test_nothing_is_written_outside(tmp_path: Path, store: ObjectStore, bucket: str) -> None:
    back, outside = tmp_path / "back", tmp_path / "outside"
    outside.mkdir()
    back.mkdir()
    (back / "link").symlink_to(outside)
    (back / "experiment_link.json").symlink_to(outside / "x.json")
    data = run_at(tmp_path / "here", "a").read_bytes()
    for key in ("link/experiment_a.json", "experiment_link.json", "%2e%2e/experiment_b.json"):
        store.put(f"{bucket}/{key}", data)
    store.put(f"{bucket}/z/../experiment_c.json", data)
    store.put(f"{bucket}/{'n' * 300}.json", data)
    done = pull(bucket, back)
    assert done.files == ("%2e%2e/experiment_b.json",)
    assert len(done.problems) == 3
    assert [*outside.iterdir()] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "here", "outside"]
    assert done.notices


def test_a_pull_that_breaks_leaves_no_part(tmp_path: Path, store: ObjectStore, bucket: str) -> None:
    path = track_run(tmp_path / "here", "a", losses=[1.0] * 3000)
    push(tmp_path / "here", bucket)
    back = tmp_path / "back"

    def fail_of_large(asked: Asked) -> int | None:
        first, _, last = asked.range.removeprefix("bytes=").partition("-")
        return 503 if first == "0" and int(last) > 100_000 else None

    store.fault = fail_of_large
    done = pull(bucket, back)
    [problem] = done.problems
    assert problem.endswith("cannot be read: the store answers 503 (SlowDown)")
    assert [*back.iterdir()] == []  # nor a hidden one
    store.fault = lambda asked: None
    assert pull(bucket, back).files == (path.name,)
    assert (back / path.name).read_bytes() == path.read_bytes()


# ------------------------------------------------------------------------------- the commands


def test_push_and_pull_say_what_they_did(tmp_path: Path, store: ObjectStore, bucket: str) -> None:
    track_run(tmp_path / "here", "a")

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, arguments)
        return result.exit_code, result.output

    status, output = run("push", str(tmp_path / "here"), bucket)
    assert status == 0
    assert output.startswith("pushed 1 file, ")
    status, output = run("push", str(tmp_path / "here"), bucket)
    assert "pushed 0 files, 0 B" in output
    assert "1 had not changed" in output
    status, output = run("pull", bucket, str(tmp_path / "back"))
    assert (status, output.startswith("pulled 1 file, ")) == (0, True)
    for arguments in (
        ("push", str(tmp_path / "here"), "s3://no-such-lab/x"),
        ("pull", "s3://no-such-lab/x", str(tmp_path / "back")),
    ):
        status, output = run(*arguments)
        assert status == 1
        assert "there is no such bucket" in output
    status, output = run("push", str(tmp_path / "here"), "ssh://box/runs")
    assert "is no bucket" in output
    status, output = run("pull", str(tmp_path / "here"), str(tmp_path / "back"))
    assert (status, "is no bucket" in output) == (1, True)
    status, output = run("pull", f"{bucket}/misspelled", str(tmp_path / "back"))
    assert (status, "has no objects" in output) == (1, True)


PROGRAM = """
import sys, time
from traintop import ExperimentConfig, ExperimentTracker
time.sleep(1)  # in which the run of `traintop run` itself is pushed
with ExperimentTracker(ExperimentConfig(experiment_name="pushed"), quiet=True) as tracker:
    for iteration in range(int(sys.argv[1])):
        tracker.log_metrics(iteration, train_loss=1.0)
        time.sleep(0.02)
sys.exit(7)
"""


def start_run(directory: Path, address: str, steps: int) -> subprocess.Popen[str]:
    (directory / "train.py").write_text(PROGRAM)
    options = ["--push", address, "--push-every", "0.2s"]
    program = [sys.executable, str(directory / "train.py"), str(steps)]
    return subprocess.Popen(
        [*TRAINTOP, "run", "-d", str(directory / "logs"), *options, "--", *program],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_run_pushes_while_it_runs_and_at_its_end(
    tmp_path: Path, store: ObjectStore, bucket: str
) -> None:
    process = start_run(tmp_path, f"{bucket}/runs", 150)
    catalog = RunCatalog([f"{bucket}/runs"])
    wait_until(lambda: any(0 < (run.count or 0) < 150 for run in catalog.refresh().runs))
    _, said = process.communicate()
    assert process.returncode == 7
    assert "not pushed" not in said
    [run] = RunCatalog([f"{bucket}/runs"]).refresh().runs
    assert (run.count, run.status.value) == (150, "finished")
    [path] = (tmp_path / "logs").glob("*.json")
    for each in (path, *(path.parent / ".traintop").iterdir()):
        name = each.relative_to(tmp_path / "logs")
        assert store.get(f"{bucket}/runs/{name}") == each.read_bytes()


@pytest.mark.parametrize("address", ["s3://no-such-lab/runs", "s3://", "/tmp/runs"])
def test_a_push_that_fails_harms_no_training(
    tmp_path: Path, store: ObjectStore, address: str
) -> None:
    process = start_run(tmp_path, address, 20)
    _, said = process.communicate()
    assert process.returncode == 7
    assert said.count("not pushed") == 1
    [run] = RunCatalog([tmp_path / "logs"]).refresh().runs
    assert run.count == 20
