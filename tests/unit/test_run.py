"""One run's file, read in every way, while it is whole, growing, torn, or another program's."""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_files import Writer, document, layout, lines, record, records, tail_of, write_run

from traintop import ExperimentConfig, ExperimentTracker, process
from traintop.model import MetricsSnapshot, MetricStats, RunStatus
from traintop.store import follower as follower_module
from traintop.store import summary as summary_module
from traintop.store.history import History
from traintop.store.liveness import HEARTBEAT_PATIENCE, STRANGER_PATIENCE
from traintop.store.observed import ObservedRun, signature_of
from traintop.store.run import Run, UnreadableRunError
from traintop.store.summary import Soundness, read_summary

UNREADABLE = RunStatus.UNREADABLE


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


def rows_of(found: History) -> list[dict[str, float]]:
    """The measured values of each record."""
    rows: list[dict[str, float]] = [{} for _ in range(len(found))]
    for name, column in found.columns.items():
        for row, value, measured in zip(rows, column.tolist(), found.measured(name), strict=True):
            if measured:
                row[name] = value
    return rows


def expected_rows(rows: list[MetricsSnapshot]) -> list[dict[str, float]]:
    """The same of records, merged by iteration."""
    merged: dict[float, dict[str, float]] = {}
    for row in rows:
        fields = {name: getattr(row, name) for name in row.__struct_fields__ if name != "metrics"}
        measured = {
            key: value for key, value in (fields | row.metrics).items() if value is not None
        }
        merged.setdefault(row.iteration, {}).update(measured)
    return [row for _, row in sorted(merged.items())]


# ------------------------------------------------------------------------------------ summary


def test_summary_tells_what_the_file_says(path: Path) -> None:
    rows = records(3)
    write_run(
        path,
        rows,
        config={"experiment_name": "lr sweep", "max_iters": 30},
        run={"host": "gpu-1", "pid": 7},
        status="finished",
        end_time="2025-02-22T15:00:00",
        duration_seconds=61.5,
        best_val_loss=2.5,
        final_train_loss=math.nan,
        notes="two\nlines",
        stats={"train_loss": MetricStats(count=3, last=math.inf, min=1.0)},
        iterations_per_second=8.0,
    )
    found = Run(path).summary()
    assert found.status is RunStatus.FINISHED
    assert (found.name, found.run_id, found.max_iters) == ("lr sweep", path.stem, 30)
    assert found.environment == {"host": "gpu-1", "pid": 7}
    assert (found.count, found.iteration, found.last) == (3, 2, rows[-1])
    assert (found.duration_seconds, found.best_val_loss) == (61.5, 2.5)
    assert found.final_train_loss is not None
    assert math.isnan(found.final_train_loss)
    assert found.stats["train_loss"].last == math.inf
    assert (found.notes, found.problem) == ("two\nlines", "")
    assert found.file_size == path.stat().st_size


def test_summary_costs_two_reads_whatever_the_length(path: Path, preads: list[int]) -> None:
    costs = []
    for count in (100, 20_000):
        write_run(path, records(count), status="finished")
        preads.clear()
        assert read_summary(path).summary.count == count
        costs.append((len(preads), sum(preads)))
    assert costs[0][0] == costs[1][0] == 2
    assert costs[1][1] == costs[0][1] <= 16 * 1024


def test_small_file_is_read_once(path: Path, preads: list[int]) -> None:
    write_run(path, records(5), status="finished")
    assert read_summary(path).summary.count == 5
    assert len(preads) == 1


