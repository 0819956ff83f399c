"""Whether lower or higher values of a metric are better, judged by the words of its name.

Losses, errors and latencies are better when lower; accuracies, rewards and rates when higher. Of
everything else (an epoch, a norm, a temperature) it is unknown, and then nothing is the best.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Literal

Direction = Literal["lower", "higher"]
"""Which values are better; ``None`` means unknown."""

_RATE = re.compile(r"per[_ ]?(?:s|secs?|seconds?)(?![a-z])|/(?:s|secs?|seconds?)$")
_PHRASES_LOWER = re.compile(r"bits?[ _-]per[ _-]|cross[ _-]?entropy|false[ _-](?:posi|nega)tives?")
_PHRASES_HIGHER = re.compile(
    r"explained[ _-]variance|pass(?:@|_at_|_rate)|true[ _-](?:posi|nega)tives?|acc(?:uracy)?_norm"
    r"|dice[ _-]?coef"
)
_WORD = re.compile(r"[^\W_]+")
_CAMEL_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

_LOWER = frozenset(
    {"loss", "losses", "error", "errors", "err", "cost", "regret", "violations", "mistakes"}
    | {"perplexity", "ppl", "nll", "ce", "bce", "xent", "crossentropy", "logloss", "hinge", "huber"}
    | {"bpb", "bpc", "bpd", "mse", "rmse", "nrmse", "mae", "mape", "smape", "msle", "rmsle"}
    | {"wer", "cer", "mer", "ter", "eer", "der", "fpr", "fnr", "brier", "ece", "hamming"}
    | {"fid", "kid", "fvd", "fad", "mcd", "lpips", "niqe", "chamfer", "hausdorff"}
    | {"latency", "duration", "runtime"}
)
_HIGHER = frozenset(
    {"accuracy", "accuracies", "acc", "auc", "auroc", "auprc", "roc", "f1", "fscore", "precision"}
    | {"recall", "sensitivity", "specificity", "tpr", "tnr", "ap", "map", "mrr", "ndcg", "hit"}
    | {"hits", "top1", "top3", "top5", "top10", "topk", "iou", "miou", "dice", "jaccard", "kappa"}
    | {"mcc", "correlation", "corr", "corrcoef", "pearson", "pearsonr", "spearman", "spearmanr"}
    | {"kendall", "kendalltau", "ccc", "r2", "psnr", "ssim", "snr", "sdr", "pesq", "stoi", "mos"}
    | {"bleu", "sacrebleu", "rouge", "meteor", "chrf", "cider", "bertscore", "exact", "match"}
    | {"em", "correct", "reward", "rewards", "rew", "return", "returns", "margin", "margins"}
    | {"win", "wins", "winrate", "success", "successes", "solved", "elo", "elbo", "loglik"}
    | {"score", "throughput", "goodput", "mfu", "hfu", "fps", "tps", "qps", "tflops", "speedup"}
)
_TIMES = frozenset({"time", "ms", "sec", "secs", "second", "seconds"})
_TIMES_OF_NO_WORK = frozenset({"elapsed", "total", "wall", "wallclock", "remaining"})
_UNKNOWN = frozenset(
    {"norm", "norms", "std", "stddev", "var", "variance", "scale", "weight", "weights"}
    | {"coef", "coefficient", "lr", "rejected"}
)
"""Whatever else a name says: a loss scale is no loss, and the spread of rewards no reward."""

_COUNTERS = frozenset(
    {"tokens", "samples", "examples", "iteration", "iterations", "steps", "timesteps", "episodes"}
    | {"epochs", "length", "lengths", "len", "count", "batches", "size"}
)
_OCCASIONS = frozenset({"step", "epoch", "mean", "avg", "average"})
"""What tools append to a name to say when, or over what, it was measured."""


@functools.lru_cache(maxsize=4096)
def direction_of_name(metric: str) -> Direction | None:
    """Whether lower or higher values are better by a metric's name, ``None`` where it is unknown.

    What follows the last ``/`` counts first: ``time/fps`` is a rate, ``loss/scale`` no loss.
    """
    if _RATE.search(metric.lower()):
        return "higher"
    group, _, own = metric.rpartition("/")
    words = _words_of(own)
    known = _by_phrases(own.lower())
    if known is None and (not _UNKNOWN.isdisjoint(words) or _head(words) in _COUNTERS):
        return None
    return known or _by_words(words, own_times=True) or _by_words(_words_of(group))


def _words_of(name: str) -> list[str]:
    """The words of a name in their order; those that end in digits also without."""
    words = _WORD.findall(name.lower())
    humps = _WORD.findall(_CAMEL_HUMP.sub("_", name).lower())
    return [part for word in (*words, *humps) for part in (word, word.rstrip("0123456789")) if part]


def _head(words: Sequence[str]) -> str:
    """The word that says what is measured: the last one, but for when it was measured."""
    return next((word for word in reversed(words) if word not in _OCCASIONS), "")


def _by_phrases(name: str) -> Direction | None:
    if "likelihood" in name:
        return "lower" if "neg" in name else "higher"
    if _PHRASES_LOWER.search(name):
        return "lower"
    return "higher" if _PHRASES_HIGHER.search(name) else None


def _by_words(words: Sequence[str], *, own_times: bool = False) -> Direction | None:
    known = set(words)
    # A time alone, or one of the whole run, may be either.
    is_pace = own_times and known & _TIMES and known - _TIMES and not known & _TIMES_OF_NO_WORK
    lower = bool(known & _LOWER or is_pace)
    if lower or known & _HIGHER:
        # scikit-learn negates errors, so that all of its scores go up: neg_mean_squared_error.
        return "lower" if lower is not ("neg" in known) else "higher"
    return None
