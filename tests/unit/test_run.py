"""One run's file, read in every way while it is whole or growing: summary, history, sample."""

from __future__ import annotations

import json
import math
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.runs import (
    OpenedRun,
    Writer,
    expected_rows,
    foreign_document,
    layout,
    normal,
    record,
    records,
    rows_of,
    write_run,
)

from traintop import ExperimentConfig, ExperimentTracker
from traintop.logfile import FORMAT_VERSION
from traintop.logfile import lines as log_lines
from traintop.model import MetricsSnapshot, MetricStats, RunStatus
from traintop.progress import planned_steps
from traintop.store.history import History

# ------------------------------------------------------------------------------------ summary


def test_a_summary_has_what_the_file_says(path: Path) -> None:
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
    found = OpenedRun(path).summary()
    assert found.status is RunStatus.FINISHED
    assert (found.name, found.stem, planned_steps(found)) == ("lr sweep", path.stem, 30)
    assert found.environment == {"format": FORMAT_VERSION, "host": "gpu-1", "pid": 7}
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
        assert OpenedRun(path).summary().count == count
        costs.append((len(preads), sum(preads)))
    assert costs[0][0] == costs[1][0] == 2
    assert costs[1][1] == costs[0][1] <= 16 * 1024


def test_small_file_is_read_once(path: Path, preads: list[int]) -> None:
    write_run(path, records(5), status="finished")
    assert OpenedRun(path).summary().count == 5
    assert len(preads) == 1


