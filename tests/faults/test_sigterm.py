"""SIGTERM, as schedulers send it: recorded, then obeyed, unless the script handles it itself."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from tests.runs import OpenedRun
from training_processes import TRAINS, next_line, only_run, run_to_end, start

from traintop import RunStatus


def terminated(code: str, directory: Path) -> int:
    """The exit status of a process that gets a SIGTERM once it is ready."""
    process = start(code, directory)
    assert next_line(process) == "ready"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    return process.returncode


def test_sigterm_is_recorded_and_then_obeyed(tmp_path: Path) -> None:
    assert terminated(TRAINS, tmp_path) == -signal.SIGTERM
    run = only_run(tmp_path)
    assert (run["status"], run["error"]) == ("interrupted", "SIGTERM")
    assert run["count"] >= 11
    assert run["end_time"]


def test_sigterm_ends_a_process_that_hangs_outside_python(
    tmp_path: Path,
) -> None:
    code = """
import ctypes
mutex = ctypes.create_string_buffer(256)
tracker.start()
tracker.log_metrics(0, 1.0)
print("ready", flush=True)
for _ in range(2):
    ctypes.CDLL(None).pthread_mutex_lock(mutex)
"""
    assert terminated(code, tmp_path) == -signal.SIGTERM
    run = only_run(tmp_path)
    assert (run["status"], run["error"], run["count"]) == ("interrupted", "SIGTERM", 1)


def test_sigterm_during_any_call_of_the_tracker_cannot_deadlock(tmp_path: Path) -> None:
    code = """
tracker.start()
print("ready", flush=True)
for i in range(10**9):
    tracker.log_eval(i, 1.0, 2.0)
    tracker.get_summary_stats()
    tracker.save()
"""
    for number in range(5):
        directory = tmp_path / str(number)
        assert terminated(code, directory) == -signal.SIGTERM
        assert only_run(directory)["status"] == "interrupted"


def test_sigterm_ends_every_run_of_the_process(tmp_path: Path) -> None:
    code = """
others = [
    ExperimentTracker(ExperimentConfig(experiment_name=f"job{i}"), sys.argv[1], quiet=True)
    for i in range(4)
]
for other in others:
    other.start()
others[0].finish()
"""
    assert terminated(code + TRAINS, tmp_path) == -signal.SIGTERM
    statuses = [OpenedRun(path).summary().status for path in tmp_path.glob("*.json")]
    assert sorted(statuses) == [RunStatus.FINISHED] + [RunStatus.INTERRUPTED] * 4


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_sigterm_handler_of_the_script_wins(tmp_path: Path, when: str) -> None:
    handles = "signal.signal(signal.SIGTERM, lambda *_: (checkpoint.append(1), previous(*_)))\n"
    code = f"""
checkpoint = []
previous = signal.getsignal(signal.SIGTERM)
previous = previous if callable(previous) else lambda *_: None
{handles if when == "before" else ""}
tracker.start()
{"previous = signal.getsignal(signal.SIGTERM)" if when == "after" else ""}
{handles if when == "after" else ""}
print("ready", flush=True)
while not checkpoint:
    time.sleep(0.001)
time.sleep(0.2)
tracker.log_metrics(7, 1.0)
tracker.finish()
"""
    assert terminated(code, tmp_path) == 0
    run = only_run(tmp_path)
    assert (run["status"], run["count"]) == ("finished", 1)


def test_an_ignored_sigterm_stays_ignored(tmp_path: Path) -> None:
    code = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
tracker.start()
print("ready", flush=True)
os.read(0, 1)
assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
tracker.finish()
"""
    process = start(code, tmp_path)
    next_line(process)
    process.send_signal(signal.SIGTERM)
    assert process.communicate("go", timeout=60)[1] == ""
    assert process.returncode == 0


def test_a_tracker_started_in_another_thread_leaves_signals(tmp_path: Path) -> None:
    code, errors = run_to_end(
        """
thread = threading.Thread(target=tracker.start)
thread.start()
thread.join()
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
tracker.finish()
""",
        tmp_path,
    )
    assert (code, errors) == (0, "")


def test_sigterm_ends_forked_workers_as_ever_and_not_the_run(tmp_path: Path) -> None:
    code, errors = run_to_end(
        """
import multiprocessing
context = multiprocessing.get_context("fork")
tracker.start()
for i in range(10):
    worker = context.Process(target=time.sleep, args=(600,))
    worker.start()
    worker.terminate()
    worker.join()
    assert worker.exitcode == -signal.SIGTERM, worker.exitcode
    tracker.log_metrics(i, 1.0)
tracker.finish()
""",
        tmp_path,
    )
    assert (code, errors) == (0, "")
    assert only_run(tmp_path)["count"] == 10


def test_a_worker_may_have_a_run_of_its_own(tmp_path: Path) -> None:
    code = """
tracker.start()
if (pid := os.fork()) == 0:
    own = ExperimentTracker(ExperimentConfig(experiment_name="own"), sys.argv[1], quiet=True)
    own.start()
    own.log_metrics(0, 1.0)
    own.save()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(600)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGTERM
tracker.finish()
"""
    assert run_to_end(code, tmp_path) == (0, "")
    runs = [OpenedRun(path).summary() for path in tmp_path.glob("*.json")]
    statuses = {run.name: run.status for run in runs}
    assert statuses == {"job": RunStatus.FINISHED, "own": RunStatus.INTERRUPTED}
