"""Runs whose loop is gone: cells that were interrupted, trackers that nobody holds any more."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.runs import new_tracker, saved_document

from traintop import ExperimentConfig, ExperimentTracker
from traintop.tracking import writer

CELL = """
tracker = ExperimentTracker(ExperimentConfig("cell"), logs, quiet=True)
tracker.start()
for i in range(steps):
    tracker.log_metrics(i, train_loss=1.0)
    tracker.increment_gradient_step()
if steps == 7:
    raise KeyboardInterrupt
tracker.finish()
"""


@pytest.fixture
def namespace(tmp_path: Path) -> dict[str, Any]:
    return {
        "ExperimentTracker": ExperimentTracker,
        "ExperimentConfig": ExperimentConfig,
        "logs": tmp_path,
    }


@pytest.fixture
def _shown_errors() -> Iterator[None]:
    yield
    with contextlib.suppress(AttributeError):
        del sys.last_value


def run_cell(code: str, namespace: dict[str, Any], *, shown: bool = False) -> None:
    """What IPython does of a cell; with ``shown`` it keeps the exception, as IPython does."""
    try:
        exec(compile(code, "<cell>", "exec"), namespace)
    except KeyboardInterrupt as error:
        if shown:
            sys.last_value = error


def states(directory: Path) -> list[tuple[str, int]]:
    """Status and number of records of each run, the oldest first."""
    documents = [json.loads(path.read_text()) for path in sorted(directory.iterdir())]
    documents.sort(key=lambda document: document["start_time"])
    return [(document["status"], len(document["metrics_history"])) for document in documents]


@pytest.mark.parametrize("name", ["cell", "another"])
@pytest.mark.parametrize("variable", ["tracker", "second"])
@pytest.mark.parametrize("shown", [False, True])
@pytest.mark.usefixtures("_shown_errors")
def test_a_cell_that_is_run_again_leaves_none_running(
    tmp_path: Path, namespace: dict[str, Any], name: str, variable: str, shown: bool
) -> None:
    namespace["steps"] = 7
    run_cell(CELL, namespace, shown=shown)
    namespace["steps"] = 3
    run_cell(CELL.replace('"cell"', repr(name)).replace("tracker", variable), namespace)
    assert states(tmp_path) == [("interrupted", 7), ("finished", 3)]


def test_a_cell_that_resumes_its_own_run_goes_on_with_it(
    tmp_path: Path, namespace: dict[str, Any]
) -> None:
    cell = CELL.replace(
        'ExperimentTracker(ExperimentConfig("cell"), logs,',
        'ExperimentTracker.resume_or_start(ExperimentConfig("cell"), logs, iteration=steps,',
    )
    for steps in (7, 9):
        namespace["steps"] = steps
        run_cell(cell, namespace)
    assert states(tmp_path)[0][0] == "finished"
    assert len(states(tmp_path)) == 1


def test_a_tracker_that_nobody_holds_ends_as_interrupted(tmp_path: Path) -> None:
    def train() -> None:
        tracker = new_tracker(tmp_path)
        tracker.start()
        for i in range(5):
            tracker.log_metrics(i, train_loss=1.0)
            tracker.increment_gradient_step()
        raise ValueError("bad batch")

    with contextlib.suppress(ValueError):
        train()
    [path] = tmp_path.iterdir()
    document = json.loads(path.read_text())
    assert (document["status"], document["gradient_step"]) == ("interrupted", 5)
    assert document["error"] == "its loop ended without finish()"
    assert len(document["metrics_history"]) == 5


@pytest.mark.usefixtures("_shown_errors")
def test_an_exception_that_left_the_loop_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interactive Python keeps the exception that it showed, and so the tracker."""
    monkeypatch.setattr(writer, "HEARTBEAT_SECONDS", 0.1)

    def train() -> None:
        tracker = new_tracker(tmp_path)
        tracker.start()
        tracker.log_metrics(0, train_loss=1.0)
        raise ValueError("bad batch")

    try:
        train()
    except ValueError as error:
        sys.last_value = error
    [path] = tmp_path.iterdir()
    waited = threading.Event()
    for _ in range(200):
        if json.loads(path.read_text())["status"] != "running":
            break
        waited.wait(0.05)
    document = json.loads(path.read_text())
    assert (document["status"], document["error"]) == ("failed", "ValueError: bad batch")


@pytest.mark.parametrize(
    ("cell", "end"),
    [
        ("nothing", ("interrupted", "the process ended without finish()")),
        ("tracker.log_metrics(nothing)", ("failed", "NameError: name 'nothing' is not defined")),
    ],
)
def test_an_interactive_exit_tells_whose_exception_it_was(
    tmp_path: Path, cell: str, end: tuple[str, str]
) -> None:
    """The exception that an interactive Python showed last need not be of the loop."""
    start = (
        "from traintop import ExperimentTracker",
        "tracker = ExperimentTracker({'experiment_name': 'cell'}, '.', quiet=True)",
        "tracker.start()",
        "tracker.log_metrics(0, train_loss=1.0)",
    )
    lines = "\n".join((*start, cell, ""))
    subprocess.run(
        [sys.executable, "-i"],
        input=lines,
        text=True,
        check=True,
        cwd=tmp_path,
        capture_output=True,
    )
    [path] = tmp_path.iterdir()
    document = json.loads(path.read_text())
    assert (document["status"], document["error"]) == end


def test_two_runs_that_both_log_both_go_on(tmp_path: Path) -> None:
    first, second = new_tracker(tmp_path, "generator"), new_tracker(tmp_path, "generator")
    first.start()
    first.log_metrics(0, train_loss=1.0)
    second.start()
    assert saved_document(first)["status"] == "interrupted"
    for i in range(1, 20):
        first.log_metrics(i, train_loss=1.0)
        second.log_metrics(i, train_loss=2.0)
    assert saved_document(first)["status"] == saved_document(second)["status"] == "running"
    first.finish()
    second.finish()
    assert states(tmp_path) == [("finished", 20), ("finished", 19)]


def test_a_run_within_the_block_of_another_does_not_end_it(tmp_path: Path) -> None:
    with new_tracker(tmp_path, "search") as outer:
        outer.log_metrics(0, train_loss=1.0)
        with new_tracker(tmp_path, "search") as inner:
            for i in range(10):
                inner.log_metrics(i, train_loss=1.0)
        assert saved_document(outer)["status"] == "running"
    assert states(tmp_path) == [("finished", 1), ("finished", 10)]


def test_one_line_says_what_was_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tracker = ExperimentTracker(ExperimentConfig("loud"), "logs")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    tracker.start()
    for i in range(3):
        tracker.log_metrics(i, train_loss=1.0)
        tracker.save()
    with tracker:
        tracker.finish()
    path = tracker.save()
    assert path.parent == tmp_path / "logs"
    _, saved, finished = capsys.readouterr().err.splitlines()
    assert saved == f"traintop: saved so far, 1 iteration  ·  {path}"
    assert finished == f"traintop: finished, 3 iterations  ·  {path}"
