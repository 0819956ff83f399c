"""All runs of some directories: what is listed, what is read again, and what cannot be read."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from catalog_runs import Clock, age, names, only, run_at
from tests.runs import Writer, foreign_document, record, records, write_run

from traintop.model import RunStatus
from traintop.store.catalog import RunCatalog
from traintop.store.files import directories


def test_runs_of_directories_and_sub_directories_newest_first(tmp_path: Path) -> None:
    run_at(tmp_path / "a", "old", start_time="2024-01-01T00:00:00")
    run_at(tmp_path / "a" / "deep" / "er", "new", start_time="2025-01-01T00:00:00")
    run_at(tmp_path / "b", "middle", start_time="2024-06-01T00:00:00.5")
    os.utime(run_at(tmp_path / "b", "timeless", start_time=None), (1e9, 1e9))  # in 2001
    run_at(tmp_path / "elsewhere", "other")
    snapshot = RunCatalog([tmp_path / "a", tmp_path / "b"]).refresh()
    assert names(snapshot) == ["new", "middle", "old", "timeless"]
    assert snapshot.roots == (str(tmp_path / "a"), str(tmp_path / "b"))
    assert snapshot.notices == ()
    assert snapshot.runs[0].path == tmp_path / "a" / "deep" / "er" / "experiment_new.json"


def test_each_directory_counts_once(tmp_path: Path) -> None:
    run_at(tmp_path / "a" / "b", "x")
    (tmp_path / "a" / "b" / "loop").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "self").symlink_to(".")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    roots = [tmp_path / "link", tmp_path / "a", tmp_path / "a" / "b", tmp_path]
    snapshot = RunCatalog(roots).refresh()
    assert only(snapshot).path == tmp_path / "link" / "b" / "experiment_x.json"
    assert snapshot.notices == ()


def test_a_link_counts_where_nothing_else_leads_there(tmp_path: Path) -> None:
    run_at(tmp_path / "middle", "x")
    run_at(tmp_path / "elsewhere", "y")
    for name in ("a", "z"):
        (tmp_path / "root" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "root" / name).symlink_to("middle")
    (tmp_path / "middle").rename(tmp_path / "root" / "middle")
    (tmp_path / "root" / "b").symlink_to(tmp_path / "elsewhere")
    paths = {run.path for run in RunCatalog([tmp_path / "root"]).refresh().runs}
    assert paths == {
        tmp_path / "root" / "middle" / "experiment_x.json",
        tmp_path / "root" / "b" / "experiment_y.json",
    }


def test_hidden_files_and_directories_are_left_out(tmp_path: Path) -> None:
    run_at(tmp_path / ".cache", "cached")
    write_run(tmp_path / ".experiment_x.json", [record(0)])
    run_at(tmp_path, "seen")
    (tmp_path / "experiment_seen.json.tmp").write_text("{}")
    (tmp_path / "experiment_seen.txt").write_text("{}")
    assert names(RunCatalog([tmp_path]).refresh()) == ["seen"]


def test_other_json_files_are_listed_if_like_runs(tmp_path: Path, opened: list[str]) -> None:
    (tmp_path / "package.json").write_text('{"name": "x", "config": {"port": 1}}')
    (tmp_path / "tsconfig.json").write_text('{"compilerOptions": {}}')
    (tmp_path / "empty.json").write_text("")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "list.json").write_bytes(b"\xff\xfe[1]")
    (tmp_path / "folder.json").mkdir()
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "theirs.json").write_text(json.dumps(foreign_document(records(2))))
    long = {"config": {"experiment_name": "long", "prompt": "x" * 9000}, "metrics_history": []}
    (tmp_path / "long.json").write_text(json.dumps(long))
    write_run(tmp_path / "renamed.json", [record(0)])
    run_at(tmp_path / "folder.json", "inside")
    for file in tmp_path.rglob("*.json"):
        age(file, 10)
    catalog = RunCatalog([tmp_path])
    snapshot = catalog.refresh()
    assert sorted(run.stem for run in snapshot.runs) == [
        "experiment_inside",
        "long",
        "renamed",
        "theirs",
    ]
    assert all(run.status is not RunStatus.UNREADABLE for run in snapshot.runs)
    assert "theirs.json" in opened
    opened.clear()
    assert catalog.refresh().revision == catalog.refresh().revision
    assert opened == []  # not even to look at the others again


def test_a_file_becomes_a_run_once_it_looks_like_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text("{}")
    catalog = RunCatalog([tmp_path])
    assert catalog.refresh().runs == ()
    write_run(path, [record(0)])
    assert only(catalog.refresh()).stem == "mine"


def test_bad_files_have_a_row_each_and_hide_no_other(tmp_path: Path) -> None:
    run_at(tmp_path, "good")
    (tmp_path / "experiment_empty.json").write_bytes(b"")
    (tmp_path / "experiment_random.json").write_bytes(bytes(range(256)) * 100)
    (tmp_path / "experiment_foreign.json").write_text('{"a": 1}')
    (tmp_path / "experiment_folder.json").mkdir()
    os.mkfifo(tmp_path / "experiment_pipe.json")
    (tmp_path / "experiment_dangling.json").symlink_to("nowhere")
    (tmp_path / "experiment_loop.json").symlink_to("experiment_loop.json")
    (tmp_path / "experiment_device.json").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(tmp_path)
        server.bind("experiment_socket.json")
        os.chdir(here)
        runs = {run.name: run for run in RunCatalog([tmp_path]).refresh().runs}
    assert runs.pop("good").status is RunStatus.FINISHED
    problems = {name.removeprefix("experiment_"): run.problem for name, run in runs.items()}
    assert all(run.status is RunStatus.UNREADABLE for run in runs.values())
    words = {
        "empty": "empty",
        "random": "UTF-8",
        "foreign": "neither",
        "folder": "directory",
        "pipe": "pipe",
        "dangling": "link",
        "loop": "link",
        "device": "device",
        "socket": "socket",
    }
    assert problems.keys() == words.keys()
    assert all(word in problems[name] for name, word in words.items())


def test_only_changed_files_are_read_again(tmp_path: Path, opened: list[str]) -> None:
    for name in "abc":
        age(run_at(tmp_path, name), 10)
    catalog = RunCatalog([tmp_path])
    first = catalog.refresh()
    assert sorted(opened) == [f"experiment_{name}.json" for name in "abc"]
    opened.clear()
    assert catalog.refresh() is first
    assert opened == []
    run_at(tmp_path, "b", notes="new")
    second = catalog.refresh()
    assert set(opened) == {"experiment_b.json"}
    assert second.revision == first.revision + 1
    unchanged = {run.name: run for run in first.runs}
    for run in second.runs:
        assert (run is unchanged[run.name]) == (run.name != "b")
    assert [run.notes for run in second.runs if run.name == "b"] == ["new"]


def test_snapshots_do_not_change(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "experiment_x.json")
    catalog = RunCatalog([tmp_path])
    before = catalog.refresh()
    writer.flush(record(0), record(1))
    after = catalog.refresh()
    assert (only(before).count, only(after).count) == (0, 2)


def test_added_and_deleted_files(tmp_path: Path) -> None:
    run_at(tmp_path, "a")
    catalog = RunCatalog([tmp_path])
    first = catalog.refresh()
    path = run_at(tmp_path / "new", "b")
    second = catalog.refresh()
    assert sorted(names(second)) == ["a", "b"]
    path.unlink()
    third = catalog.refresh()
    assert names(third) == ["a"]
    assert (first.revision, second.revision, third.revision) == (1, 2, 3)


def test_without_runs_the_files_of_other_tools_are_named(tmp_path: Path) -> None:
    for path in (
        "tb/events.out.tfevents.1.host",
        "wandb/run-1/run-1.wandb",
        "metrics.csv",
        "a.json",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("{}")
    catalog = RunCatalog([tmp_path])
    others = catalog.refresh().others
    for words in ("1 TensorBoard event file (", "1 W&B folder (", "1 CSV file (", "1 JSON file ("):
        assert words in others
    write_run(tmp_path / "experiment_a.json", records(3))
    assert catalog.refresh().others == ""
    assert "TensorBoard" in catalog.other_files(tools_only=True)
    assert "CSV" not in catalog.other_files(tools_only=True)


def test_what_cannot_be_read_of_a_directory_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "trainer_state.json")
    [run] = RunCatalog([tmp_path]).refresh().runs
    assert run.problem == "holds trainer_state.json, which is a named pipe, not a file"


def test_files_that_git_lfs_has_not_fetched_are_told(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n"
    (tmp_path / "events.out.tfevents.1.host").write_text(pointer)
    (tmp_path / "metrics.jsonl").mkdir()
    assert "`git lfs pull`" in RunCatalog([tmp_path]).refresh().others


def test_a_file_that_is_no_run_makes_no_revision(tmp_path: Path) -> None:
    write_run(tmp_path / "experiment_a.json", records(3))
    catalog = RunCatalog([tmp_path])
    first = catalog.refresh()
    (tmp_path / "package.json").write_text("{}")
    assert catalog.refresh() is first
    (tmp_path / "package.json").unlink()
    assert catalog.refresh() is first


def test_missing_and_unreadable_directories_are_reported(tmp_path: Path) -> None:
    run_at(tmp_path / "logs", "a")
    (tmp_path / "file").write_text("")
    catalog = RunCatalog([tmp_path / "gone", tmp_path / "logs", tmp_path / "file"])
    snapshot = catalog.refresh()
    assert names(snapshot) == ["a"]
    missing, not_a_directory = snapshot.notices
    assert missing == f"{tmp_path / 'gone'} does not exist"
    assert str(tmp_path / "file") in not_a_directory
    assert catalog.refresh() is snapshot
    run_at(tmp_path / "gone", "b")
    assert sorted(names(catalog.refresh())) == ["a", "b"]
    assert len(catalog.refresh().notices) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_permissions_that_change_are_noticed(tmp_path: Path) -> None:
    path = run_at(tmp_path, "a")
    path.chmod(0)
    age(path, 10)
    catalog = RunCatalog([tmp_path])
    assert "permission" in only(catalog.refresh()).problem
    path.chmod(0o600)
    assert only(catalog.refresh()).status is RunStatus.FINISHED


def test_a_refused_file_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the system, whose end changes no time of the file."""
    age(run_at(tmp_path, "a"), 10)
    catalog = RunCatalog([tmp_path])
    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", _fail(PermissionError(13, "Permission denied")))
        assert "permission" in only(catalog.refresh()).problem
    assert only(catalog.refresh()).status is RunStatus.FINISHED


