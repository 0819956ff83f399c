"""What things cost, in counts that no machine changes: reads, writes, points, redraws."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import numpy as np
import pytest
from run_files import Writer, records, write_run
from textual.pilot import Pilot

from traintop.charts import ChartSpec, Series, points_for
from traintop.logfile import Head, encode_head
from traintop.model import MetricStats, RunSummary
from traintop.store import watch
from traintop.store.catalog import RunCatalog, Snapshot
from traintop.store.ends import FIRST_READ
from traintop.store.history import History
from traintop.store.run import Run
from traintop.tracking.run_clock import RunClock
from traintop.tracking.run_file import RunFile
from traintop.tracking.writer import RunWriter
from traintop.tui.app import TraintopApp
from traintop.tui.messages import HistoryLoaded, SnapshotChanged
from traintop.tui.screens.main import REDRAW_SECONDS, MainScreen
from traintop.tui.widgets.chart import Chart
from traintop.tui.widgets.run_table import RunTable

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
    """The positioned reads since the last :meth:`take`, and the bytes they returned."""

    def __init__(self) -> None:
        self._sizes: list[int] = []

    def note(self, data: bytes) -> bytes:
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


def test_a_summary_reads_two_ends_whatever_the_length_of_the_run(
    run_paths: dict[int, Path], reads: Reads
) -> None:
    taken = {}
    for count, path in run_paths.items():
        assert Run(path).summary().count == count
        taken[count] = reads.take()
    assert taken[SHORT] == taken[LONG]
    preads, size = taken[LONG]
    assert preads == 2
    assert size <= 2 * FIRST_READ


def test_a_catalog_reads_no_more_for_each_run_and_nothing_when_none_changed(
    run_paths: dict[int, Path], reads: Reads
) -> None:
    catalog = RunCatalog([path.parent for path in run_paths.values()])
    assert len(catalog.refresh().runs) == 2
    assert reads.take() == (4, 4 * FIRST_READ)
    assert len(catalog.refresh().runs) == 2
    assert reads.take() == (0, 0)


def test_a_sample_reads_its_places_whatever_the_length_of_the_run(
    run_paths: dict[int, Path], reads: Reads
) -> None:
    for points in (10, 40):
        taken = {}
        for count, path in run_paths.items():
            assert Run(path).sample(points).columns["iteration"][-1] == count - 1
            taken[count] = reads.take()
        assert taken[SHORT][0] == taken[LONG][0] == points + 2
        assert taken[LONG][1] <= (points + 4) * 2 * FIRST_READ


def test_following_reads_what_is_new_whatever_the_length_of_the_run(
    tmp_path: Path, reads: Reads
) -> None:
    taken = {}
    rows = records(20_010)
    for count in (1_000, 20_000):
        writer = Writer(tmp_path / f"experiment_{count}.json")
        writer.flush(*rows[:count])
        run = Run(writer.path)
        assert len(run.history()) == count
        reads.take()
        added = writer.flush(*rows[count : count + 10])
        assert run.follow()
        assert len(run.history()) == count + 10
        taken[count] = reads.take()
        assert taken[count][1] <= 2 * added
    assert taken[1_000][0] == taken[20_000][0]


# ------------------------------------------------------------------------------------ writing


class FlushedRun(NamedTuple):
    """A writer without its thread: it flushes when it is told to take its turn."""

    writer: RunWriter
    path: Path

    def log(self, iterations: range) -> None:
        for iteration in iterations:
            values = (2.5, None, 1e-3, 1024.5, 2.25, {"grad_norm": 0.5})
            self.writer.pending.append((iteration, iteration, monotonic(), *values))


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the positioned writes."""
    sizes: list[int] = []
    real = os.pwrite

    def counted(descriptor: int, data: bytes, offset: int) -> int:
        sizes.append(len(data))
        return real(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", counted)
    return sizes


@pytest.fixture
def flushed_run(tmp_path: Path) -> Iterator[FlushedRun]:
    head = encode_head(Head(config={"experiment_name": "costs"}))
    files: list[RunFile] = []

    def create(tail: bytes) -> RunFile:
        files.append(RunFile.create(tmp_path, "experiment_costs", head, tail))
        return files[0]

    writer = RunWriter(RunClock(), create, lambda: 0, [])
    writer.turn()  # creates the file
    yield FlushedRun(writer, files[0].path)
    files[0].close()


def test_a_flush_is_one_write_however_many_records_wait(
    flushed_run: FlushedRun, writes: list[int]
) -> None:
    done = 0
    for count in (1, 2, 1_000, 20_000):
        writes.clear()
        flushed_run.log(range(done, done + count))
        flushed_run.writer.turn()
        done += count
        assert len(writes) == 1
        assert Run(flushed_run.path).summary().count == done


def test_a_flush_writes_as_much_whatever_the_length_of_the_run(
    flushed_run: FlushedRun, writes: list[int]
) -> None:
    flushed_run.log(range(1_000))
    flushed_run.writer.turn()
    flushed_run.log(range(1_000, 1_010))
    flushed_run.writer.turn()
    early = writes[-1]
    flushed_run.log(range(1_010, 30_000))
    flushed_run.writer.turn()
    flushed_run.log(range(30_000, 30_010))
    flushed_run.writer.turn()
    assert writes[-1] <= 1.1 * early


def test_nothing_is_written_while_nothing_is_logged(
    flushed_run: FlushedRun, writes: list[int]
) -> None:
    flushed_run.log(range(10))
    flushed_run.writer.turn()
    writes.clear()
    for _ in range(100):
        flushed_run.writer.turn()
    assert writes == []


# ------------------------------------------------------------------------------------ drawing


@pytest.mark.parametrize("points", [240, 1_000_000])
@pytest.mark.parametrize("width", [20, 120])
def test_a_chart_gets_two_points_a_column_however_many_there_are(points: int, width: int) -> None:
    x = np.arange(points, dtype=np.float64)
    noise = np.random.default_rng(1).normal(0.0, 0.1, points)
    series = tuple(Series("run", x, 3.0 + noise + number, color=number) for number in range(5))
    for curve in points_for(ChartSpec("loss", series), width):
        assert 2 <= len(curve.x) <= 4 * width + 4


class Repaints:
    """How often the list and the charts made their lines anew."""

    def __init__(self, screen: MainScreen) -> None:
        self._screen = screen
        self._charts = list(screen.query(Chart))
        self._table = screen.query_one(RunTable)

    def so_far(self) -> tuple[int, ...]:
        counts = [chart.draw_count for chart in self._charts]
        return (self._screen.redraws, self._table.formatted_rows, *counts)


class PostedApp(TraintopApp):
    """Watches no directory and reads no file: it shows what is posted to it."""

    def start_watching(self) -> None:
        """Nothing: the runs come from the test."""

    def start_loading(self) -> None:
        """Nothing: the records come from the test."""


async def settle(pilot: Pilot[None], condition: Any) -> None:
    for _ in range(4000):
        if condition():
            return
        await pilot.pause(0.005)
    pytest.fail("the awaited condition never became true")


async def test_a_fast_writer_causes_at_most_four_redraws_a_second(
    run_paths: dict[int, Path],
) -> None:
    run = Run(run_paths[SHORT])
    summary, history = run.summary(), run.history()
    app = PostedApp([summary.path.parent])
    async with app.run_test(size=(160, 48)) as pilot:
        screen = app.main_screen
        post_news(app, summary, history, 1)
        await settle(pilot, lambda: screen.loaded and screen.up_to_date)
        await pilot.pause()
        charts = list(screen.query(Chart))
        began = monotonic()
        redraws, drawn = screen.redraws, [chart.draw_count for chart in charts]
        for revision in range(2, 302):
            post_news(app, summary, history, revision)
            await pilot.pause()
        await settle(pilot, lambda: screen.up_to_date)
        # However slow this machine is: the pauses between the redraws fit into the time passed.
        allowed = (monotonic() - began) / REDRAW_SECONDS + 1
        assert 1 <= screen.redraws - redraws <= allowed
        for chart, before in zip(charts, drawn, strict=True):
            assert 1 <= chart.draw_count - before <= allowed
        assert screen.rows.runs[0].count == 301


def post_news(app: PostedApp, summary: RunSummary, history: History, revision: int) -> None:
    changes = {"count": revision, "status": summary.status, "path": summary.path}
    fields = {name: getattr(summary, name) for name in RunSummary.__struct_fields__}
    news = RunSummary(**{**fields, **changes})
    app.post_message(
        SnapshotChanged(Snapshot((news,), (summary.path.parent,), (), revision=revision))
    )
    app.post_message(HistoryLoaded(summary.path, history, revision, complete=True))


async def test_an_idle_screen_repaints_nothing_however_often_the_files_are_looked_at(
    run_paths: dict[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = 0
    refresh = RunCatalog.refresh

    def counted(catalog: RunCatalog) -> Snapshot:
        nonlocal scans
        scans += 1
        return refresh(catalog)

    monkeypatch.setattr(RunCatalog, "refresh", counted)
    monkeypatch.setattr(watch, "SCAN_INTERVAL", 0.02)
    monkeypatch.setattr(watch, "SHORTEST_INTERVAL", 0.02)
    app = TraintopApp([run_paths[SHORT].parent])
    async with app.run_test(size=(160, 48)) as pilot:
        screen = app.main_screen
        await settle(pilot, lambda: screen.loaded and screen.up_to_date)
        repaints = Repaints(screen)
        await settle(pilot, settled_for(50, repaints))
        painted: list[object] = []
        compositor = screen._compositor
        real = compositor.render_update
        monkeypatch.setattr(
            compositor,
            "render_update",
            lambda *a, **k: painted.append(a) or real(*a, **k),
        )
        before, begun = repaints.so_far(), scans
        await settle(pilot, lambda: scans > begun + 20)
        assert repaints.so_far() == before
        assert painted == []
