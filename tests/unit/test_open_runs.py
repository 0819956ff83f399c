"""traintop.open_runs: runs compared, grouped, averaged, and as data frames."""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.runs import foreign_document, make_run, record, track_run, write_run

import traintop
from traintop.analysis.run import UnknownNameError
from traintop.directory_memory import DirectoryMemory, memory_path


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    """Two learning rates with two seeds each; the second seed of the first is longer."""
    for lr, start in ((0.1, 4.0), (0.2, 2.0)):
        for seed in (1, 2):
            losses = [start, start - seed, *([0.0] if (lr, seed) == (0.1, 2) else [])]
            name = f"lr_{lr}_seed{seed}"
            track_run(tmp_path, name, losses, lr=lr, seed=seed, data={"seed": seed})
    return tmp_path


# -- compare


def test_a_comparison_is_that_of_the_command_line(seeds: Path) -> None:
    runs = traintop.open_runs(seeds)
    comparison = runs.filter("lr == 0.1").compare("lr_0.2_seed1", target=2.0)
    assert [column.name for column in comparison.comparison.columns] == [
        *("lr_0.2_seed1", "lr_0.1_seed2", "lr_0.1_seed1")
    ]
    assert "step to 2" in comparison.text(200)
    assert str(comparison).splitlines()[0].split()[0] == "lr_0.2_seed1"
    assert comparison.markdown().startswith("|  | `lr_0.2_seed1` |")
    assert comparison.csv().startswith("section,row,lr_0.2_seed1,")
    assert "\\toprule" in comparison.latex()
    assert repr(comparison).startswith("<RunComparison of 3 columns")
    assert "lr_0.1_seed2" in comparison._repr_html_()


def test_a_file_alone_is_judged_as_in_its_directory(tmp_path: Path) -> None:
    paths = [
        write_run(tmp_path / f"experiment_{value}.json", [record(0, alpha=value)])
        for value in (1.0, 2.0)
    ]
    DirectoryMemory(memory_path(), [tmp_path]).remember({"directions": [["alpha", "higher"]]})
    for runs in (traintop.open_runs(tmp_path), traintop.open_runs(*paths)):
        best = runs.best("alpha")
        assert best is not None
        assert best.id == str(paths[1])
    traintop.load_experiment_log(paths[0])
    assert runs.best("alpha") is not None


# -- groups and means


def test_groups_are_runs_that_differ_in_the_seed_only(seeds: Path) -> None:
    groups = traintop.open_runs(seeds).group("seed")
    assert {name: len(runs) for name, runs in groups.items()} == {"lr_0.2": 2, "lr_0.1": 2}
    assert [run.config["lr"] for run in groups["lr_0.1"]] == [0.1, 0.1]
    assert [*traintop.open_runs(seeds).group()] == [*groups]
    assert len(traintop.open_runs(seeds).group("seed", "lr")) == 1
    assert len(traintop.open_runs(seeds).group("lr")) == 2
    with pytest.raises(UnknownNameError, match=r"no group is called 'lr_1': did you mean 'lr_0.1'"):
        groups["lr_1"]
    table = groups.compare("lr_0.1").text(200)
    assert table.splitlines()[0].split() == ["lr_0.1", "×2", "lr_0.2", "×2"]


def test_a_mean_has_curves_with_their_deviation(seeds: Path) -> None:
    mean = traintop.open_runs(seeds).group("seed").mean()["lr_0.1"]
    iterations, losses, std, n = mean["train_loss"]
    np.testing.assert_array_equal(iterations, [0, 1, 2])
    np.testing.assert_array_equal(losses, [4.0, 2.5, 0.0])
    np.testing.assert_allclose(std, [0.0, math.sqrt(0.5), math.nan])
    np.testing.assert_array_equal(n, [2, 2, 1])
    assert mean.config["lr"] == 0.1
    assert not mean.config.keys() & {"seed", "data.seed"}
    with pytest.raises(KeyError, match="has the metric 'train_los': did you mean 'train_loss'"):
        mean["train_los"]


def test_a_mean_of_results_says_of_how_many(seeds: Path) -> None:
    runs = traintop.open_runs(seeds).filter("lr == 0.1")
    mean = runs.mean()
    assert mean.value("best_train_loss") == (1.5, pytest.approx(math.sqrt(4.5)), 2)
    assert runs[:1].mean().value("best_train_loss") == (0.0, None, 1)
    assert mean.value("val_loss") is None
    assert mean.value("status") is None
    assert runs[:0].mean().config == {}


