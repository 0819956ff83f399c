"""Transformers: what its ``Trainer`` leaves in an output directory, and LLaMA-Factory beside it.

The states of checkpoints have all that was logged, but come now and then, and say no times. Event
files in ``runs/``, or where ``logging_dir`` has them, and LLaMA-Factory's log are written live. All
of them are one run, which is called by the output directory. Metrics have the names of the state.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import msgspec
import numpy as np

from traintop.logfile.columns import Columns
from traintop.model import RunSummary
from traintop.progress import COUNTED_BY, STEPS_DONE
from traintop.store.files import Entry, Files, Span
from traintop.store.formats.followed import (
    TOOL,
    About,
    FollowedFormat,
    Records,
    ReplacedError,
)
from traintop.store.formats.line_files import LineFollower
from traintop.store.formats.tensorboard import EventFollower, TensorBoardFormat
from traintop.store.formats.tensorboard_events import EventDecoder
from traintop.store.formats.trainer_log import PLACE, TRAINER_LOG, TrainerLogParser
from traintop.store.formats.trainer_state import (
    STATE,
    TrainerState,
    age_of,
    newest_of,
    run_of_state,
    steps_by_name,
)
from traintop.store.history import (
    FloatColumn,
    GrowingHistory,
    History,
    Values,
    as_column,
    unmeasured,
)
from traintop.values import NAME_SETTING

_EVENTS = "tfevents"
_OVER = 60.0  # seconds after its last event in which TensorBoard is no longer written
_ENDED = "train_steps_per_second"
"""The Trainer logs it once, when a training has come to its end."""

_ARGUMENTS = ("output_dir", "per_device_train_batch_size")
"""The settings in an event file by which it is known as one of a Trainer."""

_PLACES = frozenset({"iteration", "wallclock_time"})
_TAKEN = _PLACES | {"gradient_step", "train_loss"}
"""Names that mean something else here.

The ``train_loss`` that a Trainer logs at its end is the mean over the whole training: it is called
as on TensorBoard, ``train/train_loss``, and hides no loss of a step.
"""


class TransformersFormat(FollowedFormat):
    """An output directory of a Trainer a run."""

    name = "transformers"

    def __init__(self) -> None:
        super().__init__()
        self._outputs: dict[str, str] = {}  # the output directories of runs in other directories

    def claims(self, entry: Entry, start: Callable[[], bytes]) -> str | None:
        """States by their name, logs, and event files that begin with a Trainer's arguments."""
        if _is_state(entry):
            return run_of_state(entry.id)
        data = start()
        if _is_log(entry):
            return str(PurePath(entry.id).parent) if f'"{PLACE}"'.encode() in data else None
        if any(name.encode() not in data for name in _ARGUMENTS):
            return None
        decoder = EventDecoder()
        decoder.take(data)
        directory, arguments = PurePath(entry.id).parent, decoder.settings
        if any(name not in arguments for name in _ARGUMENTS):
            return None
        output = _output_directory(directory, arguments)
        if output is None:
            return str(directory)
        named = PurePath(str(arguments["output_dir"])).name
        if directory.is_relative_to(output) and output.name == named:
            return str(output)
        self._outputs[str(directory)] = str(output)
        return str(directory)

    def joined(self, run_id: str, others: Mapping[str, str]) -> str:
        """The run in the output directory, for event files elsewhere."""
        output = self._outputs.get(run_id, run_id)
        return output if others.get(output) == self.name else run_id

    def follower(self) -> _Follower:
        """A follower of the files of a run."""
        return _Follower()

    def first_reads(self, entries: Sequence[Entry]) -> list[Span]:
        """What is logged live, and the states that may be the newest."""
        states = newest_of([entry for entry in entries if _is_state(entry)])
        return super().first_reads([*_live_files(entries), *states])

    def summary(self, files: Files, entries: Sequence[Entry]) -> RunSummary:
        """As of any run that is followed; what stays stands first, for old checkpoints go."""
        return super().summary(files, sorted(entries, key=_order))

    def sample(self, files: Files, entries: Sequence[Entry], points: int) -> History | None:
        """The events at some places of a single event file."""
        events = [entry for entry in entries if _is_of_events(entry)]
        sample = TensorBoardFormat().sample(files, events, points) if events else None
        if sample is None:
            return None
        growing = GrowingHistory()
        measured = {name: sample.columns[name] for name in (*_PLACES, *sample.metrics)}
        _LiveOverState(growing).extend(measured)
        return growing.history()


