"""What a run is known by: the path of its file or directory, or one of many runs in a file.

``logs/mlflow.db#0a1b2c`` is a run in a database; what stands behind # has no other # and no slash.
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import PurePath

DATABASES = (".db", ".sqlite", ".sqlite3")
"""How the names of files end that may hold many runs."""

_SUFFIXES = frozenset(
    {".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".log", ".txt", ".out", ".wandb", *DATABASES}
)
"""How the names of files end that may be a run."""

_IN_DATABASE = re.compile(rf"(.*(?:{'|'.join(map(re.escape, DATABASES))}))#([^/#]+)", re.DOTALL)


def parts_of(run_id: str) -> tuple[str, str]:
    """The file or directory of a run, and which of the runs in it that is; empty for all of it."""
    found = _IN_DATABASE.fullmatch(run_id)
    return (found[1], found[2]) if found else (run_id, "")


@functools.lru_cache(maxsize=20_000)
def address_of(run_id: str) -> str:
    """The same for a run however the directory was named in which it was found."""
    return run_id if "://" in run_id else os.path.realpath(run_id)


def folder_of(run_id: str) -> str:
    """What a run lies in: its directory, or its database."""
    holder, key = parts_of(run_id)
    return holder if key else str(PurePath(run_id).parent)


def stem_of(run_id: str) -> str:
    """What people read and type: what a database calls it, or the last part without its suffix.

    The directory ``Qwen2.5-7B.v1`` has none.
    """
    holder, key = parts_of(run_id)
    path = PurePath(holder)
    return key or (path.stem if path.suffix in _SUFFIXES else path.name)
