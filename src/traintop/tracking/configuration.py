"""Settings in whatever shape a training script has them, as an ExperimentConfig."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from traintop.model import ExperimentConfig


def as_experiment_config(config: object) -> ExperimentConfig:
    """An ``ExperimentConfig`` from itself, a mapping, a dataclass, a ``Namespace`` or OmegaConf.

    What is not an ``ExperimentConfig`` keeps exactly the settings it has: no defaults are added.
    Raises ``TypeError`` for other types, and ``ValueError`` without an ``experiment_name``.
    """
    if isinstance(config, ExperimentConfig):
        return config
    settings = settings_of(config)
    name = settings.pop("experiment_name", None)
    if not isinstance(name, str) or not name:
        raise ValueError(
            "the settings need an 'experiment_name': add one, for example "
            "ExperimentTracker({**settings, 'experiment_name': 'baseline'})"
        )
    return ExperimentConfig.from_settings({"experiment_name": name, **settings})


def settings_of(config: Any) -> dict[str, Any]:
    """Settings in any of these shapes as a dictionary, without defaults.

    Raises ``TypeError`` for other types.
    """
    if type(config).__module__.partition(".")[0] == "omegaconf":
        from omegaconf import OmegaConf  # installed, since the caller has such an object

        try:
            config = OmegaConf.to_container(config, resolve=True)
        except Exception:  # of a value that refers to what is not there
            config = OmegaConf.to_container(config, resolve=False)
    if isinstance(config, ExperimentConfig):
        return {name: getattr(config, name) for name in config._given}
    if isinstance(config, Mapping):
        return {str(key): value for key, value in config.items()}
    if hasattr(config, "__dataclass_fields__") and not isinstance(config, type):
        import dataclasses

        return dict(dataclasses.asdict(config))
    if type(config).__name__ == "Namespace" and type(config).__module__ == "argparse":
        return dict(vars(config))
    if isinstance(config, tuple) and hasattr(config, "_asdict"):
        return dict(config._asdict())
    raise TypeError(
        "config must be an ExperimentConfig, a mapping, a dataclass, an argparse Namespace or an "
        f"OmegaConf config, not {type(config).__name__}"
    )
