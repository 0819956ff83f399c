"""Torn files are made whole, and nothing else is touched."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from doctor_runs import only, run_of_a_dead_process
from tests.runs import OpenedRun, Writer, records, track_run

from traintop import ExperimentConfig, ExperimentTracker, RunStatus
from traintop.doctor import Level, diagnose, repair
from traintop.doctor.repair import RepairRefusedError


@pytest.fixture(scope="module")
def dead_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_of_a_dead_process(tmp_path_factory.mktemp("dead"), "torn")


def parsed(path: Path) -> dict[str, Any]:
    def refuse(token: str) -> None:
        raise AssertionError(f"{token} is no strict JSON")

    loaded: dict[str, Any] = json.loads(path.read_text(), parse_constant=refuse)
    return loaded


def test_a_torn_file_is_found_repaired_and_then_healthy(tmp_path: Path, dead_run: Path) -> None:
    path = Path(shutil.copy2(dead_run, tmp_path))
    whole = path.read_bytes()
    torn = whole[: whole.index(b'{"iteration":20') + 25]
    path.write_bytes(torn)
    os.chmod(path, 0o640)

    diagnosis = diagnose(tmp_path)
    assert diagnosis.torn_files == (path,)
    assert only(diagnosis, "runs.save").level is Level.PROBLEM
    assert "--repair" in only(diagnosis, "runs.save").next_step

    copy = repair(path)
    assert copy.read_bytes() == torn
    assert copy.name.startswith(f"{path.name}.torn-")
    assert copy.suffix == ".bak"
    assert path.stat().st_mode & 0o777 == 0o640

    log = parsed(path)
    assert [row["iteration"] for row in log["metrics_history"]] == list(range(20))
    assert log["metrics_history"] == json.loads(whole)["metrics_history"][:20]
    assert log["config"] == json.loads(whole)["config"]
    assert (log["status"], log["count"], log["gradient_step"]) == ("interrupted", 20, 20)
    assert log["best_train_loss"] == pytest.approx(3 - 19 / 30)
    assert log["highest"] == log["metrics_history"][-1]
    assert log["stats"]["grad_norm"]["nonfinite"] == 20
    assert log["end_time"]

    healthy = diagnose(tmp_path)
    assert healthy.exit_status == 0
    assert healthy.run_count == 1  # the copy is none
    assert sorted(tmp_path.iterdir()) == [path, copy]


def test_wherever_a_file_is_cut_repair_keeps_what_readers_saw(
    tmp_path: Path, dead_run: Path
) -> None:
    whole = dead_run.read_bytes()
    head_end = whole.index(b"[\n") + 2
    path = tmp_path / dead_run.name
    cuts = range(head_end, len(whole) - 2, 97)
    assert len(cuts) > 30
    for cut in cuts:
        path.write_bytes(whole[:cut])
        seen = OpenedRun(path).history().columns["train_loss"].tolist()
        repair(path)
        run = OpenedRun(path)
        assert run.history().columns["train_loss"].tolist() == seen
        assert run.summary().status is RunStatus.INTERRUPTED
        assert len(parsed(path)["metrics_history"]) == len(seen) == run.summary().count


def test_wherever_a_write_is_torn_repair_keeps_what_readers_saw(tmp_path: Path) -> None:
    rows = records(14)
    path = tmp_path / "experiment_baseline_20250222_140530.json"
    due = Writer(path).flush(*rows)
    repaired = 0
    for cut in range(1, due, 61):
        writer = Writer(path)
        writer.flush(*rows[:9])
        writer.flush(*rows[9:], cut=cut)
        seen = OpenedRun(path).history().columns["iteration"].tolist()
        assert len(seen) >= 9
        try:
            repair(path)
        except RepairRefusedError:
            parsed(path)  # it was whole
            continue
        repaired += 1
        assert [row["iteration"] for row in parsed(path)["metrics_history"]] == seen
    assert repaired > 5


def test_records_behind_a_damaged_block_are_kept(tmp_path: Path, dead_run: Path) -> None:
    whole = bytearray(dead_run.read_bytes())
    start, end = whole.index(b'{"iteration":5,'), whole.index(b'{"iteration":8,')
    whole[start + 10 : end - 30] = bytes(end - 30 - start - 10)  # as a lost disk block reads
    path = tmp_path / dead_run.name
    path.write_bytes(whole[:-200])
    repair(path)
    kept = [row["iteration"] for row in parsed(path)["metrics_history"]]
    assert kept == [i for i in range(30) if i not in (5, 6, 7)]
    assert OpenedRun(path).history().columns["iteration"].tolist() == kept


def test_a_repaired_run_can_be_resumed(tmp_path: Path, dead_run: Path) -> None:
    path = Path(shutil.copy2(dead_run, tmp_path))
    path.write_bytes(path.read_bytes()[:-700])
    repair(path)
    count = len(parsed(path)["metrics_history"])
    with ExperimentTracker.resume(path, quiet=True) as tracker:
        tracker.log_metrics(iteration=100, train_loss=0.5)
    log = parsed(path)
    assert log["status"] == "finished"
    assert len(log["metrics_history"]) == count + 1


def test_a_run_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    tracker = ExperimentTracker(ExperimentConfig("alive"), log_dir=tmp_path, quiet=True)
    tracker.start()
    tracker.log_metrics(iteration=0, train_loss=1.0)
    path = tracker.save()
    torn = path.read_bytes()[:-50]
    path.write_bytes(torn)
    assert diagnose(tmp_path).torn_files == ()
    with pytest.raises(RepairRefusedError, match="written"):
        repair(path)
    assert path.read_bytes() == torn
    tracker.finish()
    assert [*tmp_path.iterdir()] == [path]


def test_on_a_network_only_a_file_at_rest_is_repaired(
    tmp_path: Path, dead_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules[repair.__module__]
    monkeypatch.setattr(module, "network_filesystem", lambda _path: "nfs4")
    path = tmp_path / dead_run.name
    path.write_bytes(dead_run.read_bytes()[:-50])
    with pytest.raises(RepairRefusedError, match="try again"):
        repair(path)
    hour_ago = path.stat().st_mtime - 3600
    os.utime(path, (hour_ago, hour_ago))
    assert repair(path).is_file()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "does not exist"),
        (b"", "cannot be repaired"),
        (b'{"config":{"experiment_name":"cut in its he', "cannot be repaired"),
        (b'{"config": {}, "metrics_history": [', "cannot be repaired"),
    ],
)
def test_a_file_without_a_whole_head_is_refused(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "experiment_x_20250101_000000.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RepairRefusedError, match=reason):
        repair(path)
    assert content is None or path.read_bytes() == content


def test_a_whole_file_is_refused(tmp_path: Path) -> None:
    path = track_run(tmp_path, "baseline")
    before = path.read_bytes()
    with pytest.raises(RepairRefusedError, match="whole"):
        repair(path)
    assert path.read_bytes() == before


def test_a_file_torn_in_its_head_is_reported_beyond_repair(tmp_path: Path, dead_run: Path) -> None:
    path = tmp_path / dead_run.name
    path.write_bytes(dead_run.read_bytes()[:100])
    finding = only(diagnose(tmp_path), "runs.readable")
    assert finding.level is Level.PROBLEM
    assert "nothing to repair" in finding.next_step
