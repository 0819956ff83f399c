"""Files of this machine: the only module that stats, opens and reads the files of runs."""

from __future__ import annotations

import errno
import itertools
import operator
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from traintop.atomic_file import write_atomically
from traintop.process import has_ended
from traintop.store.files import Entry, FileError, Files, NameMatch, Span, wanted_in

DEEPEST = 12
"""Levels of sub-directories that are looked into."""

MOST_DIRECTORIES = 20_000
"""Directories that are looked into; beyond it an entry says that some were left out."""

_PACKAGES = frozenset({"__pycache__", "node_modules", "site-packages"})
"""Directories with very many files, of which none is a run."""

_KINDS = (
    (stat.S_ISLNK, "is a broken symbolic link"),
    (stat.S_ISDIR, "is a directory, not a file"),
    (stat.S_ISFIFO, "is a named pipe, not a file"),
    (stat.S_ISSOCK, "is a socket, not a file"),
    (stat.S_ISCHR, "is a device, not a file"),
    (stat.S_ISBLK, "is a device, not a file"),
)

_REASONS = {
    errno.EACCES: "cannot be read: permission denied",
    errno.EPERM: "cannot be read: permission denied",
    errno.ENOENT: "does not exist",
    errno.ENXIO: "is a socket, not a file",
    errno.ESTALE: "was replaced on the network filesystem (stale handle)",
}

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


class LocalFiles(Files):
    """The files of this machine, those of its network filesystems among them."""

    place = ""
    interval = 2.0
    traffic = ""

    def __init__(self) -> None:
        self._is_network: dict[int, bool] = {}

    def walk(self, roots: Sequence[str], patterns: tuple[str, ...]) -> Iterator[Entry]:
        """What is below some directories and matches the patterns; see :class:`Files`.

        Hidden directories are left out. One that is reached in two ways counts once, under the
        first; a symbolic link to it comes last, for it may lead to another one the next time.
        """
        on_network: dict[int, list[Entry]] = {}
        for device, entries in self._listings(roots, wanted_in(patterns)):
            if entries and entries[0].lags:
                on_network.setdefault(device, []).extend(entries)
            else:
                yield from entries
        for entries in on_network.values():
            # The kernel that stamps local files is ours. A server's clock is not: of its stamps,
            # only two are compared.
            newest = min(entry.age or 0.0 for entry in entries)
            yield from (entry._replace(age=(entry.age or 0.0) - newest) for entry in entries)

    def stat_many(self, ids: Sequence[str]) -> list[Entry]:
        """How some files are now; their age is unknown on a network filesystem."""
        now = time.time()
        return [self._entry_of(file_id, now) for file_id in ids]

    def _entry_of(self, path: str, now: float) -> Entry:
        try:
            state = os.stat(path)
        except OSError as error:
            return _unreadable_entry(path, reason_of(error), is_dir=False)
        entry = _entry(path, state, now, self._is_on_network(path, state.st_dev))
        return entry._replace(age=None) if entry.lags else entry

    def read_many(self, spans: Sequence[Span]) -> list[bytes]:
        """Several parts; a file is opened once for those next to each other."""
        parts: list[bytes] = []
        for file_id, of_file in itertools.groupby(spans, operator.itemgetter(0)):
            try:
                descriptor, info = open_regular(file_id)
                try:
                    size = info.st_size
                    parts += [_read_span(descriptor, size, *part) for _, *part in of_file]
                finally:
                    os.close(descriptor)
            except OSError as error:
                raise FileError(reason_of(error)) from error
        return parts

    def prefetch(self, spans: Sequence[Span]) -> None:
        """Nothing: a read costs no round trip."""

    def has_ended(self, process: Mapping[str, Any]) -> bool | None:
        """Whether a process of this machine has ended."""
        return has_ended(process)

    def close(self) -> None:
        """Nothing is open."""

    def replace(self, file_id: str, data: bytes | None) -> None:
        """Write a small file as a whole, or delete it."""
        path = Path(file_id)
        try:
            if data is not None:
                path.parent.mkdir(exist_ok=True)
                write_atomically(path, data)
                return
            with suppress(FileNotFoundError):
                path.unlink()
            with suppress(OSError):
                path.parent.rmdir()  # which only succeeds when it is empty
        except OSError as error:
            raise FileError(reason_of(error)) from error

    def _is_on_network(self, path: str, device: int) -> bool:
        known = self._is_network.get(device)
        if known is None:
            known = self._is_network[device] = network_filesystem(path) is not None
        return known

    def _listings(
        self, roots: Sequence[str], wanted: Callable[[str], NameMatch]
    ) -> Iterator[tuple[int, list[Entry]]]:
        """What has a wanted name in each directory, or why that cannot be listed; its device."""
        now = time.time()
        visited: set[tuple[int, int]] = set()
        for root in roots:
            waiting = [(root, 0)]
            while waiting:
                directory, depth = waiting.pop()
                if len(visited) >= MOST_DIRECTORIES:
                    left_out = f"has more than {MOST_DIRECTORIES} directories; some are left out"
                    yield 0, [_unreadable_entry(root, left_out)]
                    break
                try:
                    state = os.stat(directory)
                    lags = self._is_on_network(directory, state.st_dev)
                    if not depth and not stat.S_ISDIR(state.st_mode):
                        yield state.st_dev, [_entry(root, state, now, lags)]
                    elif (key := (state.st_dev, state.st_ino)) not in visited:
                        visited.add(key)
                        found, below, links = _list(directory, wanted(directory), now, lags)
                        yield state.st_dev, found
                        if depth < DEEPEST:
                            waiting += [(path, depth + 1) for path in below]
                            waiting[:0] = [(path, depth + 1) for path in links]
                except OSError as error:
                    if not depth or not isinstance(error, FileNotFoundError):  # deleted meanwhile
                        yield 0, [_unreadable_entry(directory, reason_of(error))]


