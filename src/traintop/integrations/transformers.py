"""Transformers: a callback for its ``Trainer``, and so for TRL, Axolotl and LLaMA-Factory.

Once this is imported, ``report_to="traintop"`` is understood, too.
"""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import Any

from transformers import TrainerCallback
from transformers.integrations import INTEGRATION_TO_CALLBACK

from traintop.integrations.framework_run import FrameworkRun

_RENAMED = {"train_loss": "train/train_loss"}
"""The mean over the whole training, which is logged at its end: it hides no loss of a step."""


class TraintopCallback(TrainerCallback):
    """Records what a ``Trainer`` logs, with its arguments and its model's configuration.

    The run is called ``name``, else by the arguments' ``run_name``, else by the output directory.
    A training from a checkpoint goes on in the run that was interrupted.
    """

    def __init__(
        self, name: str | None = None, log_dir: str | os.PathLike[str] | None = None
    ) -> None:
        self._run = FrameworkRun(name, log_dir)
        self._is_training = False

    def on_train_begin(
        self, args: Any, state: Any, control: Any, model: Any = None, **_: Any
    ) -> None:
        """Start the run, or go on with it."""
        if not state.is_world_process_zero:
            return
        settings = {**args.to_dict(), "max_steps": state.max_steps, **_model_settings(model)}
        name = args.run_name if args.run_name != args.output_dir else None
        name = name or PurePath(os.path.abspath(args.output_dir)).name
        if state.trial_name:  # of a search for hyperparameters
            settings |= state.trial_params or {}
            self._run.name = f"{name} {state.trial_name}"
        self._run.begin(settings, state.global_step, name)
        self._is_training = True

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Record what is logged, also of an evaluation when the training is over."""
        if logs and state.is_world_process_zero:
            metrics = {_RENAMED.get(name, name): value for name, value in logs.items()}
            self._run.log(metrics, state.global_step)
            if not self._is_training:
                self._run.end()

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The run is finished."""
        self._is_training = False
        self._run.end()


def _model_settings(model: Any) -> dict[str, Any]:
    """What is unusual about a model of its kind, and its adapters."""
    settings: dict[str, Any] = {}
    if hasattr(getattr(model, "config", None), "to_diff_dict"):
        settings["model"] = model.config.to_diff_dict()
    if adapters := getattr(model, "peft_config", None):
        settings["peft"] = {name: adapter.to_dict() for name, adapter in adapters.items()}
    return settings


INTEGRATION_TO_CALLBACK["traintop"] = TraintopCallback
