"""`traintop export` and `traintop compare`: what scripts get."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from traintop import ExperimentConfig, ExperimentTracker
from traintop.cli import main


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    directory = tmp_path / "logs"
    for name, scale, seed in (("slow_s0", 3.0, 0), ("slow_s1", 4.0, 1), ("fast", 1.0, 0)):
        settings = {"max_learning_rate": 1.0 / scale, "seed": seed}
        if name.startswith("slow"):
            settings["max_learning_rate"] = 0.1
        config = ExperimentConfig(name, **settings)
        tracker = ExperimentTracker(config, log_dir=directory, quiet=True)
        tracker.start()
        for iteration in range(5):
            tracker.log_metrics(iteration=iteration, train_loss=scale / (1 + iteration))
        tracker.finish()
    return directory


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_chosen_runs_are_exported_in_the_order_of_their_names(logs: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs.csv"
    done = run("export", logs, "slow_s1", "fast", "--output", out)
    assert done.exit_code == 0
    assert "wrote 2 runs" in done.stderr
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == ["slow_s1"] * 5 + ["fast"] * 5


def test_export_without_names_takes_all_but_broken_runs(logs: Path, tmp_path: Path) -> None:
    (logs / "experiment_broken_20250101_000000.json").write_text("{")
    out = tmp_path / "runs.csv"
    done = run("export", logs, "--output", out)
    assert done.exit_code == 0
    assert re.search(
        r"left out: .*experiment_broken_20250101_000000\.json is not JSON", done.stderr
    )
    assert "wrote 3 runs" in done.stderr
    assert len(out.read_text().splitlines()) == 16
    assert "left out" not in run("export", logs, "fast", "--output", out).stderr
    named = run("export", logs, "experiment_broken_20250101_000000", "--output", out)
    assert named.exit_code == 1
    assert "experiment_broken_20250101_000000.json is not JSON" in named.stderr


def test_an_export_that_cannot_be_written_says_why(logs: Path, tmp_path: Path) -> None:
    done = run("export", logs, "--output", tmp_path / "missing" / "runs.csv")
    assert done.exit_code == 1
    assert done.stderr == f"Error: {tmp_path / 'missing' / 'runs.csv'}: No such file or directory\n"


def test_an_export_goes_to_the_output_whole(logs: Path, tmp_path: Path) -> None:
    run("export", logs, "--output", tmp_path / "runs.csv")
    done = run("export", logs, "--output", "-")
    assert done.stdout == (tmp_path / "runs.csv").read_text()
    assert done.stderr == ""
    run("plot", "-d", logs, "fast", "--svg", tmp_path / "chart.svg")
    done = run("plot", "-d", logs, "fast", "--svg", "-")
    assert done.stdout == (tmp_path / "chart.svg").read_text()
    assert done.stderr == ""
    assert not Path("-").exists()


def test_no_command_replaces_the_file_of_a_run(logs: Path) -> None:
    path = next(logs.glob("*.json"))
    before = path.read_bytes()
    for command in (
        ("export", logs, "--output", path),
        ("plot", logs, "--svg", path),
        ("report", logs, "--output", path),
    ):
        done = run(*command)
        assert done.exit_code == 1
        assert done.stderr == f"Error: {path}: Refusing to overwrite the log file of a run\n"
    assert path.read_bytes() == before


def test_the_comparison_is_a_table_with_the_baseline_first(logs: Path) -> None:
    done = run("compare", "-d", logs, "fast", "--baseline", "slow_s0")
    assert done.exit_code == 0
    assert done.output.splitlines()[0].split() == ["slow_s0", "fast"]
    assert "-66.7%" in done.output
    assert "best of its row" in done.output


def test_all_runs_are_compared_without_names(logs: Path) -> None:
    done = run("compare", logs, "--csv", "--baseline", "fast")
    rows = list(csv.reader(done.stdout.splitlines()))
    assert rows[0][:3] == ["section", "row", "fast"]
    assert {"slow_s0", "slow_s1", "slow_s0 delta"} <= set(rows[0])


def test_groups_over_seeds_as_json(logs: Path) -> None:
    done = run("compare", logs, "--seeds", "--json", "--target", "2")
    document = json.loads(done.stdout)
    assert {column["name"]: len(column["runs"]) for column in document["columns"]} == {
        "fast": 1,
        "slow": 2,
    }
    assert "step to 2" in {row["row"] for row in document["rows"]}


def test_markdown_is_a_table(logs: Path) -> None:
    lines = run("compare", logs, "--markdown").stdout.splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert lines[1].startswith("| :--")


@pytest.mark.parametrize("target", ["nan", "inf"])
def test_a_target_that_no_run_can_reach_is_refused(logs: Path, target: str) -> None:
    done = run("compare", logs, "--target", target)
    assert done.exit_code == 2
    assert f"--target must be a finite number, not {target}" in done.stderr


def test_an_unknown_name_is_refused_with_the_closest_ones(logs: Path) -> None:
    for command in (("compare", logs, "slo_s0"), ("export", logs, "slo_s0", "--output", "x.csv")):
        done = run(*command)
        assert done.exit_code == 1
        assert "did you mean 'slow_s0'" in done.stderr


def test_no_runs_is_an_error(tmp_path: Path) -> None:
    done = run("compare", tmp_path)
    assert done.exit_code == 1
    assert "no runs in" in done.stderr


def test_compare_and_export_do_not_import_the_ui(logs: Path, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom traintop.cli import main\n"
        f"main(['compare', {str(logs)!r}], standalone_mode=False)\n"
        f"main(['export', {str(logs)!r}, '--out', {str(tmp_path / 'x.csv')!r}],"
        " standalone_mode=False)\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert {"textual", "rich", "watchdog", "plotext"}.isdisjoint(done.stdout.split())


def test_of_very_many_runs_the_newest_are_compared_for_people(logs: Path) -> None:
    for number in range(7):
        with ExperimentTracker(ExperimentConfig(f"run_{number}"), log_dir=logs, quiet=True):
            pass
    done = run("compare", logs)
    assert "2 older runs are not shown" in done.stderr
    assert "run_6" in done.stdout
    assert "slow_s0" not in done.stdout
    assert len(json.loads(run("compare", logs, "--json").stdout)["columns"]) == 10


def test_a_comparison_as_csv_names_whose_setting_is_a_default(tmp_path: Path) -> None:
    for name, settings in (("a", {"d_model": 256}), ("b", {}), ("c", {"d_model": 512})):
        with ExperimentTracker(ExperimentConfig(name, **settings), tmp_path, quiet=True) as tracker:
            tracker.log_metrics(0, 2.0)
    rows = list(csv.DictReader(io.StringIO(run("compare", tmp_path, "--csv").stdout)))
    [row] = [row for row in rows if row["row"] == "d_model"]
    assert (row["a"], row["b"], row["c"], row["default"]) == ("256", "512", "512", "b")
