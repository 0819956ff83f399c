"""What things cost, in counts that no machine changes: reads, writes, points, redraws."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import numpy as np
import pytest
from tests.drawing import is_drawn
from tests.runs import OpenedRun, Writer, records, write_run
from tests.waiting import settle

from traintop.charts import ChartSpec, Series, points_for
from traintop.logfile import FORMAT_VERSION, Head, Tail, encode_head
from traintop.logfile.lines import FIRST_READ
from traintop.model import MetricStats
from traintop.store import watch
from traintop.store.catalog import RunCatalog
from traintop.store.files.local import LocalFiles
from traintop.store.place_catalog import PlaceCatalog
from traintop.tracking.run_clock import RunClock
from traintop.tracking.run_file import RunFile
from traintop.tracking.writer import RunWriter
from traintop.tui.app import TraintopApp
from traintop.tui.kit.pane import LinePane
from traintop.tui.main.run_table import RunTable
from traintop.tui.main.screen import REDRAW_SECONDS, MainScreen

SHORT, LONG = 1_000, 100_000


@pytest.fixture(scope="module")
def run_paths(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """A finished run of each length, each alone in its directory, untouched for an hour."""
    paths = {}
    for count in (SHORT, LONG):
        directory = tmp_path_factory.mktemp(f"runs_{count}")
        stats = {"train_loss": MetricStats(count=count, last=3.0, min=3.0, max=4.0, mean=3.5)}
        path = directory / "experiment_baseline.json"
        write_run(path, records(count), status="finished", stats=stats)
        hour_ago = time.time() - 3600
        os.utime(path, (hour_ago, hour_ago))
        paths[count] = path
    return paths


class Reads:
    """The positioned reads of this thread since the last :meth:`take`, and the bytes they gave."""

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._thread = threading.get_ident()

    def note(self, data: bytes) -> bytes:
        if threading.get_ident() == self._thread:
            self._sizes.append(len(data))
        return data

    def take(self) -> tuple[int, int]:
        sizes, self._sizes = self._sizes, []
        return len(sizes), sum(sizes)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    counted, real = Reads(), os.pread
    monkeypatch.setattr(os, "pread", lambda *arguments: counted.note(real(*arguments)))
    return counted


# ------------------------------------------------------------------------------------ reading


def test_a_summary_reads_two_ends_of_a_run_of_any_length(
    run_paths: dict[int, Path], reads: Reads
) -> None:
    taken = {}
    for count, path in run_paths.items():
        assert OpenedRun(path).summary().count == count
        taken[count] = reads.take()
    assert taken[SHORT] == taken[LONG]
    preads, size = taken[LONG]
    assert preads == 2
    assert size <= 2 * FIRST_READ


def test_a_catalog_reads_two_ends_a_run_and_nothing_unchanged(
    run_paths: dict[int, Path], reads: Reads
) -> None:
    catalog = RunCatalog([path.parent for path in run_paths.values()])
    assert len(catalog.refresh().runs) == 2
    assert reads.take() == (4, 4 * FIRST_READ)
    assert len(catalog.refresh().runs) == 2
    assert reads.take() == (0, 0)


def test_a_sample_reads_its_places_of_a_run_of_any_length(
    run_paths: dict[int, Path], reads: Reads
) -> None:
    for points in (10, 40):
        taken = {}
        for count, path in run_paths.items():
            reader = OpenedRun(path).reader
            reads.take()
            assert reader.sample(points).columns["iteration"][-1] == count - 1
            taken[count] = reads.take()
        assert taken[SHORT][0] == taken[LONG][0] == points + 2
        assert taken[LONG][1] <= (points + 4) * 2 * FIRST_READ


def test_following_reads_only_new_bytes_of_a_run_of_any_length(
    tmp_path: Path, reads: Reads
) -> None:
    taken = {}
    rows = records(20_010)
    for count in (1_000, 20_000):
        writer = Writer(tmp_path / f"experiment_{count}.json")
        writer.flush(*rows[:count])
        writer.flush()  # a heartbeat
        run = OpenedRun(writer.path)
        assert len(run.history()) == count
        reads.take()
        added = writer.flush(*rows[count : count + 10])
        assert run.follow()
        assert len(run.history()) == count + 10
        taken[count] = reads.take()
        assert taken[count][1] <= 4 * added
    assert taken[1_000][0] == taken[20_000][0]


# ------------------------------------------------------------------------------------ writing


class FlushedRun(NamedTuple):
    """A writer without its thread: it flushes when `run_once` is called."""

    writer: RunWriter
    path: Path

    def log(self, iterations: range) -> None:
        for iteration in iterations:
            values = (2.5, None, 1e-3, 1024.5, 2.25, {"grad_norm": 0.5})
            self.writer.pending.append((iteration, iteration, monotonic(), *values))


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the positioned writes of this thread: trackers of other tests have theirs."""
    sizes: list[int] = []
    real, here = os.pwrite, threading.get_ident()

    def counted(descriptor: int, data: bytes, offset: int) -> int:
        if threading.get_ident() == here:
            sizes.append(len(data))
        return real(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", counted)
    return sizes


@pytest.fixture
def flushed_run(tmp_path: Path) -> Iterator[FlushedRun]:
    head = encode_head(Head(config={"experiment_name": "costs"}, run={"format": FORMAT_VERSION}))
    files: list[RunFile] = []

    def create(tail: Tail) -> RunFile:
        files.append(RunFile.create(tmp_path, "experiment_costs", head, tail))
        return files[0]

    writer = RunWriter(RunClock(), create, lambda: 0, [])
    writer.run_once()  # creates the file
    yield FlushedRun(writer, files[0].path)
    files[0].close()


def test_a_flush_is_one_write_for_each_mebibyte_that_waits(
    flushed_run: FlushedRun, writes: list[int]
) -> None:
    done = 0
    for count in (1, 2, 1_000, 20_000):
        writes.clear()
        flushed_run.log(range(done, done + count))
        flushed_run.writer.run_once()
        done += count
        assert len(writes) == 1 + sum(writes) // (1 << 20)
        assert OpenedRun(flushed_run.path).summary().count == done


def test_a_flush_writes_as_much_whatever_the_length_of_the_run(
    flushed_run: FlushedRun, writes: list[int]
) -> None:
    flushed_run.log(range(1_000))
    flushed_run.writer.run_once()
    flushed_run.log(range(1_000, 1_010))
    flushed_run.writer.run_once()
    early = writes[-1]
    flushed_run.log(range(1_010, 30_000))
    flushed_run.writer.run_once()
    flushed_run.log(range(30_000, 30_010))
    flushed_run.writer.run_once()
    assert writes[-1] <= 1.1 * early


def test_nothing_is_written_while_nothing_is_logged(
    flushed_run: FlushedRun, writes: list[int]
) -> None:
    flushed_run.log(range(10))
    flushed_run.writer.run_once()
    assert writes
    writes.clear()
    for _ in range(100):
        flushed_run.writer.run_once()
    assert writes == []


# ------------------------------------------------------------------------------------ drawing


@pytest.mark.parametrize("points", [240, 1_000_000])
@pytest.mark.parametrize("width", [20, 120])
def test_a_chart_gets_two_points_a_column_for_any_history(points: int, width: int) -> None:
    x = np.arange(points, dtype=np.float64)
    noise = np.random.default_rng(1).normal(0.0, 0.1, points)
    series = tuple(Series("run", x, 3.0 + noise + number, color=number) for number in range(5))
    for curve in points_for(ChartSpec("loss", series), width):
        assert 2 <= len(curve.x) <= 4 * width + 4


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often snapshots reached the screen, directories were scanned, and lines were painted."""
    counts: Counter[str] = Counter()

    def count(owner: type, method: str) -> None:
        real = getattr(owner, method)

        def counted(self: object, *arguments: Any) -> Any:
            counts[method] += 1
            return real(self, *arguments)

        monkeypatch.setattr(owner, method, counted)

    count(MainScreen, "show_snapshot")
    count(MainScreen, "draw")
    count(PlaceCatalog, "refresh")
    count(RunTable, "render_line")
    count(LinePane, "render_line")
    return counts


@pytest.fixture
def hasty_watcher(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watcher that does not hold news back, so that the screen has to."""
    monkeypatch.setattr(LocalFiles, "interval", 0.02)
    monkeypatch.setattr(watch, "SHORTEST_INTERVAL", 0.0)


@pytest.mark.usefixtures("hasty_watcher")
async def test_a_fast_writer_causes_at_most_four_redraws_a_second(
    tmp_path: Path, calls: Counter[str]
) -> None:
    writer = Writer(tmp_path / "experiment_fast.json")
    rows = iter(records(4000))
    writer.flush(next(rows), next(rows))
    app = TraintopApp([tmp_path])
    async with app.run_test(size=(160, 48)) as pilot:
        screen = app.main_screen
        await settle(pilot, lambda: screen.plotted.loaded and is_drawn(app))
        began = monotonic()
        calls.clear()
        while calls["show_snapshot"] < 40:
            writer.flush(next(rows))
            await pilot.pause(0.005)
        await settle(pilot, lambda: screen.rows.runs[0].count == len(writer.rows))
        await settle(pilot, lambda: is_drawn(app))
        # However slow this machine is: the pauses between redraws fit into the time passed.
        allowed = (monotonic() - began) / REDRAW_SECONDS + 1
        assert 1 <= calls["draw"] <= allowed


@pytest.mark.usefixtures("hasty_watcher")
async def test_nothing_is_repainted_while_no_file_changes(
    run_paths: dict[int, Path], calls: Counter[str]
) -> None:
    app = TraintopApp([run_paths[SHORT].parent])
    async with app.run_test(size=(160, 48)) as pilot:
        screen = app.main_screen
        await settle(pilot, lambda: screen.plotted.loaded and is_drawn(app))
        # The watcher reports its mode with its next snapshot, so this is the last of the start.
        await settle(pilot, lambda: calls["refresh"] > 10)
        await pilot.pause()
        await settle(pilot, lambda: is_drawn(app))
        assert calls["render_line"] > 0
        calls.clear()
        await settle(pilot, lambda: calls["refresh"] > 20)
        assert calls["draw"] == calls["render_line"] == 0
        assert calls["show_snapshot"] == 0