def _list(
    directory: str, wanted: NameMatch, now: float, lags: bool
) -> tuple[list[Entry], list[str], list[str]]:
    """What has a wanted name in a directory, the directories to look into, and links to such."""
    found: list[Entry] = []
    below: list[str] = []
    links: list[str] = []
    with os.scandir(directory) as entries:
        for each in entries:
            if wanted(each.name):
                try:
                    state = each.stat()
                except OSError:  # a link that leads nowhere
                    with suppress(OSError):  # or it was deleted meanwhile
                        state = each.stat(follow_symlinks=False)
                        found.append(_entry(each.path, state, now, lags))
                    continue
                entry = _entry(each.path, state, now, lags)
                found.append(entry)
                is_dir = entry.is_dir
            else:
                is_dir = _is_directory(each)
            if is_dir and each.name.startswith("."):
                if wanted(each.name) and not each.is_symlink():
                    below.append(each.path)
            elif is_dir and each.name not in _PACKAGES:
                (links if each.is_symlink() else below).append(each.path)
    return found, below, links


def _entry(path: str, state: os.stat_result, now: float, lags: bool) -> Entry:
    mode, inode = state.st_mode, state.st_ino
    is_dir = stat.S_ISDIR(mode)
    problem = "" if is_dir or stat.S_ISREG(mode) else _kind_of(mode)
    version, age = (inode, state.st_mtime_ns), now - state.st_mtime
    return Entry(path, state.st_size, version, age, is_dir, inode, lags, problem)


def _unreadable_entry(path: str, reason: str, *, is_dir: bool = True) -> Entry:
    return Entry(path, 0, None, None, is_dir, problem=reason)


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


# ------------------------------------------------------------------------------------ one file


class _NotAFileError(OSError):
    """The path names something else than a regular file."""


def open_regular(path: Path | str) -> tuple[int, os.stat_result]:
    """A read-only descriptor of a regular file, and its state when it was opened.

    Raises ``OSError`` for all else too: a directory, FIFO, socket or device. Opening without
    blocking matters for a FIFO, which otherwise waits for a writer that never comes.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise _NotAFileError(_kind_of(info.st_mode))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, info


def reason_of(error: OSError) -> str:
    """Why a file cannot be read, as words that follow its name."""
    if isinstance(error, _NotAFileError):
        return str(error)
    known = _REASONS.get(error.errno or 0)
    return known or f"cannot be read: {(error.strerror or str(error)).lower()}"


def _kind_of(mode: int) -> str:
    """What a file of this mode is, when it is no regular file: "is a directory, not a file"."""
    return next((words for is_kind, words in _KINDS if is_kind(mode)), "is not a regular file")


def _read_span(descriptor: int, size: int, start: int, length: int) -> bytes:
    """A part of an open file that had this size when it was opened, and may have grown since."""
    data = os.pread(descriptor, length, start)
    while data and len(data) < min(length, size - start):  # network filesystems read short
        more = os.pread(descriptor, length - len(data), start + len(data))
        if not more:
            break
        data += more
    return data


# --------------------------------------------------------------------------- network filesystems


def network_filesystem(path: Path | str) -> str | None:
    """The type of the network filesystem that holds ``path`` (``"nfs4"``, ``"fuse.sshfs"``, …).

    There, the kernel of this machine does not see what other machines write, so watching needs
    polling; and the times of files come from the server's clock, not from ours. ``None`` for a
    local filesystem, and where that is not known (only Linux says).
    """
    return _network_filesystem(os.path.realpath(path))


def is_named_on_network(path: str) -> bool:
    """Whether a path leads to a network filesystem by what it says.

    Nothing is asked of the filesystem, which may hang; symbolic links are not followed.
    """
    return _network_filesystem(os.path.abspath(path)) is not None


def _network_filesystem(path: str) -> str | None:
    try:
        mounts = _MOUNTS.read_text(errors="surrogateescape")
    except OSError:
        return None
    found = filesystem_type(path, mounts)
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
