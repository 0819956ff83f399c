"""The parts of `traintop run`, one at a time; ``tests/e2e/test_run_command.py`` has the whole."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.runs import make_run, record, track_run
from tests.sidecars import read_console

from traintop.cli import main
from traintop.launch import patch
from traintop.launch.console import Console
from traintop.progress import progress
from traintop.store.console import ConsoleReader
from traintop.store.files.local import LocalFiles
from traintop.store.formats.text_log import TextLogStream
from traintop.store.sidecars import CONSOLE, PATCH, read_patch, sidecar_of

RUN = "experiment_a_20250222_140530.json"


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


# What a command printed.


def test_the_output_has_its_beginning_its_end_and_a_bound(tmp_path: Path) -> None:
    console = Console(tmp_path / RUN)
    for number in range(100_000):
        console.write(b"line %06d %s\n" % (number, b"x" * 80))
        if number % 1000 == 0:
            console.flush()
    console.write(b"the last one goes on")
    console.close(keep=True)
    assert sidecar_of(tmp_path / RUN, CONSOLE).stat().st_size < 5 << 20
    lines = read_console(tmp_path / RUN)
    assert lines is not None
    numbers = [int(line[5:11]) for line in lines if line.startswith("line ")]
    [gap] = [number for number, line in enumerate(lines) if "bytes are left out here" in line]
    assert numbers[:gap] == [*range(gap)]
    assert numbers[gap:] == [*range(100_000 - len(numbers) + gap, 100_000)]
    assert lines[gap] == f"[traintop: {93 * (100_000 - len(numbers))} bytes are left out here]"
    assert lines[-1] == "the last one goes on"


def test_of_progress_bars_the_last_state_is_kept(tmp_path: Path) -> None:
    console = Console(tmp_path / RUN)
    reader = ConsoleReader(LocalFiles(), str(tmp_path / RUN))
    assert not reader.follow()
    console.write(b"begin\r\n\r 1%|")
    console.flush()
    assert reader.follow()
    assert reader.lines == ("begin", " 1%|")
    console.write(b"\r 2%|\r")
    console.flush()
    assert reader.follow()
    assert reader.lines == ("begin", " 2%|")
    for part in (b"\r 2%|\r", b" 3\x1b[32m%|", b"\r\r", b"\nnext\r", b"\nlast\x1b]0;title\x07"):
        console.write(part)
    console.flush()
    assert reader.follow()
    assert reader.lines == read_console(tmp_path / RUN) == ("begin", " 3%|", "next", "last")
    assert not reader.follow()
    assert console.last_line == "last"


def test_a_long_line_beside_a_bar_costs_what_its_length_is(tmp_path: Path) -> None:
    console = Console(tmp_path / RUN)
    data = b"%b\n 1%%|\r 2%%|\n%b" % (b"x" * (1 << 20), b"\r" * 60_000)
    for at in range(0, len(data), 65_536):
        console.write(data[at : at + 65_536])  # each character once: there are minutes otherwise
    console.close(keep=True)
    assert sidecar_of(tmp_path / RUN, CONSOLE).read_bytes().endswith(b"x\n 2%|\n" + b"\r" * 60_000)


def test_the_output_waits_for_a_disk_that_refuses(tmp_path: Path) -> None:
    console = Console(tmp_path / RUN)
    (tmp_path / ".traintop").write_text("in the way")
    console.write(b"kept\n")
    with pytest.raises(NotADirectoryError):
        console.flush()
    for _ in range(50):
        console.write(b"y" * 65_536)
    (tmp_path / ".traintop").unlink()
    console.close(keep=True)
    assert 1 << 20 <= sidecar_of(tmp_path / RUN, CONSOLE).stat().st_size < 3 << 20


@pytest.mark.parametrize("has_links", [True, False])
def test_all_runs_of_a_command_have_its_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    if not has_links:
        monkeypatch.setattr(os, "link", lambda *_: os.stat(tmp_path / "no such file"))
    console = Console(tmp_path / "ours.json")
    console.write(b"one\n")
    console.flush()
    console.add(tmp_path / "theirs.json")
    console.write(b"two\n")
    console.close(keep=False)
    assert read_console(tmp_path / "theirs.json") == ("one", "two", "")
    assert read_console(tmp_path / "ours.json") is None
    later = Console(tmp_path / "later.json")
    later.add(tmp_path / "theirs.json")
    later.write(b"three\n")
    later.flush()
    if has_links:
        assert read_console(tmp_path / "theirs.json") == ("three", "")
    later.close(keep=False)
    lines = ("one", "two", "", "[traintop: the run goes on]", "three", "")
    assert read_console(tmp_path / "theirs.json") == lines
    assert len([*(tmp_path / ".traintop").iterdir()]) == 1


@pytest.mark.parametrize("has_links", [True, False])
def test_a_link_in_the_way_of_what_is_kept_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    if not has_links:
        monkeypatch.setattr(os, "link", lambda *_: os.stat(tmp_path / "no such file"))
    (tmp_path / ".traintop").mkdir()
    mine = tmp_path / "mine.txt"
    mine.write_text("of somebody else")
    for suffix in (CONSOLE, PATCH):
        sidecar_of(tmp_path / "theirs.json", suffix).symlink_to(mine)
    console = Console(tmp_path / "ours.json")
    console.add(tmp_path / "theirs.json")
    console.write(b"one\n")
    console.close(keep=False)
    patch.write_patch(tmp_path / "theirs.json", b"diff")
    assert mine.read_text() == "of somebody else"
    assert read_patch(LocalFiles(), str(tmp_path / "theirs.json")) == "diff"
    assert read_console(tmp_path / "theirs.json") == ("one", "")


# What is read of it.


def test_metrics_are_found_however_the_output_comes() -> None:
    line = b"iter %d/90: loss %.1f, time 2.00ms\r\n"
    text = b"\x1b[1mloading\x1b[0m\n" + b"".join(line % (i, 9 - i / 10) for i in range(0, 50, 10))
    stream = TextLogStream()
    rows = [row for at in range(len(text)) for row in stream.feed(text[at : at + 1])]
    rows += stream.feed(b"iter 50/90: loss 1.0, time 2.00ms", is_end=True)
    assert [(row["iteration"], row["loss"]) for row in rows] == [
        *((step, 9 - step / 10) for step in range(0, 50, 10)),
        (50, 1.0),
    ]
    assert stream.settings == {"total_steps": 90}


def test_epochs_that_are_printed_are_the_progress() -> None:
    stream = TextLogStream()
    rows = stream.feed(b"".join(b"Epoch %d/9 | Loss: 1.5\n" % epoch for epoch in range(1, 5)))
    assert [row["iteration"] for row in rows] == [1, 2, 3, 4]
    assert stream.settings == {"epochs": 9, "counted_by": "epoch"}
    last = record(rows[-1]["iteration"])
    known = {"last": last, "count": 4, "stats": {}, "environment": {"logged_with": "it"}}
    run = make_run("a", config=stream.settings, **known)
    assert progress(run) == pytest.approx(4 / 9)


# The changes of the code.


def git(*arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)


@pytest.mark.usefixtures("asks_git")
def test_changes_are_kept_without_secrets_and_up_to_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert patch.Patch().text() == b""
    names = ("a/model.py", "a/.env", "My_Secrets/x.txt", "a/HF_token", "z_big.txt")
    for name in names:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("before\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "a")
    assert patch.Patch().text() == b""
    for name in (*names, "untracked.py"):
        Path(name).write_text("after\n")
    Path("z_big.txt").write_text("a long line\n" * 100_000)
    monkeypatch.chdir(tmp_path / "a")
    found = patch.Patch().text()
    assert found.startswith(b"diff --git a/a/model.py b/a/model.py\n")
    assert b"-before\n+after\n# traintop: the changes of further files are left out" in found
    assert found.count(b"diff --git") == 1
    patch.write_patch(tmp_path / RUN, found)
    assert read_patch(LocalFiles(), str(tmp_path / RUN)) == found.decode()
    assert read_patch(LocalFiles(), str(tmp_path / "other.json")) is None


def test_a_repository_that_takes_long_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "git").write_text("#!/bin/sh\necho half of it\nsleep 300\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(patch, "_SECONDS", 0.1)
    patch_of_code = patch.Patch()
    patch_of_code._thread.join(60)
    assert patch_of_code.text() == b""


# The commands.


def test_nothing_is_left_of_a_command_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data.txt").write_text("no program")
    missing, refused = invoke("run", "--", "no-such-command"), invoke("run", "./data.txt", "--name")
    assert (missing.exit_code, refused.exit_code) == (127, 126)
    assert missing.stderr == "traintop: no-such-command: there is no such command\n"
    assert refused.stderr == "traintop: ./data.txt: cannot be executed\n"
    Path("data.txt").write_text("#!/no/such/python\n")
    Path("data.txt").chmod(0o755)
    stranded = invoke("run", "./data.txt")
    assert stranded.exit_code == 127
    assert stranded.stderr == "traintop: ./data.txt: its interpreter is not there\n"
    assert not Path("experiment_logs").exists()
    Path("experiment_logs").write_text("a file")
    blocked = invoke("run", "true")
    assert blocked.exit_code == 1
    assert "experiment_logs: File exists; nothing was started; -d is" in blocked.stderr


def test_a_run_is_shown_with_what_its_command_printed(tmp_path: Path) -> None:
    run = track_run(tmp_path, "baseline", (4.0, 2.5))
    shown = invoke("show", "-d", str(tmp_path), "baseline")
    assert shown.exit_code == 0
    assert "best train loss   2.5 @1" in shown.stdout
    without = invoke("show", str(run), "--log")
    assert without.exit_code == 1
    assert "no output of baseline is kept: `traintop run` does that" in without.stderr
    console = Console(run)
    console.write(b"one\x1b[31m two\n\x9bthree\n")
    console.close(keep=True)
    assert invoke("show", str(run), "--log").stdout == "one two\n\ufffdthree\n"
