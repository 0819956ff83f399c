"""Sidecar files of runs: written whole, read warily, brought to everybody's list."""

from __future__ import annotations

import getpass
import json
import os
import stat
import time
from datetime import datetime

import pytest
from catalog_runs import Clock
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.runs import records, write_run
from tests.sidecars import annotate, annotations_file, read_annotations

from traintop.analysis.query import filter_runs
from traintop.model import Annotations
from traintop.store.annotations import (
    LONGEST_NOTE,
    LONGEST_TAG,
    MOST_TAGS,
    AnnotationChange,
    AnnotationFiles,
    decode,
)
from traintop.store.catalog import RunCatalog
from traintop.store.files.local import LocalFiles
from traintop.store.sidecars import FOLDER


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "experiment_a_20250222_140530.json", records(3))


def unsigned(annotations):
    return replace(annotations, author="", time="")


def test_annotations_say_who_made_them_and_when(run):
    signed = annotate(run, AnnotationChange(note="mine"))
    assert signed.author == getpass.getuser()
    assert abs(datetime.fromisoformat(signed.time).timestamp() - time.time()) < 60
    annotations_file(run).write_text('{"note": "mine", "author": "somebody"}')
    assert annotate(run, AnnotationChange(note="mine")).author == "somebody"
    assert annotate(run, AnnotationChange(note="mine too")).author == getpass.getuser()


def test_annotations_are_read_back_and_the_run_file_untouched(run):
    before = run.read_bytes()
    annotate(run, AnnotationChange(note="good one", added_tags=("ablation", "paper")))
    annotate(run, AnnotationChange(archived=True, removed_tags=("paper",)))
    kept = read_annotations(run)
    assert unsigned(kept) == Annotations("good one", ("ablation",), True)
    assert json.loads(annotations_file(run).read_text()) == {
        "author": kept.author,
        "time": kept.time,
        "note": "good one",
        "tags": ["ablation"],
        "archived": True,
    }
    assert run.read_bytes() == before
    assert [file.name for file in annotations_file(run).parent.iterdir()] == [run.name]


def test_a_run_without_annotations_has_no_files(run):
    annotate(run, AnnotationChange(note="x"))
    annotate(run, AnnotationChange(note=""))
    assert [path.name for path in run.parent.iterdir()] == [run.name]
    annotate(run, AnnotationChange(archived=False))
    assert [path.name for path in run.parent.iterdir()] == [run.name]


def test_annotations_are_bounded(run):
    tags = tuple(f"{number}" + "x" * 99 for number in range(99))
    annotate(run, AnnotationChange(note="n" * 9999, added_tags=(*tags, " ", "")))
    found = read_annotations(run)
    assert len(found.note) == LONGEST_NOTE
    assert len(found.tags) == MOST_TAGS
    assert all(len(tag) == LONGEST_TAG for tag in found.tags)


def test_whoever_may_write_the_directory_may_annotate(run):
    run.parent.chmod(0o775)
    annotate(run, AnnotationChange(note="x"))
    assert stat.S_IMODE(annotations_file(run).parent.stat().st_mode) == 0o775


@pytest.mark.parametrize("content", ['{"note": "by hand", }', "[]", '{"note": 3}', "\0" * 90])
def test_a_file_that_holds_something_else_is_not_replaced(run, content):
    annotations_file(run).parent.mkdir()
    annotations_file(run).write_text(content)
    for change in (AnnotationChange(archived=True), AnnotationChange(note="")):
        saved = AnnotationFiles(LocalFiles(), "").change(str(run), change)
        assert f"{run.name} holds something other" in saved.where
    assert annotations_file(run).read_text() == content
    assert refreshed(RunCatalog([run.parent]))["baseline"].archived


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_a_file_that_cannot_be_read_is_not_replaced(run):
    annotate(run, AnnotationChange(note="theirs"))
    annotations_file(run).chmod(0)
    saved = AnnotationFiles(LocalFiles(), "").change(str(run), AnnotationChange(archived=True))
    assert "cannot be read: permission denied" in saved.where
    annotations_file(run).chmod(0o644)
    assert read_annotations(run).note == "theirs"


def test_an_empty_file_in_place_of_annotations_is_none(run):
    annotations_file(run).parent.mkdir()
    annotations_file(run).touch()
    assert annotate(run, AnnotationChange(note="x")).note == "x"


def test_a_link_in_place_of_the_folder_is_not_followed(run, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / run.name).write_bytes(b"")
    (run.parent / FOLDER).symlink_to(elsewhere)
    for change in (AnnotationChange(note="x"), AnnotationChange(note="")):
        saved = AnnotationFiles(LocalFiles(), "").change(str(run), change)
        assert "not a directory" in saved.where
    assert (elsewhere / run.name).read_bytes() == b""


def test_a_link_in_place_of_the_file_is_not_followed(run, tmp_path):
    target = tmp_path / "precious"
    target.write_text('{"note": "theirs"}')
    annotations_file(run).parent.mkdir()
    annotations_file(run).symlink_to(target)
    annotate(run, AnnotationChange(note="mine"))
    assert target.read_text() == '{"note": "theirs"}'
    assert read_annotations(run).note == "mine"
    assert not annotations_file(run).is_symlink()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_what_may_not_be_written_beside_a_run_is_kept(run):
    run.parent.chmod(0o555)
    catalog = RunCatalog([run.parent])
    [found] = catalog.refresh().runs
    saved = catalog.annotate(found.id, AnnotationChange(note="x"))
    assert saved.where == (
        f"for you alone, on this machine: {run.parent / FOLDER}: cannot be written: "
        "permission denied"
    )
    assert refreshed(RunCatalog([run.parent]))["baseline"].note == "x"
    run.parent.chmod(0o755)


