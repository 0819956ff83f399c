"""Lightning: a logger for its ``Trainer`` and for Fabric."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

try:
    from lightning.pytorch.loggers.logger import Logger, rank_zero_experiment
    from lightning.pytorch.utilities.rank_zero import rank_zero_only
except ImportError:  # the same under its former name
    from pytorch_lightning.loggers.logger import Logger, rank_zero_experiment
    from pytorch_lightning.utilities.rank_zero import rank_zero_only

from traintop.integrations.framework_run import FrameworkRun
from traintop.integrations.run import Run
from traintop.integrations.run_values import usable_settings


class TraintopLogger(Logger):
    """Records what modules and Fabric loops log, with their hyperparameters and the planned steps.

    With ``resume``, it goes on with an unfinished run of this name, if there is one; steps that are
    trained again count once.
    """

    def __init__(
        self,
        name: str | None = None,
        log_dir: str | os.PathLike[str] | None = None,
        *,
        resume: bool = False,
    ) -> None:
        super().__init__()
        self._run = FrameworkRun(name, log_dir, resume=resume)
        self._version = f"{datetime.now():%Y%m%d_%H%M%S}"
        self._trainer: Any = None  # until its plan is known

    @property
    def name(self) -> str:
        """Of the folder for checkpoints: that of the run, if it was given one."""
        return self._run.name or "lightning_logs"

    @property
    def version(self) -> str:
        """Of the folder for checkpoints: when this was made."""
        return self._version

    @property
    @rank_zero_experiment
    def experiment(self) -> Run:
        """The run, which is started here if need be."""
        return self._run.run()

    @rank_zero_only
    def log_hyperparams(self, params: Any = None, *_: Any, **__: Any) -> None:
        """Record settings."""
        settings = usable_settings(params)
        self._run.run(settings).update_config(settings)

    @rank_zero_only
    def log_graph(self, model: Any, input_array: Any = None) -> None:
        """A training begins. Its graph is not recorded."""
        self._trainer = getattr(model, "trainer", None)
        self._run.run()

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Record metrics; those of one step are one record."""
        if self._trainer is not None:
            steps = _planned_steps(self._trainer)
            self._trainer = None
            if steps is not None:
                self._run.run().update_config({"max_steps": steps})
        self._run.log(metrics, step)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """The training, or the test after it, ended: with ``"success"``, or by an exception.

        Lightning says ``"finished"`` before it puts a job back into Slurm's queue: the run goes on.
        """
        if status == "finished":
            run = self._run.run()
            if run.tracker is not None:
                run.tracker.save()
        else:
            error = "" if status == "success" else f"Lightning says: {status}"
            self._run.end(sys.exception() if error else None, error)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_trainer": None}


def _planned_steps(trainer: Any) -> int | None:
    """The optimizer steps of a training whose data are loaded, as far as its settings say."""
    plans = [float(trainer.max_steps)] if trainer.max_steps > 0 else []
    if (trainer.max_epochs or 0) > 0:
        batches = trainer.num_training_batches / trainer.accumulate_grad_batches
        plans.append(math.inf if math.isinf(batches) else math.ceil(batches) * trainer.max_epochs)
    steps = min(plans, default=math.inf)
    return int(steps) if 0 < steps < math.inf else None
