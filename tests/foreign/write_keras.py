"""Keras' CSVLogger; see the README."""

from __future__ import annotations

import os
import re
from contextlib import redirect_stdout
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import expected
import keras
import numpy as np
import pandas


def train(path: str, epochs: int, first: int = 0, **options: object) -> None:
    keras.utils.set_random_seed(0)
    numbers = np.random.default_rng(0)
    x = numbers.normal(size=(160, 3)).astype("float32")
    y = x @ np.array([[0.7], [-1.3], [2.1]], "float32")
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss="mse", metrics=["mae"])
    model.fit(
        x,
        y,
        validation_split=0.2,
        epochs=epochs,
        initial_epoch=first,
        verbose=2,
        callbacks=[keras.callbacks.CSVLogger(path, **options)],
    )


def read(path: str, separator: str = ",") -> dict:
    table = pandas.read_csv(path, sep=separator)
    epochs = table["epoch"].tolist()
    metrics = {
        name: list(zip(epochs, table[name].tolist(), strict=True))
        for name in table.columns
        if name != "epoch"
    }
    return expected.run(metrics)


def read_output(path: str) -> dict:
    """What ``fit`` prints: a line that counts epochs from 1, then one with the numbers."""
    metrics: dict[str, list[tuple[int, float]]] = {}
    for line in Path(path).read_text().splitlines():
        if found := re.match(r"Epoch (\d+)/", line):
            epoch = int(found[1])
        for name, number in re.findall(r" - (\w+): (\S+)", line):
            metrics.setdefault(name, []).append((epoch, float(number)))
    return expected.run(metrics, x="epoch")


if __name__ == "__main__":
    with Path("fit.log").open("w") as log, redirect_stdout(log):
        train("training.csv", epochs=8)
    train("resumed.csv", epochs=3, separator=";")
    train("resumed.csv", epochs=6, first=3, separator=";", append=True)
    expected.write(
        {
            "training.csv": read("training.csv"),
            "resumed.csv": read("resumed.csv", separator=";"),
            "fit.log": read_output("fit.log"),
        }
    )
