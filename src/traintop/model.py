"""The vocabulary of traintop: what a run is, and what is known about it.

A *run* is one execution of a training loop and one log file. Its settings are an
:class:`ExperimentConfig`, its records are :class:`MetricsSnapshot` objects, and the whole of it
in memory is an :class:`ExperimentLog`. To list runs, a :class:`RunSummary` is
enough; it costs the same however long the run is.

This module is imported by every training loop, so it needs the standard library and msgspec only.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import msgspec

from traintop.run_ids import is_remote, parts_of, stem_of

_Config = TypeVar("_Config", bound="ExperimentConfig")

STANDARD_METRICS = ("train_loss", "val_loss", "learning_rate", "tokens_per_sec", "iter_time_ms")
"""The metrics every record has a field for; all others are further metrics."""

EVAL_TRAIN_LOSS = "eval_train_loss"
"""The train loss that an evaluation estimates, beside the one that a step logs."""

RECENT_VALUES = 100
"""How many of the last values of a metric its recent mean is taken over."""

RECORD_FIELDS = ("iteration", "gradient_step", "wallclock_time", *STANDARD_METRICS)
"""The keys of a record in the order in which they are written."""


class _StandardSettings:
    """The settings that every ``ExperimentConfig`` has: those of the CS336 training script."""

    d_model: int = 512
    num_heads: int = 8
    num_layers: int = 6
    d_ff: int = 2048
    vocab_size: int = 10000
    context_length: int = 256
    rope_theta: float = 10000.0
    batch_size: int = 64
    max_iters: int = 100000
    max_learning_rate: float = 6e-4
    min_learning_rate: float = 6e-5
    warmup_iters: int = 2000
    weight_decay: float = 0.1
    grad_clip: float = 1.0
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    seed: int = 42
    device: str = "cuda"


# Declared for type checkers only: each config has values of its own.
if TYPE_CHECKING:
    _Declared = _StandardSettings
else:
    _Declared = object


class ExperimentConfig(_Declared):
    """The settings of one experiment: immutable, comparable, and open to further keywords.

    ``experiment_name`` is required; the other standard settings have the defaults of the CS336
    training script. Any further keyword is kept as a setting of its own, and values may nest::

        config = ExperimentConfig(experiment_name="muon", optimizer_name="Muon")
        config.optimizer_name          # "Muon"
        config._replace(seed=1)        # a copy with one setting changed

    It has the named-tuple methods ``_replace``, ``_asdict`` and ``_fields``; ``_given`` has the
    names of the settings that are no defaults. Raises ``TypeError`` when ``experiment_name`` is
    missing or is not a string.
    """

    if TYPE_CHECKING:
        experiment_name: str

    _field_defaults: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {name: getattr(_StandardSettings, name) for name in _StandardSettings.__annotations__}
    )

    __slots__ = ("_given", "_settings")
    _settings: Mapping[str, Any]
    _given: tuple[str, ...]

    def __init__(self, experiment_name: str, **settings: Any) -> None:
        if not isinstance(experiment_name, str):
            raise TypeError(
                f"experiment_name must be a string, not {type(experiment_name).__name__}"
            )
        merged = {"experiment_name": experiment_name, **self._field_defaults, **settings}
        object.__setattr__(self, "_settings", MappingProxyType(merged))
        object.__setattr__(self, "_given", ("experiment_name", *settings))

    @classmethod
    def from_settings(
        cls: type[_Config], settings: Mapping[str, Any], given: Iterable[str] | None = None
    ) -> _Config:
        """Exactly these settings, with no defaults added: how a log file is read back.

        ``given`` are the names of those that a person gave, all of them unless it says so. A file
        that names no experiment yields the empty name.
        """
        config = cls.__new__(cls)
        kept = {"experiment_name": "", **settings}
        names = frozenset(kept if given is None else given)
        object.__setattr__(config, "_settings", MappingProxyType(kept))
        object.__setattr__(config, "_given", tuple(name for name in kept if name in names))
        return config

    @property
    def _fields(self) -> tuple[str, ...]:
        return tuple(self._settings)

    def _asdict(self) -> dict[str, Any]:
        return dict(self._settings)

    def to_dict(self) -> dict[str, Any]:
        """The settings as a plain dictionary, in order: standard ones first."""
        return self._asdict()

    def _replace(self: _Config, **changes: Any) -> _Config:
        return self.from_settings({**self._settings, **changes}, {*self._given, *changes})

    def __getattr__(self, name: str) -> Any:
        # Only reached when normal lookup fails; the slots themselves are empty while unpickling.
        if name not in ExperimentConfig.__slots__ and name in self._settings:
            return self._settings[name]
        raise AttributeError(f"{type(self).__name__} has no setting {name!r}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable; use _replace({name}=…)")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._settings]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._settings.values())

    def __len__(self) -> int:
        return len(self._settings)

    def __getitem__(self, index: int | slice) -> Any:
        return tuple(self._settings.values())[index]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ExperimentConfig):
            return dict(self._settings) == dict(other._settings)
        return NotImplemented

    def __hash__(self) -> int:
        # Settings may hold lists and dictionaries, so only what is always hashable takes part.
        return hash((self.experiment_name, frozenset(self._settings)))

    def __repr__(self) -> str:
        inner = ", ".join(f"{name}={value!r}" for name, value in self._settings.items())
        return f"{type(self).__name__}({inner})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self).from_settings, (dict(self._settings), self._given))


class MetricsSnapshot(msgspec.Struct, frozen=True, gc=False):
    """One record: what was measured at one iteration. ``None`` where nothing was measured.

    ``wallclock_time`` is in seconds since ``start()``, ``tokens_per_sec`` in tokens per second,
    ``iter_time_ms`` in milliseconds. ``metrics`` holds the further metrics by name.
    """

    iteration: int | float
    gradient_step: int = 0
    wallclock_time: float = 0.0
    train_loss: float | None = None
    val_loss: float | None = None
    learning_rate: float | None = None
    tokens_per_sec: float | None = None
    iter_time_ms: float | None = None
    metrics: dict[str, float | None] = msgspec.field(default_factory=dict)

    def value(self, metric: str) -> float | None:
        """The value of a standard or further metric, ``None`` where it was not measured."""
        if metric in RECORD_FIELDS:
            measured: float | None = getattr(self, metric)
            return measured
        return self.metrics.get(metric)


class MetricStats(msgspec.Struct, frozen=True, gc=False):
    """Running statistics of one metric over a run; only finite values count, except for ``last``.

    ``std`` is the population standard deviation. ``nonfinite`` counts NaN and ±inf.
    ``min_iteration`` and ``max_iteration`` say where the extremes were first met.
    ``recent_mean`` is the mean of the last ``RECENT_VALUES`` finite values, or of all if fewer.
    """

    count: int = 0
    last: float | None = None
    min: float | None = None
    max: float | None = None
    mean: float | None = None
    std: float | None = None
    min_iteration: int | float | None = None
    max_iteration: int | float | None = None
    nonfinite: int = 0
    recent_mean: float | None = None


class Pauses(msgspec.Struct, frozen=True, gc=False):
    """For how long a run logged nothing, in seconds of its own monotonic clock.

    ``current`` counts from the last call that logged. ``usual`` is the median time from one
    iteration that was logged to the next, ``recent`` that of the last few, and ``longest`` the
    longest time between two calls; ``None`` before there were two.
    """

    current: float = 0.0
    recent: float | None = None
    usual: float | None = None
    longest: float | None = None

    @property
    def is_stall(self) -> bool:
        """Whether the current pause is longer than the rhythm of the run explains."""
        if self.longest is None:
            return self.current > _FIRST_PAUSE_GRANTED
        return self.current > max(_SHORTEST_STALL, _PAUSES_GRANTED * self.longest)


_SHORTEST_STALL = 60.0
_PAUSES_GRANTED = 3
_FIRST_PAUSE_GRANTED = 600.0  # a model that is compiled, a dataset that is indexed


WRITTEN_BY = "written_by"
"""Of the facts about a run: the tool that wrote its files, where that is not traintop."""

LOGGED_WITH = "logged_with"
"""Of the facts about a run: what its program called, where that is not the tracker itself."""


DIRECTIONS = "directions"
"""Of the facts about a run: which values of its metrics are better, ``"lower"`` or ``"higher"`` by
name, where its tool or its program says so.
"""


class LoggedAlert(msgspec.Struct, frozen=True, gc=False):
    """What a program had to say to whoever watches its run, by ``ExperimentTracker.alert``.

    ``time`` is in ISO 8601 with its offset from UTC. ``iteration`` is the newest one by then,
    ``None`` before the first.
    """

    time: str = ""
    iteration: int | float | None = None
    title: str = ""
    text: str = ""


class RunStatus(enum.StrEnum):
    """How a run is doing. The first four are written by the run itself."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"  # an exception ended it; its text is in `error`
    INTERRUPTED = "interrupted"  # Ctrl-C, SIGTERM, or the process exited without finish()
    STALLED = "stalled"  # says "running", but logs nothing for longer than its rhythm explains
    CRASHED = "crashed"  # says "running", but its process has ended
    QUIET = "quiet"  # has logged nothing for so long, and its format says nothing of an end
    UNREADABLE = "unreadable"  # the file cannot be read; the reason is in `problem`


