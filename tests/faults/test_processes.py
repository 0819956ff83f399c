"""Trackers in processes that end, fork, spawn, and are stopped in every way there is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.runs import OpenedRun
from tests.waiting import wait_until
from training_processes import TRAINS, next_line, only_run, run_to_end, start, started_together

from traintop import RunStatus


def test_a_process_that_ends_without_finish_is_flushed(tmp_path: Path) -> None:
    code, errors = run_to_end("tracker.start()\ntracker.log_metrics(0, 1.0)", tmp_path)
    assert (code, errors) == (0, "")
    run = only_run(tmp_path)
    assert run["count"] == 1
    assert run["status"] == "interrupted"
    assert "finish()" in run["error"]


@pytest.mark.parametrize(
    ("last_line", "status", "error"),
    [
        ("raise ValueError('out of data')", "failed", "ValueError: out of data"),
        ("raise KeyboardInterrupt", "interrupted", "KeyboardInterrupt"),
    ],
)
def test_an_uncaught_exception_is_recorded(
    tmp_path: Path, last_line: str, status: str, error: str
) -> None:
    code, _ = run_to_end(f"tracker.start()\ntracker.log_metrics(0, 1.0)\n{last_line}", tmp_path)
    assert code != 0
    run = only_run(tmp_path)
    assert (run["status"], run["error"], run["count"]) == (status, error, 1)


def test_ctrl_c_in_a_with_block_is_an_interruption(tmp_path: Path) -> None:
    process = start(
        """
with tracker:
    for i in range(10**9):
        tracker.log_metrics(i, 1.0)
        if i == 10:
            print("ready", flush=True)
        time.sleep(0.001)
""",
        tmp_path,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) != 0
    assert only_run(tmp_path)["status"] == "interrupted"


def test_forked_children_never_write(tmp_path: Path) -> None:
    code, errors = run_to_end(
        """
tracker.start()
for i in range(100):
    tracker.log_metrics(i, 1.0)
path = tracker.path
children = []
for _ in range(4):
    pid = os.fork()
    if pid == 0:
        for i in range(1000):
            tracker.log_metrics(i, -1.0)
        tracker.log_eval(0, val_loss=-1.0)
        tracker.finish()
        assert tracker.save() == path
        sys.exit(0)
    children.append(pid)
for i in range(100, 200):
    tracker.log_metrics(i, 1.0)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
tracker.finish()
""",
        tmp_path,
    )
    assert code == 0
    assert errors.count("nothing is written: this is a copy of the tracker that writes") == 4
    run = only_run(tmp_path)
    assert [record["train_loss"] for record in run["metrics_history"]] == [1.0] * 200
    assert run["status"] == "finished"


def test_a_lingering_child_does_not_keep_the_run_locked(tmp_path: Path) -> None:
    process = start(
        """
tracker.start()
tracker.log_metrics(0, 1.0)
tracker.save()
if os.fork() == 0:
    print(os.getpid(), flush=True)
    time.sleep(60)
    os._exit(0)
time.sleep(60)
""",
        tmp_path,
    )
    assert process.stdout is not None
    child = int(process.stdout.readline())
    process.kill()
    process.wait()
    try:
        code, errors = run_to_end(
            """
with ExperimentTracker.resume("job", sys.argv[1], quiet=True) as resumed:
    resumed.log_metrics(1, 2.0)
""",
            tmp_path,
        )
    finally:
        os.kill(child, signal.SIGKILL)
    assert (code, errors) == (0, "")
    assert only_run(tmp_path)["count"] == 2


def test_a_child_forked_before_a_resumption_does_not_touch_it(
    tmp_path: Path,
) -> None:
    code, errors = run_to_end(
        """
tracker.log_metrics(0, 1.0)
tracker.finish()
resumed = ExperimentTracker.resume(tracker.path, quiet=True)
parents_end, childs_end = os.pipe()
child = os.fork()
if child == 0:
    resumed.log_metrics(1, 1.0)
    resumed.finish()
    os.write(childs_end, b"done")
    time.sleep(60)
    os._exit(0)
