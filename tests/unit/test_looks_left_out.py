"""What seems unchanged is not looked at each time, and still nothing is missed."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.runs import record, write_run
from tests.unit.catalog_runs import Clock

from traintop.store.catalog import RunCatalog
from traintop.store.files import local
from traintop.store.files.directories import LONGEST_REST
from traintop.store.files.local import LocalFiles
from traintop.store.place_catalog import PlaceCatalog
from traintop.store.snapshot import Snapshot

DAYS_AGO = 1_700_000_000.0
STEPS = 60


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def catalog(tmp_path: Path, clock: Clock) -> PlaceCatalog:
    (tmp_path / "runs").mkdir()
    return PlaceCatalog(LocalFiles(clock), "", [str(tmp_path / "runs")], clock=clock)


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The directories whose names are listed."""
    paths: list[str] = []
    scandir = os.scandir

    def noted(path: str) -> object:
        paths.append(Path(path).name)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", noted)
    return paths


def write_old(path: Path, records: int = 1) -> Path:
    """A run that ended days ago, in a directory that has been still since."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_run(path, [record(at, train_loss=1.0 / (at + 1)) for at in range(records)])
    make_old(path)
    return path


def make_old(path: Path) -> None:
    for each in (path, path.parent):
        os.utime(each, (DAYS_AGO, DAYS_AGO))


def counts(snapshot: Snapshot) -> dict[str, int | None]:
    return {run.stem: run.count for run in snapshot.runs}


def test_an_old_directory_is_not_listed_again(
    tmp_path: Path, catalog: PlaceCatalog, clock: Clock, listed: list[str]
) -> None:
    write_old(tmp_path / "runs" / "old" / "experiment_a.json")
    catalog.refresh()
    listed.clear()
    for _ in range(5):
        clock.now += 2
        catalog.refresh()
    assert "old" not in listed


def test_a_new_name_in_an_old_directory_is_seen_at_once(
    tmp_path: Path, catalog: PlaceCatalog, clock: Clock
) -> None:
    path = write_old(tmp_path / "runs" / "old" / "experiment_a.json")
    catalog.refresh()
    write_run(path.with_name("experiment_b.json"), [record(0)])
    clock.now += 2
    assert counts(catalog.refresh()) == {"experiment_a": 1, "experiment_b": 1}


def test_a_run_that_changed_lately_is_looked_at_each_time(
    tmp_path: Path, catalog: PlaceCatalog, clock: Clock
) -> None:
    path = write_old(tmp_path / "runs" / "old" / "experiment_a.json")
    os.utime(path)
    catalog.refresh()
    for records in (2, 3):
        write_run(path, [record(at) for at in range(records)])
        clock.now += 2
        assert counts(catalog.refresh()) == {"experiment_a": records}


def test_a_run_that_seems_old_is_looked_at_within_a_minute(
    tmp_path: Path, catalog: PlaceCatalog, clock: Clock
) -> None:
    path = write_old(tmp_path / "runs" / "old" / "experiment_a.json")
    catalog.refresh()
    write_old(path, records=2)  # whoever wrote it has set the time back
    clock.now += LONGEST_REST
    assert counts(catalog.refresh()) == {"experiment_a": 2}


def test_a_hint_is_followed_at_once_however_old_the_file(
    tmp_path: Path, catalog: PlaceCatalog
) -> None:
    path = write_old(tmp_path / "runs" / "old" / "experiment_a.json")
    catalog.refresh()
    write_old(path, records=2)
    assert counts(catalog.refresh_files([str(path)])) == {"experiment_a": 2}
    assert counts(catalog.refresh()) == {"experiment_a": 2}


def test_two_changes_within_a_tick_of_the_clock_are_both_seen(
    tmp_path: Path, catalog: PlaceCatalog, clock: Clock
) -> None:
    directory = tmp_path / "runs"
    write_run(directory / "experiment_a.json", [record(0)])
    time = directory.stat().st_mtime_ns
    catalog.refresh()
    write_run(directory / "experiment_b.json", [record(0)])
    os.utime(directory, ns=(time, time))
    clock.now += 1
    assert len(catalog.refresh().runs) == 2


@pytest.mark.parametrize("on_network", [False, True], ids=["local", "network"])
@pytest.mark.parametrize("seed", range(6))
def test_whatever_changes_a_later_look_has_all_of_it(
    tmp_path: Path,
    catalog: PlaceCatalog,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    on_network: bool,
) -> None:
    monkeypatch.setattr(local, "network_filesystem", lambda path: "nfs4" if on_network else None)
    rng, root = random.Random(seed), tmp_path / "runs"
    changes = Changes(root, rng)
    for _ in range(STEPS):
        rng.choice(changes.all)()
        clock.now += rng.choice([0.1, 2, 20])
        if rng.random() < 0.6:
            catalog.refresh()
    clock.now += LONGEST_REST
    catalog.refresh()  # after which nothing is still that was not before
    clock.now += LONGEST_REST
    found, fresh = catalog.refresh(), RunCatalog([root]).refresh()
    assert [run.id for run in found.runs] == [run.id for run in fresh.runs]
    assert found.runs == fresh.runs
    assert found.notices == fresh.notices


class Changes:
    """What happens to files, chosen at random."""

    def __init__(self, root: Path, rng: random.Random) -> None:
        self._root = root
        self._rng = rng
        self._number = 0
        self.all: tuple[Callable[[], None], ...] = (
            *(self.create, self.create, self.grow, self.grow, self.delete, self.rename),
            *(self.replace, self.copy, self.age, self.move_directory, self.delete_directory),
            *(self.link, self.annotate),
        )

    def _files(self) -> list[Path]:
        return sorted(path for path in self._root.rglob("experiment_*.json") if path.is_file())

    def _any(self) -> Path:
        files = [path for path in self._files() if ".traintop" not in path.parts]
        return self._rng.choice(files) if files else self.create()

    def _new(self) -> Path:
        self._number += 1
        folder = self._root.joinpath(*self._rng.choices("abc", k=self._rng.randrange(3)))
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"experiment_{self._number}.json"

    def _write(self, path: Path) -> None:
        rows = [record(at, train_loss=self._rng.random()) for at in range(self._rng.randrange(9))]
        time = "2025-02-22T14:05:30"
        write_run(path, rows, start_time=time, updated_at=time, status="finished")

    def create(self) -> Path:
        path = self._new()
        self._write(path)
        if self._rng.random() < 0.7:
            make_old(path)
        return path

    def grow(self) -> None:
        """Written to in place; its time may be set back."""
        path = self._any()
        size, time = path.stat().st_size, path.stat().st_mtime
        self._write(path)
        if self._rng.random() < 0.5 and path.stat().st_size != size:
            os.utime(path, (time, time))

    def delete(self) -> None:
        self._any().unlink()

    def rename(self) -> None:
        self._any().rename(self._new())

    def replace(self) -> None:
        path = self._any()
        other = path.with_name("other")
        self._write(other)
        other.replace(path)

    def copy(self) -> None:
        """With the time of the original."""
        shutil.copy2(self._any(), self._new())

    def age(self) -> None:
        make_old(self._any())

    def move_directory(self) -> None:
        path = self._any().parent
        if path != self._root:
            path.rename(self._root / f"moved_{self._new().stem}")

    def delete_directory(self) -> None:
        path = self._any().parent
        if path != self._root:
            shutil.rmtree(path)

    def link(self) -> None:
        target, link = self._any().parent, self._new()
        link.with_suffix("").symlink_to(target)

    def annotate(self) -> None:
        path = self._any()
        folder = path.parent / ".traintop"
        folder.mkdir(exist_ok=True)
        (folder / path.name).write_text(f'{{"note": "{self._rng.random()}"}}')
