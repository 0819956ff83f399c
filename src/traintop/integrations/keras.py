"""Keras: a callback for ``Model.fit`` and ``Model.evaluate``."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from keras.callbacks import Callback

from traintop.integrations.framework_run import FrameworkRun
from traintop.tracking.environment import process_rank


class TraintopCallback(Callback):
    """Records what ``fit`` measures in each epoch, and on the way there.

    Records are at the step, counted over all epochs, and say the ``epoch`` that they are at. The
    metrics on the way, which Keras averages over the epoch so far, are ``batch_loss`` and so on:
    those of each batch, of each nth if ``update_freq`` is a number, or of none if it is
    ``"epoch"``. A fit with an ``initial_epoch`` goes on in a run that was interrupted. Of the
    processes that a launcher started, the one of rank 0 writes.
    """

    async_safe = True  # Keras need not wait for a batch to call this

    def __init__(
        self,
        name: str | None = None,
        log_dir: str | os.PathLike[str] | None = None,
        *,
        update_freq: Any = "batch",
    ) -> None:
        super().__init__()
        self._run = FrameworkRun(name, log_dir, rank=process_rank)
        self._every: int = {"batch": 1, "epoch": 0}.get(update_freq, update_freq)
        self._is_fitting = False
        self._epoch = 0
        self._first = 0  # step of the epoch
        self._next = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the run with its first epoch, when all that a checkpoint has is restored."""
        if not self._is_fitting:
            self._is_fitting = True
            steps = self.params.get("steps")
            self._next = epoch * steps if steps else _steps_done(self.model) if epoch else 0
            self._run.begin(_settings(self.params, self.model), self._next - 1 if epoch else 0)
        self._epoch = epoch
        self._first = self._next

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Record the averages so far; ``batch`` counts within the epoch."""
        step = self._first + batch
        self._next = step + 1
        if self._every and logs and step % self._every == 0:
            metrics = {f"batch_{name}": value for name, value in logs.items()}
            if steps := self.params.get("steps"):
                metrics["epoch"] = self._epoch + (batch + 1) / steps
            self._run.log(metrics, step)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Record the epoch, with its validation, at its last step."""
        metrics = {"epoch": epoch + 1, **(logs or {})}
        with contextlib.suppress(Exception):  # of an optimizer that has no single one
            metrics.setdefault("learning_rate", float(self.model.optimizer.learning_rate))
        self._run.log(metrics, self._next - 1)

    def on_train_end(self, logs: Any = None) -> None:
        """The run is finished."""
        self._is_fitting = False
        self._run.end()

    def on_test_end(self, logs: Any = None) -> None:
        """Record an evaluation after the fit; that of an epoch is among its metrics."""
        if not self._is_fitting and logs:
            metrics = {f"test_{name}": value for name, value in logs.items()}
            self._run.log(metrics, max(self._next - 1, 0))
            self._run.end()


def _settings(params: dict[str, Any], model: Any) -> dict[str, Any]:
    epochs, steps = params.get("epochs"), params.get("steps")
    settings: dict[str, Any] = {"epochs": epochs}
    if epochs and steps:
        settings |= {"steps_per_epoch": steps, "max_steps": epochs * steps}
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None:
        settings["optimizer"] = optimizer.get_config()
    return settings


def _steps_done(model: Any) -> int:
    """By the optimizer of a model that was restored, where an epoch has no known length."""
    optimizer = getattr(model, "optimizer", None)
    return 0 if optimizer is None else int(optimizer.iterations)
