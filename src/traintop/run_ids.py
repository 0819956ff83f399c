"""What a run is known by: the path of its file or directory, or one of many runs in a file.

``logs/mlflow.db#0a1b2c`` is a run in a database; what stands behind # has no other # and no slash.
Before the path of what lies elsewhere stands its place: ``ssh://gpu07``, ``s3://lab``, or a command
that leads there, as in ``pipe:docker exec -i job python3 -/``. Roots are written alike.
"""

from __future__ import annotations

import functools
import os
import posixpath
import re
from pathlib import PurePath
from typing import NamedTuple

from traintop.mounts import real_path

DATABASES = (".db", ".sqlite", ".sqlite3")
"""How the names of files end that may hold many runs."""

_SUFFIXES = frozenset(
    {".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".log", ".txt", ".out", ".wandb", *DATABASES}
)
"""How the names of files end that may be a run."""

_IN_DATABASE = re.compile(rf"(.*(?:{'|'.join(map(re.escape, DATABASES))}))#([^/#]+)", re.DOTALL)


_NAME = re.compile(r"\w+://(?:[^/@]*@)?([^/:]+)")
_PLACE = re.compile(r"(?:ssh|s3|gs|az)://[^/]*")
_OTHER_PLACE = re.compile(r"[A-Za-z][\w+.-]*://")


class Location(NamedTuple):
    """Where a root or a run is: a place, empty for this machine, and a path in it."""

    place: str
    path: str

    def __str__(self) -> str:
        return self.place + ("/" + self.path if self.place and self.path[:1] != "/" else self.path)


def location_of(address: str) -> Location:
    """The place and the path of a root or a run.

    A path in the home directory of another machine begins with ~, as in ``ssh://gpu07/~/runs``.
    """
    if address.startswith("pipe:"):
        command, _, path = address.rpartition("//")
        place, path = f"{command}/", f"/{path}"
    elif found := _PLACE.match(address):
        place, path = found[0], address[found.end() :] or "/"
    else:
        return Location("", address)
    return Location(place, path[1:] if path.startswith("/~") else path)


def is_remote(address: str) -> bool:
    """Whether a root or a run lies elsewhere, so that its address is no path of this machine."""
    return bool(location_of(address).place)


def parts_of(run_id: str) -> tuple[str, str]:
    """The file or directory of a run, and which of the runs in it that is; empty for all of it."""
    found = _IN_DATABASE.fullmatch(run_id)
    return (found[1], found[2]) if found else (run_id, "")


@functools.lru_cache(maxsize=20_000)
def address_of(run_id: str) -> str:
    """The same for a run however the directory was named in which it was found."""
    return run_id if is_remote(run_id) else real_path(run_id)


def root_of(given: str) -> str:
    """A root, or the address of a run, as the catalog names it.

    As it was given, but for what does not matter, and for what is no name of a directory: "." is
    none. Raises ``ValueError`` for an address such as ``http://box/runs``.
    """
    place, path = location_of(given)
    if place:
        return str(Location(place, path.rstrip("/") or "/"))
    if _OTHER_PLACE.match(given):
        raise ValueError(f"{given}: an address begins with ssh://, s3://, gs://, az:// or pipe:")
    path = str(PurePath(path))
    return os.path.abspath(path) if PurePath(path).name in ("", "..") else path


def place_name(address: str) -> str:
    """The machine or the bucket that an address names; empty where it names none."""
    found = _NAME.match(address)
    return found[1] if found else ""


def host_of(address: str) -> str:
    """The machine that an address names; empty where it names none."""
    return place_name(address) if address.startswith("ssh://") else ""


def root_name(root: str) -> str:
    """What files are called that are made of all its runs: the name of its directory."""
    place, path = location_of(root)
    path = path if place else real_path(path)
    return PurePath(path).name or re.sub(r"\W+", "_", place).strip("_") or "runs"


def is_below(run_id: str, root: str) -> bool:
    """Whether a run is that of a file, one of those in it, or lies below a directory.

    Both are as the catalog names them.
    """
    folder = root if root[-1:] == "/" else f"{root}/"
    if run_id == root or run_id.startswith(folder):
        return True
    return run_id.startswith(f"{root}#") and parts_of(run_id)[0] == root


def is_named_like_a_file(address: str) -> bool:
    """Whether a root or a run is a file, by its name alone: one elsewhere cannot be asked soon."""
    holder, key = parts_of(address)
    return bool(key) or PurePath(holder).suffix in _SUFFIXES


def folder_of(run_id: str) -> str:
    """What a run lies in: its directory, or its database."""
    holder, key = parts_of(run_id)
    place, path = location_of(run_id)
    return holder if key else str(Location(place, str(PurePath(path).parent)))


def stem_of(run_id: str) -> str:
    """What people read and type: what a database calls it, or the last part without its suffix.

    The directory ``Qwen2.5-7B.v1`` has none.
    """
    holder, key = parts_of(run_id)
    name = posixpath.basename(holder)
    stem, suffix = posixpath.splitext(name)
    return key or (stem if suffix in _SUFFIXES else name)
