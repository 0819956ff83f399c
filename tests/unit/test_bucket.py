"""Runs in a bucket: what is read of them, what that costs, and what is said when it fails."""

from __future__ import annotations

import itertools
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.object_store import ENVIRONMENT, Asked, ObjectStore
from tests.runs import Writer, new_tracker, normal, record, rows_of, track_run
from tests.sidecars import annotate
from tests.unit.catalog_runs import Clock, names, only, run_at

from traintop.model import RunStatus, RunSummary
from traintop.run_ids import location_of
from traintop.store.annotations import AnnotationChange
from traintop.store.catalog import RunCatalog
from traintop.store.files import object_store as bucket_files
from traintop.store.files.bucket import PAGE
from traintop.store.files.places import files_of
from traintop.store.watch import CatalogWatcher

SILENT = (RunStatus.RUNNING, RunStatus.QUIET, RunStatus.STALLED)  # by the age of files
FOREIGN = Path(__file__).parents[1] / "foreign"


def away(catalog: RunCatalog) -> str:
    [place] = catalog.refresh().places
    return place.reason


def str_of(run: RunSummary, field: str) -> str:
    """A value, in which NaN is equal to itself and settings have no order."""
    value = getattr(run, field)
    return repr(sorted(value.items()) if field == "config" else value)


def written_in_pieces(directory: Path, name: str, losses: list[float]) -> Path:
    """A run that was written as its thread does: some records at a time."""
    with new_tracker(directory, name) as tracker:
        for iteration, loss in enumerate(losses):
            tracker.log_metrics(iteration, train_loss=loss)
            if iteration % 10 == 0:
                tracker.save()
    return tracker.path


# ------------------------------------------------------------------------------- what is read


def test_runs_are_those_of_the_directory(tmp_path: Path, store: ObjectStore, bucket: str) -> None:
    shutil.copytree(FOREIGN, tmp_path / "runs", ignore=shutil.ignore_patterns("*.py"))
    track_run(tmp_path / "runs", "ours", losses=[1 / (1 + i) for i in range(2000)])
    new_tracker(tmp_path / "runs", "running").start()
    store.upload(tmp_path / "runs", f"{bucket}/runs")
    local, remote = RunCatalog([tmp_path / "runs"]), RunCatalog([f"{bucket}/runs"])
    ours = {run.id.removeprefix(f"{tmp_path}/"): run for run in local.refresh().runs}
    theirs = {run.id.removeprefix(f"{bucket}/"): run for run in remote.refresh().runs}
    assert len(ours) > 20
    assert ours.keys() == theirs.keys()
    for name, one in ours.items():
        other = theirs[name]
        for field in ("name", "status", "config", "count", "stats", "last", "start_time", "error"):
            if field != "status" or one.status not in SILENT:
                assert str_of(one, field) == str_of(other, field), (name, field)
        if one.status is not RunStatus.UNREADABLE:
            found = rows_of(remote.reader(other.id).history())
            assert normal(found) == normal(rows_of(local.reader(one.id).history())), name


def test_a_root_may_be_one_object(tmp_path: Path, store: ObjectStore, bucket: str) -> None:
    path = run_at(tmp_path, "a")
    run_at(tmp_path, "b")
    store.upload(tmp_path, bucket)
    assert names(RunCatalog([f"{bucket}/{path.name}"]).refresh()) == ["a"]
    assert names(RunCatalog([bucket]).refresh()) == ["b", "a"]


def test_notes_beside_a_run_are_seen(tmp_path: Path, store: ObjectStore, bucket: str) -> None:
    annotate(run_at(tmp_path, "a"), AnnotationChange(note="the good one"))
    (tmp_path / ".git").mkdir()
    run_at(tmp_path / ".git", "hidden")
    store.upload(tmp_path, f"{bucket}/runs")
    run = only(RunCatalog([f"{bucket}/runs"]).refresh())
    assert run.annotations.note == "the good one"


