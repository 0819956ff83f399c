"""`traintop curve`: few points of a metric, which show its course, for scripts and agents."""

from __future__ import annotations

import json
import math
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runs import record, write_run

from traintop.analysis.curve_points import curve_points
from traintop.analysis.runs import open_runs
from traintop.cli import main


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    rows = [record(i, train_loss=4.0 / (1 + i), gnorm=float(i % 7)) for i in range(1000)]
    rows[500] = record(500, train_loss=99.0)
    rows[700] = record(700, train_loss=math.nan)
    rows[800] = record(800, train_loss=math.inf)
    write_run(tmp_path / "experiment_a.json", rows, config={"experiment_name": "a"})
    return tmp_path


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_ends_and_the_spikes_are_among_few_points(logs):
    done = run("curve", "a", "train_loss", "-d", logs, "--points", 10)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    assert 4 <= len(rows) <= 10
    assert rows[0] == ["0", "4"]
    assert rows[-1][0] == "999"
    assert ["500", "99"] in rows


def test_json_says_how_many_values_were_measured(logs):
    document = json.loads(run("curve", "a", "loss", "-d", logs, "--json").stdout)
    assert (document["run"], document["metric"]) == ("a", "loss")
    assert (document["measured"], document["nonfinite"]) == (1000, 2)
    assert document["first_nonfinite"] == 700
    assert len(document["points"]) <= 60
    assert [500, 99.0] in document["points"]


def test_csv_has_a_row_for_each_point(logs):
    lines = run("curve", "a", "train_loss", "-d", logs, "--csv", "--points", 4).stdout.splitlines()
    assert lines[0] == "iteration,train_loss"
    assert len(lines) <= 5
    assert "500,99.0" in lines


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 300), st.integers(4, 80), st.integers(0, 1000))
def test_never_more_points_and_never_without_the_extremes(tmp_path_factory, n, points, seed):
    directory = tmp_path_factory.mktemp("logs")
    values = [((i * 7919 + seed) % 1013) / 10 for i in range(n)]
    rows = [record(i, train_loss=value) for i, value in enumerate(values)]
    write_run(directory / "experiment_a.json", rows)
    found = curve_points(open_runs(directory)[0], "train_loss", points)
    assert 1 <= len(found.values) <= points
    assert found.values.min() == min(values)
    assert found.values.max() == max(values)
    assert [found.iterations[0], found.iterations[-1]] == [0, n - 1]
    assert len(found.values) == n or n > points


def test_unknown_metrics_and_many_runs_are_refused(logs):
    refused = run("curve", "a", "gnomr", "-d", logs)
    assert refused.exit_code == 2
    assert "'gnorm'" in refused.stderr
    assert run("curve", "nobody", "loss", "-d", logs).exit_code == 1
    write_run(logs / "experiment_b.json", [record(0, train_loss=1.0)])
    assert "means 2 runs" in run("curve", logs, "loss").stderr


def test_a_terminal_gets_a_sparkline_too(logs):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "traintop", "curve", "a", "gnorm", "-d", str(logs)]
    environment = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
    subprocess.run(command, stdout=theirs, env=environment, check=True, timeout=60)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert any("▁" <= letter <= "█" for letter in shown.splitlines()[0])
    assert "a: gnorm, 997 values" in shown