ALIVE = frozenset({RunStatus.RUNNING, RunStatus.STALLED})
"""The states of a run that may still go on."""

ENDED = frozenset(RunStatus) - ALIVE - {RunStatus.UNREADABLE}
"""The states of a run that has ended, well or badly, or seems to have."""


class Annotations(msgspec.Struct, frozen=True, gc=False):
    """What people added to a run from outside; kept beside its file, never in it.

    ``author`` is who changed it last, and ``time`` when, in ISO 8601 with its offset from UTC;
    both are empty where an older version wrote it.
    """

    note: str = ""
    tags: tuple[str, ...] = ()
    archived: bool = False
    author: str = ""
    time: str = ""


class RunSummary(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """All that the list, the summary and the leaderboard need to know of a run, read in O(1).

    ``id`` is what everyone knows the run by: the path of a local file, else an address; of a file
    that holds many runs, with # and one of them behind it.
    Strings are as the file has them: pass them through ``text.safe_text`` before drawing.
    """

    id: str
    status: RunStatus
    name: str = ""
    config: Mapping[str, Any] = msgspec.field(default_factory=dict)
    changed: Mapping[str, Any] = msgspec.field(default_factory=dict)
    """The settings that changed after the start, as they were then: ``None`` if they came later."""
    environment: Mapping[str, Any] = msgspec.field(default_factory=dict)
    start_time: str | None = None
    end_time: str | None = None
    updated_at: str | None = None
    duration_seconds: float | None = None
    count: int | None = None
    gradient_step: int = 0
    iterations_per_second: float | None = None
    pauses: Pauses | None = None
    """``None`` where its writer does not say."""
    gpus_sampled_at: float | None = None
    """The second of the run in which the newest values of its GPUs were read, where any were."""
    best_train_loss: float | None = None
    best_val_loss: float | None = None
    final_train_loss: float | None = None
    final_val_loss: float | None = None
    stats: Mapping[str, MetricStats] = msgspec.field(default_factory=dict)
    last: MetricsSnapshot | None = None
    notes: str = ""
    error: str = ""
    problem: str = ""
    """Why its file, or a part of it, cannot be read."""
    damaged: int = 0
    """Lines of its file that hold no record, where these were read."""
    alerts: tuple[LoggedAlert, ...] = ()
    """The last ones that its program logged, the newest last."""
    left_out: tuple[str, ...] = ()
    """Metrics that its writer left out, for there were too many; # stands for all numbers."""
    file_size: int = 0
    annotations: Annotations = Annotations()
    root: str = ""
    """Where it was found: the directory or the address that is watched."""

    @property
    def path(self) -> Path | None:
        """The file or directory that a local run lies in, as the catalog names it."""
        return None if is_remote(self.id) else Path(parts_of(self.id)[0])

    @property
    def stem(self) -> str:
        """The last part of the id without its suffix: the *run id* that people read and type."""
        return stem_of(self.id)

    @property
    def title(self) -> str:
        """The experiment's name, or the run id where that has none, or one of blanks only."""
        return self.name if self.name.strip() else self.stem

    @property
    def given(self) -> Mapping[str, Any]:
        """The settings that a person gave; the others in ``config`` are defaults, and no facts."""
        names, config = self.given_names, self.config
        if names is None:
            return config
        return {name: config[name] for name in names if name in config}

    @property
    def given_names(self) -> tuple[str, ...] | None:
        """The names of these settings; ``None`` where all were given."""
        names = self.environment.get("given")
        if not isinstance(names, (list, tuple)):
            return None
        return tuple(name for name in names if isinstance(name, str))

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that its program gave it, and those that people added."""
        given = self.environment.get("tags")
        known = given if isinstance(given, (list, tuple)) else ()
        return (*dict.fromkeys((*map(str, known), *self.annotations.tags)),)

    @property
    def iteration(self) -> int | float | None:
        """The iteration of the last record, ``None`` before the first."""
        return self.last.iteration if self.last else None


class ExperimentLog(msgspec.Struct, kw_only=True):
    """A complete run in memory: the content of one log file."""

    config: ExperimentConfig
    start_time: str | None = None
    end_time: str | None = None
    duration_seconds: float = 0.0
    metrics_history: list[MetricsSnapshot] = msgspec.field(default_factory=list)
    best_train_loss: float | None = None
    best_val_loss: float | None = None
    final_train_loss: float | None = None
    final_val_loss: float | None = None
    notes: str = ""
    status: RunStatus = RunStatus.RUNNING
    error: str = ""
    path: Path | None = None
