"""The loader on real files, written by the real tracker."""

from __future__ import annotations

import queue
import threading
from pathlib import Path

import pytest
from tests.runs import OpenedRun, reader_of

from traintop import ExperimentConfig, ExperimentTracker
from traintop.logfile import lines
from traintop.tui.messages import HistoryLoaded, LoadFailed, ReadingProgress
from traintop.tui.plots import loader as loader_module
from traintop.tui.plots.loader import RunLoader

TIMEOUT = 20.0


def start_run(directory: Path, name: str, records: int) -> ExperimentTracker:
    tracker = ExperimentTracker(ExperimentConfig(name), log_dir=directory, quiet=True)
    tracker.start()
    for iteration in range(records):
        tracker.log_metrics(iteration=iteration, train_loss=4.0 / (1 + iteration))
    tracker.save()
    return tracker


@pytest.fixture
def posted():
    return queue.Queue()


@pytest.fixture
def loader(posted):
    loader = RunLoader(lambda run_id: reader_of(run_id), posted.put)
    loader.start()
    yield loader
    loader.stop()


def next_of(posted, path):
    """The next message about a run; others are left out."""
    while True:
        message = posted.get(timeout=TIMEOUT)
        if message.id == path:
            return message


def records_of(posted, path):
    """The next records of a run; other messages are left out."""
    while not isinstance(message := next_of(posted, path), HistoryLoaded):
        pass
    return message.history


def test_a_short_run_comes_whole_and_is_followed(tmp_path, loader, posted):
    tracker = start_run(tmp_path, "short", 3)
    summary = OpenedRun(tracker.save()).summary()
    loader.show([summary])
    first = next_of(posted, summary.id)
    assert (len(first.history), first.complete) == (3, True)
    tracker.log_metrics(iteration=3, train_loss=1.0)
    tracker.save()
    loader.follow([summary.id])
    second = next_of(posted, summary.id)
    assert len(second.history) == 4
    assert second.revision > first.revision
    tracker.finish()
    tracker.save()


def test_a_long_run_is_sampled_first(tmp_path, loader, posted, monkeypatch):
    monkeypatch.setattr(loader_module, "SAMPLE_ABOVE_BYTES", 1000)
    monkeypatch.setattr(loader_module, "_SETTLE_SECONDS", 3.0)  # also on a busy machine
    summary = OpenedRun(start_run(tmp_path, "long", 5000).save()).summary()
    loader.show([summary])
    sample, whole = next_of(posted, summary.id), next_of(posted, summary.id)
    assert isinstance(sample, HistoryLoaded)
    assert not sample.complete
    assert len(sample.history) < 5000
    assert (len(whole.history), whole.complete) == (5000, True)


def test_a_heartbeat_without_records_posts_nothing(tmp_path, loader, posted, monkeypatch):
    monkeypatch.setattr(loader_module, "_FOLLOW_SECONDS", 0.0)
    one = OpenedRun(start_run(tmp_path, "one", 3).save()).summary()
    other = OpenedRun(start_run(tmp_path, "other", 3).save()).summary()
    loader.show([one])
    next_of(posted, one.id)
    loader.follow([one.id])
    loader.show([one, other])  # read after the follow, so its message comes after as well
    assert posted.get(timeout=TIMEOUT).id == other.id


def test_new_records_wait_a_moment_and_another_run_does_not(tmp_path, loader, posted, monkeypatch):
    monkeypatch.setattr(loader_module, "_FOLLOW_SECONDS", 60.0)
    tracker = start_run(tmp_path, "one", 3)
    one = OpenedRun(tracker.save()).summary()
    other = OpenedRun(start_run(tmp_path, "other", 3).save()).summary()
    loader.show([one])
    next_of(posted, one.id)
    tracker.log_metrics(iteration=3, train_loss=1.0)
    tracker.save()
    loader.follow([one.id])
    loader.show([one, other])
    assert posted.get(timeout=TIMEOUT).id == other.id
    with pytest.raises(queue.Empty):
        posted.get(timeout=0.5)


