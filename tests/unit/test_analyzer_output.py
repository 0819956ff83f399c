"""What the analyzer prints and writes: tables, summaries, CSV, data frames."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest
from analyzer_runs import loaded
from tests.runs import track_run

from traintop import (
    ExperimentConfig,
    ExperimentTracker,
    load_experiment_log,
    print_experiment_summary,
)


def test_the_table_is_sorted_and_is_markdown_on_demand(tmp_path: Path) -> None:
    track_run(tmp_path, "worse", [3.0], val_loss=3.0, seed=1)
    track_run(tmp_path, "better", [2.0], val_loss=2.0, seed=2)
    analyzer = loaded(tmp_path)
    lines = analyzer.get_comparison_table(width=120).splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["better", "worse"]
    by_setting = analyzer.get_comparison_table(width=120, sort="seed").splitlines()
    assert [line.split()[0] for line in by_setting[2:4]] == ["worse", "better"]
    assert analyzer.get_comparison_table(markdown=True).startswith("| RUN | STATUS |")


def test_the_table_fits_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    track_run(tmp_path, "a" * 100, [3.0], val_loss=3.0)
    monkeypatch.setenv("COLUMNS", "50")
    assert max(map(len, loaded(tmp_path).get_comparison_table().splitlines())) <= 50


def test_summaries_show_results_settings_and_notes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tracker = ExperimentTracker(ExperimentConfig("baseline", act="ReLU"), tmp_path, quiet=True)
    tracker.log_metrics(41, train_loss=2.5, grad_norm=1.25)
    tracker.finish(val_loss=2.75, notes="first\x1b[2J try")
    path = tracker.save()
    capsys.readouterr()
    loaded(tmp_path).print_summary("baseline")
    by_analyzer = capsys.readouterr().out
    print_experiment_summary(path)
    by_path = capsys.readouterr().out
    print_experiment_summary(load_experiment_log(path))
    assert capsys.readouterr().out == by_path == by_analyzer
    for words in ("Run baseline", "finished", "2.5 @41", "2.75", "1.25", "ReLU", "try"):
        assert words in by_analyzer
    assert by_analyzer.replace("\n", "").isprintable()


def test_tracker_and_analyzer_print_the_same_best_values(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ExperimentTracker(ExperimentConfig("run"), tmp_path, quiet=True) as tracker:
        tracker.log_metrics(1499, train_loss=3.0)
        tracker.finish(train_loss=2.0, val_loss=2.25)
    capsys.readouterr()
    for print_summary in (tracker.print_summary, lambda: loaded(tmp_path).print_summary("run")):
        print_summary()
        lines = capsys.readouterr().out.splitlines()
        best = [line.split(maxsplit=3)[3] for line in lines if line.startswith("  best ")]
        assert best == ["3 @1,499", "2.25"]


def test_a_foreign_run_has_the_same_summary_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"iteration": 0, "z": 1.0}, {"iteration": 1, "a": 2.0, "train_loss": 1.0}]
    path = tmp_path / "experiment_theirs.json"
    content = {"config": {"experiment_name": "theirs"}, "metrics_history": rows}
    path.write_text(json.dumps(content, indent=2))
    loaded(tmp_path).print_summary("theirs")
    by_analyzer = capsys.readouterr().out
    print_experiment_summary(path)
    assert capsys.readouterr().out == by_analyzer
    assert f"duration{'':10}–" in by_analyzer
    assert by_analyzer.index("  a  ") < by_analyzer.index("  z  ")


def test_export_writes_every_record(tmp_path: Path) -> None:
    track_run(tmp_path / "logs", "run", [3.0, 1 / 3], val_loss=2.5)
    path = loaded(tmp_path / "logs").export_csv("run", str(tmp_path / "run.csv"))
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["train_loss"]) for row in rows] == [3.0, 1 / 3]
    assert [row["val_loss"] for row in rows] == ["", "2.5"]
    assert [row["iteration"] for row in rows] == ["0", "1"]


def test_dataframe_has_a_row_for_each_record(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="to_dataframe() needs pandas, which is optional")
    track_run(tmp_path, "a", [3.0, 2.0], val_loss=2.5)
    track_run(tmp_path, "b", [4.0])
    analyzer = loaded(tmp_path)
    frame = analyzer.to_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    assert frame.groupby("run")["train_loss"].min().to_dict() == {"a": 2.0, "b": 4.0}
    assert frame["iteration"].dtype == "int64"
    assert frame["val_loss"].notna().sum() == 1
    assert analyzer.to_dataframe("b")["train_loss"].tolist() == [4.0]
    assert list(loaded(tmp_path / "none").to_dataframe().columns)[:2] == ["run", "iteration"]


def test_without_pandas_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        loaded(tmp_path).to_dataframe()
