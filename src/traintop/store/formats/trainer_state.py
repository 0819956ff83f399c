"""``trainer_state.json``: all that the ``Trainer`` of Transformers logged up to a checkpoint.

Each checkpoint has its own, and the output directory may have one from the end of the training. A
state is written as a whole, and goes on where the one before it ended; one that does not is of a
training that was started anew, or from another checkpoint.
"""

from __future__ import annotations

import itertools
import math
import re
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

import msgspec

from traintop.logfile import UNREADABLE
from traintop.logfile.columns import Columns, kept_names, most_keys
from traintop.store.files import AwayError, Entry, FileError, Files
from traintop.store.formats.followed import ReplacedError
from traintop.store.formats.json_document import BARE_NAMES

LARGEST_STATE = 128 * 1024 * 1024
"""Bytes of a state that is read: some 600,000 log entries."""

STATE = "trainer_state.json"

_CHECKPOINT = re.compile(r"(?:tmp-)?checkpoint-(\d{1,18})|last-checkpoint")  # the last: on a hub
_SETTINGS = ("max_steps", "num_train_epochs", "train_batch_size")
_MOST_SETTINGS, _LONGEST_PATH = 1000, 1000
_MOST_TRIED = 3
_WRITING = 2.0  # seconds for which a file that changed may not be whole
_ROWS_AT_ONCE = 10_000
_OTHERS_TURN = 0.0002  # seconds of rest between two parts: see traintop_records


class _Document(msgspec.Struct):
    """What is read of a state; the other keys may hold anything."""

    log_history: msgspec.Raw = msgspec.Raw(b"[]")
    global_step: Any = None
    max_steps: Any = None
    num_train_epochs: Any = None
    train_batch_size: Any = None
    trial_params: Any = None
    best_metric: Any = None
    best_model_checkpoint: Any = None


class _State(NamedTuple):
    """A state, and its log entries as they stand in the file, with commas between them."""

    entry: Entry
    document: _Document
    logged: bytes

    @property
    def reached(self) -> tuple[float, int]:
        """How far it has come: the steps that were done, and how much was logged."""
        step = self.document.global_step
        return step if type(step) in (int, float) else -1, len(self.logged)


_DOCUMENT = msgspec.json.Decoder(_Document)
_RAW_ENTRIES = msgspec.json.Decoder(list[msgspec.Raw])


class TrainerState:
    """What the newest state of a run says, as new ones come and old ones go."""

    def __init__(self) -> None:
        self.entry: Entry | None = None
        """The file of the newest state; ``None`` while there is none."""
        self.settings: dict[str, Any] = {}
        self.notes = ""
        self.unread: list[str] = []
        """Which states cannot be read, and why."""
        self._seen: object = None
        self._taken = 0  # bytes of the entries that were given out
        self._checksum = 0  # of these

    def read(self, files: Files, entries: Sequence[Entry]) -> Iterator[Columns]:
        """The log entries that are new, as columns in which ``step`` is the place.

        Raises ``ReplacedError`` if the newest state does not go on from the one before it.
        """
        in_order = _in_order(entries)
        candidates = newest_of(in_order)
        seen = [entry[:3] for entry in candidates]
        if seen == self._seen:
            return
        self._seen = seen
        newest = self._newest(files, candidates) or self._newest(files, in_order[:_MOST_TRIED])
        if newest is None:
            return
        self.entry, document, logged = newest
        before = self._taken
        if zlib.crc32(logged[:before]) != self._checksum:
            raise ReplacedError
        self._taken, self._checksum = len(logged), zlib.crc32(logged)
        self.settings, self.notes = dict(_settings(document)), _notes(document)
        yield from _columns(logged[before:].lstrip().removeprefix(b","))

    def _newest(self, files: Files, entries: Sequence[Entry]) -> _State | None:
        """The state that has come furthest; or the one that was written last, if that is of another
        training.
        """
        self.unread = []
        states = [state for entry in entries if (state := self._decoded(files, entry)) is not None]
        if not states:
            return None
        furthest = max(states, key=lambda state: state.reached)
        latest = min(states, key=lambda state: age_of(state.entry))
        return furthest if furthest.logged.startswith(latest.logged) else latest

    def _decoded(self, files: Files, entry: Entry) -> _State | None:
        try:
            return _decoded(files, entry)
        except FileError as error:
            self._seen = None  # it may have been deleted; look again
            if isinstance(error, AwayError):
                raise
        except ValueError as error:
            if age_of(entry) < _WRITING:
                self._seen = None
            else:
                self.unread.append(f"holds {_name(entry)}, which {error}")
        return None


