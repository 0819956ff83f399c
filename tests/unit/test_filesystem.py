"""Telling network filesystems by the kernel's table of mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from traintop import mounts
from traintop.mounts import filesystem_type, is_network_type, network_filesystem
from traintop.store.files import FileError
from traintop.store.files.local import LocalFiles

MOUNTS = r"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
40 27 0:40 / /home rw,relatime shared:1 master:2 - nfs4 server:/home rw,vers=4.2
41 40 254:1 / /home/me/local rw - xfs /dev/vdb rw
42 27 0:42 / /mnt/my\040disk\134\011x rw - fuse.sshfs me@host:/ rw
43 27 0:43 / /data rw - ext4 /dev/vdc rw
44 43 0:44 / /data rw - lustre 10.0.0.1@tcp:/scratch rw
45 27 0:45 / /homely rw - btrfs /dev/vdd rw
a line that is no mount
46 27 0:46 /
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "ext4"),
        ("/etc/hosts", "ext4"),
        ("/proc", "proc"),
        ("/home", "nfs4"),
        ("/home/me/logs", "nfs4"),
        ("/home/me/local/logs", "xfs"),
        ("/home/me/localized", "nfs4"),
        ("/homely/x", "btrfs"),
        ("/mnt/my disk\\\tx/logs", "fuse.sshfs"),
        ("/data/logs", "lustre"),
    ],
)
def test_the_longest_and_latest_mount_point_wins(path: str, expected: str) -> None:
    assert filesystem_type(path, MOUNTS) == expected


@pytest.mark.parametrize("name", ["nfs", "cifs", "9p", "fuse.sshfs", "fuse.rclone", "gpfs", "ceph"])
def test_network_types(name: str) -> None:
    assert is_network_type(name)


@pytest.mark.parametrize("name", ["ext4", "tmpfs", "overlay", "fuseblk", "fuse.fuse-overlayfs"])
def test_local_types(name: str) -> None:
    assert not is_network_type(name)


def test_this_machine_answers(tmp_path: Path) -> None:
    assert network_filesystem(Path("/proc")) is None
    assert network_filesystem(tmp_path / "does" / "not" / "exist") == network_filesystem(tmp_path)


def test_links_are_followed_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mountinfo"
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    table.write_text(f"1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / {real} rw - nfs x rw\n")
    monkeypatch.setattr(mounts, "_MOUNTS", table)
    assert network_filesystem(tmp_path / "link" / "logs") == "nfs"
    assert network_filesystem(tmp_path) is None


def test_where_there_is_no_table_nothing_is_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "_MOUNTS", tmp_path / "none")
    assert network_filesystem(tmp_path) is None


def test_a_file_that_is_gone_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "here").write_bytes(b"12")
    names = [str(tmp_path / name) for name in ("gone", "here")]
    gone, here = LocalFiles().stat_many(names)
    assert (gone.version, gone.problem) == (None, "does not exist")
    assert (here.size, here.problem) == (2, "")
    with pytest.raises(FileError, match="does not exist"):
        LocalFiles().stat_all(names)
