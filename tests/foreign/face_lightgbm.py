"""LightGBM under our callback, beside its own record: whole, killed and resumed, or failed."""

from __future__ import annotations

import os
import signal
import sys
import time

import expected
import lightgbm
import numpy as np

from traintop.integrations.lightgbm import TraintopCallback

MODEL = "resumed.txt"


def main(how: str) -> None:
    def at(env):
        """Save the model at an iteration; kill the process, or fail, some iterations later."""
        if env.iteration == 24 and how == "killed":
            env.model.save_model(MODEL)
        if env.iteration == 30 and how == "killed":
            time.sleep(1)  # what was logged in the last half second may be lost
            os.kill(os.getpid(), signal.SIGKILL)
        if env.iteration == 30 and how == "failed":
            raise MemoryError("out of memory, or so it seems")

    at.order = 50
    numbers = np.random.default_rng(0)
    x = numbers.normal(size=(400, 3))
    y = x @ np.array([0.7, -1.3, 2.1]) + 0.2 * numbers.normal(size=400)
    train = lightgbm.Dataset(x[:300], y[:300], free_raw_data=False)
    held_out = lightgbm.Dataset(x[300:], y[300:], reference=train, free_raw_data=False)
    first = 25 if how == "resumed" else 0
    result: dict[str, dict[str, list[float]]] = {}
    lightgbm.train(
        {"objective": "regression", "learning_rate": 0.1, "num_threads": 1, "verbose": -1},
        train,
        50 - first,
        valid_sets=[train, held_out],
        valid_names=["training", "val"],
        init_model=MODEL if first else None,
        callbacks=[
            TraintopCallback("resumed" if how == "killed" else how),
            lightgbm.record_evaluation(result),
            at,
        ],
    )
    metrics = {
        f"{data}/{metric}": [*enumerate(values, first)]
        for data, logged in result.items()
        for metric, values in logged.items()
    }
    expected.write({how: expected.run(metrics)})


if __name__ == "__main__":
    main(sys.argv[1])
