"""Notes, tags and archive flags that people add to runs: sidecar files, never the run's own file.

The annotations of ``experiment_x.json`` are in ``.traintop/experiment_x.json`` beside it, a small
JSON object of plain data: ``{"note": "…", "tags": ["…"], "archived": true, "author": "…",
"time": "…"}``. Whoever may write into a directory may annotate the runs in it, and may delete these
files at any time. What cannot be written there is in the user's state folder, for him alone: see
:mod:`traintop.store.own_annotations`. Of both, what was written later counts.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import PurePath
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from traintop.model import Annotations
from traintop.process import user_name
from traintop.store.files import MISSING, AwayError, Entry, FileError, Files
from traintop.store.own_annotations import OwnAnnotations
from traintop.store.sidecars import ANNOTATIONS, sidecar_of
from traintop.times import posix_time

LONGEST_NOTE = 2000
LONGEST_TAG = 40
MOST_TAGS = 20

_LARGEST_FILE = 65_536
_SETTLING = 2.0
"""Seconds for which a changed file is read again."""

_TOLD_LATE = 60.0
"""Seconds after which a place elsewhere tells of what was written to it."""

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


class Saved(NamedTuple):
    """What a person changed of a run's annotations, and where that is."""

    annotations: Annotations
    where: str
    """In words: "on gpu07"; empty for beside the run, on this machine."""


def _with_suffix(run: str) -> str:
    return run if run.endswith(".json") else f"{run}.json"


def decode(data: bytes) -> Annotations:
    """The annotations in a sidecar file; none in one that holds anything else. Never raises."""
    return _decoded(data) or NOTHING


def _decoded(data: bytes) -> Annotations | None:
    """The same, or ``None`` where something else is in it."""
    try:
        return _bounded_of(_decoder.decode(data)) if data else NOTHING
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _signed(annotations: Annotations) -> Annotations:
    now = datetime.now().astimezone().isoformat(timespec="milliseconds")
    return replace(annotations, author=user_name() or "", time=now)


def _later(*several: Annotations | None) -> Annotations:
    """Of several annotations of one run those that were written last."""
    known = [each for each in several if each is not None]
    return max(known, key=lambda each: posix_time(each.time) or 0.0, default=NOTHING)


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
    """The annotations of all runs of a place. One thread looks at them; another may change them."""

    def __init__(self, files: Files, place: str) -> None:
        self._files = files
        self._own = OwnAnnotations(place)
        self._known: dict[str, _Read] = {}
        self._by_run: dict[str, Annotations] = {}
        self._written: dict[str, tuple[Annotations, float]] = {}  # by us, and when

    def refresh(self, entries: Sequence[Entry]) -> bool:
        """Take over what these files say, as they are now; whether an annotation changed."""
        is_changed = self._own.refresh()
        before, known = self._by_run, self._known
        fresh = [one for one in entries if one.id not in known or known[one.id].seen != one[:3]]
        if not fresh and len(entries) == len(known):
            return is_changed
        self._files.prefetch([(entry.id, 0, _LARGEST_FILE) for entry in fresh])
        read = {entry.id: self._read(entry) for entry in fresh}
        self._known = {entry.id: read.get(entry.id) or known[entry.id] for entry in entries}
        self._by_run = {
            _run_of(file_id): file.annotations
            for file_id, file in self._known.items()
            if file.annotations != NOTHING
        }
        return is_changed or self._by_run != before

    def of(self, run_id: str) -> Annotations:
        """The annotations of a run, as of the last look."""
        beside = self._by_run.get(_with_suffix(run_id), NOTHING) if self._by_run else NOTHING
        own = self._own.of(run_id)
        return beside if own is None else _later(own, beside)

    def change(self, run_id: str, change: AnnotationChange) -> Saved:
        """Change the annotations of a run, and sign them.

        Beside the run, or where that cannot be, for the user alone. A sidecar file that would say
        nothing is deleted; one that holds something else, or cannot be read, is left alone: it is
        what a person wrote. Raises ``OSError`` that names the file if nothing can be saved.
        """
        path = sidecar_of(PurePath(run_id), ANNOTATIONS)
        sidecar = str(path)
        own = self._own.read(run_id)
        try:
            beside = self._stored(sidecar)
            before = _later(own, beside)
            after = change.apply(before)
            if own is None and after == replace(before, author="", time=""):
                return Saved(before, self._where)
            after = NOTHING if after == NOTHING else _signed(after)
            data = None if after == NOTHING else msgspec.json.encode(after) + b"\n"
            self._files.replace(sidecar, data)
        except FileError as error:
            place = self._files.place
            folder = f"{place}: {path.parent}" if place else path.parent
            is_away = place and isinstance(error, AwayError)
            reason = f"{place} is away" if is_away else folder
            return self.keep(run_id, change, f"{reason}: {error}")
        self._own.write(run_id, None)
        self._written[sidecar] = _signed(after), time.monotonic()
        return Saved(after, self._where)

    def keep(self, run_id: str, change: AnnotationChange, reason: str) -> Saved:
        """Change them for the user alone, without a question about what lies beside the run."""
        after = _signed(change.apply(_later(self._own.read(run_id), self.of(run_id))))
        self._own.write(run_id, after)
        return Saved(after, f"for you alone, on this machine: {reason}")

    @property
    def _where(self) -> str:
        return f"on {self._files.place}" if self._files.place else ""

    def _stored(self, sidecar: str) -> Annotations:
        """What a sidecar file says that is to be replaced; nothing where none is.

        In a place elsewhere, what is read may be older than what was just written to it.
        """
        written, at = self._written.pop(sidecar, (None, 0.0))
        written = written if self._files.place and time.monotonic() - at < _TOLD_LATE else None
        [entry] = self._files.stat_many([sidecar])
        if entry.problem == MISSING:
            return written or NOTHING
        if entry.version is None:
            raise FileError(f"{PurePath(sidecar).name} {entry.problem}")
        found = _decoded(self._files.read(sidecar, 0, _LARGEST_FILE))
        if found is None:
            name = PurePath(sidecar).name
            raise FileError(f"{name} holds something other than annotations")
        return _later(written, found)

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
