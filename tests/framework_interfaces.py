"""What our faces import of training frameworks, to stand in for those that are not installed."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

INTERFACES: dict[str, dict[str, Any]] = {
    "transformers": {"TrainerCallback": type("TrainerCallback", (), {})},
    "transformers.integrations": {"INTEGRATION_TO_CALLBACK": {}},
    "lightning.pytorch.loggers.logger": {
        "Logger": type("Logger", (), {}),
        "rank_zero_experiment": lambda method: method,
    },
    "lightning.pytorch.utilities.rank_zero": {"rank_zero_only": lambda method: method},
    "keras.callbacks": {"Callback": type("Callback", (), {})},
    "xgboost.callback": {"TrainingCallback": type("TrainingCallback", (), {})},
    "xgboost.collective": {"get_rank": lambda: 0},
    "accelerate.tracking": {
        "GeneralTracker": type("GeneralTracker", (), {}),
        "on_main_process": lambda method: method,
        "register_tracker_class": lambda tracker: None,
    },
    "optuna": {"TrialPruned": type("TrialPruned", (Exception,), {})},
    "hydra.experimental.callback": {"Callback": type("Callback", (), {})},
    "omegaconf": dict.fromkeys(("open_dict", "read_write"), contextlib.nullcontext),
}
"""By their modules."""


def interfaces() -> Mapping[str, ModuleType]:
    """A module for each of these."""
    modules = {}
    for name, content in INTERFACES.items():
        modules[name] = ModuleType(name)
        vars(modules[name]).update(content)
    return modules