@pytest.mark.parametrize("count", [0, 1, 200])
@pytest.mark.parametrize("length", [3_000, 40_000, 2_000_000])
def test_long_settings_and_notes_are_read_whole(path: Path, count: int, length: int) -> None:
    text = "n\n]\u00e9" * (length // 4)
    config = {"experiment_name": "long", "prompt": text}
    write_run(path, records(count), config=config, notes=text, status="finished")
    found = Run(path).summary()
    assert (found.notes, found.config["prompt"], found.count) == (text, text, count)
    assert len(Run(path).history()) == count


def test_values_of_a_wrong_type_count_as_missing(path: Path) -> None:
    data = layout(records(2), status="finished", notes="kept", best_val_loss=2.0)
    data = data.replace(b'"start_time":"2025-02-22T14:05:30.123456"', b'"start_time":5')
    data = data.replace(b'"best_val_loss":2.0', b'"best_val_loss":{"a":[]}')
    data = data.replace(b'"status":"finished"', b'"status":"pondering"')
    path.write_bytes(data)
    found = Run(path).summary()
    assert (found.start_time, found.best_val_loss, found.notes) == (None, None, "kept")
    assert found.status in (RunStatus.RUNNING, RunStatus.STALLED)
    assert found.count == 2


def test_a_resumed_run_belongs_to_the_process_that_resumed_it(path: Path) -> None:
    first = {"host": "old", "pid": 1, "user": "me"}
    second = {"host": "new", "pid": 2}
    write_run(path, records(1), run=first, resumed=[{"host": "middle"}, second])
    reading = read_summary(path)
    assert reading.process == second
    assert reading.summary.environment == {"host": "new", "pid": 2, "user": "me"}


# --------------------------------------------------------------------------- history and follow


def test_history_has_every_record(path: Path) -> None:
    rows = records(5000)  # several chunks
    write_run(path, rows)
    assert rows_of(Run(path).history()) == expected_rows(rows)


@pytest.mark.parametrize("chunk", [*range(150, 180), 1000])
def test_chunks_may_end_anywhere(path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower_module, "CHUNK", chunk)
    writer = Writer(path)
    notes = "the tail is longer than a chunk " * 40
    writer.flush(*(record(step, train_loss=1.5) for step in range(chunk)), notes=notes)
    run = Run(path)
    assert normal(rows_of(run.history())) == normal(expected_rows(writer.rows))
    writer.flush(record(chunk - 1, train_loss=1.5, val_loss=2.0), record(chunk), notes=notes)
    run.follow()
    assert normal(rows_of(run.history())) == normal(expected_rows(writer.rows))


def test_follow_reads_only_what_is_new(path: Path, preads: list[int]) -> None:
    writer = Writer(path)
    writer.flush(*records(5000))
    run = Run(path)
    assert run.follow()
    preads.clear()
    assert not run.follow()
    writer.flush(*records(5003)[5000:])
    assert run.follow()
    assert sum(preads) < 8 * 1024
    assert rows_of(run.history()) == expected_rows(records(5003))


def test_a_sign_of_life_is_no_change_of_the_history(path: Path) -> None:
    writer = Writer(path)
    writer.flush(*records(3), updated_at="a")
    run = Run(path)
    before = run.history()
    writer.flush(updated_at="b")
    assert not run.follow()
    assert run.history() is before


def test_the_last_record_may_be_completed(path: Path) -> None:
    writer = Writer(path)
    writer.flush(record(0, train_loss=2.0))
    run = Run(path)
    before = run.history()
    writer.flush(record(0, train_loss=2.0, val_loss=3.0))
    assert run.follow()
    assert run.history().columns["val_loss"].tolist() == [3.0]
    assert not before.measured("val_loss").any()


def test_replayed_iterations_stand_once(path: Path) -> None:
    writer = Writer(path)
    writer.flush(*records(50))
    run = Run(path)
    run.follow()
    again = [record(step, train_loss=9.0) for step in range(30, 60)]
    for row in again:
        writer.flush(row)
        assert run.follow()
    assert rows_of(run.history()) == expected_rows(records(50) + again)
    assert rows_of(Run(path).history()) == expected_rows(records(50) + again)


def test_a_partial_line_waits(path: Path) -> None:
    data = layout(records(4))
    cut = data.index(b'{"iteration":3') + 20
    path.write_bytes(data[:cut])
    run = Run(path)
    assert len(run.history()) == 3
    with path.open("ab") as file:
        file.write(data[cut:])
    assert run.follow()
    assert rows_of(run.history()) == expected_rows(records(4))


@pytest.mark.parametrize("end", ["replaced", "repeated", "shrunk", "rewritten", "foreign", "blank"])
def test_another_content_is_read_anew(path: Path, end: str) -> None:
    write_run(path, records(20))
    run = Run(path)
    assert len(run.history()) == 20
    other = [record(step, train_loss=-1.0) for step in range(100, 130)]
    if end in ("replaced", "repeated"):
        if end == "repeated":  # the same run once more: the same lengths, other losses
            write_run(path, [record(step, train_loss=1.0) for step in range(20)])
            run = Run(path)
            run.history()
            other = [record(step, train_loss=2.0) for step in range(30)]
        os.replace(write_run(path.with_suffix(".new"), other), path)
    elif end == "shrunk":
        other = other[:3]
        write_run(path, other)
    elif end == "rewritten":
        write_run(path, other)
    else:
        blank = "\n" * 5000 if end == "blank" else ""
        path.write_text(blank + json.dumps(document(other), indent=4))
    assert run.follow()
    assert normal(rows_of(run.history())) == normal(expected_rows(other))
    assert not run.follow()


def test_a_deleted_file_leaves_what_was_read(path: Path) -> None:
    write_run(path, records(3))
    run = Run(path)
    before = run.history()
    path.unlink()
    assert not run.follow()
    assert run.history() is before
    assert run.summary().status is UNREADABLE


_VALUE = st.one_of(
    st.none(), st.sampled_from([math.nan, math.inf, -math.inf]), st.floats(-1e6, 1e6)
)
_RECORD = st.builds(
    record,
    iteration=st.integers(-2, 30),
    gradient_step=st.integers(0, 99),
    wallclock_time=st.floats(0, 1e5),
    train_loss=_VALUE,
    val_loss=_VALUE,
    grad_norm=st.one_of(st.floats(-9, 9), st.just(math.nan)),
)
_FLUSHES = st.lists(st.lists(_RECORD, max_size=5), max_size=8)


def normal(rows: list[dict[str, float]]) -> list[list[tuple[str, str]]]:
    """Rows that can be compared: NaN equals NaN, and the order of keys does not matter."""
    return [sorted((name, repr(float(value))) for name, value in row.items()) for row in rows]


@given(flushes=_FLUSHES)
def test_summary_follow_history_and_json_agree(flushes: list[list[MetricsSnapshot]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        writer = Writer(Path(directory) / "experiment_x.json")
        run = Run(writer.path)
        for flush in flushes:
            writer.flush(*flush)
            run.follow()
            fresh = Run(writer.path)
            assert normal(rows_of(run.history())) == normal(expected_rows(writer.rows))
            assert normal(rows_of(fresh.history())) == normal(expected_rows(writer.rows))
            loaded = json.loads(writer.path.read_text())["metrics_history"]
            assert [row["iteration"] for row in loaded] == [row.iteration for row in writer.rows]
            found = fresh.summary()
            assert found.count == len(loaded)
            assert found.iteration == (loaded[-1]["iteration"] if loaded else None)


def test_a_reader_keeps_up_with_the_real_tracker(tmp_path: Path) -> None:
    """What one thread was handed out stays as it was while the run goes on."""
    tracker = ExperimentTracker(ExperimentConfig("live"), log_dir=tmp_path, quiet=True)
    tracker.start()
    tracker.save()
    [found] = tmp_path.glob("*.json")
    run = Run(found)
    seen: list[tuple[History, list[dict[str, float]]]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            if run.follow():
                history = run.history()
                seen.append((history, rows_of(history)))
            assert run.summary().status is RunStatus.RUNNING

    reader = threading.Thread(target=read)
    reader.start()
    for step in range(400):
        tracker.log_metrics(iteration=step, train_loss=1 / (step + 1), grad_norm=float(step))
        if step % 20 == 0:
            tracker.log_eval(iteration=step, val_loss=2.0)
            tracker.save()
    tracker.save()
    done.set()
    reader.join()
    run.follow()
    history = run.history()
    assert history.columns["iteration"].tolist() == list(range(400))
    assert np.flatnonzero(history.measured("val_loss")).tolist() == list(range(0, 400, 20))
    assert len(seen) > 1
    for earlier, rows in seen:
        assert rows_of(earlier) == rows
    tracker.finish()
    tracker.save()
    assert run.summary().status is RunStatus.FINISHED


# ------------------------------------------------------------------------------ torn and damaged


def overwrite(path: Path, data: bytes) -> None:
    """Puts other bytes into the same file, without emptying it first, which takes ext4 long."""
    with path.open("r+b" if path.exists() else "wb") as file:
        file.write(data)
        file.truncate()


def test_cut_at_any_byte_keeps_every_whole_line(path: Path) -> None:
    rows = [record(step, train_loss=1.5, val_loss=None, acc=0.5) for step in range(4)]
    data = layout(rows, notes="n")
    ends = [data.index(line) + len(line) for line in lines(rows).strip(b"\n").split(b",\n")]
    head = data.index(b"[\n") + 2
    for cut in range(len(data)):
        overwrite(path, data[:cut])
        found = read_summary(path).summary
        if cut < head:
            assert found.status is UNREADABLE
            assert found.problem
            continue
        whole = sum(end <= cut for end in ends)
        history = Run(path).history()
        assert history.columns["iteration"].tolist() == list(range(whole))
        assert found.status is RunStatus.RUNNING
        assert found.iteration == (whole - 1 if whole else None)
        assert found.count == whole


def test_write_torn_at_any_byte_loses_no_flushed_record(path: Path) -> None:
    """As the disk has it after a power loss, and as a reader may meet it at any moment."""
    writer = Writer(path)
    writer.flush(record(0, train_loss=2.0), record(1, train_loss=1.5))
    before = path.read_bytes()
    added = (record(1, train_loss=1.5, val_loss=7.25), record(2, train_loss=1.0), record(3, a=1.0))
    due = writer.flush(*added)
    after = path.read_bytes()
    start = len(after) - due
    for cut in range(due + 1):
        overwrite(path, before)
        run = Run(path)
        run.follow()
        overwrite(path, after[: start + cut] + before[start + cut :])
        found = read_summary(path).summary
        run.follow()
        for history in (Run(path).history(), run.history()):
            columns = history.columns
            loss = dict(zip(columns["iteration"], columns["train_loss"], strict=True))
            assert (loss[0], loss[1]) == (2.0, 1.5)
            assert set(loss) <= {0, 1, 2, 3}
        assert found.status is RunStatus.RUNNING
        assert found.iteration is not None
        assert found.iteration >= 1
        overwrite(path, after)
        run.follow()
        assert normal(rows_of(run.history())) == normal(expected_rows(writer.rows))


def test_pages_that_arrive_out_of_order_cost_no_second_reading(
    path: Path, preads: list[int]
) -> None:
    """As on a network filesystem: the new tail is there, the records before it are not yet."""
    writer = Writer(path)
    writer.flush(*records(5000))
    run = Run(path)
    run.follow()
    start = path.read_bytes().index(b'{"iteration":4999')
    writer.flush(*records(5010)[5000:])
    whole = path.read_bytes()
    overwrite(path, whole[:start] + bytes(700) + whole[start + 700 :])
    run.follow()
    assert run.history().columns["iteration"][[0, 4999, -1]].tolist() == [0, 4999, 5009]
    overwrite(path, whole)
    preads.clear()
    assert run.follow()
    assert sum(preads) < 16 * 1024
    assert normal(rows_of(run.history())) == normal(expected_rows(records(5010)))


def test_a_line_that_is_followed_before_its_tail_is_whole_gives_way_to_it(path: Path) -> None:
    """Found by fuzzing: what a follower shows is what a first reading would show."""
    data = layout([record(0, train_loss=2.0), record(1, train_loss=1.5)])
    mixed = data.replace(b'"train_loss":1.5', b'"train_loss":9.5', 1)
    path.write_bytes(mixed[: mixed.index(b'"last":')])
    run = Run(path)
    assert run.history().columns["train_loss"].tolist() == [2.0, 9.5]
    overwrite(path, mixed)
    assert run.follow()
    assert run.history().columns["train_loss"].tolist() == [2.0, 1.5]
    assert rows_of(run.history()) == rows_of(Run(path).history())


def test_torn_file_gets_its_statistics_from_its_records(path: Path) -> None:
    rows = [*records(3000), record(3000, train_loss=math.nan, wallclock_time=750.0)]
    data = layout(rows)
    path.write_bytes(data[: data.rindex(b"\n]")])
    reading = read_summary(path)
    found = reading.summary
    assert reading.soundness is Soundness.TORN
    assert (found.count, found.iteration, found.duration_seconds) == (3001, 3000, 750.0)
    loss = found.stats["train_loss"]
    assert (loss.count, loss.nonfinite, loss.min_iteration) == (3000, 1, 2999)
    assert found.best_train_loss == loss.min == pytest.approx(1.001)
    assert loss.recent_mean == pytest.approx(1.0505)
    assert found.diverged


@pytest.mark.parametrize("zeros", [1, 5000, 100_000])
def test_zeros_after_a_power_loss(path: Path, zeros: int) -> None:
    data = layout(records(300))
    cut = data.index(b'{"iteration":200') + 30
    path.write_bytes(data[:cut] + bytes(zeros))
    assert len(Run(path).history()) == 200
    found = Run(path).summary()
    assert (found.status, found.count) == (RunStatus.RUNNING, 200)


def test_a_line_that_does_not_parse_ends_the_reading(path: Path) -> None:
    data = layout(records(30))
    path.write_bytes(data.replace(b'{"iteration":20,', b'{"iteration":!!,'))
    # The last record is known from the tail.
    assert Run(path).history().columns["iteration"].tolist() == [*range(20), 29]


def test_a_record_in_two_lines_ends_the_reading_whatever_follows(path: Path) -> None:
    data = layout(records(30)).replace(b'{"iteration":20,', b'{"iteration":20,\n')
    path.write_bytes(data)
    run = Run(path)
    assert run.history().columns["iteration"].tolist() == [*range(20), 29]
    path.write_bytes(data.replace(b'{"iteration":25,', b'{"iteration":!!,'))
    assert Run(path).history().columns["iteration"].tolist() == [*range(20), 29]


@given(st.binary(max_size=300), st.booleans(), st.booleans())
def test_any_bytes_are_told_in_words(data: bytes, headed: bool, tailed: bool) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "experiment_x.json"
        head = layout(())[: -len(tail_of(()))] + lines(records(2)) + b",\n"
        path.write_bytes((head if headed else b"") + data + (tail_of(()) if tailed else b""))
        run = Run(path)
        found = run.summary()
        if found.status is UNREADABLE:
            assert found.problem
            with pytest.raises(UnreadableRunError, match="experiment_x"):
                run.history()
        else:
            assert len(run.history()) >= (2 if headed else 0)
            run.follow()
            run.sample(3)


def test_memory_is_bounded_for_a_huge_line(path: Path) -> None:
    data = layout(records(3))
    at = data.index(b'{"iteration":2')
    with path.open("wb") as file:
        file.write(data[:at])
        for _ in range(60):
            file.write(b"x" * (1 << 20))
        file.write(data[at:])
    tracemalloc.start()
    assert Run(path).summary().count == 3
    assert len(Run(path).history()) == 2
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 << 20


@pytest.mark.parametrize("headed", [True, False])
def test_a_sparse_file_of_5_gb_is_read_in_bounded_memory(path: Path, headed: bool) -> None:
    data = layout(records(3))
    path.write_bytes(data[: data.index(b'{"iteration":2')] if headed else b"")
    os.truncate(path, 5 << 30)
    tracemalloc.start()
    found = Run(path).summary()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 << 20
    if headed:
        assert (found.status, found.count) == (RunStatus.RUNNING, 2)
        assert len(Run(path).history()) == 2
    else:
        assert found.status is UNREADABLE
        assert "64 KiB" in found.problem


# ------------------------------------------------------------------------------- other programs


@pytest.mark.parametrize("indent", [None, 0, 2])
def test_documents_of_other_programs(path: Path, indent: int | None) -> None:
    rows = [record(0, train_loss=3.0), record(1, train_loss=2.0, val_loss=2.5, acc=0.5)]
    theirs = document(rows, end_time="2025-01-01T01:00:00", best_val_loss=2.5, notes="theirs")
    path.write_text(json.dumps(theirs, indent=indent))
    run = Run(path)
    found = run.summary()
    assert (found.status, found.name, found.max_iters) == (RunStatus.FINISHED, "theirs", 100)
    assert (found.count, found.iteration, found.best_train_loss) == (2, 1, 2.0)
    assert found.stats["train_loss"].last == 2.0
    assert normal(rows_of(run.history())) == normal(expected_rows(rows))
    assert len(run.sample(10)) == 2
    assert not run.follow()
    path.write_text(json.dumps(document([*rows, record(2, train_loss=1.0)]), indent=indent))
    assert run.follow()
    assert len(run.history()) == 3
    assert run.summary().iteration == 2


def test_documents_with_bare_nan_bom_and_missing_keys(path: Path) -> None:
    text = """\ufeff{"metrics_history": [
        {"iteration": 0, "train_loss": NaN, "val_loss": -Infinity},
        {"iteration": 1, "train_loss": 2.0, "extra": [1, 2]}, 7,
        {"iteration": 2, "train_loss": 1e999}
    ], "start_time": 12, "status": "done", "end_time": "x"}"""
    path.write_text(text, encoding="utf-8")
    run = Run(path)
    found = run.summary()
    assert (found.status, found.name, found.start_time) == (RunStatus.FINISHED, path.stem, None)
    assert found.stats["train_loss"].nonfinite == 2
    history = run.history()
    assert history.nonfinite("train_loss").tolist() == [True, True]
    assert history.columns["val_loss"][0] == -math.inf


def test_a_document_is_kept_while_it_is_rewritten(path: Path) -> None:
    whole = json.dumps(document(records(5)), indent=1)
    path.write_text(whole)
    run = Run(path)
    assert (len(run.history()), run.summary().count) == (5, 5)
    path.write_text(whole[:200])
    assert not run.follow()
    assert (len(run.history()), run.summary().count) == (5, 5)
    path.write_text(json.dumps(document(records(6)), indent=1))
    assert run.follow()
    assert (len(run.history()), run.summary().count) == (6, 6)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"not json", "is not JSON"),
        (b"[1, 2]", "holds a JSON list"),
        (b'{"a": 1}', "neither"),
        (b'{"config": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"config": "\xff\xfe"}', "UTF-8"),
        (b'{"config": 1, "metrics_history": {"a": 1}}', "neither"),
        (b"x" * 200_000, "64 KiB"),
    ],
)
def test_what_is_no_run_is_told_in_words(path: Path, data: bytes, words: str) -> None:
    path.write_bytes(data)
    found = Run(path).summary()
    assert found.status is UNREADABLE
    assert words in found.problem
    with pytest.raises(UnreadableRunError, match=words):
        Run(path).history()


def test_documents_are_read_up_to_a_limit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(json.dumps(document(records(900)), indent=1))
    monkeypatch.setattr(summary_module, "DOCUMENT_LIMIT", 100_000)
    assert "JSON document" in Run(path).summary().problem


# -------------------------------------------------------------------------------- no regular file


@pytest.fixture(params=["directory", "pipe", "socket", "device", "dangling", "loop", "missing"])
def no_file(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    path = tmp_path / "experiment_x.json"
    match request.param:
        case "directory":
            path.mkdir()
            yield path, "directory"
        case "pipe":
            os.mkfifo(path)
            yield path, "pipe"
        case "socket":
            here = Path.cwd()
            os.chdir(tmp_path)  # socket paths are short
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(path.name)
                os.chdir(here)
                yield path, "socket"
        case "device":
            path.symlink_to("/dev/zero")
            yield path, "device"
        case "dangling":
            path.symlink_to(tmp_path / "nowhere")
            yield path, "does not exist"
        case "loop":
            path.symlink_to(path)
            yield path, "symbolic link"
        case _:
            yield path, "does not exist"


def test_what_is_no_file_neither_hangs_nor_raises(no_file: tuple[Path, str]) -> None:
    path, words = no_file
    run = Run(path)
    assert run.summary().status is UNREADABLE
    assert words in run.summary().problem
    assert words in read_summary(path).summary.problem
    assert not run.follow()
    with pytest.raises(UnreadableRunError, match=words):
        run.history()
    with pytest.raises(UnreadableRunError, match=words):
        run.sample(3)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(path: Path) -> None:
    write_run(path, records(1))
    path.chmod(0)
    assert "permission" in Run(path).summary().problem


# ------------------------------------------------------------------------------------- sample


def test_sample_costs_as_much_for_any_length(path: Path, preads: list[int]) -> None:
    costs = []
    for count in (10_000, 40_000):
        write_run(path, records(count))
        preads.clear()
        sample = Run(path).sample(50)
        costs.append(len(preads))
        iterations = sample.columns["iteration"]
        assert (iterations[0], iterations[-1]) == (0, count - 1)
        assert (np.diff(iterations) > 0).all()
        assert np.diff(iterations).max() < 1.5 * count / 50
        assert 50 <= len(sample) <= 1000
    assert costs[0] == costs[1] <= 55
    whole = rows_of(Run(path).history())
    assert all(row == whole[int(row["iteration"])] for row in rows_of(sample))


def test_sample_of_a_short_run_is_all_of_it(path: Path) -> None:
    write_run(path, records(30))
    assert rows_of(Run(path).sample(100)) == expected_rows(records(30))
    write_run(path)
    assert len(Run(path).sample(100)) == 0


def test_sample_finds_long_lines_and_survives_torn_tails(path: Path) -> None:
    rows = [
        record(step, **{f"metric_{k}_{'x' * 50}": 1.0 for k in range(80)}) for step in range(200)
    ]
    data = layout(rows)
    path.write_bytes(data[: data.index(b'{"iteration":190') + 100])
    iterations = Run(path).sample(40).columns["iteration"]
    assert iterations[0] == 0
    assert iterations[-1] >= 180
    assert len(iterations) >= 40


# ------------------------------------------------------------------------------------- liveness


def test_killed_process_is_told_as_crashed(tmp_path: Path) -> None:
    script = """
import sys, time
from traintop import ExperimentConfig, ExperimentTracker
tracker = ExperimentTracker(ExperimentConfig("victim"), log_dir=sys.argv[1], quiet=True)
tracker.start()
for step in range(50):
    tracker.log_metrics(iteration=step, train_loss=1.0)
tracker.save()
print("saved", flush=True)
time.sleep(60)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "saved\n"
    [path] = tmp_path.glob("*.json")
    run = Run(path)
    assert run.summary().status is RunStatus.RUNNING
    child.kill()
    child.wait()
    assert run.summary().status is RunStatus.CRASHED
    assert Run(path).summary().status is RunStatus.CRASHED
    assert (run.summary().count, len(run.history())) == (50, 50)
    child.stdout.close()


def test_a_run_of_an_ended_process_that_finished_is_no_crash(path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = {**process.current_process(), "pid": child.pid, "pid_started": _started(child.pid)}
    writer = Writer(path, run=identity)
    writer.flush(record(0))
    run = Run(path)
    assert run.summary().status is RunStatus.RUNNING
    writer.flush(status="finished")
    child.communicate(b"\n")
    assert run.summary().status is RunStatus.FINISHED


def test_the_last_words_of_a_process_are_read_before_it_is_called_crashed(path: Path) -> None:
    """A reader that saw the file before, and the process after its end."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = {**process.current_process(), "pid": child.pid, "pid_started": _started(child.pid)}
    writer = Writer(path, run=identity)
    writer.flush(record(0), status="running ")
    observed = ObservedRun(path, 0.0, age=0.0, network=False)
    before = signature_of(path.stat())
    observed.look(before, 0.0)
    writer.flush(status="failed", error="ValueError: x")
    child.communicate(b"\n")
    observed.look(before, 100.0)  # the signature of before: as if nothing had changed
    assert observed.summary is not None
    assert observed.summary.status is RunStatus.FAILED


def _started(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


class Watch:
    """An observation with a clock of its own."""

    def __init__(self, path: Path, *, age: float = 0.0, network: bool = False) -> None:
        self.path = path
        self.now = 1000.0
        self.observed = ObservedRun(path, self.now, age=age, network=network)

    def after(self, seconds: float) -> RunStatus:
        self.now += seconds
        self.observed.look(signature_of(self.path.stat()), self.now)
        assert self.observed.summary is not None
        return self.observed.summary.status


def test_silence_is_a_stall_and_a_sign_of_life_ends_it(path: Path) -> None:
    writer = Writer(path)  # of an unknown host
    writer.flush(record(0))
    watch = Watch(path)
    assert watch.after(0) is RunStatus.RUNNING
    assert watch.after(HEARTBEAT_PATIENCE - 1) is RunStatus.RUNNING
    assert watch.after(2) is RunStatus.STALLED
    writer.flush(updated_at="now")
    assert watch.after(2) is RunStatus.RUNNING
    assert watch.after(HEARTBEAT_PATIENCE + 1) is RunStatus.STALLED


def test_a_file_that_was_still_for_long_is_stalled_at_first_sight(path: Path) -> None:
    write_run(path, records(1))
    assert Watch(path, age=HEARTBEAT_PATIENCE + 1).after(0) is RunStatus.STALLED
    stepped_back = Watch(path, age=-3600.0)
    assert stepped_back.after(0) is RunStatus.RUNNING
    assert stepped_back.after(HEARTBEAT_PATIENCE + 1) is RunStatus.STALLED
    os.utime(path, (time.time() - 100, time.time() - 100))
    assert Run(path).summary().status is RunStatus.STALLED


def test_other_writers_are_granted_their_own_rhythm(path: Path) -> None:
    def write(count: int) -> None:
        path.write_text(json.dumps(document(records(count))))

    write(1)
    watch = Watch(path)
    assert watch.after(STRANGER_PATIENCE - 1) is RunStatus.RUNNING
    assert watch.after(2) is RunStatus.STALLED
    write(2)
    assert watch.after(100) is RunStatus.RUNNING
    assert watch.after(10 * STRANGER_PATIENCE) is RunStatus.RUNNING  # it paused for 401 s before
    assert watch.after(10 * STRANGER_PATIENCE) is RunStatus.STALLED


def test_caches_of_a_network_are_granted_more_time(path: Path) -> None:
    write_run(path, records(1))
    watch = Watch(path, network=True)
    assert watch.after(HEARTBEAT_PATIENCE + 1) is RunStatus.RUNNING
    assert watch.after(HEARTBEAT_PATIENCE) is RunStatus.STALLED


def test_a_change_that_the_signature_does_not_tell_is_seen(path: Path) -> None:
    """Two writes within one tick of the clock: same size, same time."""
    writer = Writer(path)
    writer.flush(record(0), notes="aaaa")
    watch = Watch(path)
    watch.after(0)
    times = path.stat()
    writer.flush(notes="bbbb")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert signature_of(path.stat()) == signature_of(times)
    watch.after(1)
    assert watch.observed.summary is not None
    assert watch.observed.summary.notes == "bbbb"


def test_a_still_file_is_not_read_again(path: Path, preads: list[int]) -> None:
    write_run(path, records(1))
    watch = Watch(path, age=5.0)
    watch.after(0)
    preads.clear()
    for _ in range(10):
        assert watch.after(2) is RunStatus.RUNNING
    assert preads == []


def test_summary_of_a_torn_file_stays_for_a_moment(path: Path) -> None:
    writer = Writer(path)
    writer.flush(*records(3))
    watch = Watch(path)
    watch.after(5)
    before = watch.observed.summary
    writer.flush(*records(6)[3:], cut=400)
    watch.after(1)
    assert watch.observed.summary is before
    watch.after(3)
    assert watch.observed.summary is not None
    assert watch.observed.summary.iteration == 3
