"""XGBoost: a callback for ``train``, ``cv`` and the estimators."""

from __future__ import annotations

import os
from typing import Any

from xgboost.callback import TrainingCallback
from xgboost.collective import get_rank

from traintop.integrations.framework_run import FrameworkRun
from traintop.integrations.run_values import usable_settings


class TraintopCallback(TrainingCallback):
    """Records what is evaluated in each round, with the settings that it is given.

    A training of an earlier model goes on in a run of this name that was interrupted. Of the
    workers of a distributed training, the first one writes.
    """

    def __init__(
        self,
        name: str | None = None,
        log_dir: str | os.PathLike[str] | None = None,
        *,
        config: object = None,
    ) -> None:
        super().__init__()
        self._run = FrameworkRun(name, log_dir, rank=get_rank)
        self._settings = usable_settings(config)
        self._rounds_before = 0

    def before_training(self, model: Any) -> Any:
        """Start the run."""
        is_one_model = hasattr(model, "num_boosted_rounds")  # rather than those of ``cv``
        self._rounds_before = model.num_boosted_rounds() if is_one_model else 0
        self._run.begin(self._settings, max(self._rounds_before - 1, 0))
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: dict[str, Any]) -> bool:
        """Record a round, ``train/rmse``; of a cross-validation, the mean and ``_std``.

        ``epoch`` counts from 0 in each training, also of a model that has rounds before.
        """
        metrics = {}
        for data, logged in evals_log.items():
            for metric, values in logged.items():
                value = values[-1]
                if isinstance(value, tuple):
                    value, metrics[f"{data}/{metric}_std"] = value
                metrics[f"{data}/{metric}"] = value
        self._run.log(metrics, self._rounds_before + epoch)
        return False

    def after_training(self, model: Any) -> Any:
        """The run is finished."""
        self._run.end()
        return model
