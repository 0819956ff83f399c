"""Runs of another machine through a pipe to a helper, which here runs on this machine."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.piping import counting, exchanges, lying, python, slow
from tests.runs import new_tracker, record, records, rows_of, write_run
from tests.unit.catalog_runs import Clock, age, facts_of, names, only, run_at
from tests.waiting import wait_until

from traintop.model import RunStatus
from traintop.process import current_process
from traintop.store.catalog import RunCatalog
from traintop.store.files import AwayError, FileError, Files, told
from traintop.store.files.far_side import MODULES
from traintop.store.files.local import LocalFiles
from traintop.store.files.places import files_of

FOREIGN = Path(__file__).parents[1] / "foreign"
"""Files that other tools wrote."""


@pytest.fixture
def files() -> Iterator[Files]:
    made = files_of(python())
    yield made
    made.close()


def helper_of(files: Files) -> int:
    return files._connection._process.pid  # type: ignore[attr-defined, no-any-return]


def test_runs_are_what_they_are_on_this_machine(tmp_path: Path) -> None:
    """Of every format that is read."""
    root = tmp_path / "logs"
    shutil.copytree(FOREIGN, root)
    for path in root.rglob("*"):
        os.utime(path, (1.7e9, 1.7e9))
    here, there = RunCatalog([root]), RunCatalog([f"{python()}{root}"])
    local, remote = here.refresh(), there.refresh()
    assert not remote.places
    assert len(remote.runs) > 40
    prefix = f"{python()}"
    assert {run.id.removeprefix(prefix): facts_of(run) for run in remote.runs} == {
        run.id: facts_of(run) for run in local.runs
    }
    for run in local.runs:
        if run.status is not RunStatus.UNREADABLE:
            history = there.reader(f"{prefix}{run.id}").history()
            assert repr(rows_of(history)) == repr(rows_of(here.reader(run.id).history())), run.id
            sample = there.reader(f"{prefix}{run.id}").sample(20)
            assert repr(rows_of(sample)) == repr(rows_of(here.reader(run.id).sample(20))), run.id


def test_listings_are_those_of_this_machine(tmp_path: Path, files: Files) -> None:
    root = os.fsencode(tmp_path)
    for name in (
        b"a.json",
        b"line\nbreak.json",
        b"\xff\xfe.json",
        b"\x1b[2J.json",
        "ä.json".encode(),
    ):
        with open(root + b"/" + name, "wb") as file:
            file.write(name)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.json").write_text("{}")
    (tmp_path / "broken.json").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.json")
    for _ in range(2):
        found = sorted(
            entry._replace(changed=None) for entry in files.walk([str(tmp_path)], ("*.json",))
        )
        here = LocalFiles().walk([str(tmp_path)], ("*.json",))
        assert found == sorted(entry._replace(changed=None) for entry in here)
    assert files.read(str(tmp_path / os.fsdecode(b"\xff\xfe.json")), 0, 10) == b"\xff\xfe.json"
    missing = str(tmp_path / "missing.json")
    assert files.stat_many([missing]) == LocalFiles().stat_many([missing])


def test_what_changes_is_seen(tmp_path: Path, files: Files) -> None:
    def found() -> dict[str, int]:
        return {
            Path(entry.id).name: entry.size for entry in files.walk([str(tmp_path)], ("*.json",))
        }

    (tmp_path / "a.json").write_text("1")
    (tmp_path / "b.json").write_text("1")
    assert found() == {"a.json": 1, "b.json": 1}
    (tmp_path / "a.json").write_text("1234")
    (tmp_path / "b.json").rename(tmp_path / "c.json")
    assert found() == {"a.json": 4, "c.json": 1}
    shutil.rmtree(tmp_path)
    [entry] = files.walk([str(tmp_path)], ("*.json",))
    assert entry.problem == "does not exist"


def test_an_unchanged_place_costs_200_bytes(tmp_path: Path) -> None:
    for number in range(50):
        age(run_at(tmp_path / "logs", f"run_{number}"), 60)
    new_tracker(tmp_path / "logs", "live").start()  # of which it is asked whether it has ended
    clock = Clock()
    catalog = RunCatalog([f"{counting(tmp_path / 'count')}{tmp_path / 'logs'}"], clock=clock)
    for _ in range(3):
        snapshot = catalog.refresh()
        clock.now += 5.0
    assert len(snapshot.runs) == 51
    before = exchanges(tmp_path / "count")
    for _ in range(5):
        catalog.refresh()
    ticks = exchanges(tmp_path / "count")[len(before) :]
    assert len(ticks) == 5
    assert all(there + back <= 200 for there, back in ticks)


def test_a_thousand_runs_take_five_round_trips(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    for number in range(1000):
        rows = [record(step, train_loss=1.0) for step in range(number % 7 * 30)]
        write_run(tmp_path / "logs" / f"experiment_{number}.json", rows, status="finished")
    catalog = RunCatalog([f"{counting(tmp_path / 'count')}{tmp_path / 'logs'}"])
    assert len(catalog.refresh().runs) == 1000
    assert len(exchanges(tmp_path / "count")) <= 5


def test_a_long_history_takes_few_round_trips(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    rows = [record(step, train_loss=1.0 / (step + 1)) for step in range(60_000)]
    path = write_run(tmp_path / "logs" / "experiment_a.json", rows, status="finished")
    assert path.stat().st_size > 6 << 20
    catalog = RunCatalog([f"{counting(tmp_path / 'count')}{tmp_path / 'logs'}"])
    run = only(catalog.refresh())
    before = len(exchanges(tmp_path / "count"))
    assert len(rows_of(catalog.reader(run.id).history())) == 60_000
    assert len(exchanges(tmp_path / "count")) - before <= 6


def test_a_live_run_is_followed(tmp_path: Path) -> None:
    tracker = new_tracker(tmp_path, "live")
    tracker.start()
    catalog = RunCatalog([f"{python()}{tmp_path}"])
    run = only(catalog.refresh())
    assert run.status is RunStatus.RUNNING
    reader = catalog.reader(run.id)

    def last_loss() -> object:
        catalog.refresh()
        reader.follow()
        rows = rows_of(reader.history())
        return rows[-1]["train_loss"] if rows else None

    for step in range(300):
        tracker.log_metrics(step, float(step))
        if step % 100 == 99:
            wait_until(lambda: last_loss() == float(step))  # noqa: B023
    tracker.finish()
    assert only(catalog.refresh()).status is RunStatus.FINISHED


_WRITER = """
import sys, time
from traintop import ExperimentConfig, ExperimentTracker
config = ExperimentConfig(experiment_name="killed")
tracker = ExperimentTracker(config, log_dir=sys.argv[1], quiet=True)
tracker.start()
tracker.log_metrics(0, 1.0)
print("started", flush=True)
time.sleep(600)
"""


def test_a_process_is_judged_where_it_is(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        catalog = RunCatalog([f"{python()}{tmp_path}"])
        wait_until(lambda: catalog.refresh().runs)
        for _ in range(3):
            assert only(catalog.refresh()).status is RunStatus.RUNNING
        writer.kill()
    catalog.refresh()
    assert only(catalog.refresh()).status is RunStatus.CRASHED
    # So it is for who looks once, as a command.
    assert only(RunCatalog([f"{python()}{tmp_path}"]).refresh()).status is RunStatus.CRASHED


def test_many_processes_are_asked_about_in_one_round_trip(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    for number in range(30):
        path = tmp_path / "runs" / f"experiment_{number}_20250222_140530.json"
        environment = {**current_process(), "pid": 2**22 + 1 + number}
        write_run(path, records(3), status="running", run=environment)
    log = tmp_path / "log"
    runs = RunCatalog([f"{counting(log)}{tmp_path}/runs"]).refresh().runs
    assert {run.status for run in runs} == {RunStatus.CRASHED}
    assert len(exchanges(log)) <= 5


@pytest.mark.parametrize("harm", [signal.SIGKILL, signal.SIGSTOP])
def test_a_lost_helper_is_replaced(
    tmp_path: Path, harm: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traintop.store.files.connection.SILENCE", 1.0)
    run_at(tmp_path, "first")
    catalog = RunCatalog([f"{python()}{tmp_path}"])
    before = catalog.refresh()
    os.kill(helper_of(catalog.places[0].files), harm)
    run_at(tmp_path, "second")
    away = catalog.refresh()
    assert away.runs == before.runs
    [state] = away.places
    assert "away" in state.words
    back = catalog.refresh()
    assert sorted(names(back)) == ["first", "second"]
    assert not back.places


def test_a_look_that_takes_long_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traintop.store.files.connection.SILENCE", 1.0)
    run_at(tmp_path, "one")
    catalog = RunCatalog([f"{slow(2.5)}{tmp_path}"])
    assert names(catalog.refresh()) == ["one"]
    assert catalog.places[0].pause >= 50.0


def test_only_a_walk_connects_again(tmp_path: Path, files: Files) -> None:
    (tmp_path / "a.json").write_text("{}")
    assert len([*files.walk([str(tmp_path)], ("*.json",))]) == 1
    os.kill(helper_of(files), signal.SIGKILL)
    for _ in range(2):
        with pytest.raises(AwayError, match="ended"):
            files.read(str(tmp_path / "a.json"), 0, 10)
    assert len([*files.walk([str(tmp_path)], ("*.json",))]) == 1
    assert files.read(str(tmp_path / "a.json"), 0, 10) == b"{}"


def test_the_helper_ends_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "json.py").write_text("raise SystemExit('not this one')")
    address = f"pipe:env -C {tmp_path} HOME={tmp_path / 'home'} {sys.executable} -/"
    files = files_of(address)
    assert [*files.walk(["~"], ("*",))] == []
    helper = helper_of(files)
    files.close()
    assert not Path(f"/proc/{helper}").exists()
    assert [path.name for path in tmp_path.rglob("*")] == ["home", "json.py"]


def test_paths_below_the_home_directory(tmp_path: Path) -> None:
    run_at(tmp_path / "runs", "one")
    catalog = RunCatalog([f"pipe:env HOME={tmp_path} {sys.executable} -//~/runs"])
    run = only(catalog.refresh())
    assert run.id.endswith("//~/runs/experiment_one.json")
    assert len(rows_of(catalog.reader(run.id).history())) == 1
    missing = f"pipe:env HOME={tmp_path} {sys.executable} -//~/none"
    assert RunCatalog([missing]).refresh().notices == (f"{missing} does not exist",)


def test_files_of_ours_are_written_whole(tmp_path: Path, files: Files) -> None:
    path = str(tmp_path / ".traintop" / "a.json")
    files.replace(path, b'{"notes": "\xc3\xa4"}')
    assert Path(path).read_bytes() == b'{"notes": "\xc3\xa4"}'
    files.replace(path, None)
    assert not (tmp_path / ".traintop").exists()
    with pytest.raises(FileError):
        files.replace(str(tmp_path / "no" / "such" / "folder"), b"")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("/nowhere/python3 -", "cannot be run"),
        ("sh -c 'exit 127' -", "has no python3"),
        ("sh -c 'echo no such pod >&2; exit 1' -", "no such pod"),
        (r"printf '\0traintop cannot use Python 3.6\n' -", "has Python 3.6"),
        ("sh -c 'yes' -", "says too much"),
        ("sh -c 'yes >&2' -", "says too much"),
        ("sh -c 'echo This account is not available; exit 1' -", "is not available"),
    ],
)
def test_why_a_command_leads_nowhere(command: str, words: str) -> None:
    files = files_of(f"pipe:{command}/")
    with pytest.raises(AwayError, match=words):
        files.walk(["/"], ("*",))


def test_a_greeting_is_no_answer(tmp_path: Path) -> None:
    run_at(tmp_path, "one")
    command = f"sh -c 'seq 2000; exec {sys.executable} -Iiq -' -"
    assert names(RunCatalog([f"pipe:{command}/{tmp_path}"]).refresh()) == ["one"]


def test_quotes_around_a_command_are_those_of_a_shell(tmp_path: Path) -> None:
    run_at(tmp_path, "one")
    root = f"pipe:'{sys.executable} -'/{tmp_path}"  # as in the settings, which are none
    assert names(RunCatalog([root]).refresh()) == ["one"]


def test_a_command_ends_with_a_python() -> None:
    with pytest.raises(ValueError, match="does not end with: python3 -"):
        files_of("pipe:docker exec job/")


_ENTRY = ["/runs/a.json", 0.0, 100, [1, 1], False, 1, False, ""]


@pytest.mark.parametrize(
    "kind",
    [
        *("gigabytes", "bomb", "many", "long_names", "empty_frames", "noise", "no_json"),
        *("an_error", "ends"),
        *(
            json.dumps([0.0, 0.0, [[*_ENTRY[:place], value, *_ENTRY[place + 1 :]]], [], []])
            for place, value in [
                (0, "/etc/passwd"),
                (0, "/runs/../etc/passwd"),
                (0, "/runs/./a.json"),
                (0, "/runs/sub/"),
                (0, "/runsabc"),
                (0, "/runs/\0"),
                (0, "/runs/\u4e00"),
                (0, 7),
                (1, "old"),
                (2, -5),
                (2, 1.5),
                (3, [1]),
                (7, None),
                (7, "x" * 100_000),
            ]
        ),
        *("[1e300,0.0,[],[],[]]", "[0.0,1e300,[],[],[]]", "[0.0,-1.0,[],[],[]]"),
    ],
)
def test_a_helper_that_lies_is_away(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told, "MOST_ENTRIES", 100_000)  # five times as many take so much longer
    catalog = RunCatalog([f"{lying(kind)}/runs"])
    tracemalloc.start()
    try:
        snapshot = catalog.refresh()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not snapshot.runs
    assert "away" in snapshot.places[0].words
    assert peak < (100 if kind == "many" else 500) << 20


def test_a_root_may_begin_like_another(tmp_path: Path) -> None:
    roots = [f"{python()}{tmp_path / name}" for name in ("run", "runs", "ru")]
    for name in ("run", "runs", "ru"):
        run_at(tmp_path / name, f"one_of_{name}")
    snapshot = RunCatalog(roots).refresh()
    assert not snapshot.places
    assert {run.root for run in snapshot.runs} == {*roots}


def test_a_file_may_be_of_any_time(tmp_path: Path) -> None:
    """That of a file is whatever was set, where the filesystem takes it; see ``touch``."""
    run = run_at(tmp_path, "odd")
    root = f"{lying(json.dumps([0.0, 0.0, [[str(run), -1e300, *_ENTRY[2:]]], [], []]))}{tmp_path}"
    assert RunCatalog([root]).places[0].first_look(10, 60.0).unread == 0


@pytest.mark.parametrize(
    "kind", ["long_part", "short_part", "more_parts", "fewer_parts", "loose_bytes"]
)
def test_false_parts_of_files_are_refused(kind: str) -> None:
    files = files_of(lying(kind))
    assert len([*files.walk(["/runs"], ("*",))]) == 1
    with pytest.raises(AwayError, match="nonsense"):
        files.read("/runs/a.json", 0, 100)


@pytest.mark.parametrize("name", MODULES)
def test_the_helper_runs_in_python_3_8(name: str) -> None:
    source = inspect.getsource(importlib.import_module(name))
    tree = ast.parse(source, feature_version=(3, 8))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {one for one in imported if one and one.startswith("traintop")} <= {*MODULES}
    hints = [getattr(node, "annotation", getattr(node, "returns", None)) for node in ast.walk(tree)]
    unread = {part for hint in hints if hint is not None for part in ast.walk(hint)}
    read = (node for node in ast.walk(tree) if isinstance(node, ast.Subscript))
    names = {ast.unparse(node.value) for node in read if node not in unread}
    assert not names & {"tuple", "list", "dict", "set", "frozenset", "type"}


def test_states_are_those_of_the_last_walk(tmp_path: Path, files: Files) -> None:
    path = tmp_path / "a.json"
    path.write_text("1")
    assert len([*files.walk([str(tmp_path)], ("*.json",))]) == 1
    path.write_text("12345")
    assert files.stat(str(path)).size == 1
    assert files.stat_now([str(path)])[0].size == 5


@pytest.mark.skipif(shutil.which("faketime") is None, reason="needs faketime")
@pytest.mark.parametrize("hours", [3, -3])
def test_a_wrong_clock_there_makes_nothing_old(tmp_path: Path, hours: int) -> None:
    """What that machine stamps and what it says of the time are wrong alike."""
    log = tmp_path / "log.jsonl"
    log.write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.0}\n')
    age(log, -3600.0 * hours)
    address = f"pipe:faketime -f {hours:+}h {sys.executable} -/{tmp_path}"
    run = only(RunCatalog([address]).refresh())
    assert run.updated_at is not None
    changed = datetime.fromisoformat(run.updated_at)
    assert abs(datetime.now(changed.tzinfo) - changed) < timedelta(minutes=5)
