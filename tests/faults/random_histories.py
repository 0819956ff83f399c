"""Random lives of a run's file: logged, flushed, torn, flipped, resumed; all readers are asked.

    python -m tests.faults.random_histories --histories 20000 --seed 0
    python -m tests.faults.random_histories --histories 0 --cuts 50

After each step, every reader of traintop must say what the model says. The model has two halves
that know nothing of traintop's code. :func:`read_plainly` reads a file's bytes by the letter of
``docs/log-format.md``, slowly and all at once. :class:`Logged` knows what was logged and what was
flushed, so that a torn flush is seen to cost at most what it brought, and to invent nothing. A
history that goes wrong prints its seed; ``--seed S --histories 1`` plays it again.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import random
import re
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from traintop import logfile
from traintop.doctor.repair import RepairRefusedError, repair
from traintop.model import RunSummary
from traintop.store.files.local import LocalFiles
from traintop.store.formats.traintop import TraintopFormat
from traintop.store.history import History
from traintop.tracking.resumption import InterruptedRun, open_interrupted_run, read_interrupted_run
from traintop.tracking.run_clock import RunClock
from traintop.tracking.run_file import RunFile
from traintop.tracking.writer import RunWriter

Records = dict[float, dict[str, float]]
"""What was measured at each iteration."""

_NAMES = ("train_loss", "val_loss", "learning_rate", "acc", 'quo"te', "new\nline", "last", "ü", "]")
_COUNTERS = ("iteration", "gradient_step", "wallclock_time")
_SMALLEST = 5e-324  # what such numbers round to is no difference
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


# ------------------------------------------------------------------------ a reader by the letter


class Plain(NamedTuple):
    """What a file says."""

    records: Records
    rows: list[dict[str, Any]]  # in their order
    damaged: int
    whole: bool  # whether its tail is


def read_plainly(data: bytes) -> Plain:
    """Reads a file of format 2 as the documentation describes it."""
    head = data.index(b',"metrics_history":[\n') + len(b',"metrics_history":[\n')
    end = re.search(
        rb',"last":(\{[^\n]*\}),"status":"\w+","flush_at":(\d+),"tail_at":(\d+),"flush_crc32":(\d+)'
        rb',"end_crc32":(\d+)\}  +\n\Z',
        data[max(data.rfind(b',"last":{'), 0) :],
    )
    last, place, whole = None, -1, False
    if end and zlib.crc32(end[0][: end.start(5) - len(b',"end_crc32":')]) == int(end[5]):
        last, flush_at, place = json.loads(end[1]) or None, int(end[2]), int(end[3])
        flush = data[flush_at : len(data) - len(end[0])]
        whole = head <= flush_at <= place and flush[place - flush_at :].startswith(b" \n],")
        whole = whole and zlib.crc32(flush) == int(end[4])
        place += 2 if place > head else 0
    lines = data[head : int(end[3])] if whole and end else data[head:]
    said: list[tuple[float, dict[str, Any] | None]] = []  # by the offset of the line
    at = head
    pieces = lines.split(b"\n")
    for number, piece in enumerate(pieces):
        following = pieces[number + 1] if number + 1 < len(pieces) else None
        if piece.strip(b" "):
            said.append((at, _record(piece, following)))
        at += len(piece) + 1
    if last is not None and not any(start == place and row for start, row in said):
        said.append((place - 0.5, last))
        said.sort(key=lambda entry: entry[0])
    counted = [number for number, (_, row) in enumerate(said) if row]
    considered = said if whole else said[: counted[-1] + 1] if counted else []
    damaged = sum(row is None for _, row in considered)
    records: Records = {}
    rows = [row for _, row in said if row]
    for row in rows:
        _apply(records, row)
    return Plain(records, rows, damaged, whole)


def _record(piece: bytes, following: bytes | None) -> dict[str, Any] | None:
    line = piece.split(b"\0")[0]
    if line.endswith((b",", b" ")):
        line = line[:-1]
    elif not (b"\0" in piece or following is None or following.startswith(b"]")):
        return None
    try:
        row = json.loads(line.decode())
    except ValueError:
        return None
    if not isinstance(row, dict) or not (line.startswith(b"{") and line.endswith(b"}")):
        return None
    for key, value in row.items():
        number = isinstance(value, (int, float)) and math.isfinite(value)
        special = value is None or (isinstance(value, str) and value in _SPECIAL)
        if len(key) > 500 or not (number or special):
            return None
    finite = isinstance(row.get("iteration"), (int, float))
    return row if finite else None


def _is_rewind(row: dict[str, Any]) -> bool:
    return row.get("rewind") is True and len(row) == 2


def _apply(records: Records, row: dict[str, Any]) -> None:
    iteration = float(row["iteration"])
    if _is_rewind(row):
        for beyond in [i for i in records if i > iteration]:
            del records[beyond]
        return
    measured = records.setdefault(iteration, {})
    for key, value in row.items():
        if key not in _COUNTERS and value is not None:
            measured[key] = _SPECIAL[value] if isinstance(value, str) else float(value)


# ----------------------------------------------------------------------------- what was logged


class Logged:
    """What was logged, in the order in which it was flushed."""

    def __init__(self) -> None:
        self.flushed: Records = {}
        self.since: list[tuple[float, dict[str, float]]] = []
        self._ever: dict[tuple[float, str], set[str]] = {}

    def add(self, iteration: float, values: dict[str, float]) -> None:
        """It is logged, and waits to be flushed."""
        self.since.append((iteration, values))
        for key, value in values.items():
            self._ever.setdefault((iteration, key), {repr(None)}).add(repr(value))

    def allows(self, found: Records, rewritten: float | None) -> str | None:
        """What is wrong with what is found after a flush that was torn, if anything is.

        ``rewritten`` is the iteration of the record that is no line yet, if the flush destroyed it:
        for each flush brings it anew.
        """
        brought: dict[tuple[float, str], set[str]] = {}
        for iteration, values in self.since:
            for key, value in values.items():
                brought.setdefault((iteration, key), set()).add(repr(value))
        iterations = {iteration for iteration, _ in self.since}
        keys = {key for row in (*self.flushed.values(), *found.values()) for key in row}
        for iteration in self.flushed.keys() | found.keys():
            if iteration == rewritten:
                continue
            if iteration not in found or iteration not in self.flushed.keys() | iterations:
                return f"iteration {iteration} is lost or invented"
            before = self.flushed.get(iteration, {})
            for key in keys:
                value = repr(found[iteration].get(key))
                if value not in {repr(before.get(key))} | brought.get((iteration, key), set()):
                    return f"{key} of {iteration}: {value} for {before.get(key)}"
        for key, value in found.get(rewritten, {}).items() if rewritten is not None else ():
            if repr(value) not in self._ever.get((rewritten or 0.0, key), set()):
                return f"{key} of {rewritten} was never {value}"
        return None

    def accept(self, found: Records) -> None:
        """The run is this from now on; a flipped bit may have made other names or numbers."""
        self.flushed, self.since = found, []
        for iteration, values in found.items():
            for key, value in values.items():
                self._ever.setdefault((iteration, key), {repr(None)}).add(repr(value))

    def settle(self) -> None:
        """All of it is in the file."""
        for iteration, values in self.since:
            self.flushed.setdefault(iteration, {}).update(values)
        self.since = []


# ---------------------------------------------------------------------------------- the machine


class _Clock(RunClock):
    """Moves on with each look at it, so that equal histories write equal bytes."""

    looks = 0

    def elapsed(self) -> float:
        self.looks += 1
        return self.looks * 0.375

    def at(self, moment: float) -> float:
        return 0.0

    def now(self) -> str:
        self.looks += 1
        return f"2025-02-22T14:05:30.{self.looks:06}"


class DifferenceError(AssertionError):
    """A reader, or the file, says another thing than the model."""


class Machine:
    """One run, whose writer flushes when the machine says so, and which is harmed in between."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.directory = directory
        self.logged = Logged()
        self.clock = _Clock()
        self.iteration = -1
        self.steps = 0
        self.flipped = False
        self.files, self.format = LocalFiles(), TraintopFormat()
        self.names = self.random.sample(_NAMES, 3)
        if self.random.random() < 0.2:  # so that a tail takes several pages
            self.names += [f"metric_{number}" for number in range(40)]
        self.writer = RunWriter(self.clock, self._create, lambda: self.steps, [])
        self.writer.run_once()
        assert self.writer.path is not None
        self.path = self.writer.path
        self.followers = [self._reader() for _ in range(2)]

    def _create(self, tail: logfile.Tail) -> RunFile:
        head = logfile.Head(
            config={"experiment_name": 'x"],\n'}, start_time="2025", run={"format": 2}
        )
        return RunFile.create(self.directory, "experiment_x", logfile.encode_head(head), tail)

    def _reader(self) -> Any:
        return self.format.reader(self.files, [self.files.stat(str(self.path))])

    def play(self, steps: int, *, rewinds: bool) -> None:
        """Lives a life of so many steps; with ``rewinds``, the loop goes back to checkpoints."""
        kinds: list[tuple[Callable[[], object], int]] = [
            (self.log_some, 6),
            (self.flush, 6),
            (self.tear, 4),
            (self.flip, 1),
            (self.resume, 1),
        ]
        for _ in range(steps):
            [step] = self.random.choices([k for k, _ in kinds], [w for _, w in kinds])
            step()
            if rewinds and not self.flipped and self.random.random() < 0.3:
                self.rewind()

    # -- what a training loop does

    def rewind(self) -> None:
        """The loop goes back to a checkpoint, and what it logged beyond that is void."""
        self._flush()
        self._settled()
        self.iteration = self.random.randint(-1, self.iteration + 1)
        self.writer.pending.append((self.iteration, self.steps, 0.0))
        known = self.logged.flushed
        self.logged.flushed = {i: known[i] for i in known if i <= self.iteration}
        self.flush()

    def log_some(self) -> None:
        for _ in range(self.random.randint(1, 4)):
            self._log(*self._next())
            if self.random.random() < 0.3:
                self.steps += 1

    def _next(self) -> tuple[int, dict[str, float]]:
        kind = self.random.random()
        if kind < 0.6 or self.iteration < 0:  # the next one
            self.iteration += self.random.choice([1, 1, 1, 5])
            at = self.iteration
        elif kind < 0.8:  # it is amended
            at = self.iteration
        elif kind < 0.9:  # a value comes late
            at = self.random.randint(-2, self.iteration)
        else:  # the loop goes back and replays
            at = self.iteration = max(self.iteration - self.random.randint(1, 6), -1)
        count = self.random.choice([0, 1, 1, 2, len(self.names)])
        return at, {name: self._number() for name in self.random.sample(self.names, count)}

    def _number(self) -> float:
        special = self.random.random()
        if special < 0.05:
            return self.random.choice([math.nan, math.inf, -math.inf, 0.0, 1e300, 5e-324])
        return self.random.choice([round, float])(self.random.uniform(-9, 9) * 10) / 10

    def _log(self, iteration: int, values: dict[str, float]) -> None:
        self.writer.pending.append(
            (iteration, self.steps, 0.0, None, None, None, None, None, dict(values))
        )
        self.logged.add(float(iteration), values)

    def flush(self) -> None:
        """A flush, or a save, in which nothing goes wrong."""
        self._flush()
        self._settled()
        self.ask()
        if not self.flipped:
            self.load()

    def _flush(self) -> tuple[bytes, bytes]:
        before = self.path.read_bytes()
        if self.random.random() < 0.25:
            self.writer.flush(durable=True, timeout=0.0)
        else:
            self.writer.run_once()
        return before, self.path.read_bytes()

    def _settled(self) -> None:
        self.logged.settle()
        found = read_plainly(self.path.read_bytes())
        if self.flipped:
            self._accept(found)
        if not _same(found.records, self.logged.flushed):
            raise DifferenceError(f"{found.records} for {self.logged.flushed}")

    # -- what goes wrong

    def tear(self) -> None:
        """The last flush is torn, as by a power loss, perhaps met several times on its way."""
        if self.random.random() < 0.7:
            self.log_some()
        before, after = self._flush()
        for _ in range(self.random.choice([1, 1, 2, 3])):
            self._overwrite(torn(before, after, self.random))
            self.ask()
        found = read_plainly(self.path.read_bytes())
        if not self.flipped:
            self._check_loss(before, self.path.read_bytes(), found)
        if self.random.random() < 0.3:  # it was only on its way
            self._overwrite(after)
            self._settled()
            self.ask()
            return
        self._accept(found)
        self.writer.release_inherited_file()
        if self.random.random() < 0.4:
            self._repair()
        self._go_on()

    def cut_everywhere(self, stride: int) -> None:
        """The next flush, torn at every byte, with old bytes and with nothing behind.

        Or at each ``stride``-th byte, for a shorter look.
        """
        before, after = self._flush()
        start = _first_difference(before, after)
        for cut in range(start, len(after), stride):
            for image in (after[:cut] + before[cut:], after[:cut]):
                plain = read_plainly(image)
                self._check_loss(before, image, plain)
                self._overwrite(image)
                self._compare("first reading", self._reader().history(), plain)
        self._overwrite(after)
        self._settled()
        self.ask()

    def _check_loss(self, before: bytes, image: bytes, found: Plain) -> None:
        """At most what the flush brought is lost: it brings the open record anew."""
        last = json.loads(before)["last"]
        is_kept = not last or image.endswith(before[before.rfind(b',"last":{') :])
        rewritten = None if is_kept else float(last["iteration"])
        if problem := self.logged.allows(found.records, rewritten):
            raise DifferenceError(problem)

    def flip(self) -> None:
        """A bit changes, in the lines or in the tail."""
        data = bytearray(self.path.read_bytes())
        start = data.index(b'"metrics_history":[\n') + len(b'"metrics_history":[\n')
        data[self.random.randrange(start, len(data))] ^= 1 << self.random.randrange(8)
        self._overwrite(bytes(data))
        self.flipped = True
        self._accept(read_plainly(bytes(data)))
        # What a follower has read while a tail vouched for it, it does not read again.
        self.followers = [self._reader() for _ in self.followers]
        self.ask()

    def _accept(self, found: Plain) -> None:
        """From now on, the run is what is found of it."""
        self.logged.accept(found.records)

    def _overwrite(self, data: bytes) -> None:
        with self.path.open("r+b") as file:
            file.write(data)
            file.truncate()

    # -- and how it goes on

    def resume(self) -> None:
        """Another process goes on, from a checkpoint perhaps."""
        if self.logged.since:
            self._flush()
            self._settled()
        self.writer.release_inherited_file()
        if self.random.random() < 0.3:
            self._repair()
        self._go_on(self.random.choice([None, None, self.random.randint(0, self.steps + 1)]))

    def _go_on(self, gradient_step: int | None = None) -> None:
        expected = self.logged.flushed
        if gradient_step is not None:
            self.steps = gradient_step
            bound = _checkpoint(read_plainly(self.path.read_bytes()).rows, gradient_step)
            expected = {i: values for i, values in expected.items() if i <= bound}
        run = open_interrupted_run(self.path)
        self._resumed(run, gradient_step)
        self.logged.flushed = expected
        self.iteration = int(max(expected, default=-1))
        self.flipped = False  # a damaged file was written anew
        self.ask()
        self.load()

    def _resumed(self, run: InterruptedRun, gradient_step: int | None) -> None:
        self.writer = RunWriter(
            self.clock,
            self._create,
            lambda: self.steps,
            [],
            lambda: read_interrupted_run(run, gradient_step),
            run.tail,
        )
        self.writer.run_once()
        if self.writer.path is None:
            raise DifferenceError("the run was not gone on with")

    def _repair(self) -> None:
        """By ``traintop doctor --repair``, which refuses only what is whole."""
        plain = read_plainly(self.path.read_bytes())
        try:
            repair(self.path).unlink()
        except RepairRefusedError as reason:
            if not plain.whole or plain.damaged:
                raise DifferenceError(str(reason)) from None
            return
        self.load()
        self.ask()

    # -- all are asked

    def load(self) -> None:
        """The file is JSON, and says what was flushed."""
        document = json.loads(self.path.read_bytes())
        records: Records = {}
        for row in (*document["metrics_history"], document["last"]):
            if row:
                _apply(records, row)
        if not _same(records, self.logged.flushed):
            raise DifferenceError(f"json.load: {records} for {self.logged.flushed}")

    def ask(self) -> None:
        """Every reader says what the model says."""
        plain = read_plainly(self.path.read_bytes())
        history = self._reader().history()
        self._compare("first reading", history, plain)
        self.followers[0].follow()
        self._compare("eager follower", self.followers[0].history(), plain)
        if self.random.random() < 0.3:
            self.followers[1].follow()
            self._compare("lazy follower", self.followers[1].history(), plain)
        summary = self.format.summary(self.files, [self.files.stat(str(self.path))], None)
        self._compare_summary(summary, plain)

    def _compare(self, reader: str, history: History, plain: Plain) -> None:
        found: Records = {float(i): {} for i in history.columns["iteration"]}
        for name in history.metrics:
            measured = history.measured(name)
            for i, value, counts in zip(
                history.columns["iteration"], history.columns[name], measured, strict=True
            ):
                if counts:
                    found[float(i)][name] = float(value)
        if not _same(found, plain.records):
            said, expected = _sorted(found), _sorted(plain.records)
            at = next(n for n, (a, b) in enumerate(zip(said, expected, strict=False)) if a != b)
            raise DifferenceError(
                f"{reader}: …{said[max(at - 40, 0) : at + 80]}… for …{expected[at : at + 80]}…"
            )
        if history.damaged != plain.damaged and reader == "first reading":
            raise DifferenceError(f"{reader}: {history.damaged} damaged for {plain.damaged}")

    def _compare_summary(self, summary: RunSummary, plain: Plain) -> None:
        if self.flipped and plain.whole:
            return  # its tail counts what was damaged since
        records = plain.records
        if summary.count != len(records):
            raise DifferenceError(f"summary counts {summary.count} for {len(records)}")
        if summary.iteration != (max(records) if records else None):
            raise DifferenceError(f"summary is at {summary.iteration}")
        for name in dict.fromkeys(key for row in records.values() for key in row):
            values = [(i, records[i][name]) for i in sorted(records) if name in records[i]]
            finite = [(i, value) for i, value in values if math.isfinite(value)]
            stats = summary.stats[name]
            expected = {
                "count": len(finite),
                "nonfinite": len(values) - len(finite),
                "last": values[-1][1],
                "min": min((v for _, v in finite), default=None),
                "max": max((v for _, v in finite), default=None),
                "min_iteration": min(finite, key=lambda pair: pair[1])[0] if finite else None,
                "max_iteration": max(finite, key=lambda pair: pair[1])[0] if finite else None,
            }
            for field, value in expected.items():
                if repr(_float(getattr(stats, field))) != repr(_float(value)):
                    raise DifferenceError(f"{field} of {name}: {getattr(stats, field)} for {value}")
            if finite and stats.mean is not None:
                mean = math.fsum(value / len(finite) for _, value in finite)
                scale = max(abs(value) for _, value in finite)
                if abs(stats.mean - mean) > 1e-9 * scale + _SMALLEST:
                    raise DifferenceError(f"mean of {name}: {stats.mean} for {mean}")