class _Logged:
    """How far the records of some files go."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.last = -math.inf
        self.ended = -math.inf
        """The step at which a training came to its end."""

    def add(self, records: Mapping[str, FloatColumn]) -> None:
        """Count records."""
        steps = records["iteration"][np.isfinite(records["iteration"])]
        self.names |= records.keys() - {"iteration"}
        self.last = max(self.last, steps.max(initial=-math.inf))
        if _ENDED in records:
            ended = records["iteration"][~np.isnan(records[_ENDED])]
            self.ended = max(self.ended, ended.max(initial=-math.inf))

    def rewind(self, iteration: float) -> None:
        """Forget what is beyond an iteration."""
        self.last = min(self.last, iteration)
        if self.ended > iteration:
            self.ended = -math.inf


class _LiveOverState:
    """Gives records on: those of the state, and over them those that were logged live.

    So a program that is started again makes void what either has beyond its first step.
    """

    def __init__(self, records: Records) -> None:
        self.records = records
        self.state = _Logged()
        self.live = _Logged()

    def extend_state(self, found: Columns) -> None:
        """Take log entries of a state, as far as they are not known by the live records."""
        steps = as_column(found.pop("step"))
        records = {"iteration": steps, **_named(found)}
        self.state.add(records)
        covered = steps <= self.live.last
        for name in self.live.names & records.keys() if covered.any() else ():
            records[name] = np.where(covered, unmeasured(len(steps)), records[name])
        self.records.extend(records)

    def extend(self, columns: Mapping[str, Values]) -> None:
        """Take live records."""
        places = {name: as_column(columns[name]) for name in _PLACES}
        metrics = {name: column for name, column in columns.items() if name not in _PLACES}
        records = {**places, **_named(metrics)}
        self.live.add(records)
        self.records.extend(records)

    def rewind(self, iteration: float) -> None:
        """Forget what is beyond an iteration."""
        self.state.rewind(iteration)
        self.live.rewind(iteration)
        self.records.rewind(iteration)

    def leave_out_state_ahead(self) -> bool:
        """Forget what the state has beyond the live records; whether it had any."""
        is_ahead = -math.inf < self.live.last < self.state.last
        if is_ahead:
            self.rewind(self.live.last)
        return is_ahead

    @property
    def has_ended(self) -> bool:
        """Whether the last record is one that a training ends with."""
        last = max(self.state.last, self.live.last)
        return last == max(self.state.ended, self.live.ended) > -math.inf


class _Follower:
    """Reads the newest state, and what is logged live."""

    def __init__(self) -> None:
        self._state = TrainerState()
        self._live: EventFollower | LineFollower | None = None
        self._merged: _LiveOverState | None = None  # before the first read
        self._tool = "Transformers"

    def read(
        self,
        files: Files,
        entries: Sequence[Entry],
        records: Records,
        reached: Callable[[float], None],
    ) -> None:
        states = [entry for entry in entries if _is_state(entry)]
        live = _live_files(entries)
        if self._merged is None:
            self._merged, self._live = _LiveOverState(records), _follower_of(live)
        elif type(self._live) is not type(_follower_of(live)):
            raise ReplacedError
        merged = self._merged
        merged.records = records
        if any(map(_is_log, entries)):
            self._tool = "LLaMA-Factory"
        if states:
            for found in self._state.read(files, states):
                merged.extend_state(found)
        if self._live is not None:
            self._live.read(files, live, merged, reached)
            if self._is_state_older(states, live) and merged.leave_out_state_ahead():
                self._state.settings, self._state.notes = {}, ""  # of another training
        elif self._state.entry is None:
            raise ValueError("; ".join(self._state.unread) or f"holds no whole {STATE}")

    def _is_state_older(self, states: Sequence[Entry], live: Sequence[Entry]) -> bool:
        """Whether the live files went on after the newest state was written."""
        newest = self._state.entry
        ages = [age_of(entry) for entry in states if newest is not None and entry.id == newest.id]
        return not ages or ages[0] >= min(map(age_of, live))

    def about(self) -> About:
        """The arguments of the training, how far it goes, and whether it has come to its end."""
        head, tail, problem = About() if self._live is None else self._live.about()
        config = _settings(head.config, self._state.settings)
        run = {**head.run, TOOL: self._tool, COUNTED_BY: STEPS_DONE}
        notes = "\n\n".join(filter(None, (self._state.notes, tail.notes)))
        tail = msgspec.structs.replace(tail, notes=notes)
        if self._merged is not None and self._merged.has_ended:
            tail = msgspec.structs.replace(tail, status="finished", end_time=tail.updated_at)
        problem = "; ".join(filter(None, (problem, *self._state.unread)))
        return About(msgspec.structs.replace(head, config=config, run=run), tail, problem)


def _is_state(entry: Entry) -> bool:
    return PurePath(entry.id).name == STATE


def _is_of_events(entry: Entry) -> bool:
    return _EVENTS in PurePath(entry.id).name


def _is_log(entry: Entry) -> bool:
    return PurePath(entry.id).name == TRAINER_LOG


def _live_files(entries: Iterable[Entry]) -> list[Entry]:
    """The event files; or the log of LLaMA-Factory, where it is alone, or goes on without them."""
    events = [entry for entry in entries if _is_of_events(entry)]
    logs = [entry for entry in entries if _is_log(entry) and entry.size]
    if events and logs and age_of(logs[0]) + _OVER < min(map(age_of, events)):
        return logs
    return events or logs


def _follower_of(live: Sequence[Entry]) -> EventFollower | LineFollower | None:
    if not live:
        return None
    return LineFollower(TrainerLogParser) if _is_log(live[0]) else EventFollower(_directory)


def _order(entry: Entry) -> tuple[bool, float, str]:
    """Live files first, by the time in their names; then states, the last one first."""
    return _is_state(entry), -steps_by_name(entry), PurePath(entry.id).name


def _output_directory(directory: PurePath, arguments: Mapping[str, Any]) -> PurePath | None:
    """The output directory of a training with event files in a directory.

    Its arguments have both as they were given, relative or on another machine; so what counts is
    how one lies beside the other.
    """
    output = PurePath(str(arguments["output_dir"])).parts
    logging_dir = arguments.get("logging_dir") or ""  # newer versions have none
    logged = PurePath(str(logging_dir)).parts or (*output, "runs", directory.name)
    pairs = zip(output, logged, strict=False)
    common = len([*itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)])
    inside = logged[common:]
    if not inside or directory.parts[-len(inside) :] != inside:
        return None
    return PurePath(*directory.parts[: -len(inside)], *output[common:])


def _directory(file_id: str) -> PurePath:
    """A directory without what is different each time that a training is started."""
    parts = PurePath(file_id).parent.parts
    at = len(parts) - 1 - parts[::-1].index("runs") if "runs" in parts else len(parts)
    return PurePath(*parts[at + 2 :])


def _settings(arguments: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the training, with what became of those that leave the steps open."""
    settings = {**arguments, **state}
    planned = arguments.get("max_steps")
    if isinstance(planned, int) and planned > 0:  # as the newest program has it
        settings["max_steps"] = planned
    name = settings.pop("run_name", None)
    if isinstance(name, str) and name.strip() and name != settings.get("output_dir"):
        settings[NAME_SETTING] = name
    return settings


def _named(metrics: Mapping[str, Values]) -> dict[str, FloatColumn]:
    """Columns under the names that their metrics have in a state."""
    return {_name(tag): as_column(values) for tag, values in metrics.items()}


def _name(tag: str) -> str:
    """The name in a state of what TensorBoard calls "train/loss", "eval/loss" …"""
    group, _, name = tag.partition("/")
    if group in ("eval", "test") and name:
        return f"{group}_{name}"
    name = name if group == "train" and name else tag
    return f"train/{name}" if name in _TAKEN else name
