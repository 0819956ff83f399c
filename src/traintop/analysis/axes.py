"""The x axes that a chart may have, by their names; needs no numpy.

An axis is one of ``X_AXES``, or any metric that was logged. Tokens, epochs and samples are counted
under many names, which all lead to one axis, so that runs of several tools share it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping

import msgspec

from traintop.analysis.chart_names import chart_title
from traintop.fields import field_of
from traintop.metrics import logged_name
from traintop.model import RunSummary
from traintop.progress import counts_epochs
from traintop.text import fit_middle
from traintop.values import as_number

X_AXES = ("iteration", "gradient_step", "wallclock_time", "tokens", "epoch", "samples")
"""The axes that runs of any tool may have, in the order in which they are gone through."""


class XAxis(msgspec.Struct, frozen=True):
    """What x is, and whether its axis is logarithmic.

    A *place* on an axis is a value of x, on a logarithmic one its decimal logarithm.
    """

    name: str = X_AXES[0]
    log: bool = False


_LABELS: Mapping[str, str] = {"gradient_step": "gradient step", "wallclock_time": "wall clock"}
_FIELDS: Mapping[str, str] = {"step": "iteration", "duration": "wallclock_time"}
"""The axis along which a field of a run grows."""

_LABEL_WIDTH = 32

_COUNTED = {
    axis: re.compile(
        r"(?:.*[/.])?(?:(?:num|n|total|cumulative|consumed|current|global|input|train)[_-])*"
        rf"(?:{words})(?:[_-](?:seen|total|processed|consumed|trained))?",
        re.IGNORECASE,
    )
    for axis, words in (
        ("tokens", "tokens"),
        ("epoch", "epochs?"),
        ("samples", "samples|examples|sequences"),
    )
}


def x_label(x_axis: str) -> str:
    """What an axis is called."""
    return _LABELS.get(x_axis) or fit_middle(chart_title(x_axis), _LABEL_WIDTH)


def no_axis_text(x_axis: XAxis) -> str:
    """Why no run has a place on an axis."""
    if x_axis.name == "tokens":
        return "no token count: log tokens, or give batch_size and context_length"
    reason = "above 0 for a log axis" if x_axis.log else "was logged"
    return f"no {x_label(x_axis.name)} {reason}"


def counted_by(metric: str) -> str | None:
    """The axis along which a metric counts by its name, ``None`` for most metrics."""
    return next((axis for axis, names in _COUNTED.items() if names.fullmatch(metric)), None)


def counting_metrics(x_axis: str, logged: Iterable[str]) -> list[str]:
    """The metrics that may count along an axis of ``X_AXES``, those of plain names first."""
    found = (name for name in logged if counted_by(name) == x_axis)
    return sorted(found, key=lambda name: ("/" in name, name))


def axis_named(name: str, logged: Iterable[Collection[str]]) -> str:
    """The axis that a name stands for among runs that logged these metrics.

    A metric of this name comes before another that counts the same, and before a field: ``step`` is
    the iteration. An unknown name is its own.
    """
    if name in X_AXES or any(logged_name(name, names) for names in logged):
        return name
    return counted_by(name) or _FIELDS.get(field_of(name).name, name)


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
