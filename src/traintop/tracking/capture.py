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
        if hasattr(value, "detach"):
            return value.detach().clone() if _element_count(value) == 1 else value.detach()
        if hasattr(value, "copy") and hasattr(value, "flags"):
            return value.copy()  # a numpy array, which the loop may write into
    except Exception:  # whatever it is, `resolve` will say so; the training loop goes on
        pass
    return value


def _element_count(value: Any) -> int:
    count = 1
    for length in getattr(value, "shape", ()):
        count *= int(length)
    return count


def resolve(value: Any) -> Number | None:
    """The number that a captured value stands for, ``None`` where nothing was measured.

    Raises ``ValueError`` with the reason when the value is not one number.
    """
    if value is None or isinstance(value, (float, int)):
        return as_number(value)
    if isinstance(value, str):
        raise ValueError(f"is the text {value[:40]!r}")
    if _element_count(value) != 1:
        raise ValueError(f"has {_element_count(value)} elements, not one")
    try:
        number = as_number(value.item() if hasattr(value, "item") else float(value))
    except Exception as error:  # whatever a foreign array type raises is the reason
        raise ValueError(f"cannot become a number: {error}") from None
    if number is None:
        raise ValueError(f"is a {type(value).__name__}")
    return number
