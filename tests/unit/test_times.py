"""Times of files from all zones are of one time line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from msgspec import structs
from tests.runs import OpenedRun, foreign_document, record, write_run

from traintop.analysis.naming import unique_names
from traintop.analysis.query import filter_runs
from traintop.analysis.ranking import sorted_runs
from traintop.analysis.summary_text import summary_lines
from traintop.fields import FIELDS
from traintop.model import RunSummary
from traintop.store.catalog import RunCatalog
from traintop.times import age_seconds, in_local_time, posix_time


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """New York's, where summer time ends on 1 November 2026 at 2:00."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield "America/New_York"
    monkeypatch.undo()
    time.tzset()


def written(path: Path, start_time: str, utc_offset: object) -> RunSummary:
    write_run(path, [record(0)], start_time=start_time, run={"utc_offset": utc_offset})
    return OpenedRun(path).summary()


def test_a_run_of_another_zone_has_its_true_age(zone: str, tmp_path: Path) -> None:
    run = written(tmp_path / "a.json", "2026-07-01T18:00:00", 0)
    assert run.start_time == "2026-07-01T14:00:00"  # as those of this zone, for other programs
    assert FIELDS["age"].get(run, datetime.fromisoformat("2026-07-01T14:05:00")) == 300.0


def test_a_run_of_this_zone_keeps_its_text(zone: str, tmp_path: Path) -> None:
    for start_time, offset in (("2026-07-01T14:00:00", -14400), ("2026-12-01T14:00:00", -18000)):
        assert written(tmp_path / "a.json", start_time, offset).start_time == start_time


@pytest.mark.parametrize("offset", [None, "0", 1e9, 100_000, True])
def test_an_offset_that_is_none_changes_nothing(zone: str, tmp_path: Path, offset: object) -> None:
    start_time = "2026-07-01T14:00:00"
    run = written(tmp_path / "a.json", start_time, offset)
    assert posix_time(run.start_time) == posix_time(start_time)


def test_starts_are_in_order_in_the_hour_that_comes_twice(zone: str, tmp_path: Path) -> None:
    starts = [("2026-11-01T01:30:00", -14400), ("2026-11-01T01:10:00", -18000)]
    runs = [written(tmp_path / f"{start[0][14:16]}.json", *start) for start in starts]
    assert [run.stem for run in sorted_runs(runs, "started")] == ["10", "30"]
    now = datetime.fromisoformat("2026-11-01T12:00:00")
    for query, stems in (
        ("started > 11 h ago", ["10"]),
        ("started < 11 h ago", ["30"]),
        ("started < now", ["30", "10"]),
        ("started == 2026-11-01 01:10", ["10"]),
        ("2026-11-01", ["30", "10"]),
    ):
        assert [run.stem for run in filter_runs(runs, query, now)] == stems, query


def test_equal_names_and_started_are_of_one_time_line(zone: str, tmp_path: Path) -> None:
    older = written(tmp_path / "experiment_a_20260701_180000.json", "2026-07-01T18:00:00", 0)
    newer = written(tmp_path / "experiment_b_20260701_150000.json", "2026-07-01T15:00:00", -14400)
    older, newer = (structs.replace(run, name="a") for run in (older, newer))
    assert [*unique_names([older, newer]).values()] == ["a", "a@20260701_140000"]
    started = FIELDS["start_time"]
    assert started.text(started.value(older)) == "2026-07-01 14:00"


def test_a_time_that_carries_its_zone_is_shown_as_local(zone: str, tmp_path: Path) -> None:
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps(foreign_document([], start_time="2026-07-01T18:00:00Z")))
    run, started = OpenedRun(path).summary(), FIELDS["start_time"]
    assert run.start_time == "2026-07-01T14:00:00"
    assert started.text(started.value(run)) == "2026-07-01 14:00"
    assert "2026-07-01 14:00:00" in "\n".join(summary_lines(run, "a"))


def test_an_age_counts_the_hour_that_comes_twice(zone: str) -> None:
    assert (
        age_seconds("2026-10-31T12:00:00", datetime.fromisoformat("2026-11-01T12:00"))
        == 25 * 3600.0
    )


def test_the_order_of_starts_holds_where_clocks_go_back(zone: str, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("experiment_z.json", "experiment_a.json")]
    for path, start_time, offset in zip(
        paths, ("2026-11-01T01:50:00", "2026-11-01T01:10:00"), (-14400, -18000), strict=True
    ):
        config = {"experiment_name": "same"}
        write_run(
            path, [record(0)], config=config, start_time=start_time, run={"utc_offset": offset}
        )
    runs = RunCatalog([tmp_path]).refresh().runs
    assert [run.stem for run in runs] == ["experiment_a", "experiment_z"]  # the newest first
    assert unique_names(runs)[str(paths[1])] == "same"


def test_what_is_no_time_stays_as_it_is() -> None:
    assert in_local_time("yesterday", 0) == "yesterday"
    assert in_local_time(None, 0) is None


def test_a_tracker_writes_its_offset(tmp_path: Path) -> None:
    script = """
import sys
from traintop import ExperimentConfig, ExperimentTracker
with ExperimentTracker(ExperimentConfig("la"), sys.argv[1], quiet=True) as tracker:
    tracker.log_metrics(0, train_loss=1.0)
"""
    environment = {**os.environ, "TZ": "America/Los_Angeles"}
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], env=environment, check=True)
    [path] = tmp_path.glob("*.json")
    assert json.loads(path.read_text())["run"]["utc_offset"] in (-25200, -28800)
    started = age_seconds(OpenedRun(path).summary().start_time, datetime.now())
    assert started is not None
    assert started < 3600.0
