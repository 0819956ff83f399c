"""`traintop watch --events`: lines for programs, resumed by a cursor, and rules that act."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.faults import training_processes
from tests.runs import new_tracker, record, track_run, write_run
from tests.waiting import wait_until

import traintop
from traintop.analysis.events import EventKind
from traintop.cli import main

Watch = Callable[..., subprocess.Popen[str]]
HOSTILE = 'a$(touch pwned)\x1b]0;x\x07\n"b\\'


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    """Starts the command beside the directory "logs"; what still runs at the end is ended."""
    (tmp_path / "logs").mkdir()
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "traintop", "watch", "logs", "--events", *arguments],
            cwd=tmp_path,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def next_event(process: subprocess.Popen[str]) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(training_processes.next_line(process))
    return event


def invoke(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["watch", str(directory), *arguments])


def test_events_are_lines_and_a_cursor_goes_on_behind_one(tmp_path: Path, watch: Watch) -> None:
    process = watch("--json", "--since", "1h")
    with new_tracker(tmp_path / "logs", HOSTILE) as tracker:
        tracker.log_metrics(0, train_loss=1.0)
        started = next_event(process)
    ended = next_event(process)
    assert (started["event"], started["run"], started["status"]) == ("started", HOSTILE, "running")
    assert (ended["event"], ended["status"], ended["iteration"]) == ("ended", "finished", 0)
    assert started["version"] == ended["version"] == 1
    process.kill()
    again = watch("--json", "--since", started["cursor"])
    assert next_event(again)["event"] == "ended"
    track_run(tmp_path / "logs", "second")
    assert next_event(again)["run"] == "second"


def test_people_read_a_line_without_control_characters(tmp_path: Path, watch: Watch) -> None:
    process = watch("--since", "1h", LANG="C", LC_ALL="C", PYTHONUTF8="0")
    track_run(tmp_path / "logs", HOSTILE)
    line = training_processes.next_line(process).rstrip("\n")
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  started     a\$\(touch pwned\)", line)
    assert line.isprintable()


def test_it_ends_quietly_when_its_reader_does(tmp_path: Path) -> None:
    track_run(tmp_path / "logs", "a")
    command = f"{sys.executable} -m traintop watch logs --events --since 1h"
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -1; echo ${{PIPESTATUS[0]}}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    first, status = done.stdout.splitlines()
    assert "started" in first
    assert status in ("0", "1")
    assert done.stderr == ""


def test_a_cron_job_needs_no_home_and_no_writable_folder(tmp_path: Path) -> None:
    track_run(tmp_path / "logs", "a")
    (tmp_path / "logs").chmod(0o555)
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-m", "traintop", "watch", "--events", "--json", "--since", "1h"],
        cwd=tmp_path / "logs",
        env={"LANG": "C", "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=subprocess.PIPE,
    ) as process:
        os.close(writing)
        with open(reading) as lines:
            assert json.loads(lines.readline())["event"] == "started"
        _, errors = process.communicate(timeout=60)
    assert errors == b""


def test_a_rule_ends_a_real_run_that_diverges(tmp_path: Path, watch: Watch) -> None:
    settings = tmp_path / "rules.toml"
    settings.write_text(
        "[[rules]]\n"
        'when = "train_loss > 100"\n'
        'do = ["exec: sh -c \'cat > event.json\'", "signal: SIGTERM"]\n'
    )
    code = """
with tracker:
    for i in range(10**9):
        tracker.log_metrics(i, train_loss=1.01 ** i)
        if i == 10:
            print("ready", flush=True)
        time.sleep(0.001)
"""
    process = watch("--json", TRAINTOP_CONFIG=str(settings), XDG_STATE_HOME=str(tmp_path / "state"))
    training = training_processes.start(code, tmp_path / "logs")
    try:
        _, errors = training.communicate(timeout=60)
    finally:
        training.kill()
    assert training.returncode == -signal.SIGTERM, errors
    found = [next_event(process)]
    while found[-1]["event"] != "ended":
        found.append(next_event(process))
    assert "train_loss > 100" in [event["alert"] for event in found]
    assert found[-1]["status"] == "interrupted"
    event = json.loads((tmp_path / "event.json").read_text())
    assert event["train_loss"] > 100


def test_a_dry_run_says_what_would_have_been_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "rules.toml"
    settings.write_text('[[rules]]\nwhen = "loss > 3"\ndo = ["exec: touch pwned"]\n')
    monkeypatch.setenv("TRAINTOP_CONFIG", str(settings))
    monkeypatch.chdir(tmp_path)
    track_run(tmp_path / "logs", "a", [1.0, 4.0, 1.0])
    track_run(tmp_path / "logs", "b", [1.0, 1.0])
    result = invoke(tmp_path / "logs", "--events", "--dry-run")
    assert re.fullmatch(
        r".*  loss > 3    a +loss 4, iteration 1  → exec: touch pwned\n", result.stdout
    )
    document = json.loads(invoke(tmp_path / "logs", "--events", "--dry-run", "--json").stdout)
    assert (document["run"], document["do"]) == ("a", ["exec: touch pwned"])
    assert not (tmp_path / "pwned").exists()


def test_metrics_are_written_for_prometheus(tmp_path: Path, watch: Watch) -> None:
    track = track_run(tmp_path / "logs", HOSTILE, [1.0, float("nan")])
    write_run(
        tmp_path / "logs" / "experiment_old.json",
        [record(0)],
        config={"experiment_name": "old"},
        status="finished",
        end_time="2025-02-22T14:10:00",
    )
    path = tmp_path / "runs.prom"
    watch("--prometheus", str(path))
    wait_until(path.exists)
    text = path.read_text()
    name = r'run="a$(touch pwned)�]0;x� \"b\\",id="logs/' + f'{track.name}"'
    assert f'traintop_run_status{{{name},status="finished"}} 1\n' in text
    assert f'traintop_run_metric{{{name},metric="train_loss"}} NaN\n' in text
    assert 'run="old"' not in text
    for line in text.splitlines():
        assert re.fullmatch(
            r'# (HELP|TYPE) traintop_run_\w+ .+|traintop_run_\w+\{(\w+="(\\.|[^"\\])*",?)+\} \S+',
            line,
        ), line
    assert [one.name for one in tmp_path.iterdir()] == ["logs", "runs.prom"]


@pytest.mark.parametrize(
    "arguments",
    [("--json",), ("--since", "1h"), ("--prometheus", "x"), ("--dry-run",), ("-f", "a")],
)
def test_options_of_events_need_events(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert invoke(tmp_path, *arguments).exit_code == 2


def test_a_mistaken_cursor_or_filter_is_told(tmp_path: Path) -> None:
    track_run(tmp_path, "a")
    for arguments in (("--since", "soon"), ("--since", "1h", "-f", "loss <")):
        result = invoke(tmp_path, "--events", *arguments)
        assert result.exit_code == 2
        assert arguments[-2] in result.stderr or "--filter" in result.stderr


def test_python_iterates_over_events(tmp_path: Path) -> None:
    track_run(tmp_path, "a")
    runs = traintop.open_runs(tmp_path)
    events = runs.watch(since="1h")
    assert [next(events).kind for _ in range(2)] == [EventKind.STARTED, EventKind.ENDED]
    track_run(tmp_path, "b")
    event = next(events)
    assert (event.name, event.kind) == ("b", EventKind.STARTED)
    events.close()
    with pytest.raises(ValueError, match="no cursor"):
        runs.watch(since="soon")
