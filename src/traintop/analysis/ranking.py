"""Which run is the best by a metric: what a run reached, and which direction is better."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from traintop.model import STANDARD_METRICS, RunStatus, RunSummary

Mode = Literal["min", "max"]

LOSSES = ("val_loss", "train_loss")
"""The losses that every run may have, the one that counts more first."""

_FIELDS = frozenset({"iteration", "gradient_step", "final_train_loss", "final_val_loss"})
_DURATIONS = frozenset({"duration", "duration_seconds", "wallclock_time"})
_METRICS = {"best_train_loss": "train_loss", "best_val_loss": "val_loss"}

_RATE = re.compile(r"(?:per[_ ]?|/)(?:s|secs?|seconds?)(?![a-z])")
_WORD = re.compile(r"[^\W_]+")
_CAMEL_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_LOWER_IS_BETTER = frozenset(
    {"loss", "perplexity", "ppl", "nll", "error", "err", "fid", "std", "var"}
    | {"time", "duration", "latency", "ms", "seconds"}
)
_HIGHER_IS_BETTER = frozenset(
    {"accuracy", "acc", "auc", "auroc", "auprc", "f1", "precision", "recall", "ap", "map", "top"}
    | {"iou", "miou", "dice", "r2", "psnr", "ssim", "ndcg", "mrr", "correlation", "score"}
    | {"bleu", "rouge", "meteor", "chrf", "exact", "match", "pass", "correct", "em"}
    | {"reward", "return", "returns", "win", "winrate", "success", "elo"}
    | {"throughput", "mfu", "hfu", "utilization", "iteration", "step", "epoch"}
)
_NEITHER_IS_BETTER = frozenset({"lr", "norm"})
_LEARNING_RATE = frozenset({"learning", "rate"})


def metrics_of(runs: Iterable[RunSummary]) -> list[str]:
    """The metrics that any of the runs has: losses first, then standard ones, then the others."""
    known = dict.fromkeys(metric for run in runs for metric in run.stats)
    standard = [*LOSSES, *(name for name in STANDARD_METRICS if name not in LOSSES)]
    return [
        *(name for name in standard if name in known),
        *(name for name in known if name not in standard),
    ]


@functools.lru_cache(maxsize=1024)
def mode_of(metric: str) -> Mode:
    """Whether lower or higher values of a metric are better, judged by the words of its name.

    Losses, errors and times go down; accuracies, scores and rates go up. Names that tell nothing
    count as losses.
    """
    if _RATE.search(metric.lower()):
        return "max"
    words = _words_of(metric)
    return "max" if words & _HIGHER_IS_BETTER and not words & _LOWER_IS_BETTER else "min"


@functools.lru_cache(maxsize=1024)
def is_judged(metric: str) -> bool:
    """Whether any value of a metric is better than another.

    A learning rate is chosen, and the norm of gradients only tells how a run fares.
    """
    words = _words_of(metric)
    return bool(words & (_LOWER_IS_BETTER | _HIGHER_IS_BETTER)) or not (
        words & _NEITHER_IS_BETTER or words >= _LEARNING_RATE
    )


def _words_of(metric: str) -> set[str]:
    words = set(_WORD.findall(metric.lower()))
    words |= set(_WORD.findall(_CAMEL_HUMP.sub("_", metric).lower()))
    return words | {word.rstrip("0123456789") for word in words}


def best_value(run: RunSummary, metric: str, mode: Mode | None = None) -> float | None:
    """The best finite value that a run reached of a metric at any iteration, else ``None``.

    ``duration`` is a metric too, in seconds, of finished runs that did not diverge. Losses that
    were given to ``finish()``, or that only the file's own ``best_val_loss`` tells, count like
    recorded ones.
    """
    metric = _METRICS.get(metric, metric)
    direction = mode or mode_of(metric)
    stats = run.stats.get(metric)
    found: list[float | None] = []
    if stats is not None:
        found.append(stats.min if direction == "min" else stats.max)
    if metric in ("train_loss", "val_loss"):
        found += [getattr(run, f"best_{metric}"), getattr(run, f"final_{metric}")]
    elif metric in _FIELDS and stats is None:
        found.append(getattr(run, metric))
    elif metric in _DURATIONS and stats is None and was_completed(run):
        found.append(run.duration_seconds)
    finite = [value for value in found if value is not None and math.isfinite(value)]
    if not finite:
        return None
    return min(finite) if direction == "min" else max(finite)


def was_completed(run: RunSummary) -> bool:
    """Whether a run's duration is that of its work, which one that diverged gave up early."""
    return run.status is RunStatus.FINISHED and not run.diverged


def best_run(
    runs: Iterable[RunSummary], metric: str, mode: Mode | None = None
) -> tuple[RunSummary, float] | None:
    """The run that reached the best value of a metric, with that value; ``None`` if none has it.

    Of several that are equally good it is the first.
    """
    direction = mode or mode_of(metric)
    best: tuple[RunSummary, float] | None = None
    for run in runs:
        value = best_value(run, metric, direction)
        if value is None:
            continue
        if best is None or (value < best[1] if direction == "min" else value > best[1]):
            best = (run, value)
    return best


class Leader(NamedTuple):
    """A run with the best value that it reached, and the iteration where that was, if known."""

    run: RunSummary
    value: float
    iteration: float | None


def leaders(runs: Iterable[RunSummary], metric: str, mode: Mode | None = None) -> list[Leader]:
    """The runs that have a finite value of a metric, the best first; equal ones as they came."""
    direction = mode or mode_of(metric)
    ranked = [
        Leader(run, value, iteration_of(run, metric, direction, value))
        for run in runs
        if (value := best_value(run, metric, direction)) is not None
    ]
    ranked.sort(key=lambda leader: leader.value, reverse=direction == "max")
    return ranked


def iteration_of(run: RunSummary, metric: str, direction: Mode, value: float) -> float | None:
    """Where a run first had its best value; ``None`` when no record but the file's end has it."""
    stats = run.stats.get(metric)
    if stats is None:
        return None
    extreme, iteration = (
        (stats.min, stats.min_iteration) if direction == "min" else (stats.max, stats.max_iteration)
    )
    return iteration if extreme == value else None