def test_a_run_that_is_shown_again_is_posted_again(tmp_path, loader, posted):
    one = OpenedRun(start_run(tmp_path, "one", 3).save()).summary()
    other = OpenedRun(start_run(tmp_path, "other", 3).save()).summary()
    for run in (one, other, one):
        loader.show([run])
        assert len(next_of(posted, run.id).history) == 3


def test_a_run_that_is_not_shown_is_not_followed(tmp_path, loader, posted):
    one = OpenedRun(start_run(tmp_path, "one", 3).save()).summary()
    other = OpenedRun(start_run(tmp_path, "other", 3).save()).summary()
    loader.show([one])
    loader.follow([other.id])
    next_of(posted, one.id)
    loader.show([one, other])
    assert len(next_of(posted, other.id).history) == 3
    assert posted.empty()


def test_a_file_that_vanished_is_a_failure_with_its_reason(tmp_path, loader, posted):
    summary = OpenedRun(start_run(tmp_path, "gone", 3).save()).summary()
    Path(summary.id).unlink()
    loader.show([summary])
    failed = next_of(posted, summary.id)
    assert isinstance(failed, LoadFailed)
    assert failed.reason == "does not exist"


@pytest.fixture
def endless_read(monkeypatch):
    """Whole readings of runs called ``long`` come to their middle again and again."""
    reached_half = threading.Event()
    usual_reader_of = reader_of

    class EndlessReader:
        def history(self, reached):
            while True:
                reached(0.5)
                reached_half.set()

    def endless_reader_of(run_id):
        return EndlessReader() if "_long_" in run_id else usual_reader_of(run_id)

    monkeypatch.setattr(f"{__name__}.reader_of", endless_reader_of)
    return reached_half


def test_a_long_read_reports_its_progress(tmp_path, loader, posted, endless_read):
    summary = OpenedRun(start_run(tmp_path, "long", 3).save()).summary()
    loader.show([summary])
    progress = next_of(posted, summary.id)
    assert isinstance(progress, ReadingProgress)
    assert progress.share == 0.5


def test_deselecting_a_run_while_it_loads_delays_nothing(tmp_path, loader, posted, endless_read):
    long = OpenedRun(start_run(tmp_path, "long", 3).save()).summary()
    other = OpenedRun(start_run(tmp_path, "other", 3).save()).summary()
    loader.show([long])
    assert endless_read.wait(TIMEOUT)
    loader.show([other])
    assert len(next_of(posted, other.id).history) == 3


def test_read_progress_is_measured_in_bytes_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "CHUNK", 4096)
    path = start_run(tmp_path, "long", 500).save()
    shares = []
    history = OpenedRun(path).history(shares.append)
    assert len(history) == 500
    assert len(shares) > 5
    assert shares == sorted(shares)
    assert 0.0 < shares[0] < 0.2
    assert 0.8 < shares[-1] < 1.0


def test_reading_rests_while_a_key_is_answered_and_then_goes_on(
    tmp_path, loader, posted, monkeypatch
):
    rests = []
    monkeypatch.setattr(lines, "CHUNK", 1000)
    monkeypatch.setattr(loader_module, "_TURN_SECONDS", 0.0)
    monkeypatch.setattr(loader_module, "sleep", rests.append)
    summary = OpenedRun(start_run(tmp_path, "long", 5000).save()).summary()
    loader.show([summary])
    records_of(posted, summary.id)
    assert rests == []
    monkeypatch.setattr(loader_module, "_ANSWER_SECONDS", 1000.0)
    loader.pause()
    other = OpenedRun(start_run(tmp_path, "other", 5000).save()).summary()
    loader.show([other])
    assert len(records_of(posted, other.id)) == 5000
    assert len(rests) > 1
    assert all(0 < rest <= 1000 for rest in rests)
