"""Runs in the file store of MLflow: what is read, followed, and survived."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest

from traintop.metrics import best_value
from traintop.model import RunStatus, RunSummary
from traintop.progress import planned_steps
from traintop.store.catalog import RunCatalog
from traintop.store.history import History

RUN_ID = "0123456789abcdef0123456789abcdef"
START = 1_700_000_000_000  # in milliseconds since 1970

_META = """artifact_uri: file:///mlruns/1/{run_id}/artifacts
end_time: {end}
entry_point_name: ''
experiment_id: '1'
lifecycle_stage: {stage}
run_id: {run_id}
run_name: calm-fox-12
source_name: ''
source_type: 4
source_version: ''
start_time: {start}
status: {status}
tags: []
user_id: someone
"""


def write_meta(run: Path, *, status: int = 1, stage: str = "active") -> None:
    end = "null" if status == 1 else START + 60_000
    text = _META.format(run_id=run.name, end=end, stage=stage, start=START, status=status)
    (run / "meta.yaml").write_text(text)


def write_texts(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def log(run: Path, metric: str, step: int, value: float, seconds: float = 0.0) -> None:
    path = run / "metrics" / metric
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(f"{START + int(seconds * 1000)} {value} {step}\n")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that has just begun, in an experiment."""
    run = tmp_path / "mlruns" / "1" / RUN_ID
    run.mkdir(parents=True)
    write_texts(run.parent, {"meta.yaml": "experiment_id: '1'\nname: 'a: sweep'\n"})
    write_meta(run)
    return run


def summary_of(run: Path) -> RunSummary:
    [summary] = RunCatalog([run.parents[1]]).refresh().runs
    return summary


def values(history: History, metric: str) -> dict[float, float]:
    rows = history.measured(metric)
    return dict(zip(history.columns["iteration"][rows], history.columns[metric][rows], strict=True))


def test_what_is_known_of_a_run(run: Path) -> None:
    write_texts(
        run / "params", {"lr": "0.001", "max_steps": "50", "opt/name": "adam", "amp": "True"}
    )
    tags = {
        "mlflow.runName": "first",
        "mlflow.note.content": "a note",
        "mlflow.source.git.commit": "c0ffee",
        "mlflow.log-model.history": "[]",
        "team": "nlp",
    }
    write_texts(run / "tags", tags)
    log(run, "train/loss", 0, 4.0)
    log(run, "train/loss", 9, 2.0, 4.5)
    log(run, "val_loss", 9, math.nan, 5)
    write_meta(run, status=3)
    found = summary_of(run)
    assert (found.name, found.status, found.notes) == ("first", RunStatus.FINISHED, "a note")
    settings = {"lr": 0.001, "max_steps": 50, "opt/name": "adam", "amp": True}
    assert found.config == {**settings, "tags": {"team": "nlp"}, "experiment_name": "first"}
    assert planned_steps(found) == 50
    assert found.environment == {
        "written_by": "MLflow",
        "experiment": "a: sweep",
        "user": "someone",
        "git_commit": "c0ffee",
    }
    assert (found.count, found.iteration, found.duration_seconds) == (2, 9, 60.0)
    assert best_value(found, "train_loss") == 2.0
    assert found.stats["val_loss"].nonfinite == 1


@pytest.mark.parametrize(
    ("status", "word"), [(1, "running"), (3, "finished"), (4, "failed"), (5, "interrupted")]
)
def test_the_status_is_what_the_run_says(run: Path, status: int, word: str) -> None:
    write_meta(run, status=status)
    assert summary_of(run).status == word


def test_a_run_without_a_name_of_its_own_has_that_of_mlflow(run: Path) -> None:
    assert summary_of(run).name == "calm-fox-12"


def test_runs_that_were_deleted_are_left_out(run: Path) -> None:
    log(run, "loss", 0, 1.0)
    write_meta(run, stage="deleted")
    assert not RunCatalog([run.parents[1]]).refresh().runs


def test_metrics_are_followed_line_by_line(run: Path) -> None:
    log(run, "loss", 0, 4.0)
    catalog = RunCatalog([run.parents[1]])
    [found] = catalog.refresh().runs
    reader = catalog.reader(found.id)
    assert values(reader.history(), "loss") == {0: 4.0}
    with (run / "metrics" / "loss").open("a") as file:
        file.write(f"{START + 1000} 3.")
        file.flush()
        assert not reader.follow()
        file.write("5 1\n")
    assert reader.follow()
    assert values(reader.history(), "loss") == {0: 4.0, 1: 3.5}
    log(run, "acc", 1, 0.5, 1)
    [found] = catalog.refresh().runs
    assert (found.stats["loss"].last, found.stats["acc"].last) == (3.5, 0.5)
    assert reader.follow()
    assert values(reader.history(), "acc") == {1: 0.5}
    write_meta(run, status=3)
    assert catalog.refresh().runs[0].status is RunStatus.FINISHED


def test_a_metric_that_was_deleted_is_gone(run: Path) -> None:
    log(run, "loss", 0, 4.0)
    log(run, "acc", 0, 0.5)
    catalog = RunCatalog([run.parents[1]])
    catalog.refresh()
    (run / "metrics" / "acc").unlink()
    assert catalog.refresh().runs[0].stats.keys() == {"loss"}


