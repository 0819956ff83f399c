"""Going on with a run: whatever a crash left, and however often it happened."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.runs import OpenedRun, new_tracker, record, write_run

from traintop import ExperimentConfig, ExperimentTracker


def document_in(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def replayed(path: Path, calls: range) -> dict[str, Any]:
    """The tail of a run that went on with two calls for each of these iterations."""
    resumed = ExperimentTracker.resume(path, quiet=True)
    resumed.start()
    for i in calls:
        resumed.log_metrics(i, 1.0)
        resumed.log_eval(i, val_loss=2.0)
    resumed.finish()
    return document_in(path)


def test_replays_count_once_at_each_resumption(tmp_path: Path) -> None:
    tracker = new_tracker(tmp_path)
    tracker.start()
    for i in range(1000):
        tracker.log_metrics(i, 5.0)
    tracker.finish()
    for calls in (range(600), range(300, 900), range(2000, 2000)):
        run = replayed(tracker.path, calls)
        assert run["count"] == run["stats"]["train_loss"]["count"] == 1000
    losses = [5.0] * 100 + [1.0] * 900
    assert run["stats"]["train_loss"]["mean"] == pytest.approx(np.mean(losses))
    assert run["stats"]["train_loss"]["std"] == pytest.approx(np.std(losses))
    assert run["stats"]["val_loss"]["count"] == 900


def test_a_resumed_run_has_its_last_record_before_the_next_one(tmp_path: Path) -> None:
    with new_tracker(tmp_path) as tracker:
        for i in range(3):
            tracker.log_metrics(i, float(i))
    whole = tracker.path.read_bytes()
    resumed = ExperimentTracker.resume(tracker.path, quiet=True)
    resumed.start()
    before = resumed.save().read_bytes()
    summary = OpenedRun(resumed.path).summary()
    assert summary.last is not None
    assert (summary.iteration, summary.last.train_loss, summary.count) == (2, 2.0, 3)
    assert summary.iterations_per_second is None
    resumed.log_eval(2, val_loss=0.5)  # of a record that was saved
    resumed.finish()
    after = resumed.path.read_bytes()
    [_, _, saved, last] = json.loads(after)["metrics_history"]
    assert (saved["iteration"], saved["train_loss"], saved["val_loss"]) == (2, 2.0, None)
    assert (last["iteration"], last["train_loss"], last["val_loss"]) == (2, None, 0.5)
    # Whatever byte the first write of the resumed run is torn at, nothing is lost.
    for old, new in ((whole, before), (before, after)):
        for cut in range(whole.rindex(b",\n"), new.rindex(b"\n]") + 50):
            resumed.path.write_bytes(new[:cut] + old[cut:])
            history = OpenedRun(resumed.path).history()
            assert history.columns["train_loss"].tolist() == [0.0, 1.0, 2.0], cut


@pytest.mark.parametrize("behind", [b"", b",", b",\n", b',\n{"iteration":3,'])
def test_a_record_before_nuls_is_kept(tmp_path: Path, behind: bytes) -> None:
    """As after a power loss, where a page that was to be written next never was."""
    path = tmp_path / "experiment_nul_20250101_000000.json"
    rows = [record(i, train_loss=1.0) for i in range(3)]
    whole = write_run(path, rows).read_bytes()
    path.write_bytes(whole[: whole.rindex(b" \n]")] + behind + bytes(5000))
    assert OpenedRun(path).history().columns["iteration"].tolist() == [0, 1, 2]
    assert OpenedRun(path).summary().count == 3
    with ExperimentTracker.resume(path, quiet=True) as resumed:
        resumed.log_metrics(99, 1.0)
    records = document_in(path)["metrics_history"]
    assert [row["iteration"] for row in records] == [0, 1, 2, 99]


@pytest.mark.parametrize("first", [0, 5])
@pytest.mark.parametrize("filling", [b"\0", b"x", b"\n"], ids=["zeros", "garbage", "lines"])
def test_records_behind_a_damaged_block_are_kept(
    tmp_path: Path, first: int, filling: bytes
) -> None:
    path = tmp_path / "experiment_damaged_20250101_000000.json"
    data = bytearray(
        write_run(path, [record(i, train_loss=float(i)) for i in range(30)]).read_bytes()
    )
    start, end = data.index(b'{"iteration":%d,' % first), data.index(b'{"iteration":8,')
    data[start + 10 : end - 5] = filling * (end - 5 - start - 10)
    path.write_bytes(data)
    with ExperimentTracker.resume(path, quiet=True) as resumed:
        resumed.log_metrics(30, 30.0)
    kept = [*range(first), *range(8, 31)]
    run = document_in(path)
    assert [row["train_loss"] for row in run["metrics_history"]] == kept
    assert run["count"] == len(kept)
    assert OpenedRun(path).history().columns["train_loss"].tolist() == kept


def test_an_older_tail_amid_the_records_hides_none_of_them(tmp_path: Path) -> None:
    """As after a power loss that kept the newer pages and lost one of the older ones."""
    path = tmp_path / "experiment_pages_20250101_000000.json"
    rows = [record(i, train_loss=float(i)) for i in range(200)]
    old, new = write_run(path, rows[:50]).read_bytes(), write_run(path, rows).read_bytes()
    page = old.rindex(b"\n]") // 512 * 512
    path.write_bytes(new[:page] + old[page : page + 512].ljust(512, b"\0") + new[page + 512 :])
    ExperimentTracker.resume(path, quiet=True).finish()
    kept = [row["iteration"] for row in document_in(path)["metrics_history"]]
    assert OpenedRun(path).history().columns["iteration"].tolist() == kept
    assert (kept[:45], kept[-140:]) == ([*range(45)], [*range(60, 200)])


def test_the_notes_of_a_run_stay_until_they_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "experiment_noted_20250101_000000.json"
    write_run(path, [record(0, train_loss=1.0)], status="finished", notes="precious", dropped=3)
    ExperimentTracker.resume(path, quiet=True).finish()
    assert (document_in(path)["notes"], document_in(path)["dropped"]) == ("precious", 3)
    ExperimentTracker.resume(path, quiet=True).finish(notes="newer")
    assert document_in(path)["notes"] == "newer"


def test_a_run_is_found_by_a_name_too_long_for_a_file(tmp_path: Path) -> None:
    name = "x" * 300
    with pytest.raises(FileNotFoundError, match="no run"):
        ExperimentTracker.resume(name, tmp_path)
    with new_tracker(tmp_path, name):
        pass
    ExperimentTracker.resume(name, tmp_path, again=True, quiet=True).finish()
    assert len([*tmp_path.iterdir()]) == 1


def test_special_files_do_not_hang_a_resumption(tmp_path: Path) -> None:
    with new_tracker(tmp_path, "good"):
        pass
    os.mkfifo(tmp_path / "experiment_pipe.json")
    (tmp_path / "experiment_folder.json").mkdir()
    ExperimentTracker.resume("good", tmp_path, again=True, quiet=True).finish()
    with pytest.raises(FileNotFoundError, match=r"holds: good$"):
        ExperimentTracker.resume("bad", tmp_path)


def test_only_the_start_of_a_huge_foreign_file_is_read(tmp_path: Path) -> None:
    with (tmp_path / "experiment_huge.json").open("wb") as file:
        file.truncate(1 << 36)
    with pytest.raises(FileNotFoundError, match=r"cannot|huge"):
        ExperimentTracker.resume("good", tmp_path)


def test_a_run_with_long_settings_is_found_by_name(tmp_path: Path) -> None:
    config = ExperimentConfig("wordy", prompt="x" * 1_000_000)
    ExperimentTracker(config, log_dir=tmp_path, quiet=True).finish()
    with ExperimentTracker.resume("wordy", tmp_path, again=True, quiet=True) as resumed:
        assert resumed.config == config
