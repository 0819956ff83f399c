"""The runs of a command in a bucket, again and again while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from glob import escape
from pathlib import Path

from traintop.store.push import Pusher
from traintop.store.sidecars import FOLDER
from traintop.text import error_text


class RunPush:
    """Pushes the files of some runs in a thread of its own.

    Nothing here raises, for the command must go on; what failed at last is said once, at its end.
    """

    def __init__(
        self, address: str, every: float, runs: Callable[[], Iterable[Path]], log_dir: Path
    ) -> None:
        self._address = address
        self._every = every
        self._runs = runs
        self._log_dir = log_dir
        self._pusher: Pusher | None = None
        self._known: set[str] = set()  # the files of the last push
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="traintop-push", daemon=True)
        self.problem = ""
        """Why the last push left something out; else empty."""
        self._thread.start()

    def end(self) -> None:
        """Push all there is, once the command has ended."""
        self._stop.set()
        try:
            self._thread.join()
            self._push(is_last=True)
        except KeyboardInterrupt:
            self.problem = "not pushed: interrupted"

    def _repeat(self) -> None:
        while not self._stop.wait(self._every):
            self._push(is_last=False)

    def _push(self, *, is_last: bool) -> None:
        try:
            if self._pusher is None:
                self._pusher = Pusher(self._address)
            files = self._files()
            done = self._pusher.push(files, is_last=is_last)
            # The run of ours gives way to that of the command itself.
            self._pusher.forget(self._known - files.keys())
            self._known = {*files}
        except Exception as error:
            self.problem = f"not pushed: {error_text(error)}"
            return
        problems = [f"{self._address}: {done.away}"] if done.away else [*done.problems]
        self.problem = f"not pushed: {problems[0]}" if problems else ""

    def _files(self) -> Mapping[str, Path]:
        """The files of the runs, with what lies beside them, by their paths in the bucket."""
        found = {}
        for run in self._runs():
            beside = (run.parent / FOLDER).glob(f"{escape(run.stem)}.*")
            for path in (run, *(one for one in beside if not one.is_symlink())):
                is_here = path.is_relative_to(self._log_dir)
                below = path.relative_to(self._log_dir if is_here else run.parent)
                found[str(below)] = path
        return found