def test_google_buckets_are_read_alike(
    tmp_path: Path, store: ObjectStore, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_BASE_URL", store.endpoint)
    monkeypatch.setenv("GOOGLE_SKIP_SIGNATURE", "true")
    track_run(tmp_path, "far", losses=[1 / (1 + i) for i in range(500)])
    store.upload(tmp_path, f"{bucket}/runs")
    catalog = RunCatalog([f"{bucket.replace('s3', 'gs')}/runs"])
    run = only(catalog.refresh())
    assert (run.name, run.count) == ("far", 500)
    assert len(catalog.reader(run.id).history()) == 500


# ------------------------------------------------------------------------------- what it costs


def test_an_idle_look_is_one_list(tmp_path: Path, store: ObjectStore, bucket: str) -> None:
    for number in range(20):
        track_run(tmp_path, f"run{number}")
    store.upload(tmp_path, f"{bucket}/runs")
    catalog = RunCatalog([f"{bucket}/runs"])
    catalog.refresh()
    for _ in range(3):
        assert store.requests(catalog.refresh) == ["LIST"]


def test_a_changed_run_is_two_gets_at_most(tmp_path: Path, store: ObjectStore, bucket: str) -> None:
    for number in range(5):
        track_run(tmp_path, f"run{number}", losses=[1.0] * 200)
    tracker = new_tracker(tmp_path, "live")
    tracker.start()
    for iteration in range(100):
        tracker.log_metrics(iteration, train_loss=1.0)
    tracker.save()
    store.upload(tmp_path, bucket)
    catalog = RunCatalog([bucket])
    catalog.refresh()
    end = 100
    for added in (3, 3, 40, 3, 1000, 3, 3):
        for iteration in range(end, end + added):
            tracker.log_metrics(iteration, train_loss=1.0 / iteration)
            if iteration % 10 == 0:
                tracker.save()  # as often as its thread writes
        end += added
        store.put(f"{bucket}/{tracker.path.name}", tracker.save().read_bytes())
        asked = store.requests(catalog.refresh)
        assert asked[0] == "LIST"
        assert set(asked[1:]) == {"GET"}
        assert len(asked) <= 3
        live = next(run for run in catalog.snapshot().runs if run.name == "live")
        assert (live.count, live.status) == (end, RunStatus.RUNNING)
    assert len(asked) == 2  # the beginning was not read again
    tracker.finish()


def test_a_long_flush_is_two_gets_at_most(tmp_path: Path, store: ObjectStore, bucket: str) -> None:
    writer = Writer(tmp_path / "experiment_x.json", config={"words": "x" * 5000})
    iterations = itertools.count()
    catalog = RunCatalog([bucket])
    for flushes in ([3], [3, 3], [500], [3], [3, 800], [90, 90], [1, 1, 2000], [4000], [3]):
        for added in flushes:
            rows = [record(one, train_loss=1.0) for one in itertools.islice(iterations, added)]
            writer.flush(*rows)
        store.put(f"{bucket}/{writer.path.name}", writer.path.read_bytes())
        asked = store.requests(catalog.refresh)
        assert asked.count("GET") <= 2
        assert only(catalog.snapshot()).count == len(writer.rows)


def test_many_long_flushes_are_two_gets(tmp_path: Path, store: ObjectStore, bucket: str) -> None:
    writer = Writer(tmp_path / "experiment_x.json")
    wide = {f"metric_{number}": number / 7 for number in range(100)}
    iterations = itertools.count()
    catalog = RunCatalog([bucket])
    for flushes in ([], [300] * 8, [3], [300] * 8):
        for added in flushes:
            rows = [record(one, **wide) for one in itertools.islice(iterations, added)]
            writer.flush(*rows)
        store.put(f"{bucket}/{writer.path.name}", writer.path.read_bytes())
        asked = store.requests(catalog.refresh)
        assert asked.count("GET") <= 2
        assert only(catalog.snapshot()).count == len(writer.rows)
    assert writer.path.stat().st_size > 2 * (4 << 20)


def test_a_run_with_long_ends_is_two_gets(tmp_path: Path, store: ObjectStore, bucket: str) -> None:
    metrics = {f"metric_{number}": 0.5 for number in range(40)}
    config = {f"setting_{number}": "x" * 50 for number in range(200)}
    tracker = new_tracker(tmp_path, "live", **config)
    tracker.start()
    catalog = RunCatalog([bucket])
    asked: list[str] = []
    for iteration in range(200):
        tracker.log_metrics(iteration, train_loss=1.0, **metrics)
        if iteration % 3 == 0:
            tracker.save()
        if iteration % 25 == 0:
            store.put(f"{bucket}/{tracker.path.name}", tracker.save().read_bytes())
            asked = store.requests(catalog.refresh)
            assert asked.count("GET") <= (2 if iteration > 25 else 4)
    assert tracker.path.stat().st_size > 100_000
    assert len(only(catalog.snapshot()).config) >= 200
    tracker.finish()


def test_files_of_a_run_are_read_side_by_side(
    tmp_path: Path, store: ObjectStore, bucket: str
) -> None:
    run = tmp_path / "0" / ("a" * 32)
    (run / "metrics").mkdir(parents=True)
    (run / "meta.yaml").write_text("status: 1\nstart_time: 1000\n")

    def grow(start: int, end: int) -> None:
        for number in range(8):
            with (run / "metrics" / f"metric_{number}").open("a") as file:
                file.writelines(f"{step} 0.5 {step}\n" for step in range(start, end))
        store.upload(tmp_path, bucket)

    all_asked = threading.Barrier(8)

    def wait_for_all(asked: Asked) -> None:
        if "metric_" in asked.key:
            all_asked.wait(30)

    grow(0, 10)
    catalog = RunCatalog([bucket])
    store.fault = wait_for_all
    catalog.refresh()
    reader = catalog.reader(only(catalog.snapshot()).id)
    assert len(reader.history()) == 10
    for steps in ((10, 500), (500, 1000)):
        grow(*steps)
        asked = store.requests(catalog.refresh)
        assert asked == ["LIST", *["GET"] * 9]  # each once, and meta.yaml
    assert store.requests(reader.follow) == ["GET"] * 8
    assert len(reader.history()) == 1000


def test_requests_are_counted_as_they_are(tmp_path: Path, store: ObjectStore, bucket: str) -> None:
    for number in range(30):
        track_run(tmp_path, f"run{number}", losses=[1.0] * (10 * number))
    store.upload(tmp_path, bucket)
    catalog = RunCatalog([bucket])
    asked = store.requests(catalog.refresh)
    files = catalog.places[0].files
    assert files.traffic == f"{len(asked)} requests"
    watcher = CatalogWatcher(catalog, lambda snapshot: None, is_read=True)
    assert watcher.mode == f"polling 30 s, {len(asked)} requests"


def test_the_settings_say_how_often_to_look(
    tmp_path: Path, store: ObjectStore, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text("bucket_seconds = 300\n")
    monkeypatch.setenv("TRAINTOP_CONFIG", str(settings))
    assert files_of(bucket).interval == 300


# ------------------------------------------------------------------------------- what changes


def test_a_replaced_object_is_seen(tmp_path: Path, store: ObjectStore, bucket: str) -> None:
    path = written_in_pieces(tmp_path, "before", [1.0] * 100)
    other = written_in_pieces(tmp_path / "other", "behind", [2.0] * 100)
    store.put(f"{bucket}/{path.name}", path.read_bytes())
    catalog = RunCatalog([bucket])
    assert only(catalog.refresh()).name == "before"
    reader = catalog.reader(only(catalog.snapshot()).id)
    assert reader.history().columns["train_loss"][0] == 1.0
    store.put(f"{bucket}/{path.name}", other.read_bytes())
    run = only(catalog.refresh())
    assert (run.name, run.best_train_loss) == ("behind", 2.0)
    reader.follow()
    assert set(reader.history().columns["train_loss"]) == {2.0}
    # Longer than before, with another beginning and other lines.
    longer = written_in_pieces(tmp_path / "third", "third!", [3.0] * 120)
    store.put(f"{bucket}/{path.name}", longer.read_bytes())
    run = only(catalog.refresh())
    assert (run.name, run.count, run.best_train_loss) == ("third!", 120, 3.0)


def test_another_run_of_the_same_size_is_seen(
    tmp_path: Path, store: ObjectStore, bucket: str
) -> None:
    catalog = RunCatalog([bucket])
    for name, loss, count in (("a", 1.0, 60), ("a", 1.0, 61), ("b", 2.0, 61)):
        writer = Writer(tmp_path / "experiment_x.json", config={"experiment_name": name})
        for iteration in range(count):
            writer.flush(record(iteration, train_loss=loss))
        store.put(f"{bucket}/x.json", writer.path.read_bytes())
        run = only(catalog.refresh())
        assert run.last is not None
        assert (run.name, run.count, run.last.train_loss) == (name, count, loss)


def test_parts_of_two_objects_are_never_mixed(
    tmp_path: Path, store: ObjectStore, bucket: str
) -> None:
    path = track_run(tmp_path, "before", losses=[1.0] * 1000)
    other = track_run(tmp_path / "other", "behind", losses=[2.0] * 1000)
    store.put(f"{bucket}/{path.name}", path.read_bytes())
    catalog = RunCatalog([bucket])
    first = only(catalog.refresh())

    def replace(asked: Asked) -> None:
        if not asked.is_list:
            store.fault = lambda asked: None
            store.put(f"{bucket}/{path.name}", other.read_bytes())

    store.put(f"{bucket}/{path.name}", path.read_bytes() + b" ")
    store.fault = replace
    run = only(catalog.refresh())
    assert (run.name, run.best_train_loss) == (first.name, first.best_train_loss)
    run = only(catalog.refresh())
    assert (run.name, run.best_train_loss) == ("behind", 2.0)


def test_a_run_that_is_stored_now_and_then_runs(
    tmp_path: Path, store: ObjectStore, bucket: str
) -> None:
    tracker = new_tracker(tmp_path, "live")
    tracker.start()
    document = tracker.save().read_text()
    store.put(f"{bucket}/{tracker.path.name}", document.replace('"host":', '"_host":').encode())
    clock = Clock()
    catalog = RunCatalog([bucket], clock=clock)
    for seconds in (0, 30, 60, 200):
        clock.now = 1000.0 + seconds
        assert only(catalog.refresh()).status is RunStatus.RUNNING, seconds
    clock.now = 1400.0
    assert only(catalog.refresh()).status is RunStatus.STALLED
    tracker.finish()


# ------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    "key", ["runs//b.json", "runs/../b.json", "runs/./b.json", "runs/a\x1b[31m"]
)
def test_a_key_that_is_no_path_hides_no_run(
    tmp_path: Path, store: ObjectStore, key: str, bucket: str
) -> None:
    run_at(tmp_path, "a")
    run_at(tmp_path / "deep" / "er", "b")
    store.upload(tmp_path, f"{bucket}/runs")
    store.put(f"{bucket}/{key}", b"{}")
    snapshot = RunCatalog([f"{bucket}/runs"]).refresh()
    notice, *others = snapshot.notices
    assert "name is no path" in notice
    assert "\x1b" not in notice
    if "\x1b" in key:
        assert "some are left out" in others[0]
    else:
        assert sorted(names(snapshot)) == ["a", "b"]


def test_odd_keys_are_names_like_others(tmp_path: Path, store: ObjectStore, bucket: str) -> None:
    path = run_at(tmp_path, "a")
    for name in ("x y", "%2e%2e", "ü", "a*?[b", "[red]"):
        store.put(f"{bucket}/{name}/experiment_{name}.json", path.read_bytes())
    store.put(f"{bucket}/{'k' * 1000}.json", b"{}")
    catalog = RunCatalog([bucket])
    runs = catalog.refresh().runs
    assert len(runs) == 5
    assert all(len(catalog.reader(run.id).history()) == 1 for run in runs)


def listing(*contents: str) -> bytes:
    return f"<ListBucketResult>{''.join(contents)}</ListBucketResult>".encode()


def listed(key: str, size: object = 5) -> str:
    return (
        f"<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        f'<ETag>"x"</ETag><Size>{size}</Size></Contents>'
    )


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"hello",
        b"<ListBucketResult><Contents>",
        listing(listed("runs/a.json", -5)),
        listing(listed("runs/a.json", "many")),
        b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]>" + listing(listed("&a;")),
    ],
)
def test_what_is_no_listing_is_said_plainly(store: ObjectStore, bucket: str, answer: bytes) -> None:
    store.fault = lambda asked: answer if asked.is_list else None
    words = RunCatalog([f"{bucket}/runs"]).refresh()
    assert not words.runs
    assert words.places or words.notices