os.read(parents_end, 4)
try:
    resumed.log_metrics(2, 1.0)
    resumed.finish()
    with ExperimentTracker.resume(tracker.path, quiet=True) as again:
        again.log_metrics(3, 1.0)
finally:
    os.kill(child, signal.SIGKILL)
""",
        tmp_path,
    )
    assert code == 0, errors
    records = only_run(tmp_path)["metrics_history"]
    assert [record["iteration"] for record in records] == [0, 2, 3]


def test_a_killed_run_resumes_and_replays(tmp_path: Path) -> None:
    process = start(
        """
tracker.start()
for i in range(500):
    tracker.log_metrics(i, 1.0)
tracker.save()
print("saved", flush=True)
time.sleep(60)
""",
        tmp_path,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.wait()
    code, errors = run_to_end(
        """
with ExperimentTracker.resume("job", sys.argv[1], gradient_step=300, quiet=True) as resumed:
    for i in range(300, 600):
        resumed.log_metrics(i, 2.0)
""",
        tmp_path,
    )
    assert (code, errors) == (0, "")
    [path] = tmp_path.iterdir()
    history = OpenedRun(path).history()
    assert list(history.columns["iteration"]) == list(range(600))
    assert list(history.columns["train_loss"]) == [1.0] * 300 + [2.0] * 300
    summary = OpenedRun(path).summary()
    assert (summary.count, summary.status) == (600, RunStatus.FINISHED)


def test_a_heartbeat_is_written_while_nothing_is_logged(tmp_path: Path) -> None:
    process = start(
        """
import traintop.tracking.writer as writer
writer.HEARTBEAT_SECONDS = 0.05
tracker.start()
time.sleep(60)
""",
        tmp_path,
    )
    try:
        wait_until(lambda: list(tmp_path.glob("*.json")))
        [path] = tmp_path.glob("*.json")
        seen: set[str | None] = {None}
        wait_until(lambda: seen.add(OpenedRun(path).summary().updated_at) or len(seen) > 2)
    finally:
        process.kill()
        process.wait()


# -- other ends


def test_ctrl_c_twice_still_records_the_interruption(tmp_path: Path) -> None:
    code = f"""
with tracker:
    {TRAINS.replace(chr(10), chr(10) + "    ")}
"""
    for number in range(6):
        directory = tmp_path / str(number)
        process = start(code, directory)
        next_line(process)
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(number * 0.002)
        process.communicate(timeout=60)
        assert process.returncode != 0
        run = only_run(directory)
        assert (run["status"], run["error"]) == ("interrupted", "KeyboardInterrupt")


def test_os_exit_loses_only_what_was_not_flushed(tmp_path: Path) -> None:
    code, errors = run_to_end(
        """
tracker.start()
for i in range(100):
    tracker.log_metrics(i, 1.0)
tracker.save()
tracker.log_metrics(100, 1.0)
os._exit(7)
""",
        tmp_path,
    )
    assert (code, errors) == (7, "")
    [path] = tmp_path.iterdir()
    assert len(OpenedRun(path).history()) >= 100
    assert OpenedRun(path).summary().status is RunStatus.CRASHED


def test_sys_exit_in_a_thread_ends_only_that_thread(tmp_path: Path) -> None:
    code, errors = run_to_end(
        """
tracker.start()

def evaluate():
    tracker.log_eval(0, val_loss=1.0)
    sys.exit(3)

thread = threading.Thread(target=evaluate)
thread.start()
thread.join()
tracker.log_metrics(1, 2.0)
tracker.finish()
""",
        tmp_path,
    )
    assert (code, errors) == (0, "")
    run = only_run(tmp_path)
    assert (run["status"], run["count"]) == ("finished", 2)


def test_a_spawned_worker_gets_a_silent_copy(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        """
import multiprocessing, sys
from traintop import ExperimentTracker, ExperimentConfig

