"""Documents of other programs, files that hold no run, and what is no file."""

from __future__ import annotations

import json
import math
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.runs import (
    OpenedRun,
    expected_rows,
    foreign_document,
    new_tracker,
    normal,
    record,
    records,
    rows_of,
    write_run,
)
from tests.waiting import wait_until

from traintop import load_experiment_log
from traintop.cli import main
from traintop.doctor import Level, diagnose
from traintop.metrics import best_value
from traintop.model import RunStatus
from traintop.progress import planned_steps
from traintop.store.catalog import RunCatalog
from traintop.store.formats import UnreadableRunError, json_document


@pytest.mark.parametrize("indent", [None, 0, 2])
def test_documents_of_other_programs(path: Path, indent: int | None) -> None:
    rows = [record(0, train_loss=3.0), record(1, train_loss=2.0, val_loss=2.5, acc=0.5)]
    theirs = foreign_document(
        rows, end_time="2025-01-01T01:00:00", best_val_loss=2.5, notes="theirs"
    )
    path.write_text(json.dumps(theirs, indent=indent))
    run = OpenedRun(path)
    found = run.summary()
    assert (found.status, found.name, planned_steps(found)) == (RunStatus.FINISHED, "theirs", 100)
    assert (found.count, found.iteration, found.best_train_loss) == (2, 1, 2.0)
    assert found.stats["train_loss"].last == 2.0
    assert normal(rows_of(run.history())) == normal(expected_rows(rows))
    assert len(run.sample(10)) == 2
    assert not run.follow()
    path.write_text(json.dumps(foreign_document([*rows, record(2, train_loss=1.0)]), indent=indent))
    assert run.follow()
    assert len(run.history()) == 3
    assert run.summary().iteration == 2


def test_zeros_and_settings_in_records_are_no_measurements(path: Path) -> None:
    def row(iteration: int, **values: object) -> dict[str, object]:
        nothing = {"val_loss": None, "learning_rate": 0.0, "tokens_per_sec": 0.0, "iter_time_ms": 0}
        return {"iteration": iteration, "batch_size": 8, "context_length": 16, **nothing, **values}

    step = {"learning_rate": 0.5, "tokens_per_sec": 100.0, "iter_time_ms": 2.0}
    rows = [
        row(0, **{**step, "learning_rate": 0.0}, train_loss=3.0),  # the first step of a warm-up
        row(1, **step, train_loss=2.0),
        row(1, train_loss=1.0, val_loss=2.5),
        row(2, train_loss=1.5, val_loss=2.25),
    ]
    config = {"experiment_name": "theirs", "batch_size": 4}
    theirs = foreign_document([], config=config, best_val_loss=math.inf, metrics_history=rows)
    path.write_text(json.dumps(theirs))
    run = OpenedRun(path)
    found = run.summary()
    assert found.config == {**config, "context_length": 16}
    assert [(name, one.count, one.min) for name, one in found.stats.items()] == [
        ("train_loss", 3, 1.5),
        ("val_loss", 2, 2.25),
        ("learning_rate", 2, 0.0),
        ("tokens_per_sec", 2, 100.0),
        ("iter_time_ms", 2, 2.0),
        ("eval_train_loss", 1, 1.0),
    ]
    assert run.history().columns["train_loss"].tolist() == [3.0, 2.0, 1.5]
    assert best_value(found, "val_loss") == 2.25
    nothing = foreign_document([], metrics_history=[row(0, train_loss=3.0)], best_val_loss=math.inf)
    path.write_text(json.dumps(nothing))
    found = run.summary()
    assert [*found.stats] == ["train_loss"]
    assert best_value(found, "val_loss") is None
    assert load_experiment_log(path).best_val_loss is None


@pytest.mark.parametrize(
    ("rows", "iterations"),
    [
        ([{"step": i, "loss": 3.0 - i} for i in range(3)], [0, 1, 2]),
        ([{"global_step": 10 * i, "epoch": i / 2, "loss": 3.0} for i in range(3)], [0, 10, 20]),
        ([{"epoch": i, "val_loss": 3.0 - i} for i in range(3)], [0, 1, 2]),
        ([{"iteration": str(i), "step": 7, "train_loss": f" {i}.5 "} for i in range(3)], [0, 1, 2]),
        ([{"steps": i, "train_loss": "nan"} for i in range(3)], [0, 1, 2]),
    ],
)
def test_the_usual_names_of_positions_and_numbers_as_text(
    path: Path, rows: list[dict[str, object]], iterations: list[int]
) -> None:
    config = {"experiment_name": "theirs", "max_iters": 100, "num_epochs": 4}
    path.write_text(json.dumps(foreign_document([], config=config, metrics_history=rows)))
    run = OpenedRun(path)
    found = run.summary()
    assert run.history().columns["iteration"].tolist() == iterations
    assert (found.count, found.problem) == (3, "")
    assert planned_steps(found) == (4 if "epoch" in rows[0] and "loss" not in rows[0] else 100)
    loss = best_value(found, "train_loss") or best_value(found, "val_loss")
    assert loss is not None or found.stats["train_loss"].nonfinite == 3


