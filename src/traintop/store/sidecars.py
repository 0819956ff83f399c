"""The files that lie beside that of a run, in the folder ``.traintop`` of its directory.

Those of ``experiment_x.json`` are ``.traintop/experiment_x.json`` with what people say of it, and,
where `traintop run` started its program, ``experiment_x.log`` with what that printed and
``experiment_x.patch`` with what was changed of its code since the last commit.
"""

from __future__ import annotations

import errno
import stat
from contextlib import suppress
from pathlib import Path

from traintop.store.files import FileError
from traintop.store.files.local import LocalFiles

FOLDER = ".traintop"

SIDECARS = f"{FOLDER}/*.json"
"""The pattern of what people say of runs."""

_LONGEST_PATCH = 1 << 20

ANNOTATIONS, CONSOLE, PATCH = ".json", ".log", ".patch"


def sidecar_of(run: Path, suffix: str) -> Path:
    """The file beside a run's that ends like this, whether it is there or not."""
    stem = run.name.removesuffix(".json")
    return run.parent / FOLDER / f"{stem}{suffix}"


def refuse_link(folder: Path) -> None:
    """Raises ``OSError`` where the folder is none: a link would lead what we write to a place that
    another person chose.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISDIR(folder.lstat().st_mode):
            raise NotADirectoryError(errno.ENOTDIR, "not a directory", str(folder))


def make_folder(directory: Path) -> Path:
    """The folder for what lies beside the runs of a directory, which is made if need be.

    Raises ``OSError`` that names it.
    """
    folder = directory / FOLDER
    refuse_link(folder)
    with suppress(FileExistsError):
        folder.mkdir()
        with suppress(OSError):
            # Whoever may add runs to the directory may annotate them, whatever our umask is.
            folder.chmod(stat.S_IMODE(directory.stat().st_mode))
    return folder


def read_patch(run: Path | None) -> str | None:
    """What was changed of the code of a run since its commit; ``None`` where that is not kept."""
    if run is None:
        return None
    try:
        data = LocalFiles().read(str(sidecar_of(run, PATCH)), 0, _LONGEST_PATCH)
    except FileError:
        return None
    return data.decode("utf-8", "replace")
