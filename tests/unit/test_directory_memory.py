"""The memory of views: bounded, believing nothing, and never a reason to stop."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traintop.directory_memory import MOST_DIRECTORIES, DirectoryMemory, memory_path


def memory(folder, *directories):
    return DirectoryMemory(folder / "state" / "views.json", directories or (folder,))


def test_each_set_of_directories_has_its_own_memory(tmp_path):
    a, b, both = Path("/a"), Path("/b"), (Path("/a"), Path("/b"))
    memory(tmp_path, a).remember({"filter": "x"})
    memory(tmp_path, b).remember({"filter": "y"})
    assert memory(tmp_path, a).recall() == {"filter": "x"}
    assert memory(tmp_path, b).recall() == {"filter": "y"}
    assert memory(tmp_path, *both).recall() == {}


def test_a_link_to_a_directory_is_that_directory(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "runs")
    memory(tmp_path, tmp_path / "runs").remember({"a": 1})
    assert memory(tmp_path, tmp_path / "link").recall() == {"a": 1}


def test_the_oldest_are_forgotten(tmp_path):
    for number in range(MOST_DIRECTORIES + 5):
        memory(tmp_path, Path(f"/{number}")).remember({"n": number})
    memory(tmp_path, Path("/6")).remember({"n": "again"})
    memory(tmp_path, Path("/new")).remember({"n": "new"})
    stored = json.loads((tmp_path / "state" / "views.json").read_text())
    assert len(stored) == MOST_DIRECTORIES
    assert "/5" not in stored
    assert list(stored)[-2:] == ["/6", "/new"]


def test_an_unchanged_memory_is_not_written_again(tmp_path):
    kept = memory(tmp_path)
    kept.remember({"a": 1})
    (tmp_path / "state" / "views.json").unlink()
    kept.remember({"a": 1})
    assert not (tmp_path / "state" / "views.json").exists()
    kept.remember({"a": 2})
    assert memory(tmp_path).recall() == {"a": 2}


@pytest.mark.parametrize("content", [b"", b"[]", b'{"x": 3}', b"\xff", b"[" * 100_000, b"{" * 9])
def test_a_foreign_file_in_its_place_is_ignored_and_replaced(tmp_path, content):
    kept = memory(tmp_path)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "views.json").write_bytes(content)
    assert kept.recall() == {}
    kept.remember({"a": 1})
    assert memory(tmp_path).recall() == {"a": 1}


@given(st.binary(max_size=100))
def test_any_content_can_be_recalled(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("any")
    (folder / "state").mkdir()
    (folder / "state" / "views.json").write_bytes(content)
    memory(folder).recall()


def test_an_unwritable_state_folder_is_no_failure(tmp_path, monkeypatch):
    (tmp_path / "state").write_text("a file where the folder should be")
    memory(tmp_path).remember({"a": 1})
    assert memory(tmp_path).recall() == {}
    (tmp_path / "state").unlink()
    memory(tmp_path).remember({"a": object()})
    memory(tmp_path).remember({"a": "x" * 100_000})
    assert memory(tmp_path).recall() == {}
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    memory(tmp_path).remember({"a": 1})
    assert list((tmp_path / "state").iterdir()) == []


def test_the_file_is_in_the_state_folder(monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert memory_path().parts[-2:] == ("traintop", "views.json")
