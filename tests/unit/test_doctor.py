"""The doctor finds what is wrong with real runs, and says what to do."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from run_files import Writer, records

from traintop import ExperimentConfig, ExperimentTracker, RunStatus
from traintop.doctor import Diagnosis, Finding, Level, as_json, diagnose, render, repair
from traintop.doctor.directory import DirectoryFacts, check_directory, directory_facts
from traintop.doctor.environment import check_environment, satisfies
from traintop.doctor.repair import RepairRefusedError
from traintop.doctor.runs import is_vague
from traintop.doctor.system import InotifyFacts, SystemFacts, system_facts
from traintop.store.run import Run
from traintop.text import cell_width

LINUX_ONLY = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def finished_run(
    directory: Path, name: str, *, iterations: int = 5, steps: bool = True, **settings: Any
) -> Path:
    config = ExperimentConfig(experiment_name=name, **settings)
    with ExperimentTracker(config, log_dir=directory, quiet=True) as tracker:
        for i in range(iterations):
            if steps:
                tracker.increment_gradient_step()
            tracker.log_metrics(iteration=i, train_loss=4.0 - i)
    return tracker.path


def run_of_a_dead_process(directory: Path, name: str, ending: str = "") -> Path:
    """A run of a process of its own, which has 30 records and then does what ``ending`` says."""
    script = f"""
import os, signal
from traintop import ExperimentConfig, ExperimentTracker
tracker = ExperimentTracker(ExperimentConfig({name!r}), log_dir={str(directory)!r}, quiet=True)
tracker.start()
for i in range(30):
    tracker.increment_gradient_step()
    tracker.log_metrics(iteration=i, train_loss=3 - i / 30, grad_norm=float("nan"))
