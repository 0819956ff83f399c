"""The snapshots of a watcher, and waiting for one."""

from __future__ import annotations

import threading
from collections.abc import Callable

from tests.waiting import TIMEOUT

from traintop.store.snapshot import Snapshot


class Listener:
    """Collects snapshots and waits for one."""

    def __init__(self) -> None:
        self.snapshots: list[Snapshot] = []
        self._arrived = threading.Condition()

    def __call__(self, snapshot: Snapshot) -> None:
        with self._arrived:
            self.snapshots.append(snapshot)
            self._arrived.notify_all()

    def wait_for(self, condition: Callable[[Snapshot], bool]) -> Snapshot:
        """The newest snapshot, once it is as wanted."""
        with self._arrived:
            assert self._arrived.wait_for(
                lambda: self.snapshots and condition(self.snapshots[-1]), TIMEOUT
            ), f"last: {self.snapshots[-1:]}"
            return self.snapshots[-1]