@pytest.mark.parametrize("count", [0, 1, 200])
@pytest.mark.parametrize("length", [3_000, 40_000, 2_000_000])
def test_long_settings_and_notes_are_read_whole(path: Path, count: int, length: int) -> None:
    text = "n\n]\u00e9" * (length // 4)
    config = {"experiment_name": "long", "prompt": text}
    write_run(path, records(count), config=config, notes=text, status="finished")
    found = OpenedRun(path).summary()
    assert (found.notes, found.config["prompt"], found.count) == (text, text, count)
    assert len(OpenedRun(path).history()) == count


def test_values_of_a_wrong_type_count_as_missing(path: Path) -> None:
    wrong: dict[str, Any] = {"start_time": 5, "best_val_loss": {"a": []}, "status": "pondering"}
    path.write_bytes(layout(records(2), notes="kept", **wrong))
    found = OpenedRun(path).summary()
    assert (found.start_time, found.best_val_loss, found.notes) == (None, None, "kept")
    assert found.status in (RunStatus.RUNNING, RunStatus.STALLED)
    assert found.count == 2


def test_a_resumed_run_belongs_to_the_process_that_resumed_it(path: Path) -> None:
    first = {"host": "old", "pid": 1, "user": "me"}
    second = {"host": "new", "pid": 2}
    write_run(path, records(1), run=first, resumed=[{"host": "middle"}, second])
    assert OpenedRun(path).summary().environment == {
        "format": FORMAT_VERSION,
        "host": "new",
        "pid": 2,
        "user": "me",
    }


# --------------------------------------------------------------------------- history and follow


def test_history_has_every_record(path: Path) -> None:
    rows = records(5000)  # several chunks
    write_run(path, rows)
    assert rows_of(OpenedRun(path).history()) == expected_rows(rows)


@pytest.mark.parametrize("chunk", [*range(150, 180), 1000])
def test_chunks_may_end_anywhere(path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_lines, "CHUNK", chunk)
    writer = Writer(path)
    notes = "the tail is longer than a chunk " * 40
    writer.flush(*(record(step, train_loss=1.5) for step in range(chunk)), notes=notes)
    run = OpenedRun(path)
    assert normal(rows_of(run.history())) == normal(expected_rows(writer.rows))
    writer.flush(record(chunk - 1, train_loss=1.5, val_loss=2.0), record(chunk), notes=notes)
    run.follow()
    assert normal(rows_of(run.history())) == normal(expected_rows(writer.rows))


def test_follow_reads_only_what_is_new(path: Path, preads: list[int]) -> None:
    writer = Writer(path)
    writer.flush(*records(5000))
    writer.flush()  # a heartbeat
    run = OpenedRun(path)
    assert run.follow()
    preads.clear()
    assert not run.follow()
    writer.flush(*records(5003)[5000:])
    assert run.follow()
    assert sum(preads) < 20 * 1024  # both ends, twice
    assert rows_of(run.history()) == expected_rows(records(5003))


def test_a_heartbeat_does_not_change_the_history(path: Path) -> None:
    writer = Writer(path)
    writer.flush(*records(3), updated_at="a")
    run = OpenedRun(path)
    before = run.history()
    writer.flush(updated_at="b")
    assert not run.follow()
    assert run.history() is before


def test_the_last_record_may_be_completed(path: Path) -> None:
    writer = Writer(path)
    writer.flush(record(0, train_loss=2.0))
    run = OpenedRun(path)
    before = run.history()
    writer.flush(record(0, train_loss=2.0, val_loss=3.0))
    assert run.follow()
    assert run.history().columns["val_loss"].tolist() == [3.0]
    assert not before.measured("val_loss").any()


def test_replayed_iterations_stand_once(path: Path) -> None:
    writer = Writer(path)
    writer.flush(*records(50))
    run = OpenedRun(path)
    run.follow()
    again = [record(step, train_loss=9.0) for step in range(30, 60)]
    for row in again:
        writer.flush(row)
        assert run.follow()
    assert rows_of(run.history()) == expected_rows(records(50) + again)
    assert rows_of(OpenedRun(path).history()) == expected_rows(records(50) + again)


def test_a_partial_line_waits(path: Path) -> None:
    data = layout(records(4))
    cut = data.index(b'{"iteration":3') + 20
    path.write_bytes(data[:cut])
    run = OpenedRun(path)
    assert len(run.history()) == 3
    with path.open("ab") as file:
        file.write(data[cut:])
    assert run.follow()
    assert rows_of(run.history()) == expected_rows(records(4))


@pytest.mark.parametrize(
    "end", ["replaced", "repeated", "in place", "shrunk", "rewritten", "foreign", "blank"]
)
def test_another_content_is_read_anew(path: Path, end: str) -> None:
    write_run(path, records(20))
    run = OpenedRun(path)
    assert len(run.history()) == 20
    other = [record(step, train_loss=-1.0) for step in range(100, 130)]
    if end in ("replaced", "repeated", "in place"):
        if end != "replaced":  # the same run once more: the same lengths, other losses
            write_run(path, [record(step, train_loss=1.0) for step in range(20)])
            run = OpenedRun(path)
            run.history()
            other = [record(step, train_loss=2.0) for step in range(30)]
        new = path if end == "in place" else path.with_suffix(".new")
        os.replace(write_run(new, other), path)
    elif end == "shrunk":
        other = other[:3]
        write_run(path, other)
    elif end == "rewritten":
        write_run(path, other)
    else:
        blank = "\n" * 5000 if end == "blank" else ""
        path.write_text(blank + json.dumps(foreign_document(other), indent=4))
    assert run.follow()
    assert normal(rows_of(run.history())) == normal(expected_rows(other))
    assert not run.follow()


def test_a_deleted_file_leaves_what_was_read(path: Path) -> None:
    write_run(path, records(3))
    run = OpenedRun(path)
    before = run.history()
    path.unlink()
    assert not run.follow()
    assert run.history() is before


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


@given(flushes=_FLUSHES)
def test_summary_follow_history_and_json_agree(flushes: list[list[MetricsSnapshot]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        writer = Writer(Path(directory) / "experiment_x.json")
        run = OpenedRun(writer.path)
        for flush in flushes:
            writer.flush(*flush)
            run.follow()
            fresh = OpenedRun(writer.path)
            assert normal(rows_of(run.history())) == normal(expected_rows(writer.rows))
            assert normal(rows_of(fresh.history())) == normal(expected_rows(writer.rows))
            document = json.loads(writer.path.read_text())
            loaded = [*document["metrics_history"], *filter(None, [document["last"]])]
            iterations = [row["iteration"] for row in loaded]
            assert iterations == [row.iteration for row in writer.rows]
            found = fresh.summary()
            assert found.count == len(loaded)
            assert found.iteration == max(iterations, default=None)


def test_a_reader_keeps_up_with_the_real_tracker(tmp_path: Path) -> None:
    """What one thread was handed out stays as it was while the run goes on."""
    tracker = ExperimentTracker(ExperimentConfig("live"), log_dir=tmp_path, quiet=True)
    tracker.start()
    tracker.save()
    [found] = tmp_path.glob("*.json")
    run = OpenedRun(found)
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


# ------------------------------------------------------------------------------------- sample


def test_sample_costs_as_much_for_any_length(path: Path, preads: list[int]) -> None:
    costs = []
    for count in (10_000, 40_000):
        write_run(path, records(count))
        preads.clear()
        sample = OpenedRun(path).sample(50)
        costs.append(len(preads))
        iterations = sample.columns["iteration"]
        assert (iterations[0], iterations[-1]) == (0, count - 1)
        assert (np.diff(iterations) > 0).all()
        assert np.diff(iterations).max() < 1.5 * count / 50
        assert 50 <= len(sample) <= 1000
    assert costs[0] == costs[1] <= 55
    whole = rows_of(OpenedRun(path).history())
    assert all(row == whole[int(row["iteration"])] for row in rows_of(sample))


def test_sample_of_a_short_run_is_all_of_it(path: Path) -> None:
    write_run(path, records(30))
    assert rows_of(OpenedRun(path).sample(100)) == expected_rows(records(30))
    write_run(path)
    assert len(OpenedRun(path).sample(100)) == 0


def test_sample_finds_long_lines_and_survives_torn_tails(path: Path) -> None:
    rows = [
        record(step, **{f"metric_{k}_{'x' * 50}": 1.0 for k in range(80)}) for step in range(200)
    ]
    data = layout(rows)
    path.write_bytes(data[: data.index(b'{"iteration":190') + 100])
    iterations = OpenedRun(path).sample(40).columns["iteration"]
    assert iterations[0] == 0
    assert iterations[-1] >= 180
    assert len(iterations) >= 40