def test_a_hostile_listing_has_bounds(
    store: ObjectStore, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = ["runs/experiment_1.json", f"runs/experiment_{'x' * 5000}.json"]
    keys += [f"runs/experiment_{number}.json" for number in range(3 * PAGE)]
    page = listing(listed("runs/experiment_big.json", 2**64 - 1), *map(listed, keys))
    store.fault = lambda asked: page if asked.is_list else None
    monkeypatch.setattr(bucket_files, "MOST_OBJECTS", 2 * PAGE - 2)
    files = files_of(bucket)
    entries = [*files.walk(["/runs"], ("*.json",))]
    assert 1.9 * PAGE < len(entries) <= 2 * PAGE
    assert len({entry.id for entry in entries}) == len(entries)
    assert max(len(entry.id) for entry in entries) < 100
    [problem] = [entry.problem for entry in entries if entry.problem]
    assert problem.endswith("objects; some are left out")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, "cannot be listed: access is denied"),
        (503, "answers 503 (SlowDown)"),
        (500, "answers 500"),
    ],
)
def test_a_store_that_refuses_is_away(
    tmp_path: Path, store: ObjectStore, bucket: str, status: int, words: str
) -> None:
    run_at(tmp_path, "a")
    store.upload(tmp_path, bucket)
    catalog = RunCatalog([bucket])
    catalog.refresh()
    store.fault = lambda asked: status
    assert words in away(catalog)
    assert names(catalog.snapshot()) == ["a"]
    store.fault = lambda asked: None
    run_at(tmp_path, "b")
    store.upload(tmp_path, bucket)
    assert names(catalog.refresh()) == ["b", "a"]
    assert not catalog.snapshot().places


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "cannot be read: the store answers 400 (InternalError)"),
        (403, "cannot be read: access is denied to these credentials"),
        (404, "does not exist"),
        (412, "was stored anew while it was read"),
        (416, "is shorter than the store says"),
        (503, "cannot be read: the store answers 503 (SlowDown)"),
    ],
)
def test_an_object_that_cannot_be_read_hides_no_other(
    tmp_path: Path, store: ObjectStore, bucket: str, status: int, words: str
) -> None:
    for name in ("a", "b"):
        run_at(tmp_path, name)
    store.upload(tmp_path, bucket)
    store.fault = lambda asked: status if asked.key == "experiment_a.json" else None
    catalog = RunCatalog([bucket])
    snapshot = catalog.refresh()
    assert not snapshot.places
    assert {run.stem: run.problem for run in snapshot.runs} == {
        "experiment_a": words,
        "experiment_b": "",
    }
    store.fault = lambda asked: None
    if status != 403:
        assert not any(run.problem for run in catalog.refresh().runs)


