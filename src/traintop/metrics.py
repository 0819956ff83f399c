"""The metrics of a run: the names that tools give them, their last and best, what is better.

A training loop logs its loss as ``loss``, ``train/loss`` or ``training_loss``, and means the same.
The file keeps the name that was logged; here such names lead to one another, for summaries and
for columns of records alike. Where a run logged several of them, the standard one is meant.
"""

from __future__ import annotations

import functools
import math
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from traintop.direction import Direction, direction_of_name
from traintop.logfile.columns import name_family
from traintop.model import DIRECTIONS, MetricStats, RunStatus, RunSummary
from traintop.mounts import answer
from traintop.run_columns import column, names_of, names_of_run
from traintop.run_ids import folder_of, is_named_like_a_file, parts_of
from traintop.system_metrics import (
    TOGETHER,
    gpus_among,
    is_system_metric,
    of_single_gpu,
    system_order,
)

LOSSES = ("val_loss", "train_loss")
"""The losses that every run may have, the one that counts more first."""

PACE = ("tokens_per_sec", "iter_time_ms")
"""How fast a run goes, which of all its metrics says nothing about what it learns."""

SPLITS = frozenset({"split", "mode", "phase", "stage", "set", "subset", "type", "event", "kind"})
"""Fields in which programs say of which part of the data a record is."""

EVALUATIONS = frozenset(
    {"val", "valid", "validation", "validate", "eval", "evaluation", "evaluate", "dev", "test"}
)
"""What they call the parts that are not trained on."""

_OF_A_KIND = re.compile(r"(?:^|[/.])(?:epoch|batch)_|_(?:epoch|step)$")
_SIGNS = re.compile(r"[^a-z0-9]+")


class Metric(msgspec.Struct, frozen=True):
    """A metric that tools call differently. ``logged_as`` are further names, the likeliest first.

    They may be within ``groups``, as in ``train/lr``; case and the signs between words make no
    difference. ``label`` is its heading, ``short`` the one behind "BEST" or "MEAN", and ``words``
    what a person says.
    """

    name: str
    label: str
    short: str
    words: str
    explanation: str
    logged_as: tuple[str, ...]
    groups: tuple[str, ...] = ()

    def names(self) -> Iterator[str]:
        """All names, the likeliest first."""
        yield self.name
        yield from self.logged_as
        for group in self.groups:
            yield from (f"{group}/{name}" for name in (self.name, *self.logged_as))


def _metric(
    name: str, headings: str, words: str, explanation: str, logged_as: str, groups: str = ""
) -> Metric:
    label, _, short = headings.partition(" | ")
    logged = tuple(logged_as.split())
    return Metric(name, label, short or label, words, explanation, logged, tuple(groups.split()))


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        _metric(
            "train_loss",
            "LOSS | TRAIN",
            "train loss",
            "loss on the training data",
            "loss train/loss training_loss training/loss trainer/loss loss/train loss/training "
            "losses/train train_loss_step loss_step train_loss_epoch loss_epoch "
            "train/train_loss batch_loss train/batch_loss lm_loss total_loss epoch_loss",
        ),
        _metric(
            "val_loss",
            "VAL LOSS | VAL",
            "val loss",
            "loss on the validation data",
            "eval_loss validation_loss valid_loss dev_loss loss/val loss/valid loss/validation "
            "loss/eval losses/val val_loss_epoch val_loss_step val/val_loss eval/eval_loss "
            "val/epoch_loss",
        ),
        _metric(
            "learning_rate",
            "LR",
            "learning rate",
            "learning rate of the optimizer",
            "lr lr/group0 lr/pg0 lr-AdamW lr-Adam lr-SGD lr-AdamW/pg1 lr-Adam/pg1 lr-SGD/pg1 "
            "epoch_learning_rate",
            "train training trainer optim optimizer",
        ),
        _metric(
            "tokens_per_sec",
            "TOK/S",
            "tokens/s",
            "throughput in tokens per second",
            "tokens_per_second tokens_per_s tokens/s tokens/sec tok/s tok_per_sec tok/sec "
            "toks_per_sec tps",
            "train training perf throughput speed",
        ),
        _metric(
            "iter_time_ms",
            "STEP MS",
            "step time, ms",
            "milliseconds that a step takes",
            "step_time_ms iter_ms step_ms batch_time_ms ms_per_step ms_per_iter",
            "train perf",
        ),
        _metric(
            "grad_norm",
            "GRAD NORM",
            "gradient norm",
            "norm of the gradients",
            "gradient_norm grad_norm_l2 global_grad_norm total_grad_norm gradients/norm grad/norm",
            "train training optim optimizer",
        ),
    )
}
"""By standard name, in the order in which metrics are shown."""

_SHORTHAND: Mapping[str, str] = {"throughput": "tokens_per_sec"}
"""What is asked for where no run logged that very name, which might be of samples."""


