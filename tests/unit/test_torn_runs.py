"""A run's file that is torn or damaged: what is whole of it is read, in bounded memory."""

from __future__ import annotations

import math
import os
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.runs import (
    OpenedRun,
    Writer,
    cuts,
    expected_rows,
    head_of,
    layout,
    lines,
    normal,
    record,
    records,
    rows_of,
)

from traintop import ExperimentTracker
from traintop.doctor import repair
from traintop.metrics import diverged
from traintop.model import RunStatus
from traintop.store.formats import UnreadableRunError


def overwrite(path: Path, data: bytes) -> None:
    """Puts other bytes into the same file, without emptying it first, which takes ext4 long."""
    with path.open("r+b" if path.exists() else "wb") as file:
        file.write(data)
        file.truncate()


def test_cut_anywhere_a_file_keeps_every_whole_line(path: Path) -> None:
    rows = [record(step, train_loss=1.5, val_loss=None, acc=0.5) for step in range(4)]
    data = layout(rows, notes="n")
    ends = [data.index(line) + len(line) for line in lines(rows).strip(b"\n").split(b",\n")]
    head = data.index(b"[\n") + 2
    for cut in cuts(data)[:-1]:
        overwrite(path, data[:cut])
        found = OpenedRun(path).summary()
        if cut < head:
            assert found.status is RunStatus.UNREADABLE
            assert found.problem
            continue
        whole = sum(end <= cut for end in ends)
        history = OpenedRun(path).history()
        assert history.columns["iteration"].tolist() == list(range(whole))
        assert found.status is RunStatus.RUNNING
        assert found.iteration == (whole - 1 if whole else None)
        assert found.count == whole


def test_a_write_torn_anywhere_loses_no_flushed_record(path: Path) -> None:
    """As the disk has it after a power loss, and as a reader may meet it at any moment."""
    writer = Writer(path)
    writer.flush(record(0, train_loss=2.0), record(1, train_loss=1.5))
    before = path.read_bytes()
    added = (record(1, train_loss=1.5, val_loss=7.25), record(2, train_loss=1.0), record(3, a=1.0))
    due = writer.flush(*added)
    after = path.read_bytes()
    start = len(after) - due
    for cut in cuts(after, start):
        overwrite(path, before)
        run = OpenedRun(path)
        run.follow()
        overwrite(path, after[:cut] + before[cut:])
        found = OpenedRun(path).summary()
        run.follow()
        for history in (OpenedRun(path).history(), run.history()):
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


def test_how_a_run_ended_survives_a_bit_flip_in_its_tail(path: Path) -> None:
    data = layout(records(2), status="finished", end_time="2025-02-22T15:00:00")
    tail, end = data.index(b"\n],") + 1, data.index(b',"last":')
    for place in range(tail, end):
        overwrite(path, data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        found = OpenedRun(path).summary()
        assert (found.status, found.count) == (RunStatus.FINISHED, 2)
    with pytest.raises(FileNotFoundError, match="finished; resume it by its path"):
        ExperimentTracker.resume("baseline", path.parent)
    repair(path)
    found = OpenedRun(path).summary()
    assert (found.status, found.count, found.error) == (RunStatus.FINISHED, 2, "")


def test_pages_that_arrive_out_of_order_cost_no_second_reading(
    path: Path, preads: list[int]
) -> None:
    """As on a network filesystem: the new tail is there, the records before it are not yet."""
    writer = Writer(path)
    writer.flush(*records(5000))
    run = OpenedRun(path)
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


def test_torn_file_gets_its_statistics_from_its_records(path: Path) -> None:
    rows = [*records(3000), record(3000, train_loss=math.nan, wallclock_time=750.0)]
    data = layout(rows)
    path.write_bytes(data[: data.rindex(b"\n]")])
    found = OpenedRun(path).summary()
    assert (found.count, found.iteration, found.duration_seconds) == (3001, 3000, 750.0)
    loss = found.stats["train_loss"]
    assert (loss.count, loss.nonfinite, loss.min_iteration) == (3000, 1, 2999)
    assert found.best_train_loss == loss.min == pytest.approx(1.001)
    assert loss.recent_mean == pytest.approx(1.0505)
    assert diverged(found)


@pytest.mark.parametrize("zeros", [1, 5000, 100_000])
def test_zeros_after_a_power_loss(path: Path, zeros: int) -> None:
    data = layout(records(300))
    cut = data.index(b'{"iteration":200') + 30
    path.write_bytes(data[:cut] + bytes(zeros))
    assert len(OpenedRun(path).history()) == 200
    found = OpenedRun(path).summary()
    assert (found.status, found.count) == (RunStatus.RUNNING, 200)


@pytest.mark.parametrize("at", [0, 20, 29])
def test_a_damaged_line_is_skipped_and_counted(path: Path, at: int) -> None:
    """Wherever it is, and whether the file is torn as well."""
    data = layout(records(30))
    kept = [i for i in range(30) if i != at]
    for cut in (len(data), data.rindex(b',"last"')):
        path.write_bytes(data[:cut].replace(b'{"iteration":%d,' % at, b'{"iter#tion":%d,' % at, 1))
        run = OpenedRun(path)
        assert run.history().columns["iteration"].tolist() == kept
        behind_all_others = cut < len(data) and at == 29  # what is left of a torn flush
        assert run.history().damaged == (0 if behind_all_others else 1)


def test_a_record_in_two_lines_is_damaged(path: Path) -> None:
    path.write_bytes(layout(records(30)).replace(b'{"iteration":20,', b'{"iteration":20,\n'))
    run = OpenedRun(path)
    assert run.history().columns["iteration"].tolist() == [*range(20), *range(21, 30)]
    assert run.summary().damaged == 2


@given(st.binary(max_size=300), st.booleans(), st.booleans())
def test_any_bytes_are_explained_without_a_traceback(
    data: bytes, headed: bool, tailed: bool
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "experiment_x.json"
        head = head_of() + lines(records(2)) + b",\n"
        tail = layout(())[len(head_of()) :]
        path.write_bytes((head if headed else b"") + data + (tail if tailed else b""))
        run = OpenedRun(path)
        found = run.summary()
        if found.status is RunStatus.UNREADABLE:
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
    assert OpenedRun(path).summary().count == 2
    assert len(OpenedRun(path).history()) == 2
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 << 20


@pytest.mark.parametrize(("headed", "size"), [(True, 200 << 20), (False, 5 << 30)])
def test_a_sparse_file_is_read_in_bounded_memory(path: Path, headed: bool, size: int) -> None:
    data = layout(records(3))
    path.write_bytes(data[: data.index(b'{"iteration":2')] if headed else b"")
    os.truncate(path, size)
    tracemalloc.start()
    found = OpenedRun(path).summary()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60 << 20
    if headed:
        assert (found.status, found.count) == (RunStatus.RUNNING, 2)
        assert len(OpenedRun(path).history()) == 2
    else:
        assert found.status is RunStatus.UNREADABLE
        assert "64 KiB" in found.problem
