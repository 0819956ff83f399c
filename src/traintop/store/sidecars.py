"""The files that lie beside that of a run, in the folder ``.traintop`` of its directory.

Those of ``experiment_x.json`` are ``.traintop/experiment_x.json`` with what people say of it, and,
where `traintop run` started its program, ``experiment_x.log`` with what that printed and
``experiment_x.patch`` with what was changed of its code since the last commit.
"""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TypeVar

from traintop.store.files import AwayError, FileError, Files, local

FOLDER = ".traintop"

SIDECARS = f"{FOLDER}/*.json"
"""The pattern of what people say of runs."""

_LONGEST_PATCH = 1 << 20

ANNOTATIONS, CONSOLE, PATCH = ".json", ".log", ".patch"


_Path = TypeVar("_Path", bound=PurePath)


def sidecar_of(run: _Path, suffix: str) -> _Path:
    """The file beside a run's that ends like this, whether it is there or not."""
    stem = run.name.removesuffix(".json")
    return run.parent / FOLDER / f"{stem}{suffix}"


def make_folder(directory: Path) -> Path:
    """The folder for what lies beside the runs of a directory, which is made if need be.

    Raises ``OSError`` that names it.
    """
    folder = directory / FOLDER
    local.make_folder(folder)
    return folder


def read_patch(files: Files, run_id: str) -> str | None:
    """What was changed of the code of a run since its commit; ``None`` where that is not kept.

    Raises :class:`AwayError`.
    """
    try:
        data = files.read(str(sidecar_of(PurePath(run_id), PATCH)), 0, _LONGEST_PATCH)
    except AwayError:
        raise
    except FileError:
        return None
    return data.decode("utf-8", "replace")
