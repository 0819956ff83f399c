"""The x axes that a chart may have; needs no numpy."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Literal

from traintop.model import RunSummary
from traintop.progress import counts_epochs
from traintop.values import as_number

XAxis = Literal["iteration", "gradient_step", "wallclock_time", "tokens"]
X_AXES: tuple[XAxis, ...] = ("iteration", "gradient_step", "wallclock_time", "tokens")

X_LABELS: Mapping[XAxis, str] = {
    "iteration": "iteration",
    "gradient_step": "gradient step",
    "wallclock_time": "wall clock",
    "tokens": "tokens",
}

_TOKENS_SEEN = re.compile(
    r"(?:.*[/.])?(?:(?:num|n|total|cumulative|consumed)_)?(?:input_)?tokens"
    r"(?:_(?:seen|total|processed|consumed|trained))?"
)


def token_metrics(logged: Iterable[str]) -> list[str]:
    """The metrics that may count the tokens seen so far, those of plain names first."""
    return sorted(filter(_TOKENS_SEEN.fullmatch, logged), key=lambda name: ("/" in name, name))


def tokens_per_iteration(run: RunSummary) -> float | None:
    """The tokens that one iteration sees by the settings that were given; ``None`` without these.

    ``batch_size * context_length``, as in the guide: an iteration is one round of the loop, also
    where the gradients of several are accumulated, and ``batch_size`` is of all ranks together.
    """
    if counts_epochs(run):
        return None
    given = run.given
    batch, context = (_positive(given.get(name)) for name in ("batch_size", "context_length"))
    tokens = math.inf if batch is None or context is None else batch * context
    return tokens if math.isfinite(tokens) else None


def _positive(setting: object) -> float | None:
    number = None if isinstance(setting, bool) else as_number(setting)
    return float(number) if number is not None and 0 < number < math.inf else None
