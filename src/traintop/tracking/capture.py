"""Metric values on their way from the training loop to the file.

A value is *captured* in the calling thread, which must cost next to nothing and must never wait
for a device, and *resolved* to a plain number later, in the writer's thread.
"""

from __future__ import annotations

from typing import Any

from traintop.values import Number, as_number


def capture(value: Any) -> Any:
    """A value that later changes in the training loop cannot alter.

    Device tensors are detached and cloned, which is queued on the device without waiting for it.
    """
    if value is None or isinstance(value, (float, int, str)):
        return value
    try:
        if _element_count(value) != 1:
            return value  # `resolve` will refuse it: no reason to copy it
        if hasattr(value, "full_tensor"):
            value = _PartOfTensor() if _has_parts(value) else value.to_local()
        if hasattr(value, "detach"):
            return value.detach().clone()
        if hasattr(value, "copy") and hasattr(value, "flags"):
            return value.copy()  # a numpy array, which the loop may write into
    except Exception:  # `resolve` will say what is wrong; the training loop continues
        pass
    return value


def _has_parts(tensor: Any) -> bool:
    """Whether each rank holds a part of a ``DTensor``, so that none knows its value alone."""
    return not all(placement.is_replicate() for placement in tensor.placements)


class _PartOfTensor:
    """In place of a ``DTensor`` of many ranks, whose value here would wait for all the others."""

    def item(self) -> float:
        """Raises ``ValueError``, which says what to log instead."""
        raise ValueError("each rank has a part of it; log value.full_tensor(), called by all ranks")


def _element_count(value: Any) -> int:
    count = 1
    for length in getattr(value, "shape", ()):
        count *= int(length)
    return count


def resolve(value: Any) -> Number | None:
    """The number in a captured value, ``None`` where nothing was measured.

    Raises ``ValueError`` with the reason when the value is not one number.
    """
    if value is None or isinstance(value, (float, int)):
        return as_number(value)
    try:
        if (count := _element_count(value)) != 1:
            reason = f"has {count} elements, not one"
        elif isinstance(item := value.item() if hasattr(value, "item") else value, (str, bytes)):
            reason = f"is the text {item[:40]!r}"
        else:
            number = as_number(item)
            return float(item) if number is None else number  # a long double, a Decimal
    except TypeError:
        reason = f"is of type {type(value).__name__}, not a number"
    except Exception as error:  # whatever a foreign type raises is the reason
        reason = f"cannot become a number: {error}"
    raise ValueError(reason)
