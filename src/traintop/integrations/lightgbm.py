"""LightGBM: a callback for ``train``, ``cv`` and the estimators, which imports nothing of it."""

from __future__ import annotations

import os
from typing import Any, ClassVar

from traintop.integrations.framework_run import FrameworkRun


class TraintopCallback:
    """Records what is evaluated in each iteration, with the parameters and the planned iterations.

    A training of an earlier model goes on in a run of this name that was interrupted.
    """

    order = 20  # before the callback that stops early, which raises
    before_iteration = False
    _open: ClassVar[tuple[FrameworkRun, Any] | None] = None
    """The run whose end nobody announced, and its model, where a training was stopped early."""

    def __init__(
        self, name: str | None = None, log_dir: str | os.PathLike[str] | None = None
    ) -> None:
        self._run = FrameworkRun(name, log_dir)

    def __call__(self, env: Any) -> None:
        """Record an iteration, ``training/l2``; of a cross-validation, the mean and ``_std``."""
        if env.iteration == env.begin_iteration:
            self._begin(env)
        metrics = {}
        for data, metric, value, _, *std in env.evaluation_result_list or ():
            metrics[f"{data}/{metric}"] = value
            if std:
                metrics[f"{data}/{metric}_std"] = std[0]
        self._run.log(metrics, env.iteration)
        if env.iteration + 1 == env.end_iteration:
            TraintopCallback._open = None
            self._run.end()

    def _begin(self, env: Any) -> None:
        if TraintopCallback._open is not None:
            run, model = TraintopCallback._open
            if model.best_iteration > 0:  # known when it stopped early
                run.end()
        TraintopCallback._open = self._run, env.model
        settings = {**(env.params or {}), "num_iterations": env.end_iteration}
        self._run.begin(settings, max(env.begin_iteration - 1, 0))
