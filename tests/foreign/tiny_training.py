"""What the scripts of this folder train: a line through noise, by stochastic gradient descent."""

from __future__ import annotations

import math
import operator
import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_TRUTH = (0.7, -1.3, 2.1)
_NOISE = 0.2


class Step(NamedTuple):
    """What one step of training measured."""

    step: int
    loss: float
    val_loss: float | None  # measured now and then
    learning_rate: float
    grad_norm: float


def training(
    steps: int, *, first: int = 0, eval_every: int = 10, learning_rate: float = 0.05, seed: int = 0
) -> Iterator[Step]:
    """Train; steps before ``first`` are trained and not told. A learning rate of 1000 diverges."""
    numbers = random.Random(seed)
    held_out = [_sample(numbers) for _ in range(64)]
    weights = [0.0] * len(_TRUTH)
    for step in range(steps):
        rate = learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        batch = [_sample(numbers) for _ in range(8)]
        loss, gradient = _loss_and_gradient(weights, batch)
        val_loss = _loss_and_gradient(weights, held_out)[0] if step % eval_every == 0 else None
        weights = [w - rate * g for w, g in zip(weights, gradient, strict=True)]
        if step >= first:
            yield Step(step, loss, val_loss, rate, math.hypot(*gradient))


def _sample(numbers: random.Random) -> tuple[tuple[float, ...], float]:
    x = tuple(numbers.gauss(0, 1) for _ in _TRUTH)
    return x, _dot(_TRUTH, x) + numbers.gauss(0, _NOISE)


def _loss_and_gradient(
    weights: list[float], batch: list[tuple[tuple[float, ...], float]]
) -> tuple[float, list[float]]:
    """The mean squared error over a batch, and its gradient."""
    errors = [_dot(weights, x) - y for x, y in batch]
    gradient = [
        2 * sum(error * x[i] for error, (x, _) in zip(errors, batch, strict=True)) / len(batch)
        for i in range(len(weights))
    ]
    return sum(error * error for error in errors) / len(batch), gradient


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(map(operator.mul, a, b))