def test_an_unexpected_error_stays_with_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_at(tmp_path, "a")
    monkeypatch.setattr(os, "pread", _fail(MemoryError("no room")))
    assert "no room" in only(RunCatalog([tmp_path]).refresh()).problem


def _fail(error: BaseException) -> Callable[..., bytes]:
    def fail(*_: object) -> bytes:
        raise error

    return fail


def test_very_many_directories_are_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directories, "MOST_DIRECTORIES", 5)
    for number in range(9):
        run_at(tmp_path / str(number), "x")
    snapshot = RunCatalog([tmp_path]).refresh()
    assert len(snapshot.runs) == 4
    assert "more than 5 directories" in snapshot.notices[0]


def test_very_deep_directories_are_cut_off(tmp_path: Path) -> None:
    directory = tmp_path
    for _ in range(directories.DEEPEST):
        directory = directory / "d"
    run_at(directory, "deep")
    run_at(directory / "d", "deeper")
    assert names(RunCatalog([tmp_path]).refresh()) == ["deep"]


def test_a_torn_file_keeps_its_summary_until_the_next_look(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "experiment_x.json")
    writer.flush(*records(3))
    clock = Clock()
    catalog = RunCatalog([tmp_path], clock=clock)
    before = catalog.refresh()
    whole = writer.path.read_bytes()
    writer.flush(*records(5)[3:], cut=500)
    clock.now += 1
    assert catalog.refresh() is before
    clock.now += 3
    torn = only(catalog.refresh())
    assert (torn.count, torn.status) == (4, RunStatus.RUNNING)
    writer.path.write_bytes(whole)
    assert only(catalog.refresh()).count == 3