tracker.save()
{ending}
"""
    subprocess.run([sys.executable, "-c", script], check=False, timeout=60)
    [path] = directory.glob(f"experiment_{name}_*.json")
    return path


def findings(diagnosis: Diagnosis, check: str) -> dict[Level, Finding]:
    return {finding.level: finding for finding in diagnosis.findings if finding.check == check}


def only(diagnosis: Diagnosis, check: str) -> Finding:
    [finding] = findings(diagnosis, check).values()
    return finding


# ------------------------------------------------------------------------------- directories


def test_a_healthy_directory_has_no_problem(tmp_path: Path) -> None:
    finished_run(tmp_path, "baseline")
    finished_run(tmp_path, "lr_1e-3", max_learning_rate=1e-3)
    diagnosis = diagnose(tmp_path)
    assert diagnosis.of_level(Level.PROBLEM) == ()
    assert diagnosis.exit_status == 0
    assert diagnosis.run_count == 2
    checked = {finding.check for finding in diagnosis.findings if finding.level is Level.OK}
    assert checked >= {
        "directory.exists",
        "directory.readable",
        "directory.writable",
        "runs.readable",
        "runs.start",
        "runs.log_metrics",
        "runs.increment_gradient_step",
        "runs.finish",
        "runs.save",
        "runs.names",
        "runs.unique_names",
        "environment.python",
        "environment.packages",
    }
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".json"] == []


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
    assert diagnose().log_dir == tmp_path
    monkeypatch.delenv("TRAINTOP_DIR")
    assert diagnose().log_dir == Path("experiment_logs")


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    file = finished_run(tmp_path, "baseline")
    finding = only(diagnose(file), "directory.exists")
    assert finding.level is Level.PROBLEM
    assert "is not a directory" in finding.what


def test_an_empty_directory_is_no_problem_but_worth_a_note(tmp_path: Path) -> None:
    diagnosis = diagnose(tmp_path)
    assert only(diagnosis, "directory.runs").level is Level.NOTE
    assert diagnosis.exit_status == 0


@LINUX_ONLY
def test_a_directory_that_refuses_files_is_found_by_trying() -> None:
    facts = directory_facts(Path("/proc"))  # where the superuser may not write either
    assert facts.unwritable
    [finding] = [f for f in check_directory(facts, 0) if f.check == "directory.writable"]
    assert finding.level is Level.PROBLEM


def test_reading_the_runs_of_others_takes_no_right_to_write() -> None:
    theirs = DirectoryFacts(Path("logs"), unwritable="permission denied", is_ours=False)
    [finding] = [f for f in check_directory(theirs, 3) if f.check == "directory.writable"]
    assert finding.level is Level.NOTE


@pytest.mark.parametrize(
    ("facts", "check", "level"),
    [
        (DirectoryFacts(Path("logs"), network="nfs4"), "directory.filesystem", Level.NOTE),
        (DirectoryFacts(Path("logs"), free_bytes=10**12), "directory.disk", Level.OK),
        (DirectoryFacts(Path("logs"), free_bytes=10**9), "directory.disk", Level.NOTE),
        (DirectoryFacts(Path("logs"), free_bytes=10**6), "directory.disk", Level.PROBLEM),
        (
            DirectoryFacts(Path("logs"), unreadable="cannot be read: permission denied"),
            "directory.readable",
            Level.PROBLEM,
        ),
    ],
)
def test_facts_of_a_directory_lead_to_findings(
    facts: DirectoryFacts, check: str, level: Level
) -> None:
    assert {f.check: f.level for f in check_directory(facts, 1)}[check] is level


# ------------------------------------------------------------------------------------- runs


def test_calls_that_were_forgotten_are_named_with_their_runs(tmp_path: Path) -> None:
    finished_run(tmp_path, "baseline")
    finished_run(tmp_path, "without_metrics", iterations=0)
    finished_run(tmp_path, "without_steps", steps=False)
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
    finished_run(tmp_path, "baseline")
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


@pytest.mark.parametrize(
    "name", ["test", "Test_2", "my_experiment", "experiment", "default", "run17", "x", "42", "a1"]
)
def test_names_that_say_nothing(name: str) -> None:
    assert is_vague(name)


@pytest.mark.parametrize(
    "name", ["baseline", "lr_1e-3", "double_capacity", "test_time_augmentation", "gpt2", "实验"]
)
def test_names_that_say_something(name: str) -> None:
    assert not is_vague(name)


def test_one_name_for_different_settings_is_noted_but_not_for_seeds(tmp_path: Path) -> None:
    for seed in (1, 2):
        finished_run(tmp_path, "seeds", seed=seed)
    assert only(diagnose(tmp_path), "runs.unique_names").level is Level.OK
    for width in (128, 256):
        finished_run(tmp_path, "widths", d_model=width)
    finding = only(diagnose(tmp_path), "runs.unique_names")
    assert finding.level is Level.NOTE
    assert len(finding.runs) == 2
    assert all(run.startswith("widths") for run in finding.runs)


# ------------------------------------------------------------------------------------ repair


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
    assert log["last"] == log["metrics_history"][-1]
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
        seen = Run(path).history().columns["train_loss"].tolist()
        repair(path)
        run = Run(path)
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
        seen = Run(path).history().columns["iteration"].tolist()
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
    assert Run(path).history().columns["iteration"].tolist() == kept


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


def test_on_a_network_filesystem_only_a_file_at_rest_is_repaired(
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
    path = finished_run(tmp_path, "baseline")
    before = path.read_bytes()
    with pytest.raises(RepairRefusedError, match="whole"):
        repair(path)
    assert path.read_bytes() == before


def test_a_file_torn_in_its_head_is_said_to_be_beyond_repair(
    tmp_path: Path, dead_run: Path
) -> None:
    path = tmp_path / dead_run.name
    path.write_bytes(dead_run.read_bytes()[:100])
    finding = only(diagnose(tmp_path), "runs.readable")
    assert finding.level is Level.PROBLEM
    assert "nothing to repair" in finding.next_step


# ------------------------------------------------------------------------------- environment


GOOD = SystemFacts(
    python="3.12.1",
    variables={"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "en_US.UTF-8"},
    utf8_mode=False,
    requirements=("textual<9,>=8.2", "watchdog<8,>=6"),
    versions={"textual": "8.2.8", "watchdog": "7.1.0", "pandas": "3.0"},
    inotify=InotifyFacts(instances=3, most_instances=128, watches=10, most_watches=10_000),
)


def environment_levels(facts: SystemFacts) -> dict[str, Level]:
    return {finding.check: finding.level for finding in check_environment(facts)}


def test_a_good_environment_is_ok() -> None:
    assert set(environment_levels(GOOD).values()) == {Level.OK}


@pytest.mark.parametrize(
    ("changes", "check", "level"),
    [
        ({"requirements": None}, "packages", Level.NOTE),
        ({"versions": {**GOOD.versions, "textual": "7.0"}}, "packages", Level.PROBLEM),
        ({"versions": {**GOOD.versions, "textual": None}}, "packages", Level.PROBLEM),
        ({"versions": {**GOOD.versions, "pandas": None}}, "pandas", Level.NOTE),
        ({"inotify": InotifyFacts(128, 128, 10, 10_000)}, "inotify", Level.NOTE),
        ({"inotify": InotifyFacts(1, 128, 9_999, 10_000)}, "inotify", Level.NOTE),
        ({"variables": {**GOOD.variables, "NO_COLOR": ""}}, "colours", Level.NOTE),
        ({"variables": {"TERM": "dumb"}}, "colours", Level.NOTE),
        ({"variables": {}}, "colours", Level.NOTE),
        ({"variables": {"TERM": "xterm"}}, "colours", Level.NOTE),
        ({"variables": {"TERM": "tmux-256color"}}, "colours", Level.OK),
        ({"variables": {**GOOD.variables, "LC_ALL": "C"}}, "unicode", Level.NOTE),
        ({"variables": {**GOOD.variables, "SSH_CONNECTION": "a b c d"}}, "ssh", Level.OK),
        ({"variables": {**GOOD.variables, "TMUX": "/tmp/t"}}, "tmux", Level.NOTE),
        (
            {"variables": {**GOOD.variables, "TMUX": "/tmp/t"}, "tmux_clipboard": "on"},
            "tmux",
            Level.OK,
        ),
    ],
)
def test_what_the_environment_lacks_is_found(
    changes: dict[str, Any], check: str, level: Level
) -> None:
    levels = environment_levels(replace(GOOD, **changes))
    assert levels[f"environment.{check}"] is level


@pytest.mark.parametrize(
    ("version", "requirement", "expected"),
    [
        ("8.2.8", "textual<9,>=8.2", True),
        ("8.2", "textual<9,>=8.2", True),
        ("8.1.9", "textual<9,>=8.2", False),
        ("9.0.0", "textual<9,>=8.2", False),
        ("10.1", "textual<9,>=8.2", False),
        ("5.3.2", "plotext<7,>=6.1", False),
        ("1.0", "anything", True),
    ],
)
def test_versions_are_compared_as_numbers(version: str, requirement: str, expected: bool) -> None:
    assert satisfies(version, requirement) is expected


def test_the_installed_packages_are_the_ones_that_are_needed() -> None:
    facts = system_facts()
    assert environment_levels(facts)["environment.packages"] is Level.OK
    assert facts.requirements is not None
    assert any(requirement.startswith("textual") for requirement in facts.requirements)
    assert not any("pytest" in requirement for requirement in facts.requirements)


@LINUX_ONLY
def test_inotify_use_is_counted(tmp_path: Path) -> None:
    libc = ctypes.CDLL(None)
    descriptor = libc.inotify_init()
    try:
        assert libc.inotify_add_watch(descriptor, os.fsencode(tmp_path), 0x100) > 0
        facts = system_facts().inotify
    finally:
        os.close(descriptor)
    assert facts is not None
    assert 1 <= facts.instances <= facts.most_instances
    assert 1 <= facts.watches <= facts.most_watches


# ------------------------------------------------------------------------------------ output


def test_problems_come_first_and_what_is_ok_is_short(tmp_path: Path) -> None:
    finished_run(tmp_path, "test", iterations=0)
    run_of_a_dead_process(tmp_path, "killed", "os.kill(os.getpid(), signal.SIGKILL)")
    diagnosis = diagnose(tmp_path)
    lines = render(diagnosis, 100).splitlines()
    labels = [line.split(" ")[0] for line in lines if line[:1].isalpha()][1:]
    assert labels == sorted(labels, key=["problem", "note", "ok"].index)
    assert labels.count("problem") == 2
    assert labels.count("ok") == 1
    assert lines[-1].startswith("2 problems, ")


@pytest.mark.parametrize("width", [1, 20, 40, 80, 200])
def test_no_line_is_wider_than_the_terminal_nor_obeyed_by_it(tmp_path: Path, width: int) -> None:
    finished_run(tmp_path, "\x1b]0;owned\x07名前" + "w" * 300, iterations=0)
    finished_run(tmp_path, "实验" * 40, steps=False)
    diagnosis = diagnose(tmp_path)
    text = render(diagnosis, width)
    assert all(line.isprintable() for line in text.split("\n"))
    assert max(map(cell_width, text.split("\n"))) <= max(width, 20)
    assert render(diagnosis, width, ascii_only=True).isascii()


def test_json_names_every_run(tmp_path: Path) -> None:
    for number in range(6):
        finished_run(tmp_path, f"forgotten_{number}", steps=False)
    diagnosis = diagnose(tmp_path)
    told = json.loads(json.dumps(as_json(diagnosis)))
    assert told["problems"] == 1
    [finding] = [f for f in told["findings"] if f["level"] == "problem"]
    assert finding["check"] == "runs.increment_gradient_step"
    assert sorted(finding["runs"]) == [f"forgotten_{number}" for number in range(6)]
    assert "and 3 more" in finding["what"]