def test_a_change_of_one_metric_is_seen_without_a_scan(run: Path) -> None:
    log(run, "train/loss", 0, 4.0)
    catalog = RunCatalog([run.parents[1]])
    catalog.refresh()
    log(run, "train/loss", 1, 3.0)
    changed = str(run / "metrics" / "train" / "loss")
    assert catalog.places[0].may_be_a_run(changed)
    [found] = catalog.places[0].refresh_files([changed]).runs
    assert found.iteration == 1
    assert not catalog.places[0].may_be_a_run(str(run / "artifacts" / "loss"))


def test_copies_of_other_files_are_a_part_of_the_run(run: Path) -> None:
    log(run, "loss", 0, 1.0)
    write_texts(run / "artifacts", {"results.csv": "epoch,loss\n0,1\n1,2\n", "meta.yaml": ""})
    assert summary_of(run).stats.keys() == {"loss"}


def test_samples_of_the_machine_stand_where_training_was(run: Path) -> None:
    for step in range(0, 1000, 100):
        log(run, "loss", step, 1.0, step / 100)
    for sample in range(3):
        log(run, "system/gpu", sample, 10.0 + sample, 2.5 + 3 * sample)
    log(run, "system/early", 0, 1.0, -5)
    catalog = RunCatalog([run.parents[1]])
    [found] = catalog.refresh().runs
    history = catalog.reader(found.id).history()
    assert values(history, "system/gpu") == {200: 10.0, 500: 11.0, 800: 12.0}
    assert values(history, "system/early") == {0: 1.0}
    assert history.columns["wallclock_time"].tolist() == [*range(10)]


def test_values_without_steps_are_counted(run: Path) -> None:
    for place in range(3):
        log(run, "loss", 0, 3.0 - place, place)
    catalog = RunCatalog([run.parents[1]])
    [found] = catalog.refresh().runs
    reader = catalog.reader(found.id)
    assert values(reader.history(), "loss") == {0: 3.0, 1: 2.0, 2: 1.0}
    assert found.environment["counted_by"] == "value"
    log(run, "loss", 0, 0.5, 3)
    assert reader.follow()
    assert values(reader.history(), "loss")[3] == 0.5
    log(run, "loss", 7, 0.25, 4)
    assert reader.follow()
    assert values(reader.history(), "loss") == {0: 0.5, 7: 0.25}
    assert catalog.refresh().runs[0].count == 2


def test_lines_of_other_versions_and_damaged_ones(run: Path) -> None:
    lines = "1 4.0\n2 3.0 1\n3 2.0 2 data 1a2b\n4 x 3\nnothing\n5 1.0 4\n"
    write_texts(run / "metrics", {"loss": lines})
    catalog = RunCatalog([run.parents[1]])
    [found] = catalog.refresh().runs
    assert found.problem == "has 2 damaged lines, left out"
    expected = {0: 4.0, 1: 3.0, 2: 2.0, 4: 1.0}
    assert values(catalog.reader(found.id).history(), "loss") == expected


def test_a_run_whose_own_file_is_missing_is_explained(run: Path) -> None:
    log(run, "loss", 0, 1.0)
    (run / "meta.yaml").unlink()
    found = summary_of(run)
    assert found.status is RunStatus.UNREADABLE
    assert found.problem == "has no meta.yaml"


@pytest.mark.parametrize("meta", [b"", b"[1", b"status: [1, 2]\nstart_time: x\n", b"\xff\xfe\x00"])
def test_whatever_stands_in_the_files_is_survived(run: Path, meta: bytes) -> None:
    (run / "meta.yaml").write_bytes(meta)
    write_texts(run / "params", {"lr": "1" * 10_000})
    noise = random.Random(0)
    (run / "metrics").mkdir()
    for size in (0, 1, 50, 5000):
        (run / "metrics" / f"m{size}").write_bytes(noise.randbytes(size))
    assert summary_of(run).id == str(run)


def test_a_long_run_has_a_sample(run: Path) -> None:
    lines = "".join(f"{START + step} {1 / (step + 1)} {step}\n" for step in range(50_000))
    write_texts(run / "metrics", {"loss": lines, "rare": f"{START} 1.0 7\n"})
    catalog = RunCatalog([run.parents[1]])
    [found] = catalog.refresh().runs
    sample = catalog.reader(found.id).sample(400)
    assert 400 <= len(sample) <= 4000
    assert sample.columns["iteration"][[0, -1]].tolist() == [0, 49_999]
    assert values(sample, "rare") == {7: 1.0}
    assert (
        values(sample, "loss").items() <= values(catalog.reader(found.id).history(), "loss").items()
    )


def test_runs_below_the_working_directory(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log(run, "loss", 0, 1.0)
    for directory, name in ((run.parents[2], f"mlruns/1/{RUN_ID}"), (run.parent, RUN_ID)):
        monkeypatch.chdir(directory)
        [found] = RunCatalog([Path()]).refresh().runs
        assert found.path is not None
        assert (found.path.samefile(run), found.count) == (True, 1)
        [found] = RunCatalog([Path(name)]).refresh().runs
        assert found.count == 1


def test_other_files_of_these_names_are_no_runs(tmp_path: Path) -> None:
    write_texts(tmp_path, {"meta.yaml": "a: 1\n", "metrics/loss": "1 2 3\n", "b/meta.yaml": ""})
    assert not RunCatalog([tmp_path]).refresh().runs