def test_what_is_denied_is_seldom_asked_for(
    tmp_path: Path, store: ObjectStore, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_at(tmp_path, "a")
    (tmp_path / "b.jsonl").write_text('{"step": 0, "loss": 1.0}\n' * 2)
    store.upload(tmp_path, bucket)
    store.fault = lambda asked: None if asked.is_list else 403
    catalog = RunCatalog([bucket])
    assert names(catalog.refresh()) == ["experiment_a"]
    assert store.requests(catalog.refresh) == ["LIST"]
    store.fault = lambda asked: None
    run_at(tmp_path, "a", notes="once more")
    store.put(f"{bucket}/experiment_a.json", (tmp_path / "experiment_a.json").read_bytes())
    assert names(catalog.refresh()) == ["a"]  # it was stored anew
    later = SimpleNamespace(time=time.time, monotonic=lambda: time.monotonic() + 301)
    monkeypatch.setattr(bucket_files, "time", later)
    assert sorted(names(catalog.refresh())) == ["a", "b"]


def test_a_root_that_is_denied_hides_no_other(
    tmp_path: Path, store: ObjectStore, bucket: str
) -> None:
    run_at(tmp_path, "a")
    for owner in ("ours", "theirs"):
        store.upload(tmp_path, f"{bucket}/{owner}")
    store.fault = lambda asked: 403 if asked.query.get("prefix") == ["theirs/"] else None
    snapshot = RunCatalog([f"{bucket}/ours", f"{bucket}/theirs"]).refresh()
    assert names(snapshot) == ["a"]
    assert snapshot.notices == (
        f"{bucket}/theirs cannot be listed: access is denied to these credentials",
    )
    assert "cannot be listed: access is denied" in away(RunCatalog([f"{bucket}/theirs"]))


def test_a_live_run_is_as_it_was_while_it_is_refused(
    tmp_path: Path, store: ObjectStore, bucket: str
) -> None:
    writer = Writer(tmp_path / "experiment_x.json")
    writer.flush(record(0, train_loss=1.0))
    store.put(f"{bucket}/x.json", writer.path.read_bytes())
    catalog = RunCatalog([bucket])
    catalog.refresh()
    writer.flush(record(1, train_loss=1.0))
    store.put(f"{bucket}/x.json", writer.path.read_bytes())
    store.fault = lambda asked: None if asked.is_list else 500
    snapshot = catalog.refresh()
    assert only(snapshot).count == 1
    assert not snapshot.places
    store.fault = lambda asked: None
    assert only(catalog.refresh()).count == 2


def test_a_note_that_cannot_be_read_is_not_replaced(
    tmp_path: Path, store: ObjectStore, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotate(run_at(tmp_path, "a"), AnnotationChange(note="good"))
    store.upload(tmp_path, bucket)
    catalog = RunCatalog([f"{bucket}/experiment_a.json"])
    run = only(catalog.refresh())
    monkeypatch.setattr(bucket_files, "_STATE_HOLDS", -1.0)  # so that it is asked how it is now
    store.fault = lambda asked: 403 if asked.method in ("HEAD", "GET") else None
    saved = catalog.annotate(run.id, AnnotationChange(note="bad"))
    assert "access is denied" in saved.where
    assert b"good" in store.get(f"{bucket}/.traintop/experiment_a.json")


def test_an_answer_that_is_cut_is_asked_again(
    tmp_path: Path, store: ObjectStore, bucket: str
) -> None:
    track_run(tmp_path, "a", losses=[1.0] * 1000)
    store.upload(tmp_path, bucket)
    cut: list[str] = []

    def cut_once(asked: Asked) -> int | None:
        if asked.key in cut:
            return None
        cut.append(asked.key)
        return -1

    store.fault = cut_once
    catalog = RunCatalog([bucket])
    assert "broke in the middle" in away(catalog)
    snapshot = catalog.refresh()
    assert len(cut) == 2
    assert only(snapshot).count == 1000
    assert len(catalog.reader(only(snapshot).id).history()) == 1000


def test_a_bucket_that_is_missing_is_said(store: ObjectStore) -> None:
    assert "there is no such bucket" in away(RunCatalog(["s3://no-such-lab/runs"]))


def test_a_prefix_without_objects_is_said(store: ObjectStore, bucket: str) -> None:
    snapshot = RunCatalog([f"{bucket}/runs"]).refresh()
    assert snapshot.notices == (f"{bucket}/runs has no objects",)


@pytest.mark.parametrize("command", ["list {0}", "pull {0} {1}", "push {1} {0}"])
def test_ctrl_c_waits_for_no_store(
    tmp_path: Path, store: ObjectStore, bucket: str, command: str
) -> None:
    run_at(tmp_path, "a")
    is_asked, is_over, all_asked = threading.Event(), threading.Event(), list[Asked]()

    def hang(asked: Asked) -> None:
        all_asked.append(asked)
        is_asked.set()
        is_over.wait(60)

    store.fault = hang
    words = command.format(bucket, tmp_path).split()
    process = subprocess.Popen([sys.executable, "-m", "traintop", *words], stdin=subprocess.DEVNULL)
    assert is_asked.wait(30)
    process.send_signal(signal.SIGINT)
    status = process.wait(60)
    is_over.set()
    assert status == -signal.SIGINT
    assert len(all_asked) == 1  # not once more, as a client asks after 10 s


@pytest.mark.parametrize("path", ["a//b", "./a", "a/../b", "a\nb", "\udcff"])
def test_a_root_that_is_no_path_is_said(store: ObjectStore, bucket: str, path: str) -> None:
    [notice] = RunCatalog([f"{bucket}/{path}"]).refresh().notices
    assert notice.startswith(f"{bucket}/{path} has a name that no object can have")


def test_a_store_that_is_not_there_is_said(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert "does not answer: see the network, and AWS_ENDPOINT_URL" in away(
        RunCatalog(["s3://lab/runs"])
    )


# --------------------------------------------------------------------------------- the address


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3:///runs", "names no bucket"),
        ("gs://", "names no bucket"),
        ("s3://a b<c/runs", "is no name of a bucket"),
        ("az://runs/a", "set AZURE_STORAGE_ACCOUNT_NAME"),
    ],
)
def test_an_address_that_is_none(address: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(ValueError, match=words):
        RunCatalog([address])


def test_stores_of_all_clouds_are_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "lab")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "bGFi")
    for address in ("s3://lab/a/b", "gs://lab", "az://runs/a"):
        assert files_of(location_of(address).place).place == location_of(address).place


