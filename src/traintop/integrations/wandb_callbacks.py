"""The callbacks that W&B brings for frameworks, for a program that `traintop run` started."""

from __future__ import annotations

import importlib
from typing import Any

from traintop.integrations.left_out import LeftOut
from traintop.integrations.run_values import warn_once

_RECORDED = frozenset({"WandbCallback", "WandbMetricsLogger", "wandb_callback"})
_FRAMEWORKS = frozenset({"keras", "lightgbm", "xgboost"})
_PARENTS = frozenset({"wandb", "wandb.integration"})


def wandb_callback(module: str, name: str) -> Any:
    """What has this name in a module of W&B that is for a framework; ``None`` for other modules.

    It is our callback where there is one for the framework. A checkpoint of Keras is still written;
    all else is accepted and left out, with one warning.
    """
    parent, _, framework = module.rpartition(".")
    if framework in _FRAMEWORKS and parent in _PARENTS:
        if name in _RECORDED:
            return _our_callback(framework)
        if name == "WandbModelCheckpoint":
            return importlib.import_module("keras.callbacks").ModelCheckpoint
    elif not module.startswith("wandb.integration."):
        return None

    def leave_out(self: LeftOut, *_: Any, **__: Any) -> None:
        warn_once(name, f"{name} of {module} is left out: what it logs and saves is not kept")

    return type(name, (LeftOut,), {"__init__": leave_out})


def _our_callback(framework: str) -> Any:
    callback = importlib.import_module(f"traintop.integrations.{framework}").TraintopCallback

    def begin(self: Any, log_freq: Any = "epoch", *_: Any, **__: Any) -> None:
        callback.__init__(self, **({"update_freq": log_freq} if framework == "keras" else {}))

    return type(callback.__name__, (callback,), {"__init__": begin})