def _plain(name: str) -> str:
    return _SIGNS.sub("_", name.lower()).strip("_")


_RANKS: Mapping[str, tuple[str, int]] = {
    _plain(alias): (metric.name, rank)
    for metric in METRICS.values()
    for rank, alias in enumerate(metric.names())
}


@functools.lru_cache(maxsize=4096)
def _known_as(name: str) -> tuple[str, int] | None:
    """The standard metric that a name stands for, and how likely it is the one that is meant."""
    return _RANKS.get(_plain(name))


def standard_name(metric: str) -> str:
    """What a metric is called here: ``train_loss`` for ``training/loss``; most names are their own.

    ``loss`` is the train loss in any case: it stands as the heading of its column.
    """
    known = _known_as(metric)
    return metric if known is None else known[0]


def logged_name(metric: str, logged: Collection[str]) -> str | None:
    """The one of the names that a run logged under which a metric is found; ``None`` for none.

    The loss of an epoch or of a batch is the loss of a run that logs no other; but who asks for
    that of an epoch does not mean another.
    """
    if metric in logged and metric != "loss":
        return metric
    return None if _OF_A_KIND.search(metric) else _name_of_same(metric, tuple(logged))


@functools.lru_cache(maxsize=4096)  # very many runs log the same metrics
def _name_of_same(metric: str, logged: tuple[str, ...]) -> str | None:
    known = _known_as(_SHORTHAND.get(metric, metric))
    if known is None:
        of_gpu = of_single_gpu(metric)
        is_alone = of_gpu in logged and len(gpus_among(logged, _last_part(metric))) == 1
        return of_gpu if is_alone else None
    if known[0] in logged:
        return known[0]
    alike = [
        (found[1], name)
        for name in logged
        if (found := _known_as(name)) is not None and found[0] == known[0]
    ]
    return min(alike)[1] if alike else None


def column_name(metric: str, logged: Collection[str]) -> str:
    """As :func:`logged_name`, and the name itself where no such metric was logged."""
    return logged_name(metric, logged) or metric


def metrics_of(runs: Iterable[RunSummary]) -> list[str]:
    """What the loops of any of the runs logged, by standard names; see :func:`in_order`."""
    logged = dict.fromkeys(names.stats for names in names_of(runs))
    found = in_order(name for names in logged for name in names_of_metrics(names))
    return [name for name in found if not is_system_metric(name)]


def system_metrics_of(runs: Iterable[RunSummary]) -> list[str]:
    """The system metrics of any of the runs: those of whole runs, and then those of each GPU."""
    logged = dict.fromkeys(names.stats for names in names_of(runs))
    whole = [name for name in TOGETHER if any(logged_name(name, names) for names in logged)]
    each = {name for names in logged for name in names if is_system_metric(name)}
    return [*whole, *sorted(each.difference(whole), key=system_order)]


def primary_metric(runs: Iterable[RunSummary]) -> str:
    """The metric by which runs are judged unless one is chosen: a loss, where any has one."""
    judged = (metric for metric in metrics_of(runs) if direction_of(metric) is not None)
    return next((metric for metric in judged if metric not in PACE), LOSSES[0])


def names_of_metrics(logged: Collection[str]) -> tuple[str, ...]:
    """What the metrics that one run logged are called here, each once."""
    return _standard_names(tuple(logged))


