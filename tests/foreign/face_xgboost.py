"""XGBoost under our callback, beside its ``evals_result``: whole, killed and resumed, or failed."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import expected
import numpy as np
import xgboost

from traintop.integrations.xgboost import TraintopCallback

MODEL = "resumed.ubj"


class At(xgboost.callback.TrainingCallback):
    """Saves the model at a round; kills its process, or fails, some rounds later."""

    def __init__(self, how: str) -> None:
        self.how = how

    def after_iteration(self, model, epoch, evals_log):
        if epoch == 24 and self.how == "killed":
            model.save_model(MODEL)
        if epoch == 30 and self.how == "killed":
            time.sleep(1)  # what was logged in the last half second may be lost
            os.kill(os.getpid(), signal.SIGKILL)
        if epoch == 30 and self.how == "failed":
            raise MemoryError("out of memory, or so it seems")
        return False


def main(how: str) -> None:
    numbers = np.random.default_rng(0)
    x = numbers.normal(size=(400, 3))
    y = x @ np.array([0.7, -1.3, 2.1]) + 0.2 * numbers.normal(size=400)
    train, held_out = xgboost.DMatrix(x[:300], y[:300]), xgboost.DMatrix(x[300:], y[300:])
    settings = {"eta": 0.1, "max_depth": 3, "nthread": 1}
    first = 25 if how == "resumed" else 0
    result: dict[str, dict[str, list[float]]] = {}
    xgboost.train(
        settings,
        train,
        50 - first,
        evals=[(train, "train"), (held_out, "val")],
        evals_result=result,
        verbose_eval=False,
        xgb_model=Path(MODEL) if first else None,
        callbacks=[
            TraintopCallback("resumed" if how == "killed" else how, config=settings),
            At(how),
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
