"""Runs in a bucket: ``s3://``, ``gs://`` and ``az://``. Each request is money, and is counted.

One LIST of a root says what is there and what has changed, by the ETags of its objects; of what has
changed, parts are read. An object that was stored anew since it was listed is read when it is
listed again.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from traintop.process import has_ended
from traintop.settings import load_settings, settings_path
from traintop.store.files import (
    MISSING,
    AwayError,
    Entry,
    FileError,
    NameMatch,
    Span,
    wanted_in,
)
from traintop.store.files.bucket import (
    Bucket,
    DeniedError,
    StoredObject,
    UnusableKeyError,
    side_by_side,
)
from traintop.store.files.known_heads import KnownHeads, Part
from traintop.store.files.remote import RemoteFiles
from traintop.text import counted

MOST_OBJECTS = 1_000_000
"""Objects below one root that are looked at; an entry says that others are left out."""

_MOST_FOLDERS = 1000  # that are listed one by one, where there is a key that is no path
_LONGEST_KEY = 1024  # as S3 has it
_LONGEST_LISTING = 120.0  # seconds
_LISTING_HOLDS = 1.0  # seconds for which another question about it needs no new one
_STATE_HOLDS = 5.0  # seconds for which an object is taken to be as it was listed
_DENIAL_HOLDS = 300.0  # seconds for which nobody asks again what was denied: that costs, too


class ObjectStoreFiles(RemoteFiles):
    """The objects below some prefixes of one bucket, as if they were files in directories."""

    place = ""
    interval = 30.0

    def __init__(self, place: str) -> None:
        """Raises ``ValueError`` for an address that is none, and where obstore is not installed."""
        super().__init__()
        self.place = place
        self.bucket = Bucket(place)
        self.interval = load_settings(settings_path())[0].bucket_seconds
        self._listing = _Listing((), -_STATE_HOLDS, {})
        self._objects: dict[str, StoredObject] = {}  # by the ids of files
        self._heads = KnownHeads()
        self._added: dict[str, Part] = {}  # the ends of objects as they were listed last
        self._denied: dict[str, _Denial] = {}

    @property
    def traffic(self) -> str:
        """How many requests there were."""
        return counted(self.bucket.requests, "request")

    def _list(self, roots: Sequence[str], patterns: tuple[str, ...]) -> Iterator[Entry]:
        listing, now = self._listing, time.monotonic()
        is_old = patterns == listing.patterns or now - listing.at > _LISTING_HOLDS
        if is_old or not listing.found.keys() >= set(roots):
            found = self._below_roots(roots)
            others = {} if found.keys() >= listing.found.keys() else self._objects
            listing = self._listing = _Listing(patterns, now, found)
            listed = {f"/{each.key}": each for below in found.values() for each in below.objects}
            self._objects = others | listed
            self._added = {}
            self._denied = {one: d for one, d in self._denied.items() if one in self._objects}
        is_wanted, entries = _Wanted(patterns), dict[str, Entry]()
        for root in roots:
            objects, problems = listing.found[root]
            for stored in objects:
                entry = _entry(stored)
                if entry.id == root or is_wanted(root, entry.id):
                    entries[entry.id] = entry
            yield from (Entry(root, 0, None, None, is_dir=True, problem=each) for each in problems)
        # The clock is that of the store, of which only two stamps are compared.
        newest = max((self._objects[file_id].modified for file_id in entries), default=None)
        ours = time.time()
        for file_id, entry in entries.items():
            assert newest is not None
            since = newest - self._objects[file_id].modified
            yield entry._replace(changed=ours - since.total_seconds())

    def _below_roots(self, roots: Sequence[str]) -> dict[str, _Found]:
        """What is below each root. Raises ``AwayError`` where none of them may be listed."""
        found, denied = dict[str, _Found](), list[DeniedError]()
        for root in roots:
            try:
                found[root] = self._below(root)
            except DeniedError as error:
                found[root] = _Found([], [str(error)])
                denied.append(error)
        if len(denied) == len(roots):
            raise AwayError(str(denied[0])) from denied[0]
        return found

    def _below(self, root: str) -> _Found:
        """The objects below a root, or the one that it is, and what is wrong with them."""
        prefix, found = root.strip("/"), _Found([], [])
        try:
            self._take(found, self.bucket.list(prefix))
        except (AwayError, DeniedError):
            raise
        except UnusableKeyError:
            found = self._by_folder(prefix)
        except FileError as error:
            found.problems.append(str(error))
        if prefix and not (found.objects or found.problems):
            try:
                found.objects.append(self.bucket.head(prefix))
            except DeniedError:
                raise
            except FileError as error:
                if str(error) != MISSING:
                    raise AwayError(str(error)) from error
                found.problems.append("has no objects")
        return found

    def _by_folder(self, prefix: str) -> _Found:
        """The same folder by folder: obstore lists nothing where a key is no path.

        Of such a folder, what comes behind that key is listed by itself: keys with an empty name
        or with dots in it come before those that go on with a letter or a digit.
        """
        found, waiting, looked_into = _Found([], []), [prefix], 0
        while waiting and looked_into < _MOST_FOLDERS:
            folder = waiting.pop()
            looked_into += 1
            try:
                objects, folders = self.bucket.list_folder(folder)
                self._take(found, iter([objects]))
                waiting += folders
            except UnusableKeyError as error:
                found.problems.append(f"has {error}: rename or delete it")
                try:
                    self._take(found, self.bucket.list(folder, after=f"{folder}/0"))
                except UnusableKeyError:
                    found.problems.append("has other objects; some are left out")
        if waiting:
            found.problems.append(f"has more than {_MOST_FOLDERS} folders; some are left out")
        return found

    def _take(self, found: _Found, pages: Iterator[Sequence[StoredObject]]) -> None:
        """Take over what is listed, within bounds."""
        ends = time.monotonic() + _LONGEST_LISTING
        for page in pages:
            found.objects.extend(each for each in page if len(each.key) <= _LONGEST_KEY)
            if len(found.objects) >= MOST_OBJECTS or time.monotonic() > ends:
                count = f"{len(found.objects):,}"
                found.problems.append(f"has more than {count} objects; some are left out")
                return

    def _below_each(self, directories: Sequence[str]) -> Sequence[Sequence[Entry]]:
        """What is below directories, by the last listing, which has all that is below a root."""
        ids, is_wanted = sorted(self._objects), _Wanted(("*",))
        return [
            [
                _entry(self._objects[file_id])
                for file_id in ids[bisect_left(ids, f"{each}/") : bisect_left(ids, f"{each}0")]
                if is_wanted(each, file_id)
            ]
            for each in directories
        ]

    def stat_many(self, ids: Sequence[str]) -> list[Entry]:
        """How some objects are now; what was just listed is taken to be as it was then."""
        is_fresh = time.monotonic() - self._listing.at < _STATE_HOLDS
        return [self._stat(file_id, is_fresh=is_fresh) for file_id in ids]

    def _stat(self, file_id: str, *, is_fresh: bool) -> Entry:
        before = self._objects.get(file_id)
        if before is not None and is_fresh:
            return _entry(before)
        roots = (root.rstrip("/") for root in self._listing.found)
        if is_fresh and any(file_id.startswith(f"{root}/") for root in roots):
            return _missing(file_id, MISSING)
        try:
            now = self._objects[file_id] = self.bucket.head(_key(file_id))
        except AwayError:
            raise
        except FileError as error:
            return _missing(file_id, str(error))
        if before is not None and before.etag != now.etag:
            self.forget()
        return _entry(now)

    def stored(self, file_id: str) -> StoredObject:
        """What the last walk says of an object."""
        return self._objects[file_id]

    def prefetch(self, spans: Sequence[Span]) -> None:
        """Announce what will be read."""
        by_id: dict[str, list[Span]] = {}
        for span in spans:
            by_id.setdefault(span[0], []).append(span)
        wanted: list[Span] = []
        for file_id, of_file in by_id.items():
            stored = self._objects.get(file_id)
            if stored is None:
                wanted += of_file
            else:
                wanted += self._heads.instead(of_file, stored.size, stored.etag)
        super().prefetch(wanted)

    def _size_of(self, file_id: str) -> int | None:
        stored = self._objects.get(file_id)
        return None if stored is None else stored.size

    def _fetch(self, spans: Sequence[Span]) -> Sequence[bytes | FileError]:
        heads = {span for span in spans if self._heads.may_have(span)}
        answers = self._get([span for span in spans if span not in heads])
        parts: dict[str, list[Part]] = {}
        for (file_id, start, _), data in answers.items():
            if isinstance(data, bytes):
                parts.setdefault(file_id, []).append(Part(start, data))
        self._get_added(parts)
        for span in [*heads]:
            file_id, _, length = span
            stored = self._objects[file_id]
            head = self._heads.get(file_id, stored.etag, parts.get(file_id, ()))
            if head is not None and len(head) >= min(length, stored.size):
                answers[span] = head[:length]
                heads.discard(span)
        answers |= self._get([*heads])
        for (file_id, start, _), data in answers.items():
            if start == 0 and isinstance(data, bytes):
                stored = self._objects[file_id]
                for end in [*reversed(parts.get(file_id, ())), Part(0, data)]:  # the longest first
                    if end.start + len(end.data) == stored.size:
                        self._heads.learn(file_id, stored.etag, data, end)
                        break
        return [answers[span] for span in spans]

    def _get_added(self, parts: Mapping[str, list[Part]]) -> None:
        """Get what else was added to objects whose last flush is longer than the end is."""
        wanted: dict[Span, Part] = {}
        for file_id, of_file in parts.items():
            stored = self._objects[file_id]
            for end in of_file:
                is_end = end.start + len(end.data) == stored.size
                span = self._heads.added(file_id, stored.etag, end) if is_end else None
                if span is not None:
                    wanted[span] = end
        for span, data in self._get([*wanted]).items():
            if isinstance(data, bytes):
                whole = self._added[span[0]] = Part(span[1], data + wanted[span].data)
                parts[span[0]].append(whole)

    def _get(self, spans: Sequence[Span]) -> dict[Span, bytes | FileError]:
        """A GET for each part. Raises ``AwayError``."""
        answers = side_by_side(self._part, spans)
        for answer in answers:
            if isinstance(answer, AwayError):
                raise answer
        return dict(zip(spans, answers, strict=True))

    def _part(self, span: Span) -> bytes | FileError:
        file_id, start, length = span
        try:
            if file_id not in self._objects:
                self._objects[file_id] = self.bucket.head(_key(file_id))
            stored = self._objects[file_id]
            length = min(length, stored.size - start)
            added = self._added.get(file_id)
            if added is not None and added.start <= start:
                return added.data[start - added.start :][:length]
            denial, now = self._denied.get(file_id), time.monotonic()
            if denial is not None and denial.etag == stored.etag and now < denial.ends:
                return denial.error
            return self.bucket.get(stored, start, length) if length > 0 else b""
        except DeniedError as error:
            if file_id in self._objects:
                etag, ends = self._objects[file_id].etag, time.monotonic() + _DENIAL_HOLDS
                self._denied[file_id] = _Denial(etag, error, ends)
            return error
        except FileError as error:
            return error

    def has_ended(self, process: Mapping[str, Any]) -> bool | None:
        """Whether a process has ended that runs on this machine."""
        return has_ended(process)

    def replace(self, file_id: str, data: bytes | None) -> None:
        """Store a small object, or delete it."""
        if data is None:
            self.bucket.delete(_key(file_id))
        else:
            self.bucket.put(_key(file_id), data, len(data))

    def close(self) -> None:
        """Nothing is open: connections end by themselves."""


class _Found(NamedTuple):
    """What is below a root, and what of it is not known."""

    objects: list[StoredObject]
    problems: list[str]


class _Denial(NamedTuple):
    """Why an object may not be read."""

    etag: str
    error: DeniedError
    ends: float  # when it is tried again, by the monotonic clock


class _Listing(NamedTuple):
    patterns: tuple[str, ...]  # what was asked for
    at: float
    found: Mapping[str, _Found]  # by root


class _Wanted:
    """Says which ids are asked for, as :meth:`Files.walk` has it."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self._wanted = wanted_in(patterns)
        self._matches: dict[str, NameMatch | None] = {}  # by directory; None: left out

    def __call__(self, root: str, file_id: str) -> bool:
        directory, _, name = file_id.rpartition("/")
        if directory not in self._matches:
            below = directory.removeprefix(root.rstrip("/"))
            self._matches[directory] = self._match(directory, below)
        match = self._matches[directory]
        return match is not None and bool(match(name))

    def _match(self, directory: str, below: str) -> NameMatch | None:
        """What is wanted in a directory: nothing in a hidden one that no pattern names."""
        above = directory
        while "/." in below:
            above, _, name = above.rpartition("/")
            if name.startswith(".") and not self._wanted(above)(name):
                return None
            below = below.rpartition("/")[0]
        return self._wanted(directory)


def _key(file_id: str) -> str:
    return file_id.lstrip("/")


def _missing(file_id: str, problem: str) -> Entry:
    return Entry(file_id, 0, None, None, is_dir=False, problem=problem)


def _entry(stored: StoredObject) -> Entry:
    return Entry(f"/{stored.key}", stored.size, stored.etag, None, is_dir=False, is_exact=True)