@functools.lru_cache(maxsize=1024)
def _standard_names(logged: tuple[str, ...]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for name in logged:
        standard = standard_name(name)
        meant = name == standard or logged_name(standard, logged) == name
        if meant or name != "loss":
            names[standard if meant else name] = None
    return (*names,)


_LARGE_FAMILY = 8
"""Names that differ in digits only, from which on they are many."""


def in_order(metrics: Iterable[str]) -> list[str]:
    """Metrics with the losses first, then the other standard ones, then all others as they came.

    Where there are no losses, what else tells whether a run gets better comes first. Large families
    of like names, such as the norms of all layers, come late: they would hide what is there once.
    System metrics come last.
    """
    met = dict.fromkeys(metrics)
    names = {name: None for name in met if not is_system_metric(name)}
    standard = [name for name in dict.fromkeys((*LOSSES, *METRICS)) if name in names]
    others = [name for name in names if name not in METRICS]
    many: list[str] = []
    if len(others) > _LARGE_FAMILY:
        sizes = Counter(map(name_family, others))
        many = [name for name in others if sizes[name_family(name)] > _LARGE_FAMILY]
        others = [name for name in others if sizes[name_family(name)] <= _LARGE_FAMILY]
    first = [] if names.keys() & {*LOSSES} else [name for name in others if direction_of(name)]
    return [*dict.fromkeys((*first, *standard, *others, *many, *met))]


def _last_part(name: str) -> str:
    return name.rpartition("/")[2]


# Values of a run.


def stats_of(run: RunSummary, metric: str) -> MetricStats | None:
    """The statistics of a metric over a run, under whichever name it was logged."""
    name = logged_name(metric, run.stats)
    return None if name is None else run.stats[name]


def last_value(run: RunSummary, metric: str) -> float | None:
    """The last value that was measured of a metric, which may be NaN or ±inf."""
    stats = stats_of(run, metric)
    return value_in_last_record(run, metric) if stats is None else stats.last


def value_in_last_record(run: RunSummary, metric: str) -> float | None:
    """What the last record of a run has of a metric."""
    if run.last is None:
        return None
    name = logged_name(metric, run.last.metrics)
    return run.last.metrics[name] if name else run.last.value(standard_name(metric))


def mean_value(run: RunSummary, metric: str) -> float | None:
    """The mean of a metric's finite values over a run."""
    stats = stats_of(run, metric)
    return None if stats is None else stats.mean


def best_value(run: RunSummary, metric: str, direction: Direction | None = None) -> float | None:
    """The best finite value that a run recorded of a metric at any iteration.

    ``None`` where there is none, and where it is unknown which values are better. Of a loss that
    no record has, it is what the file's own ``best_val_loss`` says, or else what ``finish()`` was
    given.
    """
    better = direction or direction_of(metric)
    if better is None:
        return None
    name, stats = standard_name(metric), stats_of(run, metric)
    found = [] if stats is None else [stats.min if better == "lower" else stats.max]
    # Another loss beside the standard one is not what the file and finish() speak of.
    if logged_name(metric, run.stats) == logged_name(name, run.stats):
        if name == "train_loss":
            found += [run.best_train_loss, run.final_train_loss]
        elif name == "val_loss":
            found += [run.best_val_loss, run.final_val_loss]
    return next((one for one in found if one is not None and math.isfinite(one)), None)


def best_iteration(run: RunSummary, metric: str, best: float) -> float | None:
    """Where a run first had its best value; ``None`` when no record but the file's end has it."""
    stats = stats_of(run, metric)
    if stats is None:
        return None
    if stats.min == best:
        return stats.min_iteration
    return stats.max_iteration if stats.max == best else None


def diverged(run: RunSummary) -> bool:
    """Whether the last training loss is NaN or infinite."""
    loss = last_value(run, "train_loss")
    return loss is not None and not math.isfinite(loss)


def was_completed(run: RunSummary) -> bool:
    """Whether a run's duration is that of its work, which one that diverged gave up early."""
    return run.status is RunStatus.FINISHED and not diverged(run)


def most_work(runs: Iterable[RunSummary]) -> list[RunSummary]:
    """The completed runs that went furthest: of these, the shortest was the fastest."""
    completed = [run for run in runs if was_completed(run)]
    furthest = max((run.iteration for run in completed if run.iteration is not None), default=None)
    return [run for run in completed if run.iteration == furthest]


# Directions.

_chosen: Mapping[str, Direction] = {}
_stated: Mapping[str, Direction] = {}


def choose_directions(directions: Mapping[str, Direction]) -> None:
    """Set which values of some metrics are better, for every face of this process.

    They are a person's: what the settings file says, or what was answered to the leaderboard.
    """
    global _chosen
    _chosen = {standard_name(name): one for name, one in directions.items()}


def choose_directions_for(roots: Sequence[str]) -> None:
    """Take over what the settings file says, and what was answered in the UI for some roots.

    Of a file, what was answered for its directory counts.
    """
    from traintop.directory_memory import DirectoryMemory, memory_path
    from traintop.settings import load_settings, settings_path

    folders = dict.fromkeys(
        folder_of(parts_of(one)[0])
        if is_named_like_a_file(one) and not answer(one, os.path.isdir, False)
        else one
        for one in roots
    )
    remembered = DirectoryMemory(memory_path(), [*folders]).recall().get("directions", ())
    try:
        answered = msgspec.convert(remembered, tuple[tuple[str, Direction], ...])
    except msgspec.ValidationError:
        answered = ()
    choose_directions({**load_settings(settings_path())[0].directions, **dict(answered)})


def take_stated_directions(runs: Iterable[RunSummary]) -> None:
    """Know which values are better by what the tools of some runs say, where these agree."""
    global _stated
    stated: dict[str, set[Direction]] = {}
    for directions in column(runs, DIRECTIONS, _stated_by):
        if isinstance(directions, dict):
            for name, direction in directions.items():
                if direction in ("lower", "higher"):
                    stated.setdefault(standard_name(name), set()).add(direction)
    _stated = {name: ones.pop() for name, ones in stated.items() if len(ones) == 1}


def _stated_by(run: RunSummary) -> object:
    is_stated = DIRECTIONS in names_of_run(run).environment
    return run.environment.get(DIRECTIONS) if is_stated else None


def direction_of(metric: str) -> Direction | None:
    """Whether lower or higher values of a metric are better; ``None`` where that is unknown."""
    name = standard_name(metric)
    return _chosen.get(name) or _stated.get(name) or direction_of_name(name)
