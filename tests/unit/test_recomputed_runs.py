"""The numbers of generated runs, computed anew from `json.load`, are those of every face."""

from __future__ import annotations

import csv
import io
import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from tests.runs import NOW, new_tracker

from traintop import ExperimentAnalyzer, ExperimentTracker, load_experiment_log
from traintop.cli import main
from traintop.fields import field_of
from traintop.metrics import logged_name
from traintop.store.catalog import RunCatalog
from traintop.tui.columns import RowContext, column_of

RUNS = 44
_NONFINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def log_run(directory: Path, name: str, seed: int) -> dict[str, Any]:
    """Train a run with NaN, late, replayed and void records; what its tracker knows at the end."""
    chance = random.Random(seed)
    first, interval = chance.choice([(0, 1), (1, 1), (0, 10), (10, 10), (9, 10)])
    count = chance.randrange(1, 60)
    loss = chance.choice(["train_loss", "train_loss", "loss", "train/loss"])
    tracker: ExperimentTracker = new_tracker(directory, name, max_iters=60 * interval)
    tracker.start()
    checkpoint = 0

    def value() -> float:
        odd = chance.random() < 0.05
        return chance.choice(list(_NONFINITE.values())) if odd else chance.uniform(0, 9)

    for number in range(count):
        iteration = first + number * interval
        tracker.increment_gradient_step()
        tracker.log_metrics(iteration, metrics={loss: value()}, tokens_per_sec=value())
        if chance.random() < 0.2:
            tracker.log_eval(iteration, train_loss=value(), val_loss=value(), accuracy=value())
        if chance.random() < 0.1:  # late, for an iteration with or without a record
            tracker.log_eval(chance.randrange(iteration + 1), val_loss=value(), train_loss=value())
        if chance.random() < 0.1:
            tracker.log_metrics(chance.randrange(iteration + 1), metrics={loss: value()})
        if chance.random() < 0.1:
            tracker.save()
        checkpoint = number + 1 if chance.random() < 0.3 else checkpoint
    if checkpoint and chance.random() < 0.5:
        tracker.finish()
        tracker = ExperimentTracker.resume(tracker.path, gradient_step=checkpoint, quiet=True)
        tracker.start()
        replayed = first + checkpoint * interval
        for iteration in range(replayed, replayed + 5 * interval, interval):
            tracker.increment_gradient_step()
            tracker.log_metrics(iteration, metrics={loss: value()})
    tracker.finish(train_loss=-1.0, val_loss=-2.0)
    tracker.save()
    return tracker.get_summary_stats()


def recomputed(path: Path) -> dict[str, np.ndarray]:
    """The records that count, by iteration, as arrays; and which values were measured."""
    rows: dict[float, dict[str, float]] = {}
    for line in json.loads(path.read_text())["metrics_history"]:
        numbers = {key: _NONFINITE.get(number, number) for key, number in line.items()}
        if numbers.pop("rewind", False):
            rows = {at: row for at, row in rows.items() if at <= numbers["iteration"]}
            continue
        row = rows.setdefault(numbers["iteration"], {})
        row.update({key: number for key, number in numbers.items() if number is not None})
    ordered = [rows[at] for at in sorted(rows)]
    names = {name for row in ordered for name in row}
    return {
        name: np.array([(row["iteration"], row[name]) for row in ordered if name in row])
        for name in names
    }


def statistics(points: np.ndarray, *, lowest: bool) -> dict[str, Any]:
    """Last, best and mean of the points of one metric."""
    finite = points[np.isfinite(points[:, 1])]
    best = (None, None)
    if len(finite):
        place = finite[:, 1].argmin() if lowest else finite[:, 1].argmax()
        best = (float(finite[place, 1]), int(finite[place, 0]))
    mean = float(finite[:, 1].mean()) if len(finite) else None
    last = float(points[-1, 1])
    return {"last": last, "best": best[0], "best_iteration": best[1], "mean": mean}


def known(found: object) -> object:
    """What JSON, CSV and Python say of a value, in one form."""
    if isinstance(found, dict):
        return {key: known(value) for key, value in found.items()}
    if isinstance(found, str):
        found = _NONFINITE.get(found, found) if found else None
    if isinstance(found, float) and math.isnan(found):
        return "NaN"
    return pytest.approx(found, rel=1e-12) if isinstance(found, float) else found


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    directory = tmp_path_factory.mktemp("generated")
    names = [f"run_{seed}" for seed in range(RUNS)]
    return directory, {name: log_run(directory, name, seed) for seed, name in enumerate(names)}