def test_what_was_written_later_counts(run):
    """What is kept for oneself and what others say beside the run are one thing."""
    in_the_way = run.parent / FOLDER
    in_the_way.touch()
    annotate(run, AnnotationChange(note="for me", added_tags=("mine",)))
    in_the_way.unlink()
    catalog = RunCatalog([run.parent])
    assert refreshed(catalog)["baseline"].note == "for me"
    annotations_file(run).parent.mkdir()
    annotations_file(run).write_text('{"note": "older", "time": "2001-01-01T00:00:00+00:00"}')
    assert refreshed(catalog)["baseline"].note == "for me"
    annotations_file(run).write_text('{"note": "newer", "time": "2999-01-01T00:00:00+00:00"}')
    assert refreshed(catalog)["baseline"].note == "newer"
    annotations_file(run).unlink()
    saved = catalog.annotate(str(run), AnnotationChange(added_tags=("paper",)))
    assert saved.where == ""
    assert (saved.annotations.note, saved.annotations.tags) == ("for me", ("mine", "paper"))
    annotations_file(run).unlink()  # beside it was written all; nothing is kept any more
    assert refreshed(catalog)["baseline"] == Annotations()


def test_a_failed_write_leaves_nothing_behind(run, no_state_folder):
    annotate(run, AnnotationChange(note="old"))
    annotations_file(run).write_bytes(b"[]")
    with pytest.raises(OSError, match="exists") as caught:
        annotate(run, AnnotationChange(note="new"))
    assert caught.value.filename == str(no_state_folder)
    assert [file.name for file in annotations_file(run).parent.iterdir()] == [run.name]
    assert annotations_file(run).read_bytes() == b"[]"


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"null", b'{"note": 3}', b'{"tags": "x"}', b'{"archived": "yes"}'),
        *(b"\xff\xfe", b'{"note": "\xff"}', b"[" * 60_000, b'{"__class__": {}, "tags": [[]]}'),
    ],
)
def test_anything_but_plain_annotations_is_ignored(content):
    assert decode(content) == Annotations()


@given(st.binary(max_size=200))
def test_any_bytes_can_be_decoded(content):
    assert isinstance(decode(content), Annotations)


@given(
    st.builds(
        AnnotationChange,
        note=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
        added_tags=st.lists(st.text(st.characters(exclude_categories=["Cs"]))).map(tuple),
        archived=st.none() | st.booleans(),
    )
)
def test_every_change_survives_the_file(tmp_path_factory, change):
    run = tmp_path_factory.mktemp("runs") / "experiment_x.json"
    assert annotate(run, change) == read_annotations(run)


def refreshed(catalog):
    return {run.name: run.annotations for run in catalog.refresh().runs}


def test_the_catalog_brings_annotations_of_others(run):
    clock = Clock()
    catalog = RunCatalog([run.parent], clock=clock)
    before = catalog.refresh()
    assert before.runs[0].annotations == Annotations()
    annotate(run, AnnotationChange(note="seen by all", added_tags=("paper",)))
    after = catalog.refresh()
    assert after.revision > before.revision
    assert unsigned(after.runs[0].annotations) == Annotations("seen by all", ("paper",))
    assert len(after.runs) == 1  # the sidecar file is no run
    assert [r.name for r in filter_runs(after.runs, 'tag == "paper"', None)] == ["baseline"]
    assert filter_runs(after.runs, '"paper" not in tags', None) == ()
    assert filter_runs(after.runs, '"by all" in notes', None)
    annotate(run, AnnotationChange(note="", removed_tags=("paper",)))
    assert refreshed(catalog) == {"baseline": Annotations()}


def test_a_summary_stays_the_same_object_while_nothing_changes(run):
    catalog = RunCatalog([run.parent], clock=Clock())
    annotate(run, AnnotationChange(archived=True))
    first = catalog.refresh()
    assert catalog.refresh() is first
    write_run(run.with_name("experiment_b.json"), records(1))
    assert any(one is first.runs[0] for one in catalog.refresh().runs)


def test_only_changed_annotation_files_are_read(run, monkeypatch):
    catalog = RunCatalog([run.parent])
    annotate(run, AnnotationChange(note="x"))
    os.utime(annotations_file(run), (1, 1))
    assert refreshed(catalog)["baseline"].note == "x"
    read_many = LocalFiles.read_many
    read = []
    monkeypatch.setattr(
        LocalFiles, "read_many", lambda self, spans: read.extend(spans) or read_many(self, spans)
    )
    catalog.refresh()
    assert not any(FOLDER in file_id for file_id, *_ in read)
    annotate(run, AnnotationChange(note="y"))
    assert refreshed(catalog)["baseline"].note == "y"


def test_odd_entries_in_the_annotations_folder_are_skipped(run):
    annotate(run, AnnotationChange(note="x"))
    folder = annotations_file(run).parent
    (folder / "experiment_dir.json").mkdir()
    os.mkfifo(folder / "experiment_pipe.json")
    (folder / "experiment_big.json").write_bytes(b'{"note": "' + b"x" * 1_000_000 + b'"}')
    (folder / "experiment_loop.json").symlink_to("experiment_loop.json")
    (folder / ".hidden.json").write_text("{}")
    assert unsigned(refreshed(RunCatalog([run.parent]))["baseline"]) == Annotations("x")
