"""Every name of the table of fields works on every face, with one value and one heading."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from traintop import ExperimentAnalyzer, ExperimentTracker
from traintop.analysis.compare import ComparisonRun, columns_of, compare
from traintop.analysis.query import filter_runs
from traintop.analysis.ranking import leaders, sorted_runs
from traintop.analysis.run_tables import ROW_FIELDS, comparison_table
from traintop.cli import main
from traintop.fields import FIELDS, SYNONYMS, field_of
from traintop.model import RunSummary
from traintop.store.catalog import RunCatalog
from traintop.tui.columns import RowContext, column_of, offered_columns

FURTHER = [
    *("loss", "training/loss", "eval_loss", "valid_loss", "lr", "throughput", "tokens_per_second"),
    *("train/acc", "best_train/acc", "mean_train/acc", "best_loss", "recent_lr", "std_eval_loss"),
    *("config.d_model", "d_model", "config.optimizer.lr", "optimizer.lr", "host", "python"),
    *("config:d_model", "best:train/acc", "last:loss", "mean:loss", "max_steps", "alpha"),
]
NAMES = [*FIELDS, *SYNONYMS, *FURTHER]

every_name = pytest.mark.parametrize("name", NAMES)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs that call their metrics differently, as training loops do."""
    directory = tmp_path_factory.mktemp("logs")
    logged = [
        {"loss": 1.0, "eval_loss": 1.5, "lr": 1e-3, "tokens_per_second": 900.0, "train/acc": 0.5},
        {"train_loss": 2.0, "val_loss": 2.5, "learning_rate": 1e-4, "tokens_per_sec": 800.0},
        {"training/loss": 3.0, "train/acc": 0.75, "alpha": 1.0},
    ]
    for number, metrics in enumerate(logged):
        settings = {"experiment_name": f"run{number}", "max_iters": 10, "d_model": 64 * number}
        settings["optimizer"] = {"lr": 0.1 + number}
        with ExperimentTracker(settings, directory, quiet=True) as tracker:
            for step in range(3):
                values = {key: value + step for key, value in metrics.items()}
                tracker.log_metrics(iteration=step, metrics=values)
    return directory


@pytest.fixture(scope="module")
def runs(directory: Path) -> Sequence[RunSummary]:
    return RunCatalog([directory]).refresh().runs


@pytest.fixture(scope="module")
def now() -> datetime:
    return datetime.now()


def invoke(*arguments: object) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def known(name: str, runs: Sequence[RunSummary], now: datetime) -> list[str]:
    """The runs that have something under a name."""
    return [run.id for run in runs if field_of(name).value(run, now) not in (None, ())]


@every_name
def test_the_filter_understands_it(name, runs, now):
    found = filter_runs(runs, f"`{name}` != none", now)
    assert [run.id for run in found] == known(name, runs, now)


@every_name
def test_the_list_sorts_by_it(name, runs, now):
    field = field_of(name)
    ordered = [run for run in sorted_runs(runs, name) if run.id in known(name, runs, now)]
    keys = [field.sort_key(field.value(run, now)) for run in ordered]
    assert keys == sorted(keys, reverse=field.descending)


@every_name
def test_the_command_line_sorts_by_it(name, runs, directory):
    rows = json.loads(invoke("list", directory, "--sort", name, "--json"))["runs"]
    names = [row["run_id"] for row in rows]
    assert names == [run.stem for run in sorted_runs(runs, name)]


@every_name
def test_it_is_a_column_of_the_list(name, runs, now):
    field, column = field_of(name), column_of(name)
    assert column.field.name == ("tokens_per_sec" if name == "throughput" else field.name)
    assert column.key in offered_columns(runs) or column.key not in FIELDS or field.metric
    for run in runs:
        shown = column.text(run, RowContext(now), column.width)
        assert (shown == "–") is (run.id not in known(column.key, runs, now))


@every_name
def test_the_leaderboard_ranks_by_it(name, runs, now):
    ranked = [leader.run.id for leader in leaders(runs, name, "lower")]
    numbers = {run.id: field_of(name).number(run) for run in runs}
    finite = [key for key, value in numbers.items() if value is not None and math.isfinite(value)]
    assert set(ranked) >= set(finite)


@pytest.mark.parametrize("name", [n for n in ROW_FIELDS if n != "run"])
def test_rows_of_json_and_csv_have_its_value(name, runs, directory, now):
    rows = json.loads(invoke("list", directory, "--json"))["runs"]
    cells = list(csv.DictReader(io.StringIO(invoke("list", directory, "--csv"))))
    by_stem = {run.stem: run for run in runs}
    for row, line in zip(rows, cells, strict=True):
        value = field_of(name).value(by_stem[row["run_id"]], now)
        assert row[name] == ("" if value is None and field_of(name).kind == "text" else value)
        assert line[name] == ("" if value is None else str(value))


@pytest.mark.parametrize("statistic", ["last", "best"])
@pytest.mark.parametrize("metric", ["train_loss", "val_loss", "train/acc", "learning_rate"])
def test_the_comparison_has_its_value(metric, statistic, runs):
    field = field_of(metric if statistic == "last" else f"{statistic}_{metric}")
    compared = compare(columns_of([ComparisonRun(run.name, run) for run in runs]))
    rows = [row for row in compared.results if (row.section, row.label) == (metric, statistic)]
    assert len(rows) == (0 if statistic == "best" and field.direction is None else 1)
    for row in rows:
        assert [cell.value for cell in row.cells] == [field.number(run) for run in runs]
        assert row.better == field.direction


@pytest.mark.parametrize(
    "name", ["status", "step", "best_val_loss", "best_train_loss", "mean_tokens_per_sec"]
)
def test_the_table_of_the_command_line_has_its_heading(name, runs):
    assert field_of(name).label in comparison_table(runs, width=200).splitlines()[0]
    assert column_of(name).field.label == field_of(name).label


def test_records_keep_the_names_they_were_logged_under(directory, tmp_path):
    invoke("export", directory, "--out", tmp_path / "all.csv")
    columns = (tmp_path / "all.csv").read_text().splitlines()[0].split(",")
    assert {"loss", "training/loss", "eval_loss", "train_loss", "val_loss"} <= set(columns)


@pytest.mark.parametrize("metric", ["loss", "training/loss", "train_loss"])
def test_scripts_find_a_loss_under_any_of_its_names(metric, directory):
    analyzer = ExperimentAnalyzer(directory)
    assert analyzer.get_trajectory("run2", metric) == ([0, 1, 2], [3.0, 4.0, 5.0])
    assert analyzer.get_loss_trajectories("run0")[1] == [1.0, 2.0, 3.0]
    assert analyzer.get_best_experiment(metric) == ("run0", 1.0)


def test_a_script_is_asked_which_values_are_better(directory):
    analyzer = ExperimentAnalyzer(directory)
    with pytest.raises(ValueError, match="pass mode='min' or mode='max'"):
        analyzer.get_best_experiment("alpha")
    assert analyzer.get_best_experiment("alpha", "max") == ("run2", 3.0)
    assert analyzer.get_best_experiment("unheard_of") is None
