"""`traintop wait`: the status that a script branches on, whatever becomes of the run."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.faults import training_processes
from tests.runs import NOW, Writer, make_run, record, track_run, write_run
from tests.waiting import wait_until

from traintop.analysis.waiting import Waiting
from traintop.cli import main
from traintop.model import Pauses
from traintop.store.files.local import LocalFiles
from traintop.store.snapshot import Snapshot

TIMED_OUT = 124


def wait(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["wait", "-d", str(directory), *arguments])


@pytest.fixture
def training(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A real run called "job" that goes on until it is told something, or killed."""
    code = """
tracker.start()
for i in range(10):
    tracker.log_metrics(i, 3.0 - i / 10)
tracker.save()
print("ready", flush=True)
word = sys.stdin.readline().strip()
if word == "fail":
    with tracker:
        raise RuntimeError("out of memory")
tracker.log_metrics(10, 0.5)
tracker.finish()
"""
    process = training_processes.start(code, tmp_path)
    training_processes.next_line(process)
    yield process
    process.kill()
    process.communicate()


def then(act: Callable[[], object]) -> threading.Thread:
    """Acts while the command waits: when its watcher is there."""

    def run() -> None:
        wait_until(lambda: "traintop-watch" in {one.name for one in threading.enumerate()})
        act()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def told(process: subprocess.Popen[str], word: str) -> Callable[[], None]:
    def act() -> None:
        assert process.stdin is not None
        process.stdin.write(f"{word}\n")
        process.stdin.flush()

    return act


@pytest.mark.parametrize(
    ("word", "until", "status", "said"),
    [
        ("finish", "ended", 0, ""),
        ("finish", "finished", 0, ""),
        ("finish", "train_loss < 1", 0, ""),
        ("finish", "crashed", 1, "job: it finished (11 done); 'crashed' was never so"),
        ("fail", "finished", 1, "job: it failed (10 done): RuntimeError: out of memory"),
        ("kill", "finished or failed", 1, "job: it crashed (10 done)"),
        ("kill", "ended", 0, ""),
    ],
)
def test_the_status_says_what_became_of_a_run(
    tmp_path: Path,
    training: subprocess.Popen[str],
    word: str,
    until: str,
    status: int,
    said: str,
) -> None:
    act = training.kill if word == "kill" else told(training, word)
    thread = then(act)
    result = wait(tmp_path, "job", "--until", until)
    thread.join()
    assert (result.exit_code, result.stdout) == (status, "")
    assert said in result.stderr
    assert word != "finish" or bool(said) is bool(result.stderr)


def test_a_run_whose_file_goes_is_waited_for_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalFiles, "interval", 0.2)
    path = write_run(tmp_path / "experiment_a.json", [record(0)], config={"experiment_name": "a"})
    thread = then(path.unlink)
    result = wait(tmp_path, "a", "--until", "finished")
    thread.join()
    assert result.exit_code == 1
    assert "a: its file is gone" in result.stderr


def test_a_run_is_not_gone_while_its_directory_cannot_be_read() -> None:
    run = make_run("a")
    waiting = Waiting("finished", [run.id], clock=itertools.count(0.0, 100.0).__next__)
    waiting.look([run], Snapshot((run,), (), (), 1), NOW, {})
    for notices, gone in ((("logs does not exist",), False), ((), True)):
        for _ in range(2):
            waiting.look([], Snapshot((), (), notices, 1), NOW, {})
        assert waiting.undecided is not gone


def test_a_stalled_run_is_told_and_waited_for(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "experiment_a.json", config={"experiment_name": "a"})
    writer.flush(record(0), pauses=Pauses(current=500.0, usual=0.1, longest=1.0))
    result = wait(tmp_path, "a", "--timeout", "0s")
    assert result.exit_code == TIMED_OUT
    assert "a is stalled (1 done): no iteration for 8m20s (usually 0.1 s)" in result.stderr
    assert wait(tmp_path, "a", "--until", "stalled").exit_code == 0


def test_several_runs_must_all_meet_it_unless_any_does(tmp_path: Path) -> None:
    track_run(tmp_path, "good", [4.0, 1.0])
    track_run(tmp_path, "bad", [4.0, 3.0])
    both = ["good", "bad", "--until", "train_loss < 2"]
    neither = wait(tmp_path, *both)
    assert neither.exit_code == 1
    assert "bad: it finished" in neither.stderr
    assert "good" not in neither.stderr
    assert wait(tmp_path, *both, "--any").exit_code == 0
    assert wait(tmp_path, "good", "bad").exit_code == 0
    assert wait(tmp_path, "-f", "bad", "--until", "train_loss < 2").exit_code == 1
    assert wait(tmp_path, "good", "-f", "good", "--until", "train_loss < 2").exit_code == 0
    assert wait(tmp_path, "-f", "train_loss < 2", "--until", "train_loss < 2").exit_code == 0
    none = wait(tmp_path)
    assert (none.exit_code, none.stderr) == (0, "traintop: no run goes on\n")
    assert wait(tmp_path, "--any").exit_code == 1


def test_an_unknown_name_is_a_slip_unless_the_run_may_appear(tmp_path: Path) -> None:
    track_run(tmp_path, "baseline")
    slip = wait(tmp_path, "basline")
    assert slip.exit_code == 1
    assert "did you mean 'baseline'" in slip.stderr
    thread = then(lambda: track_run(tmp_path, "next"))
    result = wait(tmp_path, "next", "--appear", "--until", "finished")
    thread.join()
    assert result.exit_code == 0
    assert "next does not exist yet; waiting for it" in result.stderr
    assert wait(tmp_path, "none", "--appear", "--timeout", "0").exit_code == TIMED_OUT


@pytest.mark.parametrize(
    "arguments",
    [
        ("--until", "val_loss <"),
        ("--until", "finishd"),
        ("--until", "status == sleeping"),
        ("--timeout", "soon"),
        ("--appear",),
    ],
)
def test_a_mistake_is_told_before_any_waiting(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    track_run(tmp_path, "a")
    named = () if "--appear" in arguments else ("a",)
    assert wait(tmp_path, *named, *arguments).exit_code == 2


def test_a_metric_that_nobody_logged_yet_is_told_and_waited_for(tmp_path: Path) -> None:
    write_run(tmp_path / "experiment_a.json", [record(0)], config={"experiment_name": "a"})
    result = wait(tmp_path, "a", "--until", "eval/acc > 0.9", "--timeout", "0")
    assert result.exit_code == TIMED_OUT
    assert "no run has eval/acc" in result.stderr


def test_a_condition_that_was_met_once_is_enough() -> None:
    waiting = Waiting("train_loss < 2", ["/nowhere/experiment_logs/a.json"])
    for loss in (3.0, 1.0, 3.0):
        runs = [make_run("a", loss=loss)]
        waiting.look(runs, Snapshot(tuple(runs), (), (), 1), NOW, {})
    assert waiting.is_met


def test_ctrl_c_ends_it_as_a_shell_expects(tmp_path: Path) -> None:
    write_run(tmp_path / "experiment_a.json", [record(0)], config={"experiment_name": "a"})
    command = [sys.executable, "-m", "traintop", "wait", "none", "--appear", "-d", str(tmp_path)]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stderr is not None
    assert "waiting for it" in process.stderr.readline()
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(60) == -signal.SIGINT
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