# -- in a terminal


def test_reprs_are_short_and_safe(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d", "e", "f", "\x1b[2J" * 200):
        track_run(tmp_path, name, [3.0, 2.0], max_iters=4)
    runs = traintop.open_runs(tmp_path)
    assert len(repr(runs)) < 100
    assert repr(runs).startswith("<7 runs: ")
    assert "\x1b" not in repr(runs) + repr(runs[0]) + repr(runs.mean()) + repr(runs.group())
    assert repr(runs["a"]) == "<Run a: finished, 2/4, best train loss 2 @1>"
    assert repr(runs[:0]) == "<0 runs>"


# -- data frames


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow"])
def test_a_missing_library_is_named(
    seeds: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = {"arrow": "pyarrow"}.get(kind, kind)
    monkeypatch.setitem(sys.modules, package, None)
    runs = traintop.open_runs(seeds)
    for one in (runs, runs[0], runs.records()):
        with pytest.raises(ImportError, match=f"pip install {package}$"):
            getattr(one, f"to_{kind}")()


def hostile_runs(directory: Path) -> traintop.Runs:
    configs = [
        {"lr": 1, "act": "relu", "on": True, "mixed": 1, "big": 2**70, "x": {"a": [1]}},
        {"lr": 0.5, "act": "\ud800", "on": False, "mixed": "auto", "big": 1},
    ]
    for place, config in enumerate(configs):
        rows = [
            record(0, gradient_step=1, train_loss=3.0, acc=0.5),
            record(1, train_loss=math.nan),
        ]
        config = {"experiment_name": f"run{place}", **config}
        document = foreign_document(rows, config=config, start_time="2025-02-22T14:05:30")
        (directory / f"experiment_run{place}.json").write_text(json.dumps(document))
    return traintop.open_runs(directory).sort("name")


def test_pandas_frames_have_typed_columns(tmp_path: Path) -> None:
    pytest.importorskip("pandas", reason="to_pandas() needs pandas, which is optional")
    runs = hostile_runs(tmp_path)
    frame = runs.to_pandas().set_index("run")
    assert frame["best_train_loss"].to_dict() == {"run0": 3.0, "run1": 3.0}
    assert frame["config.lr"].tolist() == [1.0, 0.5]
    assert frame["config.on"].tolist() == [True, False]
    assert frame["config.mixed"].tolist() == ["1", "auto"]
    assert frame["config.big"].tolist() == [float(2**70), 1.0]
    assert frame["config.x.a"].tolist()[0] == "[1]"
    assert frame["start_time"].dt.year.tolist() == [2025, 2025]
    assert frame["eta_seconds"].dtype == "float64"
    records = runs.records().to_pandas()
    assert records["run"].tolist() == ["run0", "run0", "run1", "run1"]
    assert records["iteration"].dtype == "int64"
    assert runs[0].to_pandas()["acc"].tolist()[0] == 0.5


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_a_path_that_is_no_utf_8_is_text_in_a_frame(kind: str) -> None:
    pytest.importorskip(kind, reason="data frames need their library, which is optional")
    run = make_run("a", id=os.fsdecode(b"/logs/experiment_\xff.json"))
    opened = traintop.open_runs("/nowhere")._opened
    runs = traintop.Runs([traintop.Run(run, "a", opened)], opened)
    [path] = getattr(runs, f"to_{kind.removeprefix('py')}")()["path"]
    assert str(path) == "/logs/experiment_?.json"


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_frames_tell_nan_from_no_value(tmp_path: Path, kind: str) -> None:
    pytest.importorskip(kind, reason="data frames need their library, which is optional")
    runs = hostile_runs(tmp_path)
    convert = f"to_{kind.removeprefix('py')}"
    frame = getattr(runs[0], convert)()
    lists = "to_pylist" if kind == "pyarrow" else "to_list"
    losses, accuracies, absent = (
        getattr(frame[name], lists)() for name in ("train_loss", "acc", "val_loss")
    )
    assert accuracies == [0.5, None]
    assert absent == [None, None]
    assert math.isnan(losses[1])
    table = getattr(runs, convert)()
    assert "config.act" in (table.column_names if kind == "pyarrow" else table.columns)
    assert "ull" not in str(table.schema)  # null, as a type of a column