def invoke(*arguments: object) -> str:
    done = CliRunner().invoke(main, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    return done.stdout


def test_every_face_has_the_numbers_of_the_file(generated: tuple[Path, dict[str, Any]]) -> None:
    directory, by_tracker = generated
    listed = {run["run"]: run for run in json.loads(invoke("list", directory, "--json"))["runs"]}
    compared = json.loads(invoke("compare", directory, "--json"))
    places = {column["name"]: place for place, column in enumerate(compared["columns"])}
    rows = {(row["section"], row["row"]): row["cells"] for row in compared["rows"]}
    exported = list(csv.DictReader(io.StringIO(invoke("export", directory, "--output", "-"))))
    analyzer = ExperimentAnalyzer(directory)
    summaries = {run.name: run for run in RunCatalog([directory]).refresh().runs}
    assert len(summaries) == RUNS
    for name, summary in summaries.items():
        columns, run = recomputed(Path(summary.id)), listed[name]
        iterations = columns["iteration"][:, 0]
        assert (run["iteration"], summary.count) == (iterations[-1], len(iterations)), name
        for metric, numbers in run["metrics"].items():
            points = columns[str(logged_name(metric, summary.stats))]
            expected = statistics(points, lowest="loss" in metric)
            assert known(numbers) == known(expected), (name, metric)
            stats = summary.stats[str(logged_name(metric, summary.stats))]
            finite = points[np.isfinite(points[:, 1])][:, 1]
            assert (stats.count, stats.nonfinite) == (len(finite), len(points) - len(finite))
            if len(finite):
                assert [stats.min, stats.max, stats.std, stats.recent_mean] == pytest.approx(
                    [finite.min(), finite.max(), finite.std(), finite[-100:].mean()], rel=1e-9
                )
            place = places[name]
            if (metric, "best") in rows and metric != "tokens_per_sec":
                cell = rows[metric, "best"][place]
                assert known(cell["value"]) == known(expected["best"])
                assert cell["iteration"] == expected["best_iteration"]
                assert known(rows[metric, "last"][place]["value"]) == known(expected["last"])
                assert analyzer_best(analyzer, name, metric) == known(expected["best"])
            for key, value in ((metric, "last"), (f"best_{metric}", "best")):
                column = column_of(key)
                shown = column.text(summary, RowContext(NOW), column.width)
                assert shown == field_of(key).text(expected[value], column.width)
            trajectory = analyzer.get_trajectory(name, metric)
            np.testing.assert_array_equal(np.array(trajectory).T, points)
        check_losses(name, columns, summary, by_tracker[name], run)
        cells = [line for line in exported if line["run"] == name]
        assert [float(line["iteration"]) for line in cells] == iterations.tolist()
        for metric, points in columns.items():
            written = {float(line["iteration"]): line[metric] for line in cells if line[metric]}
            assert {at: known(float(text)) for at, text in written.items()} == {
                at: known(value) for at, value in points.tolist()
            }, (name, metric)


def analyzer_best(analyzer: ExperimentAnalyzer, name: str, metric: str) -> object:
    """What the analyzer says is the best of one run alone."""
    alone = ExperimentAnalyzer(analyzer.log_dir)
    alone.load_specific([name])
    best = alone.get_best_experiment(metric)
    return None if best is None else known(best[1])


def check_losses(
    name: str,
    columns: dict[str, np.ndarray],
    summary: Any,
    by_tracker: dict[str, Any],
    run: dict[str, Any],
) -> None:
    """The best losses of the tracker, the file's end, the list and the log in memory."""
    log, tail = load_experiment_log(summary.id), json.loads(Path(summary.id).read_text())
    for metric, final in (("train_loss", -1.0), ("val_loss", -2.0)):
        logged = logged_name(metric, summary.stats)
        best = statistics(columns[logged], lowest=True)["best"] if logged else None
        best = final if best is None else best
        key = f"best_{metric}"
        found = (by_tracker[key], run[key], getattr(log, key))
        assert found == (best, best, best), (name, metric)
        assert tail[key] in (best, None if tail["count"] is None else best), (name, metric)
        assert run[f"final_{metric}"] == final
