"""Keras under our callback, beside its ``History``: whole, killed and resumed, or failed."""

from __future__ import annotations

import os
import signal
import sys
import time

import expected
import keras
import numpy as np

from traintop.integrations.keras import TraintopCallback

STEPS = 16


class At(keras.callbacks.Callback):
    """Kills its process, or fails, in an epoch."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (5, 7) and self.how == "killed":
            time.sleep(1)  # what was logged in the last half second may be lost
            os.kill(os.getpid(), signal.SIGKILL)
        if (self.epoch, batch) == (5, 7) and self.how == "failed":
            raise MemoryError("out of memory, or so it seems")

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch


def main(how: str) -> None:
    keras.utils.set_random_seed(0)
    numbers = np.random.default_rng(0)
    x = numbers.normal(size=(160, 3)).astype("float32")
    y = x @ np.array([[0.7], [-1.3], [2.1]], "float32")
    name = "resumed" if how == "killed" else how
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse", metrics=["mae"])
    backup = keras.callbacks.BackupAndRestore(f"backup-{name}")
    history = model.fit(
        x,
        y,
        batch_size=8,
        validation_split=0.2,
        epochs=8,
        verbose=0,
        callbacks=[TraintopCallback(name), At(how), backup],
    )
    model.evaluate(x, y, verbose=0, callbacks=[])
    metrics = {
        metric: [
            ((epoch + 1) * STEPS - 1, value)
            for epoch, value in zip(history.epoch, values, strict=True)
        ]
        for metric, values in history.history.items()
    }
    expected.write({how: expected.run(metrics)})


if __name__ == "__main__":
    main(sys.argv[1])