def torn(before: bytes, after: bytes, choice: random.Random) -> bytes:
    """What a disk may hold of one write that made ``after`` of ``before``."""
    start = _first_difference(before, after)
    cut = choice.randint(start, len(after))
    kind = choice.choice(["old", "zeros", "nothing", "pages", "sectors"])
    if kind == "old":
        return after[:cut] + before[cut:]
    if kind == "zeros":
        size = choice.choice([len(after), len(before), cut])
        return (after[:cut] + bytes(len(after)))[: max(size, cut)]
    if kind == "nothing":
        return after[:cut]
    size = 4096 if kind == "pages" else 512
    found = bytearray(before[: len(after)].ljust(len(after), b"\0"))
    for page in range(start // size, len(after) // size + 1):
        if choice.random() < 0.5:
            found[page * size : (page + 1) * size] = after[page * size : (page + 1) * size]
    return bytes(found)


def _first_difference(before: bytes, after: bytes) -> int:
    pairs = zip(before, after, strict=False)
    return next((at for at, (old, new) in enumerate(pairs) if old != new), len(before))


def _checkpoint(rows: list[dict[str, Any]], gradient_step: int) -> float:
    """The highest iteration that was recorded with no more steps, if any is beyond it."""
    reached, highest = -math.inf, -math.inf
    for row in rows:
        if _is_rewind(row):
            reached, highest = min(reached, row["iteration"]), min(highest, row["iteration"])
            continue
        highest = max(highest, row["iteration"])
        if (row.get("gradient_step") or 0) <= gradient_step:
            reached = max(reached, row["iteration"])
    return reached if highest > reached else math.inf


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def _same(left: Records, right: Records) -> bool:
    return _sorted(left) == _sorted(right)


def _sorted(records: Records) -> str:
    return repr(sorted((i, sorted(values.items())) for i, values in records.items()))


def play(directory: Path, seed: int, steps: int = 25, *, rewinds: bool = False) -> None:
    """Plays one history. Raises an error that names its seed."""
    try:
        Machine(directory, seed).play(steps, rewinds=rewinds)
    except Exception as error:
        raise DifferenceError(f"history {seed}: {error!r}") from error


def cut_everywhere(directory: Path, seed: int, flushes: int = 3, stride: int = 1) -> None:
    """Plays a short history, each of whose flushes is torn at every ``stride``-th byte."""
    try:
        machine = Machine(directory, seed)
        for _ in range(flushes):
            machine.log_some()
            machine.cut_everywhere(stride)
    except Exception as error:
        raise DifferenceError(f"cuts of history {seed}: {error!r}") from error


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--rewinds", action="store_true", help="go back to checkpoints, too")
    parser.add_argument("--cuts", type=int, default=0, help="short histories cut at every byte")
    arguments = parser.parse_args()
    live_on = functools.partial(play, steps=arguments.steps, rewinds=arguments.rewinds)
    lives = [live_on] * arguments.histories
    different = 0
    for number, live in enumerate([*lives, *[cut_everywhere] * arguments.cuts]):
        with tempfile.TemporaryDirectory() as directory:
            try:
                seed = number if number < arguments.histories else number - arguments.histories
                live(Path(directory), arguments.seed + seed)
            except DifferenceError as error:
                different += 1
                print(error, flush=True)
    total = arguments.histories + arguments.cuts
    print(f"{total} histories, {different} with differences")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
