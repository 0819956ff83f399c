"""The x axes that a chart may have; needs no numpy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from traintop.values import as_number

XAxis = Literal["iteration", "gradient_step", "wallclock_time", "tokens"]
X_AXES: tuple[XAxis, ...] = ("iteration", "gradient_step", "wallclock_time", "tokens")

X_LABELS: Mapping[XAxis, str] = MappingProxyType(
    {
        "iteration": "iteration",
        "gradient_step": "gradient step",
        "wallclock_time": "wall clock",
        "tokens": "tokens",
    }
)

TOKEN_METRICS = ("tokens_seen", "tokens")
"""Further metrics that count the tokens seen so far; the first one found is used."""

_ACCUMULATIONS = (
    *("gradient_accumulation_steps", "grad_accumulation_steps"),
    *("grad_accum_steps", "accumulation_steps"),
)


def tokens_per_iteration(config: Mapping[str, Any]) -> float | None:
    """The tokens that one iteration sees by the settings of its run, ``None`` when they do not say.

    ``batch_size * context_length``, times the gradient accumulation where a setting names it:
    an iteration is one optimizer step, and ``batch_size`` is of all ranks together.
    """
    batch, context = _positive(config.get("batch_size")), _positive(config.get("context_length"))
    if batch is None or context is None:
        return None
    accumulated = (_positive(config.get(name)) for name in _ACCUMULATIONS)
    tokens = batch * context * next((steps for steps in accumulated if steps is not None), 1.0)
    return tokens if math.isfinite(tokens) else None


def _positive(setting: object) -> float | None:
    number = None if isinstance(setting, bool) else as_number(setting)
    return float(number) if number is not None and 0 < number < math.inf else None
