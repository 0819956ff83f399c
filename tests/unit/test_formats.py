"""A format of another package: installed, it is read like our own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.runs import track_run
from tests.sidecars import annotate

from traintop.model import Annotations
from traintop.store.annotations import AnnotationChange
from traintop.store.catalog import RunCatalog
from traintop.store.formats import run_formats

_PACKAGE = '''
"""Runs that are directories with a file for each metric; a line is an iteration and a value."""

import os

from traintop.model import MetricsSnapshot, MetricStats, RunStatus, RunSummary
from traintop.store.history import History


def table(files, entry):
    lines = files.read(entry.id, 0, entry.size).decode().splitlines()
    return {int(line.split()[0]): float(line.split()[1]) for line in lines}


def metric(entry):
    return os.path.basename(entry.id).removesuffix(".steps")


class StepsReader:
    def __init__(self, files, entries):
        self.files, self.entries = files, entries

    def history(self, reached=lambda share: None):
        tables = {metric(entry): table(self.files, entry) for entry in self.entries}
        steps = sorted({step for values in tables.values() for step in values})
        columns = {name: [values.get(step) for step in steps] for name, values in tables.items()}
        return History.from_columns({"iteration": steps, **columns})

    def sample(self, points):
        return self.history()

    def follow(self):
        return False


class StepsFormat:
    name = "steps"
    marks = "*.steps"
    patterns = ("*.steps",)
    heartbeat = False
    records_end = True
    owns_directories = False

    def joined(self, run_id, others):
        return run_id

    def claims(self, entry, start):
        return os.path.dirname(entry.id) if entry.id.endswith(".steps") else None

    def summary(self, files, entries, known):
        tables = {metric(entry): table(files, entry) for entry in entries}
        stats = {
            name: MetricStats(count=len(values), last=[*values.values()][-1])
            for name, values in tables.items()
        }
        directory = os.path.dirname(entries[0].id)
        last = max(max(values) for values in tables.values())
        return RunSummary(
            id=directory,
            name=os.path.basename(directory),
            status=RunStatus.FINISHED,
            stats=stats,
            count=last + 1,
            last=MetricsSnapshot(iteration=last),
        )

    def reader(self, files, entries):
        return StepsReader(files, entries)
'''


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The folder of a package with a format, as pip leaves it."""
    folder = tmp_path / "site"
    metadata = folder / "steps-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: steps\nVersion: 1.0\n")
    (folder / "steps.py").write_text(_PACKAGE)
    install_format(folder, "steps = steps:StepsFormat")
    return folder


def install_format(folder: Path, line: str) -> None:
    entry_points = folder / "steps-1.0.dist-info" / "entry_points.txt"
    entry_points.write_text(f"[traintop.formats]\n{line}\n")


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A directory with a run of ours and one of theirs, which is two files."""
    logs = tmp_path / "logs"
    track_run(logs, "ours")
    theirs = logs / "theirs"
    theirs.mkdir()
    (theirs / "train_loss.steps").write_text("0 4.0\n1 3.5\n2 3.25\n")
    (theirs / "grad_norm.steps").write_text("0 0.5\n2 0.75\n")
    return logs


def traintop(installed: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "traintop", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )


def test_runs_of_an_installed_format_are_listed(installed: Path, logs: Path) -> None:
    runs = json.loads(traintop(installed, "list", logs, "--sort", "name", "--json").stdout)["runs"]
    assert [(run["run"], run["iteration"]) for run in runs] == [("ours", 2), ("theirs", 2)]


def test_runs_of_an_installed_format_are_charted(installed: Path, logs: Path) -> None:
    chart = traintop(installed, "plot", logs, "theirs", "--metric", "grad_norm").stdout
    assert "gradient norm   last 0.75" in chart
    assert "theirs" in chart


def test_runs_of_an_installed_format_are_compared(installed: Path, logs: Path) -> None:
    compared = traintop(installed, "compare", logs, "ours", "theirs", "--csv").stdout
    assert "3.25" in compared


def test_a_format_that_cannot_be_loaded_is_named(installed: Path, logs: Path) -> None:
    install_format(installed, "steps = steps:NoSuchFormat")
    listed = subprocess.run(
        [sys.executable, "-m", "traintop", "list", str(logs)],
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "ours" in listed.stdout
    assert "steps:NoSuchFormat" in listed.stderr


@pytest.fixture
def theirs(installed: Path, logs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A run of the format, which is read in this process."""
    monkeypatch.syspath_prepend(installed)
    run_formats.cache_clear()
    yield logs / "theirs"
    run_formats.cache_clear()


def test_a_reader_follows_a_run_into_another_file(theirs: Path) -> None:
    catalog = RunCatalog([theirs])
    [run] = catalog.refresh().runs
    reader = catalog.reader(run.id)
    assert reader.history().metrics == ("train_loss", "grad_norm")
    (theirs / "val_loss.steps").write_text("2 3.5\n")
    assert not reader.follow()
    catalog.refresh()
    assert reader.follow()
    assert reader.history().metrics == ("train_loss", "val_loss", "grad_norm")
    assert not reader.follow()


def test_a_run_in_several_files_is_annotated_beside_them(theirs: Path) -> None:
    annotate(theirs, AnnotationChange(note="mine"))
    found = {run.name: run for run in RunCatalog([theirs.parent]).refresh().runs}
    assert found["theirs"].annotations.note == "mine"
    assert found["ours"].annotations == Annotations()