def run_of_state(file_id: str) -> str:
    """The output directory that a state belongs to."""
    directory = PurePath(file_id).parent
    return str(directory.parent if _CHECKPOINT.fullmatch(directory.name) else directory)


def newest_of(entries: Sequence[Entry]) -> list[Entry]:
    """The states that may be the newest: those without a step in their name, that of the last
    checkpoint, and the one that was written last.
    """
    in_order = _in_order(entries)
    checkpoints = [entry for entry in in_order if steps_by_name(entry) < math.inf]
    others = in_order[: len(in_order) - len(checkpoints)]
    latest = sorted(in_order, key=age_of)[:1]
    return list(dict.fromkeys((*others[:_MOST_TRIED], *checkpoints[:1], *latest)))


def _in_order(entries: Sequence[Entry]) -> list[Entry]:
    """Those that have come furthest by their names first."""
    return sorted(entries, key=steps_by_name, reverse=True)


def steps_by_name(entry: Entry) -> float:
    """The steps that were done at a checkpoint; without end where its name does not say it."""
    found = _CHECKPOINT.fullmatch(PurePath(entry.id).parent.name)
    return int(found[1]) if found and found[1] else math.inf


def _name(entry: Entry) -> str:
    """What a state is called below its output directory."""
    path = PurePath(entry.id)
    return STATE if steps_by_name(entry) == math.inf else f"{path.parent.name}/{STATE}"


def age_of(entry: Entry) -> float:
    """Seconds since a file changed; without end where that is unknown."""
    return math.inf if entry.age is None else entry.age


def _decoded(files: Files, entry: Entry) -> _State:
    """The state in a file. Raises ``FileError`` or ``ValueError`` with the reason."""
    if entry.size > LARGEST_STATE:
        raise ValueError(
            f"has {entry.size / 1e6:,.0f} MB; states of up to {LARGEST_STATE / 1e6:.0f} MB are read"
        )
    data = files.read(entry.id, 0, LARGEST_STATE)
    if b"NaN" in data or b"Infinity" in data:
        data = BARE_NAMES.sub(rb':"\1"', data)
    try:
        document = _DOCUMENT.decode(data)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except UNREADABLE as error:
        raise ValueError(f"is not the state of a Trainer: {error}") from None
    array = bytes(document.log_history).strip()
    return _State(entry, document, array[1:-1].strip() if array.startswith(b"[") else b"")


def _columns(logged: bytes) -> Iterator[Columns]:
    raw = _RAW_ENTRIES.decode(b"[%b]" % logged)
    for start in range(0, len(raw), _ROWS_AT_ONCE):
        part = b",".join(raw[start : start + _ROWS_AT_ONCE])
        try:
            found = msgspec.json.decode(b"[%b]" % part)
        except UNREADABLE:
            raise ValueError("has log entries that are nested too deeply") from None
        rows = [row for row in found if isinstance(row, dict)]
        names = kept_names(("step", *itertools.chain.from_iterable(rows)), most_keys(len(rows)))
        yield {name: [row.get(name) for row in rows] for name in names}
        time.sleep(_OTHERS_TURN)


def _settings(document: _Document) -> Iterator[tuple[str, Any]]:
    for name in _SETTINGS:
        value = getattr(document, name)
        if type(value) in (int, float):
            yield name, value
    if isinstance(document.trial_params, dict):
        yield from itertools.islice(document.trial_params.items(), _MOST_SETTINGS)


def _notes(document: _Document) -> str:
    path, metric = document.best_model_checkpoint, document.best_metric
    if not isinstance(path, str):
        return ""
    value = f" ({metric:g})" if type(metric) in (int, float) else ""
    return f"best checkpoint: {path[:_LONGEST_PATH]}{value}"
