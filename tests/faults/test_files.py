"""Bad files in a log directory: the others are shown, nothing hangs, memory stays bounded."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bad_files import write_bad_files
from tests.runs import OpenedRun, track_run

from traintop import ExperimentConfig, ExperimentTracker
from traintop.store.catalog import RunCatalog
from traintop.store.formats import UnreadableRunError

_MOST_MEMORY_KB = 300_000  # the longest document that is read takes several times itself
_LONGEST_READING = 900.0  # half a gigabyte is read some times over: a minute on a busy machine

# Everything is imported first, for afterwards this is a user who may not read our files.
_READS_EVERYTHING = """
import json, os, pkgutil, sys, importlib, importlib.metadata
from pathlib import Path
import encodings.utf_8_sig, hashlib, numpy.ma, platformdirs.unix, tomllib
import traintop.analysis, traintop.store, traintop.doctor
from traintop import ExperimentAnalyzer
from traintop.store.catalog import RunCatalog
from traintop.store.formats import UnreadableRunError

for package in (traintop.analysis, traintop.store, traintop.doctor):
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
importlib.metadata.requires = lambda package: []  # nobody else may read it here
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
directory = Path(sys.argv[1])
refused = {}
catalog = RunCatalog([directory])
snapshot = catalog.refresh()
for summary in snapshot.runs:
    run = catalog.reader(summary.id)
    for read in (run.history, lambda: run.sample(16), run.follow):
        try:
            read()
        except UnreadableRunError as error:
            refused[Path(summary.id).name] = str(error)
analyzer = ExperimentAnalyzer(directory)
analyzer.load_all()
analyzer.get_comparison_table()
diagnosis = traintop.doctor.diagnose(directory)
[peak] = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(json.dumps({
    "runs": {Path(run.id).name: [run.status, run.problem, run.count] for run in snapshot.runs},
    "refused": refused,
    "notices": snapshot.notices,
    "loaded": sorted({log.path.name for log in analyzer.logs.values()}),
    "doctor": traintop.doctor.render(diagnosis, 100),
    "peak": int(peak),
}))
"""


@pytest.fixture
def logs() -> Iterator[Path]:
    """A directory whose parents anyone may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.mark.timeout(_LONGEST_READING)
def test_bad_files_hide_no_good_one_and_name_the_reason(logs: Path) -> None:
    reasons = write_bad_files(logs)
    good = {track_run(logs, f"good_{number}").name for number in range(3)}
    done = subprocess.run(
        [sys.executable, "-c", _READS_EVERYTHING, str(logs)],
        capture_output=True,
        text=True,
        timeout=_LONGEST_READING,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["runs"].keys() == reasons.keys() | good
    for name in good:
        assert seen["runs"][name] == ["finished", "", 3]
    for name, problem in reasons.items():
        status, shown, _ = seen["runs"][name]
        assert (status == "unreadable") == bool(problem), (name, status, shown)
        assert shown.startswith(problem) or problem in shown, (name, shown)
        if problem:
            assert name in done.stderr, "the analyzer warns of it"
    readable = {name for name, problem in reasons.items() if not problem}
    assert set(seen["loaded"]) == good | readable
    assert seen["refused"].keys() == reasons.keys() - readable
    assert all(name in error for name, error in seen["refused"].items())
    assert seen["notices"] == []
    assert (
        f"{len(reasons) - len(readable)} of {len(seen['runs'])} files cannot be read"
        in seen["doctor"]
    )
    assert seen["peak"] < _MOST_MEMORY_KB


def test_a_file_may_change_in_any_way_while_it_is_read(tmp_path: Path) -> None:
    path, other = tmp_path / "experiment_x.json", tmp_path / "other"
    whole = track_run(other, "x", range(200)).read_bytes()
    longer = track_run(other, "y", range(300)).read_bytes()
    chance = random.Random(5)

    def replace(data: bytes) -> None:
        (tmp_path / ".new").write_bytes(data)
        os.replace(tmp_path / ".new", path)

    def shrink(_: bytes) -> None:
        if path.is_file():
            os.truncate(path, chance.randrange(path.stat().st_size + 1))

    def overwrite(data: bytes) -> None:
        with open(path, "r+b" if path.is_file() else "wb") as file:
            file.seek(chance.randrange(len(whole)))
            file.write(data[: chance.randrange(2000)])

    def delete(_: bytes) -> None:
        path.unlink(missing_ok=True)

    changes: list[Any] = [path.write_bytes, replace, shrink, overwrite, delete]
    contents = [whole, longer, b"", bytes(3000), chance.randbytes(3000), whole[:3000]]
    path.write_bytes(whole)
    run, catalog = OpenedRun(path), RunCatalog([tmp_path])
    run.follow()
    for _ in range(400):
        chance.choice(changes)(chance.choice(contents))
        catalog.refresh()
        run.follow()
        for read in (run.history, lambda: run.sample(8)):
            with contextlib.suppress(UnreadableRunError):
                read()
    replace(longer)
    run.follow()
    assert list(run.history().columns["train_loss"]) == list(range(300))
    assert run.summary().count == 300


def test_a_run_deleted_while_read_stays_readable_to_its_reader(
    tmp_path: Path,
) -> None:
    tracker = ExperimentTracker(ExperimentConfig(experiment_name="x"), tmp_path, quiet=True)
    tracker.start()
    tracker.log_metrics(0, 1.0)
    path = tracker.save()
    run = OpenedRun(path)
    assert len(run.history()) == 1
    path.unlink()
    assert not run.follow()
    assert len(run.history()) == 1
    tracker.log_metrics(1, 1.0)
    tracker.save()
    run.follow()
    assert len(run.history()) == 2, "the tracker put it back"
    tracker.finish()
