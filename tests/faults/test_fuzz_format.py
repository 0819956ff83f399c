"""Fuzzing of the log format: damaged files are read, or refused in words, or gone on with."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runs import OpenedRun, track_run

from traintop import ExperimentTracker, RunFileBusyError, logfile
from traintop.logfile import format_1
from traintop.logfile.lines import LineDecoder, Rewind, lines_of
from traintop.store.formats import UnreadableRunError
from traintop.store.formats.json_document import parse_document

NEW_RECORD = 10_000

tokens = st.sampled_from(
    [
        *(b"\n", b"]", b"\n]", b"\n],", b"[\n", b"{", b"}", b",", b'"', b"\\", b"\0", b"\xff"),
        *(b'"last":{', b'"last_crc32":1,', b'"iteration":', b'"metrics_history":[\n', b"NaN"),
        *(b"Infinity", b"1e999", b"-0", b"null", b'"running"', b"\xef\xbb\xbf", b'{"config":'),
    ]
)
pieces = st.binary(max_size=8) | tokens
# Where, as a share of the file; how much is cut out there; and what is put in its place.
damages = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 200) | st.just(10**6), pieces), min_size=1, max_size=4
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return track_run(tmp_path_factory.mktemp("whole"), "x", range(30)).read_bytes()


def damaged(data: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    for share, length, piece in changes:
        at = int(share * len(data))
        data = data[:at] + piece + data[at + length :]
    return data


def read_in_every_way(path: Path) -> None:
    run = OpenedRun(path)
    summary = run.summary()
    assert bool(summary.problem) == (summary.status == "unreadable")
    for read in (run.history, lambda: run.sample(4)):
        with contextlib.suppress(UnreadableRunError):
            history = read()
            assert len({len(column) for column in history.columns.values()}) == 1
    run.follow()


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400) | st.lists(pieces, max_size=20).map(b"".join))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    logfile.find_head(data)
    logfile.find_end(data)
    format_1.find_tail(data, 0, 0)
    counted = [row for _, row in lines_of(data) if row is not None]
    block = LineDecoder().decode(data)
    steps = [step for step in block.steps if not isinstance(step, Rewind)]
    assert sum(len(step["iteration"]) for step in steps) == len(counted)
    with contextlib.suppress(ValueError):
        parse_document(data)


@settings(max_examples=150, deadline=None)
@given(changes=damages)
def test_a_damaged_file_is_read_in_every_way(
    whole: bytes, changes: list[tuple[float, int, bytes]]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "experiment_x.json"
        path.write_bytes(damaged(whole, changes))
        read_in_every_way(path)


@settings(max_examples=150, deadline=None)
@given(changes=damages, cut=st.floats(0, 1))
def test_following_a_damaged_file_equals_reading_it_anew(
    whole: bytes, changes: list[tuple[float, int, bytes]], cut: float
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "experiment_x.json"
        data = damaged(whole, changes)
        path.write_bytes(data[: int(cut * len(data))])
        run = OpenedRun(path)
        with contextlib.suppress(UnreadableRunError):
            run.history()
        with path.open("ab") as file:
            file.write(data[int(cut * len(data)) :])
        run.follow()
        # It may have more: a record that was whole before bytes after it spoilt its line.
        followed = records_of(run)
        assert all(followed[i] == record for i, record in records_of(OpenedRun(path)).items())


def records_of(run: OpenedRun) -> dict[float, str]:
    """What was measured at each iteration; nothing when the file cannot be read."""
    try:
        history = run.history()
    except UnreadableRunError:
        return {}
    measured = {name: history.measured(name) for name in history.columns}
    return {
        iteration: repr(
            {name: history.columns[name][row] for name in measured if measured[name][row]}
        )
        for row, iteration in enumerate(history.columns["iteration"].tolist())
    }


@settings(max_examples=75, deadline=None)
@given(changes=damages)
def test_a_damaged_file_is_resumed_or_refused(
    whole: bytes, changes: list[tuple[float, int, bytes]]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "experiment_x.json"
        path.write_bytes(damaged(whole, changes))
        try:
            tracker = ExperimentTracker.resume(path, quiet=True)
        except (ValueError, RunFileBusyError):
            return
        with tracker:
            tracker.log_metrics(NEW_RECORD, 7.0)
        # Not as JSON: a comma that is lost between two records stays lost, for readers go by lines.
        history, summary = OpenedRun(path).history(), OpenedRun(path).summary()
        row = list(history.columns["iteration"]).index(NEW_RECORD)
        assert history.columns["train_loss"][row] == 7.0
        assert (summary.status, summary.iteration) == ("finished", NEW_RECORD)
