"""The doctor finds what is wrong with real runs, and says what to do."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from doctor_runs import LINUX_ONLY, findings, only, run_of_a_dead_process
from tests.runs import Writer, new_tracker, record, records, track_run, write_run

from traintop import ExperimentConfig, ExperimentTracker
from traintop.cli import main
from traintop.doctor import Level, as_json, diagnose, render
from traintop.doctor.directory import (
    check_directory,
    space_finding,
    watching_finding,
    writing_finding,
)
from traintop.model import Pauses
from traintop.process import current_process
from traintop.store.catalog import RunCatalog
from traintop.text import cell_width

# ------------------------------------------------------------------------------- directories


def test_a_healthy_directory_has_no_problem(tmp_path: Path) -> None:
    track_run(tmp_path, "baseline")
    track_run(tmp_path, "lr_1e-3", max_learning_rate=1e-3)
    diagnosis = diagnose(tmp_path)
    assert diagnosis.of_level(Level.PROBLEM) == ()
    assert diagnosis.exit_status == 0
    assert diagnosis.run_count == 2
    checked = {finding.check for finding in diagnosis.findings if finding.level is Level.OK}
    assert checked >= {
        "directory.readable",
        "directory.writable",
        "runs.readable",
        "runs.start",
        "runs.log_metrics",
        "runs.increment_gradient_step",
        "runs.finish",
        "runs.save",
        "runs.unique_names",
        "environment.python",
        "environment.packages",
    }
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".json"] == []


def test_a_run_of_another_tool_need_not_say_its_start(tmp_path: Path) -> None:
    (tmp_path / "trainer_state.json").write_text('{"log_history": [{"loss": 2.0, "step": 1}]}')
    finding = only(diagnose(tmp_path), "runs.start")
    assert finding.level is Level.OK


def test_a_missing_directory_says_how_to_make_it(tmp_path: Path) -> None:
    diagnosis = diagnose(tmp_path / "no such")
    finding = only(diagnosis, "directory.exists")
    assert finding.level is Level.PROBLEM
    assert f"mkdir -p '{tmp_path}/no such'" in finding.next_step
    assert diagnosis.exit_status == 1


def test_without_a_directory_the_usual_one_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINTOP_DIR", str(tmp_path))
    assert diagnose().log_dir == str(tmp_path)
    monkeypatch.delenv("TRAINTOP_DIR")
    assert diagnose().log_dir == "experiment_logs"


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    file = track_run(tmp_path, "baseline")
    finding = only(diagnose(file), "directory.exists")
    assert finding.level is Level.PROBLEM
    assert "is not a directory" in finding.what


def test_an_empty_directory_is_no_problem_but_worth_a_note(tmp_path: Path) -> None:
    diagnosis = diagnose(tmp_path)
    assert only(diagnosis, "directory.runs").level is Level.NOTE
    assert diagnosis.exit_status == 0


@LINUX_ONLY
def test_a_directory_that_refuses_files_is_found_by_trying() -> None:
    nowhere = Path("/proc")  # where the superuser may not write either
    finding = next(check_directory(nowhere, 0))
    assert finding.check == "directory.writable"
    assert finding.level is Level.PROBLEM


def test_reading_the_runs_of_others_takes_no_right_to_write() -> None:
    theirs = writing_finding(Path("logs"), "permission denied", is_ours=False, run_count=3)
    assert theirs.level is Level.NOTE


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_directory_without_permission_is_a_problem(tmp_path: Path) -> None:
    tmp_path.chmod(0)
    try:
        assert only(diagnose(tmp_path), "directory.readable").level is Level.PROBLEM
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    ("free_bytes", "level"), [(10**12, Level.OK), (10**9, Level.NOTE), (10**6, Level.PROBLEM)]
)
def test_scarce_disk_space_is_noticed(free_bytes: int, level: Level) -> None:
    assert space_finding(free_bytes).level is level


def test_a_directory_is_watched_live_or_polled(tmp_path: Path) -> None:
    assert only(diagnose(tmp_path), "directory.watching").what == "watched live"
    remote = watching_finding("nfs4", has_events=True)
    assert remote.level is Level.NOTE
    assert "network filesystem (nfs4): it is polled every 2 s" in remote.what
    exhausted = watching_finding(None, has_events=False)
    assert exhausted.level is Level.NOTE
    assert "max_user_instances" in exhausted.next_step


# ------------------------------------------------------------------------------------- runs


def test_calls_that_were_forgotten_are_named_with_their_runs(tmp_path: Path) -> None:
    track_run(tmp_path, "baseline")
    track_run(tmp_path, "without_metrics", losses=[])
    track_run(tmp_path, "without_steps", optimizer_steps=False)
    diagnosis = diagnose(tmp_path)
    assert diagnosis.exit_status == 1
    no_metrics = only(diagnosis, "runs.log_metrics")
    assert (no_metrics.level, no_metrics.runs) == (Level.PROBLEM, ("without_metrics",))
    assert "log_metrics(" in no_metrics.next_step
    no_steps = only(diagnosis, "runs.increment_gradient_step")
    assert (no_steps.level, no_steps.runs) == (Level.PROBLEM, ("without_steps",))
    assert "increment_gradient_step()" in no_steps.next_step


def test_a_run_that_has_just_begun_is_no_problem(tmp_path: Path) -> None:
    tracker = ExperimentTracker(ExperimentConfig("young"), log_dir=tmp_path, quiet=True)
    tracker.start()
    tracker.save()
    assert diagnose(tmp_path).exit_status == 0
    tracker.log_metrics(iteration=0, train_loss=1.0)  # an accumulated step is not due yet
    tracker.save()
    assert diagnose(tmp_path).exit_status == 0
    tracker.finish()


@pytest.mark.parametrize("ending", ["os.kill(os.getpid(), signal.SIGKILL)", ""])
def test_a_process_that_left_without_finish_is_a_problem(tmp_path: Path, ending: str) -> None:
    run_of_a_dead_process(tmp_path, "killed", ending)
    finding = only(diagnose(tmp_path), "runs.finish")
    assert (finding.level, finding.runs) == (Level.PROBLEM, ("killed",))


def test_a_hanging_loop_is_no_missing_sign_of_life(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "experiment_hung.json", run=current_process())
    writer.flush(record(0), pauses=Pauses(240.0, 0.05, 0.05, 2.0))
    finding = findings(diagnose(tmp_path), "runs.finish")[Level.NOTE]
    assert "no iteration for 4m00s (usually 0.05 s)" in finding.what


def run_out_of_memory(directory: Path) -> None:
    with ExperimentTracker(ExperimentConfig("large"), log_dir=directory, quiet=True) as tracker:
        tracker.log_metrics(iteration=0, train_loss=1.0)
        raise RuntimeError("out of memory")


def test_an_exception_is_a_note(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        run_out_of_memory(tmp_path)
    diagnosis = diagnose(tmp_path)
    assert diagnosis.exit_status == 0
    finding = only(diagnosis, "runs.outcome")
    assert finding.level is Level.NOTE
    assert "RuntimeError: out of memory" in finding.what


def test_files_that_hold_no_run_are_named_with_the_reason(tmp_path: Path) -> None:
    track_run(tmp_path, "baseline")
    (tmp_path / "experiment_empty_20250101_000000.json").touch()
    (tmp_path / "experiment_pipe_20250101_000000.json").mkdir()
    finding = only(diagnose(tmp_path), "runs.readable")
    assert finding.level is Level.PROBLEM
    assert "is empty" in finding.what
    assert "is a directory" in finding.what
    assert len(finding.runs) == 2


def test_a_run_of_another_program_is_judged_by_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "experiment_theirs_20250101_000000.json"
    log = {
        "config": {"experiment_name": "theirs"},
        "metrics_history": [{"iteration": 0, "train_loss": 1.0, "gradient_step": 1}],
        "end_time": "2025-01-01T00:00:00",
    }
    path.write_text(json.dumps(log, indent=2))
    diagnosis = diagnose(tmp_path)
    assert diagnosis.exit_status == 0
    assert only(diagnosis, "runs.start").level is Level.NOTE
    assert only(diagnosis, "runs.save").level is Level.OK


def test_one_name_for_differing_settings_is_noted_except_seeds(tmp_path: Path) -> None:
    for seed in (1, 2):
        track_run(tmp_path, "seeds", seed=seed)
    assert only(diagnose(tmp_path), "runs.unique_names").level is Level.OK
    for width in (128, 256):
        track_run(tmp_path, "widths", d_model=width)
    finding = only(diagnose(tmp_path), "runs.unique_names")
    assert finding.level is Level.NOTE
    assert len(finding.runs) == 2
    assert all(run.startswith("widths") for run in finding.runs)


# ------------------------------------------------------------------------------------ output


def test_problems_come_first_and_what_is_ok_is_short(tmp_path: Path) -> None:
    track_run(tmp_path, "test", losses=[])
    run_of_a_dead_process(tmp_path, "killed", "os.kill(os.getpid(), signal.SIGKILL)")
    diagnosis = diagnose(tmp_path)
    lines = render(diagnosis, 100).splitlines()
    labels = [line.split(" ")[0] for line in lines if line[:1].isalpha()][1:]
    assert labels == sorted(labels, key=["problem", "note", "ok"].index)
    assert labels.count("problem") == 2
    assert labels.count("ok") == 1
    assert lines[-1].startswith("2 problems, ")


@pytest.mark.parametrize("width", [1, 20, 40, 80, 200])
def test_lines_fit_the_terminal_and_control_nothing(tmp_path: Path, width: int) -> None:
    track_run(tmp_path, "\x1b]0;owned\x07名前" + "w" * 300, losses=[])
    track_run(tmp_path, "实验" * 40, optimizer_steps=False)
    diagnosis = diagnose(tmp_path)
    text = render(diagnosis, width)
    assert all(line.isprintable() for line in text.split("\n"))
    assert max(map(cell_width, text.split("\n"))) <= max(width, 20)
    assert render(diagnosis, width, ascii_only=True).isascii()


def test_json_names_every_run(tmp_path: Path) -> None:
    for number in range(6):
        track_run(tmp_path, f"forgotten_{number}", optimizer_steps=False)
    diagnosis = diagnose(tmp_path)
    document = json.loads(json.dumps(as_json(diagnosis)))
    assert document["problems"] == 1
    [finding] = [f for f in document["findings"] if f["level"] == "problem"]
    assert finding["check"] == "runs.increment_gradient_step"
    assert sorted(finding["runs"]) == [f"forgotten_{number}" for number in range(6)]
    assert "and 3 more" in finding["what"]


def test_a_file_left_behind_by_a_replaced_run_is_named(tmp_path: Path) -> None:
    with new_tracker(tmp_path, "replaced") as tracker:
        tracker.log_metrics(0, 3.0)
        path = tracker.save()
        other = tmp_path / "other"
        shutil.copy(path, other)
        other.rename(path)
        tracker.log_metrics(1, 2.0)
        moved = tracker.save()
    assert moved != path
    finding = only(diagnose(tmp_path), "runs.replaced")
    assert len(finding.runs) == 1
    assert f"continues in {moved.name}" in finding.what
    left = path.read_bytes()
    result = CliRunner().invoke(main, ["doctor", str(tmp_path), "--repair"])
    [copy] = tmp_path.glob("*.replaced-*.bak")
    assert (copy.read_bytes(), path.exists()) == (left, False)
    assert f"set aside {path}; the original is kept as {copy}" in result.stderr
    assert len(RunCatalog([tmp_path]).refresh().runs) == 1


def test_a_copy_with_records_of_its_own_is_not_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "experiment_x_20250222_140530.json"
    write_run(path, records(2), run={"pid": 1}, status="finished")
    write_run(path.with_stem(f"{path.stem}_2"), records(1), run={"pid": 1}, status="finished")
    before = path.read_bytes()
    result = CliRunner().invoke(main, ["doctor", str(tmp_path), "--repair"])
    assert "it has records that" in result.stderr
    assert path.read_bytes() == before


def test_a_record_that_was_changed_is_told(tmp_path: Path) -> None:
    path = write_run(tmp_path / "experiment_altered.json", records(2))
    assert not findings(diagnose(tmp_path), "runs.altered")
    path.write_bytes(path.read_bytes().replace(b'"train_loss":4.0', b'"train_loss":1.0'))
    assert only(diagnose(tmp_path), "runs.altered").level is Level.PROBLEM


def test_a_rewound_run_is_noted(tmp_path: Path) -> None:
    path = track_run(tmp_path, "rewound")
    with ExperimentTracker.resume(path, gradient_step=1) as tracker:
        tracker.log_metrics(1, 2.0)
    finding = only(diagnose(tmp_path), "runs.rewound")
    assert (finding.level, "1 time" in finding.what) == (Level.NOTE, True)
