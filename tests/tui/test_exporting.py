"""Exports on real files: what may be meant, what is written where, and how it ends."""

from __future__ import annotations

import csv
import os
import queue
from pathlib import Path

import pytest
from tests.runs import OpenedRun, make_run, make_runs, reader_of

from traintop import ExperimentConfig, ExperimentTracker
from traintop.model import RunStatus, RunSummary
from traintop.tui.export import exports
from traintop.tui.export.choices import export_choices
from traintop.tui.export.exports import Export, ExportWriter, writable_directory
from traintop.tui.messages import ExportEnded, ExportProgress, TextExportRequested
from traintop.tui.rows import RunRows
from traintop.tui.view import ViewState


def written_run(directory: Path, name: str, records: int = 3) -> RunSummary:
    tracker = ExperimentTracker(ExperimentConfig(name), log_dir=directory, quiet=True)
    tracker.start()
    for iteration in range(records):
        tracker.log_metrics(iteration=iteration, train_loss=4.0 / (1 + iteration))
    tracker.finish()
    return OpenedRun(tracker.path).summary()


def export(runs: list[RunSummary], directory: Path, *, together: bool = False) -> ExportEnded:
    posted: list[object] = []
    writer = ExportWriter(posted.append, reader_of, [directory])
    writer.write_runs(runs, "logs", together=together)
    writer.finish()
    assert all(isinstance(message, ExportProgress) for message in posted[:-1])
    assert isinstance(posted[-1], ExportEnded)
    return posted[-1]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_one_run_is_a_file_of_its_own_name_beside_what_is_there(tmp_path):
    run = written_run(tmp_path / "logs", "one")
    (tmp_path / f"{run.stem}.csv").write_text("mine")
    ended = export([run], tmp_path)
    assert ended.target == tmp_path / f"{run.stem}_2.csv"
    assert [row["iteration"] for row in rows_of(ended.target)] == ["0", "1", "2"]
    assert (tmp_path / f"{run.stem}.csv").read_text() == "mine"


def test_several_runs_are_one_tidy_file(tmp_path):
    runs = [written_run(tmp_path / "logs", name) for name in ("a", "b", "a")]
    ended = export(runs, tmp_path, together=True)
    assert ended.target == tmp_path / "logs.csv"
    names = [row["run"] for row in rows_of(ended.target)]
    assert len(names) == 9
    assert len(set(names)) == 3


def test_several_runs_are_a_file_each_in_a_new_directory(tmp_path):
    runs = [written_run(tmp_path / "logs", name) for name in ("a", "b")]
    (tmp_path / "logs_csv").mkdir()
    ended = export(runs, tmp_path)
    assert ended.target == tmp_path / "logs_csv_2"
    assert sorted(os.listdir(ended.target)) == sorted(f"{run.stem}.csv" for run in runs)
    assert os.listdir(tmp_path / "logs_csv") == []


@pytest.mark.parametrize("together", [True, False])
def test_an_unreadable_run_among_several_is_left_out_and_named(tmp_path, together):
    runs = [written_run(tmp_path / "logs", name) for name in ("a", "b")]
    Path(runs[0].id).write_bytes(b"")
    ended = export(runs, tmp_path, together=together)
    assert ended.target is not None
    assert "left out" in ended.note
    assert "is empty" in ended.note


def test_a_single_unreadable_run_fails_with_the_reason(tmp_path):
    run = written_run(tmp_path / "logs", "a")
    Path(run.id).unlink()
    ended = export([run], tmp_path)
    assert (ended.target, ended.failed) == (None, True)
    assert "does not exist" in ended.note


@pytest.mark.parametrize("together", [True, False])
def test_a_stopped_export_leaves_nothing_behind(tmp_path, monkeypatch, together):
    runs = [written_run(tmp_path / "logs", name) for name in ("a", "b")]
    out = tmp_path / "out"
    out.mkdir()
    posted: list[object] = []
    monkeypatch.setattr(exports, "_PROGRESS_SECONDS", 0.0)

    def stop_at_the_second_run(message: object) -> None:
        posted.append(message)
        if isinstance(message, ExportProgress) and message.run == 2:
            running.get(timeout=30).stop()

    writer = ExportWriter(stop_at_the_second_run, reader_of, [out])
    running: queue.Queue[Export] = queue.Queue()
    running.put(writer.write_runs(runs, "logs", together=together))
    writer.finish()
    ended = posted[-1]
    assert isinstance(ended, ExportEnded)
    assert (ended.target, ended.failed) == (None, False)
    assert "Cancelled" in ended.note
    assert os.listdir(out) == []


def test_an_unwritable_directory_gives_way_to_the_next_one(tmp_path):
    missing = tmp_path / "missing"
    directory = writable_directory([missing, tmp_path])
    assert directory.path == tmp_path
    assert str(missing) in directory.note
    with pytest.raises(PermissionError, match="missing"):
        writable_directory([missing, tmp_path / "missing too"])


def test_a_text_is_written_with_its_suffix(tmp_path):
    ended: list[ExportEnded] = []
    request = TextExportRequested("comparison", ".md", "| a |\n")
    for directory in (tmp_path, tmp_path, tmp_path / "missing"):
        writer = ExportWriter(ended.append, reader_of, [directory])
        writer.write_text(request)
        writer.finish()
    assert [one.target and one.target.name for one in ended] == [
        "comparison.md",
        "comparison_2.md",
        None,
    ]
    assert ended[0].target.read_text() == "| a |\n"
    assert ended[-1].failed
    assert "comparison.md" in ended[-1].note


def words_of(view: ViewState, rows: RunRows) -> list[tuple[int, bool]]:
    return [(len(choice.runs), choice.together) for choice in export_choices(view, rows)]


def test_exporting_one_run_asks_nothing():
    rows = RunRows(make_runs(1))
    assert words_of(ViewState(selected=rows.runs[0].id), rows) == [(1, False)]
    assert words_of(ViewState(), RunRows()) == []


def test_marked_runs_are_offered_first_then_selected_then_all():
    rows = RunRows(make_runs(5))
    paths = [run.id for run in rows.runs]
    view = ViewState(selected=paths[0], marks=(paths[1], paths[2]))
    assert words_of(view, rows) == [(2, True), (2, False), (1, False), (5, True), (5, False)]


def test_marked_runs_hidden_by_a_filter_are_still_exported():
    shown, hidden = make_runs(4)[:2], make_runs(4)[2:]
    rows = RunRows(shown, hidden)
    view = ViewState(selected=shown[0].id, marks=tuple(run.id for run in hidden))
    assert words_of(view, rows)[:2] == [(2, True), (2, False)]


def test_unreadable_files_are_not_offered_for_export():
    broken = make_run("broken", status=RunStatus.UNREADABLE)
    rows = RunRows([broken, make_run("fine")])
    assert words_of(ViewState(selected=broken.id), rows) == []
