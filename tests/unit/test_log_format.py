"""The file format: whatever was logged, however it was flushed, wherever it was cut."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stepped_run import Call, Expected, SteppedRun, merged_json, same, values_of
from tests.runs import OpenedRun

from traintop import logfile
from traintop.model import RECORD_FIELDS, MetricsSnapshot, MetricStats, RunStatus

numbers = st.floats() | st.integers(1 - 2**63, 2**63 - 1)
iterations = st.integers(-5, 12)
names = st.sampled_from(["grad_norm", "train/acc", 'quo"te', "new\nline", "]", "last", "ü"])
calls = st.fixed_dictionaries(
    {"iteration": iterations},
    optional={
        "train_loss": numbers,
        "val_loss": numbers,
        "learning_rate": numbers,
        "further": st.dictionaries(names, numbers, max_size=3),
    },
)
flushes = st.lists(st.lists(calls, max_size=6), max_size=6)


@settings(max_examples=150, deadline=None)
@given(flushes)
def test_every_reader_finds_what_was_logged(batches: list[list[Call]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        run = SteppedRun(Path(directory))
        follower = OpenedRun(run.path)
        follower.follow()
        for batch in batches:
            for call in batch:
                run.log(call)
            run.flush()
            follower.follow()
            assert same(values_of(follower.history()), run.expected)
            assert same(merged_json(run.path), run.expected)
        assert same(values_of(OpenedRun(run.path).history()), run.expected)
        summary = OpenedRun(run.path).summary()
        assert summary.name == 'x"],\n'
        assert summary.count == len(run.expected)
        losses = [
            values["train_loss"] for values in run.expected.values() if "train_loss" in values
        ]
        finite = [loss for loss in losses if math.isfinite(loss)]
        assert summary.best_train_loss == (min(finite) if finite else None)
        if losses:
            assert summary.stats["train_loss"].nonfinite == len(losses) - len(finite)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(calls, min_size=1, max_size=4), min_size=2, max_size=5), st.data())
def test_a_write_torn_at_any_byte_loses_no_flushed_record(
    batches: list[list[Call]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        run = SteppedRun(Path(directory))
        for batch in batches:
            flushed = {i: dict(values) for i, values in run.expected.items()}
            for call in batch:
                run.log(call)
            offset, before, after = run.flush()
            cut = offset + int((len(after) - offset) * data.draw(st.floats(0, 1), label="cut"))
            torn = Path(directory) / "experiment_torn.json"
            torn.write_bytes(after[:cut] + before[cut:])
            assert_nothing_lost(torn, flushed, run)


@pytest.mark.parametrize(
    "batches",
    [
        [
            [{"iteration": 0, "train_loss": 2.5, "further": {"grad_norm": 1.0}}],
            [{"iteration": 0, "val_loss": 3.0625}],
        ],
        # The last record is of an iteration that stood there before: a replay.
        [
            [{"iteration": 6, "val_loss": 8.0}, {"iteration": 4}],
            [{"iteration": 6, "train_loss": 9.0}],
            [{"iteration": 5, "val_loss": 7.0}],
        ],
        # The same, and the new tail is a byte shorter, so that `"last":{` of both may be mixed.
        [
            [{"iteration": 6, "train_loss": 2.5, "val_loss": 0.0}],
            [{"iteration": 6, "train_loss": 2.5}],
            [{"iteration": 6, "learning_rate": 2.5}],
            [{"iteration": 4, "train_loss": 0.0, "val_loss": 1.0}],
            [{"iteration": 4, "val_loss": 1.0}],
        ],
    ],
)
def test_the_last_record_is_lost_at_no_cut(tmp_path: Path, batches: list[list[Call]]) -> None:
    run = SteppedRun(tmp_path)
    for batch in batches:
        flushed = {i: dict(values) for i, values in run.expected.items()}
        for call in batch:
            run.log(call)
        offset, before, after = run.flush()
    torn = tmp_path / "experiment_torn.json"
    for cut in range(offset, len(after)):
        torn.write_bytes(after[:cut] + before[cut:])
        assert_nothing_lost(torn, flushed, run)


def assert_nothing_lost(torn: Path, flushed: Expected, run: SteppedRun) -> None:
    """Every flushed value is there, or one that amended it, and no iteration is made up."""
    found = values_of(OpenedRun(torn).history())
    for iteration, values in flushed.items():
        for name in values:
            candidates = run.ever_logged[iteration, name]
            assert repr(found[float(iteration)].get(name)) in candidates, (iteration, name)
    assert set(found) <= {float(iteration) for iteration in run.expected}
    summary = OpenedRun(torn).summary()
    assert summary.status is not RunStatus.UNREADABLE
    assert summary.name == 'x"],\n'


@settings(max_examples=2, deadline=None)
@given(st.lists(calls, min_size=1, max_size=4))
def test_a_file_cut_anywhere_is_read_up_to_the_cut(batch: list[Call]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        run = SteppedRun(Path(directory))
        for call in batch:
            run.log(call)
        _, _, whole = run.flush()
        cut_file = Path(directory) / "experiment_cut.json"
        head = whole.index(b"[\n") + 1
        for cut in range(head + 1, len(whole)):
            cut_file.write_bytes(whole[:cut])
            lines = whole[head:cut].split(b"\n")[1:]
            complete = [
                line for line in lines if line.startswith(b"{") and line.endswith((b"}", b"},"))
            ]
            found = values_of(OpenedRun(cut_file).history())
            assert len(found) == len(
                {json.loads(line.rstrip(b","))["iteration"] for line in complete}
            )
            assert set(found) <= {float(iteration) for iteration in run.expected}
            assert OpenedRun(cut_file).summary().count == len(found)
        for cut in range(head):
            cut_file.write_bytes(whole[:cut])
            assert OpenedRun(cut_file).summary().status is RunStatus.UNREADABLE


@given(
    st.builds(
        MetricsSnapshot,
        iteration=st.integers(-(2**53), 2**53),
        gradient_step=st.integers(0, 2**53),
        wallclock_time=st.floats(0, 1e9),
        train_loss=st.none() | numbers,
        val_loss=st.none() | numbers,
        metrics=st.dictionaries(
            st.text().filter(lambda name: name not in RECORD_FIELDS), numbers, max_size=4
        ),
    )
)
def test_a_record_survives_the_round_trip(record: MetricsSnapshot) -> None:
    line = logfile.encode_record(record)
    assert b"\n" not in line
    json.loads(line, parse_constant=lambda name: (_ for _ in ()).throw(AssertionError(name)))
    [row] = logfile.whole_rows(line)
    assert repr(logfile.snapshot_of_row(row)) == repr(record)


def test_the_tail_survives_the_round_trip() -> None:
    stats = MetricStats(count=2, last=math.nan, min=1.0, max=1e308, mean=2.0, std=0.5, nonfinite=3)
    tail = logfile.Tail(
        end_time="2025-02-22T14:05:30.123456",
        final_train_loss=math.inf,
        notes="]\n}",
        status="failed",
        error='"last":{',
        count=2,
        stats={"a": stats},
        last_record={"iteration": 1},
    )
    found = logfile.find_tail(b'{"iteration":1}' + logfile.encode_tail(tail))
    assert found is not None
    assert found.starts_at == len(b'{"iteration":1}')
    assert repr(found.tail) == repr(tail)


def test_a_tail_begins_with_a_comma() -> None:
    """A write that is torn behind the bracket may have the older tail's next key there."""
    for end, is_tail in ((b'],"count":1}', True), (b"]}", True), (b']"count":1}', False)):
        found = logfile.find_tail(b'[\n{"iteration":1}\n' + end)
        assert (found is not None) is is_tail


def test_a_block_never_shrinks_the_file() -> None:
    assert logfile.padded(b"{}\n", 10) == b"{}       \n"
    assert logfile.padded(b"{}\n", 2) == b"{}\n"
