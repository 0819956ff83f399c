"""Files that a helper on this machine reads and writes, as it does those of FUSE."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.waiting import wait_until

from traintop import mounts
from traintop.mounts import is_fuse, may_hang
from traintop.store.files import FileError, Files
from traintop.store.files.fuse import FuseFiles
from traintop.store.files.local import LocalFiles


@pytest.fixture
def files() -> Iterator[Files]:
    made = FuseFiles()
    yield made
    made.close()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present directory, with names that mean something to a shell."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~").mkdir()
    for name in ("a b", "~/a", os.fsdecode(b"\xff")):
        (tmp_path / name).write_text(f"this is {name!r}")
    return tmp_path


def test_parts_are_those_of_any_disk(here: Path, files: Files) -> None:
    names = ["a b", "~/a", os.fsdecode(b"\xff"), str(here / "a b")]
    spans = [(name, start, length) for name in names for start, length in ((0, 4), (3, 99))]
    assert files.read_many(spans) == LocalFiles().read_many(spans)
    for name in ("missing", "~"):
        with pytest.raises(FileError) as local:
            LocalFiles().read(name, 0, 1)
        with pytest.raises(FileError, match=f"^{local.value}$"):
            files.read(name, 0, 1)


def test_files_of_ours_are_written_and_deleted(here: Path, files: Files) -> None:
    for name in ("~/.traintop/a.json", ".traintop/a.json"):
        files.replace(name, b"note")
        assert (here / name).read_bytes() == b"note"
        files.replace(name, None)
        assert not (here / name).parent.exists()
    with pytest.raises(FileError, match="cannot be written: not a directory"):
        files.replace("a b/a.json", b"note")


def test_a_helper_that_has_ended_is_replaced(here: Path, files: Files) -> None:
    before = {*psutil.Process().children()}
    data = files.read("a b", 0, 99)
    [helper] = {*psutil.Process().children()} - before
    helper.kill()
    wait_until(lambda: helper.status() == psutil.STATUS_ZOMBIE)
    assert files.read("a b", 0, 99) == data


@pytest.mark.parametrize(
    ("mounted", "hangs", "waits"),
    [
        ("fuse.sshfs", True, True),
        ("nfs4", True, False),
        ("fuse.fuse-overlayfs", False, False),
        ("ext4", False, False),
    ],
)
def test_only_fuse_is_fuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mounted: str, hangs: bool, waits: bool
) -> None:
    table = tmp_path / "mountinfo"
    point = tmp_path / "home" / "far"
    table.write_text(f"1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / {point} rw - {mounted} x rw\n")
    monkeypatch.setattr(mounts, "_MOUNTS", table)
    for path in (point, point / "logs", tmp_path / "home"):
        assert (may_hang(str(path)), is_fuse(str(path))) == (hangs, waits)
    assert not is_fuse(str(tmp_path / "other"))