def test_some_files_can_be_looked_at_alone(tmp_path: Path, opened: list[str]) -> None:
    paths = {name: run_at(tmp_path, name) for name in "ab"}
    [catalog] = RunCatalog([tmp_path]).places
    first = catalog.refresh()
    run_at(tmp_path, "a", notes="new")
    run_at(tmp_path, "b", notes="new")
    opened.clear()
    second = catalog.refresh_files([str(paths["a"])])
    assert set(opened) == {"experiment_a.json"}
    assert {run.name: run.notes for run in second.runs} == {"a": "new", "b": ""}
    assert second.revision == first.revision + 1
    assert catalog.refresh_files([]) is second
    new = run_at(tmp_path, "c")
    assert len(catalog.refresh_files([str(new)]).runs) == 3
    new.unlink()
    assert len(catalog.refresh_files([str(new)]).runs) == 2
    run_at(tmp_path, "d")
    assert len(catalog.refresh_files([str(new)]).runs) == 2  # what came and went costs no scan


def test_trouble_is_a_notice_until_the_next_refresh(tmp_path: Path) -> None:
    run_at(tmp_path, "a")
    [catalog] = RunCatalog([tmp_path]).places
    before = catalog.refresh()
    troubled = catalog.report("the disk is on fire")
    assert (troubled.runs, troubled.notices) == (before.runs, ("the disk is on fire",))
    assert troubled.revision > before.revision
    assert catalog.report("the disk is on fire") is troubled
    assert catalog.refresh().notices == ()
