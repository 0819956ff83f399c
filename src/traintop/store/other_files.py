"""Files of other tools in a directory, which are not read; they are named so that it is known."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import PurePath

from traintop.store.files import FileError, Files
from traintop.text import counted, fit_middle, safe_text

READ_FILES = "what `traintop formats` lists"
"""What is read, in words."""

_KINDS = (
    ("TensorBoard event file", "*.tfevents.*"),
    ("W&B folder", "wandb"),
    ("MLflow folder", "mlruns"),
    ("CSV file", "*.csv"),
    ("JSON Lines file", "*.jsonl"),
    ("JSON file", "*.json"),
)
_TOOLS = _KINDS[:3]
"""The kinds that are certainly runs; the others may be anything."""

_LONGEST_PATH = 60
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def other_files(
    files: Files, roots: Sequence[str], known: Iterable[str], *, tools_only: bool = False
) -> str:
    """Files below some roots that are not read, by kind, with an example of each.

    ``known`` are the ids of the files of runs. Empty where there are none; with ``tools_only``
    what is no run by its name is left out.
    """
    runs, kinds = frozenset(known), _TOOLS if tools_only else _KINDS
    # What W&B keeps of a run beside its records: pictures, tables, copies of files.
    kept = tuple(f"{run.rpartition('/')[0]}/files/" for run in runs if run.endswith(".wandb"))
    found: dict[str, list[str]] = {}
    for entry in files.walk(roots, tuple(glob for _, glob in kinds)):
        if entry.id.startswith(kept):
            continue
        name = PurePath(entry.id).name
        kind = next((kind for kind, glob in kinds if fnmatch.fnmatchcase(name, glob)), None)
        is_read = entry.id in runs or any(run.startswith(f"{entry.id}/") for run in runs)
        if kind is not None and not is_read and entry.is_dir is kind.endswith("folder"):
            found.setdefault(kind, []).append(entry.id)
    return ", ".join(_words(kind, found[kind], files) for kind, _ in kinds if kind in found)


def _words(kind: str, paths: Sequence[str], files: Files) -> str:
    example = min(paths)
    words = fit_middle(safe_text(example, 1000), _LONGEST_PATH)
    if not kind.endswith("folder"):
        with suppress(FileError):
            if files.read(example, 0, len(_LFS_POINTER)) == _LFS_POINTER:
                words += ", which stands for a file that `git lfs pull` fetches"
    return f"{counted(len(paths), kind)} ({words})"
