"""Copies of the runs of a bucket in a directory: what has changed there, each file as a whole.

A file gets the time at which its object was stored: so it is known again, and one that was changed
here is known, too.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from traintop.atomic_file import hidden_path
from traintop.model import RunStatus
from traintop.process import has_ended
from traintop.run_ids import location_of, parts_of
from traintop.store.catalog import RunCatalog
from traintop.store.copies import files_of_runs
from traintop.store.files import AwayError, FileError
from traintop.store.files.bucket import Bucket, StoredObject, side_by_side
from traintop.store.files.local import LocalFiles
from traintop.store.files.object_store import ObjectStoreFiles
from traintop.store.formats.traintop import is_run_name
from traintop.store.push import COMPARED_BYTES, IDENTIFYING_BYTES
from traintop.text import error_text

_PIECE = 8 << 20  # bytes of one request


class Pulled(NamedTuple):
    """What a pull did."""

    files: tuple[str, ...]
    """Those that were written, by their paths below the directory."""
    size: int
    """In bytes, of all of them."""
    unchanged: int
    kept: tuple[str, ...]
    """Files that were left as they are here, and why."""
    problems: tuple[str, ...]
    """Files that could not be read or written, and why."""
    requests: int
    notices: tuple[str, ...]
    """What is wrong in the bucket, in words."""
    away: str
    """Why the bucket could not be asked, or not about all files; else empty."""


class _KeptError(FileError):
    """A file is left as it is here."""


def pull(address: str, directory: Path, *, force: bool = False) -> Pulled:
    """Copy the runs below a prefix into a directory, never outside of it.

    What is being written here, is longer here, or was changed here since it was pulled, is left as
    it is, unless ``force`` says otherwise. Raises ``ValueError`` for an address that is none of a
    bucket, and ``OSError`` where there can be no directory.
    """
    catalog = RunCatalog([address])
    snapshot, place = catalog.refresh(), catalog.places[0]
    files = place.files
    if not isinstance(files, ObjectStoreFiles):
        raise ValueError(f"{address} is no bucket: s3://bucket/prefix, gs://… or az://…")
    if snapshot.places:
        away = snapshot.places[0].reason
        return Pulled((), 0, 0, (), (), files.bucket.requests, (), away)
    directory.mkdir(parents=True, exist_ok=True)
    entries = files_of_runs(place, location_of(catalog.roots[0]).path)
    objects = {name: files.stored(entry.id) for name, entry in entries.items()}
    writer = _Writer(files.bucket, directory, objects, None if force else _written_in(directory))
    written, kept, problems, away = list[str](), list[str](), list[str](), ""
    for name, outcome in zip(objects, side_by_side(writer.write, [*objects]), strict=True):
        if isinstance(outcome, AwayError):
            away = str(outcome)
        elif isinstance(outcome, FileError):
            (kept if isinstance(outcome, _KeptError) else problems).append(
                f"{directory / name} {outcome}"
            )
        elif outcome:
            written.append(name)
    size = sum(objects[name].size for name in written)
    unchanged = len(objects) - len(written) - len(kept) - len(problems)
    said = (*kept,), (*problems,), files.bucket.requests, snapshot.notices, away
    return Pulled((*written,), size, unchanged, *said)


def _written_in(directory: Path) -> frozenset[Path]:
    """The runs in a directory whose process lives on this machine: their files and directories."""
    return frozenset(
        Path(parts_of(run.id)[0])
        for run in RunCatalog([directory]).refresh().runs
        if run.status is RunStatus.RUNNING and has_ended(run.environment) is False
    )


class _Writer(NamedTuple):
    bucket: Bucket
    directory: Path
    objects: Mapping[str, StoredObject]
    written_here: frozenset[Path] | None  # None: nothing that is here counts

    def write(self, name: str) -> bool | FileError:
        """Write a file if that has to be: whether it was, or why it could not."""
        target, there = self.directory / name, self.objects[name]
        try:
            self._refuse_outside(target)
            here = os.lstat(target) if os.path.lexists(target) else None
            if here is not None:
                if not stat.S_ISREG(here.st_mode):
                    return FileError("is no regular file here")
                if self._is_same(target, here, there):
                    return False
                self._keep(target, here, there)
            target.parent.mkdir(parents=True, exist_ok=True)
            with hidden_path(target.parent) as partial:
                with partial.open("xb") as file:
                    for start in range(0, there.size, _PIECE):
                        length = min(_PIECE, there.size - start)
                        file.write(self.bucket.get(there, start, length))
                os.utime(partial, ns=(_nanoseconds(there),) * 2)
                os.replace(partial, target)
        except FileError as error:
            return error
        except (OSError, ValueError) as error:  # of a name that no file can have
            return FileError(f"cannot be written: {error_text(error)}")
        return True

    def _refuse_outside(self, target: Path) -> None:
        """Raises ``FileError`` for a path that leads out of the directory, as by a link in it."""
        real = Path(os.path.realpath(target.parent))
        if not real.is_relative_to(os.path.realpath(self.directory)) or ".." in target.parts:
            raise FileError(f"would lie outside of {self.directory}")

    def _is_same(self, target: Path, here: os.stat_result, there: StoredObject) -> bool:
        if here.st_size != there.size:
            return False
        if here.st_mtime_ns == _nanoseconds(there) or not there.size:
            return True
        start = max(there.size - COMPARED_BYTES, 0)
        end = self.bucket.get(there, start, there.size - start)
        return LocalFiles().read(str(target), start, len(end)) == end

    def _keep(self, target: Path, here: os.stat_result, there: StoredObject) -> None:
        """Raises ``_KeptError`` for a file that another one must not take the place of."""
        if self.written_here is None:
            return
        if not self.written_here.isdisjoint((target, *target.parents)):
            raise _KeptError("is being written here")
        if here.st_size > there.size:
            raise _KeptError("is longer here")
        if is_run_name(target.name) and here.st_size:
            start = LocalFiles().read(str(target), 0, IDENTIFYING_BYTES)
            if self.bucket.get(there, 0, len(start)) != start:
                raise _KeptError("is another run here: pull to another directory, or with --force")
        if here.st_mtime_ns > _nanoseconds(there):
            raise _KeptError("is newer here")


def _nanoseconds(there: StoredObject) -> int:
    """When an object was stored, as the time of a file: the store says milliseconds."""
    return round(there.modified.timestamp() * 1000) * 1_000_000
