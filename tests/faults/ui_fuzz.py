"""A bored person at the keyboard: random keys, clicks and resizes while runs come, change and go.

``python -m tests.faults.ui_fuzz --keys 20000`` is the long form; it prints the seed, what was
pressed last when something broke, and how the memory went.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import os
import random
import resource
import string
import sys
import tempfile
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textual import events
from textual.keys import _character_to_key
from textual.pilot import Pilot

from traintop.tracking.tracker import ExperimentTracker
from traintop.tui.app import TraintopApp
from traintop.tui.key_table import KEYS

SIZES = [(160, 48), (120, 40), (100, 30), (80, 24), (60, 20), (20, 5), (1, 1), (250, 70)]
_BURST = 8
_TIMES = (1, 1, 1, 2, 3)
"""How often a key of a burst is pressed."""

_PALETTE = 0.1
_WORDS = ("page", "mark", "sort", "note", "filter", "chart", "x" * 40)
_MOST_LIVE = 6
_MEMORY_EVERY = 1000  # keys
_STUCK_SECONDS = 300  # of one burst, however busy the machine is
_SIGNS = {_character_to_key(sign): sign for sign in string.printable}
_HOSTILE = [
    "plain",
    "[@click=app.quit]x",
    "[/]",
    "\x1b]0;pwned\x07",
    "=1+1",
    "日本語",
    "a/../b",
    "x" * 300,
]


@dataclass
class Fuzzer:
    """One session over a directory of its own; ``seed`` decides all that it does."""

    directory: Path
    seed: int
    pressed: deque[str] = field(default_factory=lambda: deque(maxlen=60))

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._trackers: list[ExperimentTracker] = []
        self._steps = 0
        self.done = 0
        self.memory: list[tuple[int, int]] = []  # keys pressed, bytes resident
        words = {key for entry in KEYS for key in entry.names}
        # Suspending stops the process that tests, and quitting ends the session too soon.
        typed = [*'abc123<>="()', "enter", "backspace", "left"]
        self._keys = [*sorted(words - {"ctrl+z", "ctrl+c", "q"}), *typed]

    async def run(self, keys: int) -> int:
        """Press so many keys, starting the program again when one of them quits it."""
        starts = 0
        while self.done < keys:
            app = TraintopApp([self.directory])
            starts += 1
            async with app.run_test(size=self._random.choice(SIZES), notifications=True) as pilot:
                while self.done < keys and app.is_running and not app._exit:
                    faulthandler.dump_traceback_later(
                        _STUCK_SECONDS, exit=True, file=sys.__stderr__
                    )
                    self.done += await self._burst(pilot)
                    faulthandler.cancel_dump_traceback_later()
                    if self.done // _MEMORY_EVERY >= len(self.memory):
                        self.memory.append((self.done, resident_bytes()))
            if app.return_code:
                raise AssertionError(f"the program ended with {app.return_code}: {self.story}")
        self._end_runs()
        return starts

    @property
    def story(self) -> str:
        """What was done last, to reproduce it."""
        return f"seed {self.seed}, last: {' '.join(self.pressed)}"

    async def _burst(self, pilot: Pilot[Any]) -> int:
        """A few keys in one place, then perhaps a click, another size, or news from the runs."""
        chance = self._random.random()
        if chance < 0.25:
            self._change_runs()
        elif chance < 0.32:
            size = self._random.choice(SIZES)
            self.pressed.append(f"size{size}")
            await pilot.resize_terminal(*size)
        elif chance < 0.42:
            width, height = pilot.app.size
            spot = (self._random.randrange(width), self._random.randrange(height))
            self.pressed.append(f"click{spot}")
            await pilot.click(offset=spot, times=self._random.choice([1, 1, 2]))
        keys = [
            key
            for key in self._random.choices(self._keys, k=_BURST)
            for _ in range(self._random.choice(_TIMES))
        ]
        if self._random.random() < _PALETTE:
            keys[:0] = ["ctrl+p", *self._random.choice(_WORDS), *["enter"] * 2]
        in_one_piece = self._random.random() < 0.5
        for key in keys:
            if pilot.app._exit:
                break
            self.pressed.append(key)
            if in_one_piece:
                pilot.app.post_message(key_event(key))
            else:
                await pilot.press(key)
        await pilot.pause()
        return len(keys)

    def _change_runs(self) -> None:
        """A new run, more records, an end, or a file that vanishes."""
        what = self._random.random()
        if what < 0.3 or not self._trackers:
            name = self._random.choice(_HOSTILE)
            tracker = ExperimentTracker(
                {"experiment_name": name, "max_iters": 100, "seed": self._random.randrange(3)},
                log_dir=self.directory,
                quiet=True,
            )
            tracker.start()
            self._trackers.append(tracker)
        for tracker in self._trackers:
            for _ in range(self._random.randrange(20)):
                self._steps += 1
                loss = self._random.choice([2.5, 1.0, float("nan"), float("inf"), 1e300, -1e-300])
                tracker.log_metrics(self._steps, loss, metrics={"a/b": self._random.random()})
        if len(self._trackers) > _MOST_LIVE or what > 0.9:
            self._trackers.pop(0).finish(notes=self._random.choice(_HOSTILE))
        files = sorted(self.directory.glob("experiment_*.json"))
        if what > 0.95 or len(files) > 30:
            self._random.choice(files).unlink(missing_ok=True)
        if 0.85 < what < 0.9:
            (self.directory / "experiment_broken.json").write_bytes(self._random.randbytes(99))

    def _end_runs(self) -> None:
        while self._trackers:
            self._trackers.pop().finish()


def key_event(key: str) -> events.Key:
    """What the terminal sends for a key: one letter, or a name."""
    name = _character_to_key(key) if len(key) == 1 else key
    return events.Key(name, key if len(key) == 1 else _SIGNS.get(key))


def resident_bytes() -> int:
    """The memory that this process has now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 30))
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}")
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)  # exports go here
        logs = Path(directory) / "logs"
        logs.mkdir()
        fuzzer = Fuzzer(logs, options.seed)
        try:
            starts = asyncio.run(fuzzer.run(options.keys))
        except BaseException:
            print(fuzzer.story)
            raise
    print(f"{fuzzer.done} keys, {starts} starts of the program")
    for done, resident in fuzzer.memory:
        print(f"{done:6} keys  {resident / 1e6:.0f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