def work(tracker, path):
    with tracker:
        for i in range(100):
            tracker.log_metrics(i, -1.0)
        tracker.log_eval(0, val_loss=-1.0)
        tracker.increment_gradient_step()
    assert tracker.save() == path
    assert tracker.get_summary_stats()["total_gradient_steps"] == 1

if __name__ == "__main__":
    logs = sys.argv[1]
    with ExperimentTracker(ExperimentConfig(experiment_name="job"), logs, quiet=True) as tracker:
        tracker.log_metrics(0, 1.0)
        spawned = multiprocessing.get_context("spawn")
        worker = spawned.Process(target=work, args=(tracker, tracker.path))
        worker.start()
        worker.join()
        assert worker.exitcode == 0
"""
    )
    subprocess.run([sys.executable, script, tmp_path / "logs"], check=True, timeout=120)
    run = only_run(tmp_path / "logs")
    assert [record["train_loss"] for record in run["metrics_history"]] == [1.0]
    assert (run["status"], run["best_val_loss"]) == ("finished", None)


# -- many writers


def test_64_writers_of_one_name_in_one_directory_make_64_files(tmp_path: Path) -> None:
    code = """
print("ready", flush=True)
os.read(0, 1)
trackers = [tracker] + [
    ExperimentTracker(ExperimentConfig(experiment_name="job"), sys.argv[1], quiet=True)
    for _ in range(7)
]
for each in trackers:
    each.start()
for i in range(20):
    for number, each in enumerate(trackers):
        each.log_metrics(i, float(os.getpid()), writer=number)
for each in trackers:
    each.finish()
"""
    processes = started_together(code, tmp_path, 8)
    for process in processes:
        assert process.communicate(timeout=60)[1] == ""
    documents = [json.loads(path.read_text()) for path in tmp_path.iterdir()]
    wrote = [
        (document["run"]["pid"], document["metrics_history"][0]["writer"]) for document in documents
    ]
    assert sorted(wrote) == sorted((p.pid, number) for p in processes for number in range(8))
    for document, (pid, number) in zip(documents, wrote, strict=True):
        rows = [(row["train_loss"], row["writer"]) for row in document["metrics_history"]]
        assert rows == [(pid, number)] * 20


def test_only_one_of_several_processes_resumes_a_run(tmp_path: Path) -> None:
    assert run_to_end("tracker.start()\ntracker.log_metrics(0, 1.0)\nos._exit(1)", tmp_path)[0] == 1
    code = """
from traintop import RunFileBusyError
print("ready", flush=True)
os.read(0, 1)
try:
    resumed = ExperimentTracker.resume("job", sys.argv[1], quiet=True)
except RunFileBusyError as error:
    print("busy", error, flush=True)
else:
    resumed.start()
    print("mine", flush=True)
os.read(0, 1)
"""
    processes = started_together(code, tmp_path, 6)
    answers = [next_line(process).split()[0] for process in processes]
    for process in processes:
        process.communicate("g", timeout=60)
    assert sorted(answers) == ["busy"] * 5 + ["mine"]
    [path] = tmp_path.iterdir()
    assert len(json.loads(path.read_text())["resumed"]) == 1


def test_a_run_whose_process_lives_cannot_be_resumed(tmp_path: Path) -> None:
    process = start(TRAINS, tmp_path)
    next_line(process)
    before = process.pid
    code, errors = run_to_end('ExperimentTracker.resume("job", sys.argv[1])', tmp_path)
    assert code == 1
    assert "RunFileBusyError" in errors
    process.kill()
    process.communicate()
    code, errors = run_to_end(
        'ExperimentTracker.resume("job", sys.argv[1], quiet=True).finish()', tmp_path
    )
    assert (code, errors) == (0, "")
    run = only_run(tmp_path)
    assert (run["run"]["pid"], run["status"]) == (before, "finished")
