"""Keeps a catalog up to date while its directories change. The only importer of watchdog.

An event of the operating system is only a hint: events get lost, arrive for reading too, and
never come from other machines. So the truth is a scan every two seconds; hints make it prompt.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from traintop.mounts import leads_to_network, network_filesystem, real_path
from traintop.run_ids import is_remote
from traintop.store.catalog import RunCatalog
from traintop.store.files.local import LocalFiles
from traintop.store.files.places import share_a_fate
from traintop.store.place_catalog import PlaceCatalog
from traintop.store.snapshot import Snapshot

if TYPE_CHECKING:
    from watchdog.events import FileSystemEventHandler
    from watchdog.observers.api import BaseObserver, ObservedWatch

SHORTEST_INTERVAL = 0.25
"""Seconds between two scans at least, however many hints there are."""

FIRST_RUNS = 100
"""So many of the newest runs are published at once, before all the others are read."""

_FIRST_SECONDS = 0.3
_READING_SECONDS = 3.0
"""Runs that take long to read are published in portions: what could be read in so many seconds.

Each portion takes twice as long as the one before: others look at all that was read so far.
"""

_RESTING = 15
"""So many times as long as a look at what was hinted kept it busy, the thread rests at least."""

_COALESCING = 0.02
_MOST_HINTS = 1000
_REARM_INTERVAL = 30.0
_STOP_TIMEOUT = 0.9
_SILENCE_INTERVAL = 2.0

_log = logging.getLogger(__name__)
for _name in (__name__, "watchdog"):
    # Without a handler, Python prints warnings to stderr: into the middle of the screen.
    logging.getLogger(_name).addHandler(logging.NullHandler())


class CatalogWatcher:
    """Keeps a catalog fresh: a thread for each of its places.

    ``on_snapshot`` is called from these threads, one at a time: for the newest runs, for all of
    them, and then only when something or the ``mode`` changed, at most four times a second of each
    place. Directories that are missing, deleted, recreated, renamed or remounted are found again by
    themselves, and so are hosts that were away.

    With ``every``, the state is published again where so many seconds passed without a change.
    Where the catalog ``is_read`` already, the newest runs are not published before all of them.
    """

    def __init__(
        self,
        catalog: RunCatalog,
        on_snapshot: Callable[[Snapshot], None],
        *,
        every: float = math.inf,
        is_read: bool = False,
    ) -> None:
        self._catalog = catalog
        self._on_snapshot = on_snapshot
        self._every = every
        self._published_at = -math.inf
        self._published: tuple[int, str] | None = None
        self._publishing = threading.Lock()
        self._stop = threading.Event()
        self._places = [
            _PlaceWatcher(place, self._publish, is_read=is_read) for place in catalog.places
        ]

    @property
    def mode(self) -> str:
        """How changes are noticed: at once in all directories, or by looking now and then.

        What says most comes first. Empty where no place can be looked at.
        """
        by_mode: dict[str, list[str]] = {}
        for place in self._places:
            if place.mode:
                by_mode.setdefault(place.mode, []).append(place.name)
        if len(by_mode) <= 1:
            return next(iter(by_mode), "")
        by_length = sorted(by_mode.items(), key=lambda one: -len(one[0]))  # first what costs money
        return " · ".join(
            f"{names[0] if len(names) == 1 else f'{len(names)} places'} {mode}".lstrip()
            for mode, names in by_length
        )

    def start(self) -> None:
        """Starts the threads. Raises ``RuntimeError`` when they were started before."""
        for place in self._places:
            place.start()
        if any(place.may_hang for place in self._places):
            threading.Thread(
                target=self._report_silence, name="traintop-silence", daemon=True
            ).start()

    def stop(self) -> None:
        """Ends the threads, and waits for that up to a second: a filesystem may hang."""
        self._stop.set()
        for place in self._places:
            place.end()
        ends = time.monotonic() + _STOP_TIMEOUT
        for place in self._places:
            place.join(max(ends - time.monotonic(), 0.0))

    def look_again(self) -> None:
        """Look at once: for a change that no event reports."""
        for place in self._places:
            place.look_again()

    def _report_silence(self) -> None:
        """Say so while a place keeps its thread waiting, which then cannot say it."""
        while not self._stop.wait(_SILENCE_INTERVAL):
            self._publish()

    def _publish(self) -> None:
        with self._publishing:
            snapshot = self._catalog.snapshot()
            current = (snapshot.revision, self.mode)
            is_due = time.monotonic() - self._published_at >= self._every
            if (current == self._published and not is_due) or self._stop.is_set():
                return
            self._published, self._published_at = current, time.monotonic()
            try:
                self._on_snapshot(snapshot)
            except Exception:
                _log.exception("a listener failed")


class _PlaceWatcher:
    """Keeps the catalog of one place fresh in a thread of its own."""

    def __init__(
        self, catalog: PlaceCatalog, publish: Callable[[], None], *, is_read: bool
    ) -> None:
        self._catalog = catalog
        self._publish_all = publish
        self._is_read = is_read
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._hints = _Hints(catalog, self._wake)
        self._thread = threading.Thread(target=self._run, name="traintop-watch", daemon=True)
        self.name = catalog.files.place
        self.start = self._thread.start
        self.look_again = self._hints.expect_anything

    @property
    def mode(self) -> str:
        """How its changes are noticed, and what that cost where it costs money; empty while nobody
        can look at it.
        """
        if self._catalog.state() is not None:
            return ""
        if self._hints.complete:
            return "live"
        files = self._catalog.files
        return f"polling {files.interval:g} s{files.traffic and f', {files.traffic}'}"

    @property
    def may_hang(self) -> bool:
        """Whether more than a local disk answers."""
        return any(share_a_fate(root) for root in self._catalog.roots)

    def end(self) -> None:
        """Let the thread end after what it is at."""
        self._stop.set()
        self._wake.set()

    def join(self, seconds: float) -> None:
        """Wait until the thread has ended."""
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(seconds)

    def _run(self) -> None:
        scan_due, reading = 0.0, _READING_SECONDS
        try:
            if not self._is_read:
                look = functools.partial(self._catalog.first_look, FIRST_RUNS, _FIRST_SECONDS)
                first = self._publish(look)
                # Meanwhile the screen draws them, without competing for the interpreter's lock.
                self._stop.wait(SHORTEST_INTERVAL)
                if first.unread or first.places:
                    self._publish(self._catalog.add_kept)
            while not self._stop.is_set():
                started, worked = time.monotonic(), 0.0
                hinted = self._hints.take()
                if hinted is None or started >= scan_due:
                    snapshot = self._publish(functools.partial(self._catalog.refresh, reading))
                    reading = 2 * reading if snapshot.unread else _READING_SECONDS
                    # After the first scan, for importing watchdog takes longer than that.
                    is_armed_newly = self._hints.arm()  # and something may have changed before
                    is_urgent = snapshot.unread or is_armed_newly
                    scan_due = started + (0.0 if is_urgent else self._catalog.pause)
                else:
                    before = time.thread_time()
                    self._publish(functools.partial(self._catalog.refresh_files, hinted))
                    worked = time.thread_time() - before
                self._wake.wait(max(scan_due - time.monotonic(), 0.0))
                rest = started + SHORTEST_INTERVAL - time.monotonic()
                self._stop.wait(max(rest, _COALESCING, _RESTING * worked))
                self._wake.clear()
        finally:
            self._hints.disarm()
            self._catalog.files.close()

    def _publish(self, refresh: Callable[[], Snapshot]) -> Snapshot:
        """Refreshes, and publishes what changed. An error must not end the thread."""
        try:
            snapshot = refresh()
        except Exception as error:
            _log.exception("refreshing failed")
            snapshot = self._catalog.report(f"cannot look for changes: {error!r}")
        self._publish_all()
        return snapshot


def snapshots(
    catalog: RunCatalog, pause: Callable[[], float], stop: threading.Event | None = None
) -> Iterator[Snapshot]:
    """The state of a catalog now, after each change, and after each ``pause`` without one.

    Every one has all runs. It ends when ``stop`` is set, to be seen at the next change or pause;
    closing the iterator ends the watching.
    """
    news: SimpleQueue[Snapshot] = SimpleQueue()
    snapshot = catalog.refresh()
    yield snapshot
    watcher = CatalogWatcher(catalog, news.put, is_read=True)
    watcher.start()
    try:
        while stop is None or not stop.is_set():
            with contextlib.suppress(Empty):
                snapshot = news.get(timeout=max(pause(), 0.0))
                while True:  # what is overtaken interests nobody
                    snapshot = news.get_nowait()
            if not snapshot.unread:
                yield snapshot
    finally:
        watcher.stop()


class _Armed(NamedTuple):
    identity: tuple[int, int]  # device and inode of the directory that is observed
    watch: ObservedWatch


class _Hints:
    """Observers of the operating system's events, as far as the system has any."""

    def __init__(self, catalog: PlaceCatalog, wake: threading.Event) -> None:
        self._directories = [Path(root) for root in catalog.roots if not is_remote(root)]
        self._is_local = len(self._directories) == len(catalog.roots)
        self._may_be_a_run = catalog.may_be_a_run
        self._wake = wake
        self._changed: deque[str | None] = deque(maxlen=_MOST_HINTS)
        self._observer: BaseObserver | None = None
        self._armed: dict[Path, _Armed] = {}
        self._retry_at = 0.0

    def take(self) -> set[str] | None:
        """The files of which a change was hinted since; ``None`` when anything may have changed."""
        count = len(self._changed)
        paths = {self._changed.popleft() for _ in range(count)}
        named = {path for path in paths if path is not None}
        return named if len(named) == len(paths) and count < _MOST_HINTS else None

    def expect_anything(self) -> None:
        """A hint that names no file."""
        self._changed.append(None)
        self._wake.set()

    @property
    def complete(self) -> bool:
        """Whether changes in every directory give a hint."""
        armed = self._armed
        return self._is_local and all(directory in armed for directory in self._directories)

    def arm(self) -> bool:
        """Observes what is not observed yet, or is another directory now; whether any was."""
        observer = self._observer
        alive = (
            {emitter.watch for emitter in observer.emitters if emitter.is_alive()}
            if (observer is not None and observer.is_alive())
            else set()
        )
        newly_armed = False
        for directory in self._directories:
            # A network filesystem gives no events, and may keep waiting whoever asks.
            identity = None if leads_to_network(str(directory)) else _identity(directory)
            armed = self._armed.get(directory)
            if armed is not None:
                if armed.identity == identity and armed.watch in alive:
                    continue
                self._forget(directory)
            if identity is not None and time.monotonic() >= self._retry_at:
                newly_armed |= self._observe(directory, identity)
        return newly_armed

    def disarm(self) -> None:
        """Ends all observers."""
        observer, self._observer = self._observer, None
        self._armed.clear()
        if observer is not None:
            observer.stop()
            observer.join(_STOP_TIMEOUT)

    def _observe(self, directory: Path, identity: tuple[int, int]) -> bool:
        # A watched symbolic link gives no events, so the directory it leads to is watched.
        real = real_path(os.fspath(directory))
        if network_filesystem(Path(real)) is not None:
            return False
        try:
            from watchdog import events

            watch = self._running_observer().schedule(
                _handler(functools.partial(self._note, str(directory), len(real))),
                real,
                recursive=True,
                # Without opened and closed: reading causes those, and would never end.
                event_filter=[
                    events.FileCreatedEvent,
                    events.FileModifiedEvent,
                    events.FileMovedEvent,
                    events.FileDeletedEvent,
                    events.DirCreatedEvent,
                    events.DirMovedEvent,
                    events.DirDeletedEvent,
                ],
            )
        except FileNotFoundError:
            return False  # it went away meanwhile: the next scan looks again
        except Exception:  # no inotify instance, watch or thread left; or no watchdog that works
            _log.info("no events from %s", real, exc_info=True)
            self._retry_at = time.monotonic() + _REARM_INTERVAL
            return False
        self._armed[directory] = _Armed(identity, watch)
        return True

    def _note(self, directory: str, real_length: int, path: str, is_directory: bool) -> None:
        """An event in a directory whose real path has this length."""
        below = path[real_length:]
        if "/." in below or not (is_directory or self._may_be_a_run(path)):
            return  # hidden, or no file that is listed
        self._changed.append(None if is_directory else directory + below)
        self._wake.set()

    def _forget(self, directory: Path) -> None:
        armed = self._armed.pop(directory)
        if self._observer is not None:
            with contextlib.suppress(KeyError, OSError, RuntimeError):
                self._observer.unschedule(armed.watch)

    def _running_observer(self) -> BaseObserver:
        if self._observer is not None and self._observer.is_alive():
            return self._observer
        from watchdog.observers import Observer

        self._observer = Observer()
        self._observer.daemon = True
        self._observer.start()
        return self._observer


def gets_events(directory: Path) -> bool:
    """Whether the system reports changes below a directory now: found out by asking for it."""
    hints = _Hints(PlaceCatalog(LocalFiles(), "", [str(directory)]), threading.Event())
    try:
        return hints.arm()
    finally:
        hints.disarm()


def _handler(hint: Callable[[str, bool], None]) -> FileSystemEventHandler:
    from watchdog.events import FileSystemEvent, FileSystemEventHandler

    class Handler(FileSystemEventHandler):
        """Only notes a path: an exception here, or a slow handler, would end all events."""

        def on_any_event(self, event: FileSystemEvent) -> None:
            for path in (event.src_path, event.dest_path):
                if path:
                    hint(os.fsdecode(path), event.is_directory)

    return Handler()


def _identity(directory: Path) -> tuple[int, int] | None:
    try:
        info = os.stat(directory)
    except OSError:
        return None
    return info.st_dev, info.st_ino
