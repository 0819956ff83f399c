"""A place that stops answering, by a real pipe or a real mount: the screen and the others go on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner
from sshfs import Mount, export
from tests.e2e.terminal_session import PROGRAM, TerminalSession
from tests.runs import records, write_run
from tests.tui.tui_runs import screen_text
from tests.waiting import settle, wait_until

from traintop import mounts
from traintop.cli import main
from traintop.run_ids import address_of
from traintop.store import catalog, reach
from traintop.store.annotations import AnnotationChange
from traintop.store.catalog import RunCatalog
from traintop.store.files import mounted
from traintop.store.formats import UnreadableRunError
from traintop.tui.app import TraintopApp

PYTHON = f"pipe:{sys.executable} -Iiq -"


def add_run(directory: Path, name: str) -> None:
    directory.mkdir(exist_ok=True)
    path = directory / f"experiment_{name}_20250222_140530.json"
    write_run(path, records(20), config={"experiment_name": name}, status="finished")


async def test_a_stopped_helper_blocks_no_key_and_no_other_root(tmp_path: Path) -> None:
    add_run(tmp_path / "here", "here")
    add_run(tmp_path / "there", "there")
    before = {*psutil.Process().children(recursive=True)}
    app = TraintopApp([str(tmp_path / "here"), f"{PYTHON}/{tmp_path}/there"])
    async with app.run_test(size=(160, 48)) as pilot:
        view = app.main_screen
        await settle(pilot, lambda: len(view.rows) == 2)
        helpers = {*psutil.Process().children(recursive=True)} - before
        assert helpers
        for helper in helpers:
            os.kill(helper.pid, signal.SIGSTOP)
        try:
            for _ in range(3):
                selected = view.view.selected
                await pilot.press("j" if selected == view.rows.runs[0].id else "k")
                assert view.view.selected != selected
            add_run(tmp_path / "here", "later")
            await settle(pilot, lambda: len(view.rows) == 3)
        finally:
            for helper in helpers:
                os.kill(helper.pid, signal.SIGCONT)
        add_run(tmp_path / "there", "last")
        await settle(pilot, lambda: "last" in screen_text(app))


def wait_until_gone(helper: psutil.Process) -> None:
    try:
        wait_until(lambda: not helper.is_running() or helper.status() == psutil.STATUS_ZOMBIE)
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            helper.kill()


@pytest.mark.parametrize("end", ["q", "\x03", "SIGTERM", "SIGKILL"])
def test_no_helper_is_left_when_the_screen_ends(tmp_path: Path, end: str) -> None:
    add_run(tmp_path / "there", "there")
    program = PROGRAM.replace("Path(argument)", "argument")
    with TerminalSession(f"{PYTHON}/{tmp_path}/there", columns=120, program=program) as terminal:
        terminal.wait_for("done")  # not the address alone, which is there before the helper
        [helper] = psutil.Process(terminal.pid).children()
        if end != "SIGKILL":  # after which nobody is left to end one that is stopped
            helper.suspend()
            wait_until(lambda: helper.status() == psutil.STATUS_STOPPED)
        if end.startswith("SIG"):
            terminal.send_signal(signal.Signals[end])
        else:
            terminal.press(end)
        terminal.exit_code()
        wait_until_gone(helper)


def test_no_stopped_helper_is_left_by_an_interrupted_command(tmp_path: Path) -> None:
    stopped = tmp_path / "python3"
    stopped.write_text("#!/bin/sh\nkill -STOP $$\n")
    stopped.chmod(0o755)
    add_run(tmp_path / "here", "here")
    words = ["list", str(tmp_path / "here"), f"pipe:{stopped} -//tmp"]
    with subprocess.Popen(
        [sys.executable, "-m", "traintop", *words], stderr=subprocess.DEVNULL
    ) as command:
        children = psutil.Process(command.pid).children
        wait_until(lambda: [one.status() for one in children()] == [psutil.STATUS_STOPPED])
        [helper] = children()
        command.send_signal(signal.SIGINT)
        assert command.wait() == -signal.SIGINT
        wait_until_gone(helper)


def test_list_waits_for_a_silent_helper_only_so_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "_PATIENCE", 0.5)
    add_run(tmp_path / "here", "here")
    silent = tmp_path / "python3"
    silent.write_text("#!/bin/sh\nexec sleep 300\n")
    silent.chmod(0o755)
    done = CliRunner().invoke(main, ["list", str(tmp_path / "here"), f"pipe:{silent} -//tmp"])
    assert "here" in done.stdout
    assert done.exit_code == 1
    assert "traintop: " in done.stderr
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # of another test, and over meanwhile
            if child.cmdline()[:2] == ["sleep", "300"]:
                child.kill()


HASTE = """
from traintop import cli, mounts
from traintop.store import catalog, reach
from traintop.store.files import mounted
mounts.PATIENCE = catalog.SILENT = reach.SILENT = mounted.SILENT = 0.3
cli.main()
"""


@pytest.fixture(scope="module")
def mount(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mount]:
    """A mounted directory with two runs; beside it, another with two."""
    directory = tmp_path_factory.mktemp("frozen")
    for name in ("there", "far"):
        add_run(directory / "logs", name)
    for name in ("here", "near"):
        add_run(directory / "good", name)
    with (
        export(directory / "logs", directory / "server") as exported,
        exported.mounted(directory / "mnt") as mounted,
    ):
        yield mounted


@pytest.fixture
def frozen(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mount]:
    """The mount while its server answers nothing; whoever asks is soon tired of it."""
    monkeypatch.setattr(mounts, "PATIENCE", 0.3)
    for module in (catalog, reach, mounted):
        monkeypatch.setattr(module, "SILENT", 0.3)
    address_of.cache_clear()
    others = {*threading.enumerate()}
    mount.freeze()
    yield mount
    mount.thaw()
    # As long as a question is not answered, no other is asked.
    wait_until(lambda: others.issuperset(threading.enumerate()))


def good(mount: Mount) -> str:
    return str(mount.directory.parent / "good")


@pytest.mark.parametrize(
    "command",
    [
        "list MNT GOOD --json",
        "best -d MNT -d GOOD train_loss",
        "show -d MNT -d GOOD here",
        "compare -d MNT -d GOOD",
        "why -d MNT -d GOOD here near",
        "curve -d MNT -d GOOD here train_loss",
        "brief -d MNT -d GOOD",
        "export -d MNT -d GOOD --output -",
        "plot -d MNT -d GOOD",
        "wait -d MNT -d GOOD here",
        "watch -d MNT -d GOOD --events --dry-run",
    ],
)
def test_commands_answer_without_a_frozen_mount(frozen: Mount, command: str) -> None:
    words = command.replace("MNT", str(frozen.directory)).replace("GOOD", good(frozen)).split()
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, done.stderr.splitlines()[:1]) == (
        int("here" not in words),  # where runs are named, no other was asked for
        [f"traintop: {frozen.directory} does not answer"],
    ), done.output
    assert "here" in done.stdout or words[0] in ("curve", "wait", "watch")


@pytest.mark.parametrize(
    "command",
    [
        "list MNT",
        "list PARENT/mnt/a.json",
        "report MNT --output PARENT/log.md",
        "doctor MNT",
        "show -d MNT x",
    ],
)
def test_a_frozen_mount_alone_is_said_and_fails(frozen: Mount, command: str) -> None:
    parent = str(frozen.directory.parent)
    words = command.replace("MNT", str(frozen.directory)).replace("PARENT", parent).split()
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1
    assert "does not answer" in done.output


def test_a_frozen_mount_holds_up_no_end_of_a_process(frozen: Mount) -> None:
    check_that_a_command_ends(good(frozen), str(frozen.directory))


def test_a_lost_server_holds_up_no_end_of_a_process(mount: Mount) -> None:
    with mount.lost():
        check_that_a_command_ends(good(mount), f"{mount.directory}/never asked for")


def check_that_a_command_ends(good: str, silent: str) -> None:
    command = subprocess.Popen(
        [sys.executable, "-c", HASTE, "list", good, silent, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # Not by subprocess.run(), which would wait for ever for one that cannot be ended.
    said, errors = command.communicate(timeout=60)
    assert (command.returncode, errors) == (1, f"traintop: {silent} does not answer\n")
    document = json.loads(said)
    assert {run["run"] for run in document["runs"]} == {"here", "near"}
    assert [one["roots"] for one in document["away"]] == [[silent]]


def test_what_was_known_of_a_mount_stays_while_it_is_frozen(
    mount: Mount, request: pytest.FixtureRequest
) -> None:
    runs = RunCatalog([mount.directory, good(mount)])
    assert len(runs.refresh().runs) == 4
    request.getfixturevalue("frozen")
    for _ in range(2):  # and nobody waits a second time for what was not answered
        snapshot = runs.refresh()
        assert len(snapshot.runs) == 4
        assert [state.roots for state in snapshot.places] == [(str(mount.directory),)]
    mount.thaw()
    wait_until(lambda: runs.refresh().is_complete)


def test_what_is_being_read_of_a_mount_ends_when_it_freezes(
    mount: Mount, request: pytest.FixtureRequest
) -> None:
    runs = RunCatalog([mount.directory])
    run_id = runs.refresh().runs[0].id
    reader, console = runs.reader(run_id), runs.console(run_id)
    request.getfixturevalue("frozen")
    said = f"^{mount.directory}/.* cannot be read now: no answer for "
    for question in (
        reader.history,
        lambda: next(reader.portions(5)),
        lambda: reader.sample(5),
        console.follow,
    ):
        with pytest.raises(UnreadableRunError, match=said):
            question()


def test_a_note_on_a_run_of_a_frozen_mount_is_kept(
    mount: Mount, request: pytest.FixtureRequest
) -> None:
    runs = RunCatalog([mount.directory])
    first, second = (run.id for run in runs.refresh().runs)
    request.getfixturevalue("frozen")
    alone = "for you alone, on this machine: "
    saved = runs.annotate(first, AnnotationChange(note="good"))
    assert saved.where.startswith(f"{alone}{mount.directory}/.traintop: no answer for ")
    runs.refresh()  # which says that it is silent
    saved = runs.annotate(second, AnnotationChange(note="bad"))
    assert saved.where == f"{alone}{mount.directory} does not answer"
    mount.thaw()
    wait_until(lambda: runs.refresh().is_complete)
    wait_until(lambda: [*notes_of(runs)] == ["good", "bad"])


def notes_of(runs: RunCatalog) -> Iterator[str]:
    return (run.annotations.note for run in runs.refresh().runs)


def test_links_to_a_frozen_mount_share_its_fate(frozen: Mount, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(frozen.directory)
    done = CliRunner().invoke(main, ["list", str(link), good(frozen)])
    assert "here" in done.stdout
    assert done.stderr == f"traintop: {link} does not answer\n"


def waits_for_a_mount(process: psutil.Process) -> bool:
    return Path(f"/proc/{process.pid}/wchan").read_text() == "request_wait_answer"


def test_no_helper_is_left_that_waits_for_a_frozen_mount(mount: Mount) -> None:
    program = PROGRAM.replace("Path(argument)", "argument")
    with TerminalSession(f"{PYTHON}/{mount.directory}", program=program) as terminal:
        terminal.wait_for("done")
        [helper] = psutil.Process(terminal.pid).children()
        mount.freeze()
        try:
            wait_until(lambda: waits_for_a_mount(helper))
            terminal.send_signal(signal.SIGKILL)
            terminal.exit_code()
            wait_until_gone(helper)
        finally:
            mount.thaw()


async def test_a_frozen_mount_holds_up_no_curve_of_another_root(mount: Mount) -> None:
    app = TraintopApp([str(mount.directory), good(mount)])
    async with app.run_test(size=(160, 48)) as pilot:
        main = app.main_screen
        await settle(pilot, lambda: len(main.rows) == 4 and len(main._trends) == 4)
        rows = {run.name: run.id for run in main.rows.runs}
        unseen = [name for name, run_id in rows.items() if run_id not in main.plotted.loaded]
        mount.freeze()
        try:
            for name in sorted(unseen, key=("far", "there", "here", "near").index):
                main.session.go_to(rows[name])
                await pilot.pause(0.05)
            await settle(pilot, lambda: rows[name] in main.plotted.loaded)
            add_run(Path(good(mount)), "later")
            await settle(pilot, lambda: len(main._trends) == 5)
        finally:
            mount.thaw()
            next(Path(good(mount)).glob("*later*")).unlink()


def test_the_screen_ends_at_once_while_a_mount_is_frozen(mount: Mount) -> None:
    with TerminalSession(mount.directory, good(mount), columns=160) as terminal:
        terminal.wait_for("there")
        terminal.press("/there\r")
        terminal.wait_for("1 of 4")
        terminal.press("\r")
        terminal.wait_for("20 records")
        mount.freeze()
        try:
            terminal.press("l")
            terminal.wait_for("reading …")
            terminal.press("\x11")
            assert terminal.exit_code() == 0
        finally:
            mount.thaw()