def test_without_obstore_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(ValueError, match=r"pip install 'traintop\[s3\]'"):
        RunCatalog(["s3://lab/runs"])


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
def test_missing_credentials_say_what_to_set(
    scheme: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from traintop.store.files.bucket import _reason

    said = {
        "s3": "Error performing PUT http://169.254.169.254/latest/api/token in 1s",
        "gs": "Error performing token request: Error performing GET http://metadata.google.internal",
        "az": "Error performing token request: Error performing GET http://169.254.169.254/",
    }
    assert _reason(said[scheme], scheme).startswith("no credentials were found: ")


def test_a_profile_of_aws_has_keys_and_endpoint(
    tmp_path: Path, store: ObjectStore, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_at(tmp_path / "runs", "a")
    store.upload(tmp_path / "runs", bucket)
    for name in (*ENVIRONMENT, "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "lab")
    with pytest.raises(ValueError, match="there is no profile lab"):
        RunCatalog([bucket])
    (tmp_path / "credentials").write_text(
        "[lab]\naws_access_key_id = test\naws_secret_access_key = secret%1\n"
    )
    (tmp_path / "config").write_text(
        f"[profile lab]\nregion = us-east-1\nendpoint_url = {store.endpoint}\n"
    )
    assert names(RunCatalog([bucket]).refresh()) == ["a"]