def test_what_is_not_read_of_records_is_said(path: Path) -> None:
    rows = [
        *({"step": i, "phase": "train", "loss": "n/a" if i else 2.0} for i in range(4)),
        {"val_loss": 2.0},
        "no record",
    ]
    path.write_text(json.dumps(foreign_document([], metrics_history=rows, end_time="x")))
    words = "2 of 6 records without a number as step; no number: phase in 4, loss in 3 of 6 records"
    assert OpenedRun(path).summary().problem == words
    listed = CliRunner().invoke(main, ["list", str(path.parent)])
    assert f"traintop: not read in {path}: {words}" in listed.stderr
    assert words in CliRunner().invoke(main, ["list", str(path.parent), "--json"]).stdout
    nowhere = [{"train_loss": 2.0}, {"train_loss": 1.0}]
    path.write_text(json.dumps(foreign_document([], metrics_history=nowhere, end_time="x")))
    assert OpenedRun(path).summary().problem.startswith("2 of 2 records without a number as iter")
    findings = {one.check: one for one in diagnose(path.parent).findings}
    assert "2 of 2 records without a" in findings["runs.unread"].what
    assert findings["runs.log_metrics"].level is Level.OK
    assert findings["runs.increment_gradient_step"].level is Level.OK


def test_a_copy_of_our_file_by_another_program(path: Path) -> None:
    tracker = new_tracker(path.parent, "ours")
    tracker.start()
    for iteration in range(6):
        tracker.log_metrics(iteration, 9.0 - iteration)
    tracker.rewind(3)
    tracker.log_metrics(4, 7.0)
    tracker.log_metrics(5, 8.25)
    wait_until(lambda: b'"train_loss":8.25' in tracker.path.read_bytes())
    copy = path.parent / "copy" / "experiment_copy.json"
    copy.parent.mkdir()
    copy.write_text(json.dumps(json.loads(tracker.path.read_text()), indent=2))
    tracker.finish()
    assert normal(rows_of(OpenedRun(copy).history())) == normal(
        rows_of(OpenedRun(tracker.path).history())
    )


def test_documents_with_bare_nan_bom_and_missing_keys(path: Path) -> None:
    text = """\ufeff{"metrics_history": [
        {"iteration": 0, "train_loss": NaN, "val_loss": -Infinity},
        {"iteration": 1, "train_loss": 2.0, "extra": [1, 2]}, 7,
        {"iteration": 2, "train_loss": 1e999}
    ], "start_time": 12, "status": "done", "end_time": "x"}"""
    path.write_text(text, encoding="utf-8")
    run = OpenedRun(path)
    found = run.summary()
    assert (found.status, found.name, found.start_time) == (RunStatus.FINISHED, path.stem, None)
    assert found.stats["train_loss"].nonfinite == 2
    history = run.history()
    assert history.nonfinite("train_loss").tolist() == [True, False, True]
    assert history.columns["val_loss"][0] == -math.inf


def test_a_document_is_kept_while_it_is_rewritten(path: Path) -> None:
    whole = json.dumps(foreign_document(records(5)), indent=1)
    path.write_text(whole)
    run = OpenedRun(path)
    assert (len(run.history()), run.summary().count) == (5, 5)
    path.write_text(whole[:200])
    assert not run.follow()
    assert (len(run.history()), run.summary().count) == (5, 5)
    path.write_text(json.dumps(foreign_document(records(6)), indent=1))
    assert run.follow()
    assert (len(run.history()), run.summary().count) == (6, 6)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"not json", "is not JSON"),
        (b"[1, 2]", "holds a JSON list"),
        (b'{"a": 1}', "neither"),
        (b'{"config": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"config": "\xff\xfe"}', "UTF-8"),
        (b'{"config": 1, "metrics_history": {"a": 1}}', "neither"),
        (b"x" * 200_000, "64 KiB"),
    ],
)
def test_a_file_that_is_no_run_is_explained(path: Path, data: bytes, words: str) -> None:
    path.write_bytes(data)
    found = OpenedRun(path).summary()
    assert found.status is RunStatus.UNREADABLE
    assert words in found.problem
    with pytest.raises(UnreadableRunError, match=words):
        OpenedRun(path).history()


def test_documents_are_read_up_to_a_limit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(json.dumps(foreign_document(records(900)), indent=1))
    monkeypatch.setattr(json_document, "LARGEST_DOCUMENT", 100_000)
    assert "JSON document" in OpenedRun(path).summary().problem


@pytest.fixture(params=["directory", "pipe", "socket", "device", "dangling", "loop"])
def no_file(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    path = tmp_path / "experiment_x.json"
    match request.param:
        case "directory":
            path.mkdir()
            yield path, "directory"
        case "pipe":
            os.mkfifo(path)
            yield path, "pipe"
        case "socket":
            here = Path.cwd()
            os.chdir(tmp_path)  # socket paths are short
            with socket.socket(socket.AF_UNIX) as server:
                server.bind(path.name)
                os.chdir(here)
                yield path, "socket"
        case "device":
            path.symlink_to("/dev/zero")
            yield path, "device"
        case "dangling":
            path.symlink_to(tmp_path / "nowhere")
            yield path, "broken symbolic link|does not exist"
        case _:
            path.symlink_to(path)
            yield path, "symbolic link"


def test_special_files_neither_hang_nor_raise(no_file: tuple[Path, str]) -> None:
    path, words = no_file
    catalog = RunCatalog([path.parent])
    [found] = catalog.refresh().runs
    assert found.status is RunStatus.UNREADABLE
    assert re.search(words, found.problem)
    reader = catalog.reader(found.id)
    assert not reader.follow()
    with pytest.raises(UnreadableRunError, match=words):
        reader.history()
    with pytest.raises(UnreadableRunError, match=words):
        reader.sample(3)


def test_a_run_that_is_gone_has_no_reader(path: Path) -> None:
    catalog = RunCatalog([write_run(path, records(1))])
    [found] = catalog.refresh().runs
    path.unlink()
    catalog.refresh()
    with pytest.raises(UnreadableRunError, match="does not exist"):
        catalog.reader(found.id)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(path: Path) -> None:
    write_run(path, records(1))
    path.chmod(0)
    assert "permission" in OpenedRun(path).summary().problem
