"""Is this path on a network filesystem?

There, the kernel of this machine hears nothing of what other machines write, so watching needs
polling; and the times of files come from the server's clock, not from ours.
"""

from __future__ import annotations

import os
from pathlib import Path

_NETWORK_TYPES = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "gpfs"),
        *("beegfs", "9p", "drvfs", "virtiofs", "vboxsf", "fakeowner"),
    }
)

# FUSE filesystems are served by any program, so they count as remote, save this one: the root of
# containers without privileges, whose files change only through this kernel.
_LOCAL_FUSE_TYPES = frozenset({"fuse.fuse-overlayfs"})

_MOUNTS = Path("/proc/self/mountinfo")


def network_filesystem(path: Path) -> str | None:
    """The type of the network filesystem that holds ``path`` (``"nfs4"``, ``"fuse.sshfs"``, …).

    ``None`` for a local filesystem, and where it cannot be told (only Linux tells).
    """
    try:
        mounts = _MOUNTS.read_text(errors="surrogateescape")
    except OSError:
        return None
    found = filesystem_type(os.path.realpath(path), mounts)
    return found if found is not None and is_network_type(found) else None


def is_network_type(name: str) -> bool:
    """Whether a filesystem type, as the kernel names it, is a remote one."""
    if name in _LOCAL_FUSE_TYPES:
        return False
    return name in _NETWORK_TYPES or name.startswith("fuse.")


def filesystem_type(path: str, mountinfo: str) -> str | None:
    """The type of the filesystem that holds a real path, by the text of proc_pid_mountinfo(5).

    The longest mount point that contains the path wins, and of two on one point the later one,
    which covers the other.
    """
    best = ""
    found = None
    for line in mountinfo.splitlines():
        mount, separator, source = line.partition(" - ")
        fields = mount.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = _unescaped(fields[4])
        if len(point) >= len(best) and _contains(point, path):
            best, found = point, source.split(" ", 1)[0]
    return found


def _contains(point: str, path: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")


def _unescaped(field: str) -> str:
    """A mount point as it is: the kernel writes blank, tab, newline and backslash in octal."""
    for octal, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(octal, character)
    return field
