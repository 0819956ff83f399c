"""Notes, tags and archive flags that people add to runs: sidecar files, never the run's own file.

The annotations of ``experiment_x.json`` are in ``.traintop/experiment_x.json`` beside it, a small
JSON object of plain data: ``{"note": "…", "tags": ["…"], "archived": true, "author": "…",
"time": "…"}``. Whoever may write into a directory may annotate the runs in it, and may delete these
files at any time.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from traintop.atomic_file import write_atomically
from traintop.model import Annotations
from traintop.process import user_name
from traintop.store.files import AwayError, Entry, FileError, Files
from traintop.store.files.local import LocalFiles
from traintop.store.sidecars import ANNOTATIONS, make_folder, refuse_link, sidecar_of

LONGEST_NOTE = 2000
LONGEST_TAG = 40
MOST_TAGS = 20

_LARGEST_FILE = 65_536
_SETTLING = 2.0
"""Seconds for which a changed file is read again."""

NOTHING = Annotations()


class _Stored(msgspec.Struct):
    note: str = ""
    tags: list[str] = []
    archived: bool = False
    author: str = ""
    time: str = ""


_decoder = msgspec.json.Decoder(_Stored)


class AnnotationChange(msgspec.Struct, frozen=True):
    """What a person changes of a run's annotations; ``None`` leaves a thing as it is."""

    note: str | None = None
    added_tags: tuple[str, ...] = ()
    removed_tags: tuple[str, ...] = ()
    archived: bool | None = None

    def apply(self, before: Annotations) -> Annotations:
        """The annotations after the change, within the bounds of this format."""
        kept = [tag for tag in before.tags if tag not in self.removed_tags]
        return _bounded(
            before.note if self.note is None else self.note,
            [*kept, *self.added_tags],
            before.archived if self.archived is None else self.archived,
        )


def annotations_file(run: Path) -> Path:
    """The file that holds the annotations of a run."""
    return sidecar_of(run, ANNOTATIONS)


def _with_suffix(run: str) -> str:
    return run if run.endswith(".json") else f"{run}.json"


def decode(data: bytes) -> Annotations:
    """The annotations in a sidecar file; none in one that holds anything else. Never raises."""
    try:
        stored = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return NOTHING
    return _bounded_of(stored)


def read_annotations(run: Path) -> Annotations:
    """The annotations of a run; none where there is no sidecar file that can be read."""
    try:
        return decode(LocalFiles().read(str(annotations_file(run)), 0, _LARGEST_FILE))
    except (FileError, ValueError):
        return NOTHING


def annotate(run: Path, change: AnnotationChange) -> Annotations:
    """Change the annotations of a run on disk, and return the new ones, signed by the user.

    A sidecar file that would say nothing is deleted. One that holds something else, or cannot be
    read, is left alone: it is what a person wrote. Raises ``OSError`` that names the file.
    """
    path = annotations_file(run)
    refuse_link(path.parent)
    before = _stored(path)
    after = change.apply(before)
    if after == NOTHING:
        with suppress(FileNotFoundError):
            path.unlink()
        with suppress(OSError):
            path.parent.rmdir()  # which only succeeds when it is empty
        return after
    if after == replace(before, author="", time=""):
        return before
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    after = replace(after, author=user_name() or "", time=now)
    make_folder(run.parent)
    write_atomically(path, msgspec.json.encode(after) + b"\n")
    return after


def _stored(path: Path) -> Annotations:
    """What a sidecar file says that is to be replaced; nothing where none is, or a link."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return NOTHING
        data = path.read_bytes()
        return _bounded_of(_decoder.decode(data)) if data else NOTHING
    except FileNotFoundError:
        return NOTHING
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise OSError(errno.EINVAL, "holds something other than annotations", str(path)) from error


def _bounded_of(stored: _Stored) -> Annotations:
    bounded = _bounded(stored.note, stored.tags, stored.archived)
    signature = stored.author[:LONGEST_TAG], stored.time[:LONGEST_TAG]
    return replace(bounded, author=signature[0], time=signature[1])


def _bounded(note: str, tags: Iterable[str], archived: bool) -> Annotations:
    short = (tag.strip()[:LONGEST_TAG].rstrip() for tag in tags)
    unique = dict.fromkeys(tag for tag in short if tag)
    return Annotations(note[:LONGEST_NOTE], tuple(unique)[:MOST_TAGS], archived)


class _Read(NamedTuple):
    seen: tuple[object, ...]  # the file as it was then; empty: to be read again
    annotations: Annotations


class AnnotationFiles:
    """The annotations of all runs of a place. One thread at a time may use it."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._known: dict[str, _Read] = {}
        self._by_run: dict[str, Annotations] = {}

    def refresh(self, entries: Sequence[Entry]) -> bool:
        """Take over what these files say, as they are now; whether an annotation changed."""
        before, known = self._by_run, self._known
        fresh = [one for one in entries if one.id not in known or known[one.id].seen != one[:3]]
        if not fresh and len(entries) == len(known):
            return False
        self._files.prefetch([(entry.id, 0, _LARGEST_FILE) for entry in fresh])
        read = {entry.id: self._read(entry) for entry in fresh}
        self._known = {entry.id: read.get(entry.id) or known[entry.id] for entry in entries}
        self._by_run = {
            _run_of(file_id): file.annotations
            for file_id, file in self._known.items()
            if file.annotations != NOTHING
        }
        return self._by_run != before

    def of(self, run_id: str) -> Annotations:
        """The annotations of a run, as of the last look."""
        return self._by_run.get(_with_suffix(run_id), NOTHING)

    def _read(self, entry: Entry) -> _Read:
        try:
            annotations = decode(self._files.read(entry.id, 0, _LARGEST_FILE))
        except AwayError:
            raise
        except FileError:
            return _Read((), NOTHING)
        # Two changes may leave one time.
        is_still = entry.is_exact or entry.age is None or entry.age >= _SETTLING
        return _Read(entry[:3] if is_still else (), annotations)


def _run_of(sidecar: str) -> str:
    folder, _, name = sidecar.rpartition("/")
    return f"{folder.rpartition('/')[0]}/{name}"
