"""What trainers of frameworks have under `traintop run`; they stand in for those not installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from tests.framework_interfaces import interfaces
from tests.runs import OpenedRun

from traintop.faces import PATCHES
from traintop.integrations.framework_run import FrameworkRun
from traintop.integrations.left_out import LeftOut
from traintop.integrations.wandb_callbacks import wandb_callback

OURS = ("keras", "lightning", "transformers", "xgboost")


@pytest.fixture(autouse=True)
def _frameworks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, module in interfaces().items():
        monkeypatch.setitem(sys.modules, name, module)
    yield
    for name in OURS:
        sys.modules.pop(f"traintop.integrations.{name}", None)


def patched(name: str, trainer: type) -> Any:
    """A module with this class of trainers, as it is after its import."""
    module = ModuleType(name)
    module.Trainer = type("Trainer", (trainer,), {})
    PATCHES[name](module)
    return module


def names(objects: list[object]) -> list[str]:
    return [type(one).__name__ for one in objects]


class WandbCallback:
    """What Transformers calls its own."""


class HuggingFaceTrainer:
    """With the parts of Transformers' that matter here."""

    def __init__(self, *callbacks: object) -> None:
        self.callback_handler = SimpleNamespace(callbacks=[*callbacks])

    def remove_callback(self, callback: object) -> None:
        self.callback_handler.callbacks.remove(callback)


class LightningTrainer:
    """With the parts of Lightning's that matter here."""

    def __init__(self, *loggers: object, fast_dev_run: bool = False) -> None:
        self.loggers = [*loggers]
        self.fast_dev_run = fast_dev_run


def test_a_trainer_of_transformers_has_our_callback_once() -> None:
    trainer = patched("transformers.trainer", HuggingFaceTrainer).Trainer(WandbCallback())
    callbacks = trainer.callback_handler.callbacks
    assert names(callbacks) == ["TraintopCallback"]
    again = type(trainer)(callbacks[0])
    assert again.callback_handler.callbacks == callbacks


def test_the_real_wandb_keeps_its_callback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINTOP_KEEP_WANDB", "1")
    trainer = patched("transformers.trainer", HuggingFaceTrainer).Trainer(WandbCallback())
    assert names(trainer.callback_handler.callbacks) == ["TraintopCallback", "WandbCallback"]


@pytest.mark.parametrize(
    ("loggers", "options", "expected"),
    [
        (["csv"], {}, ["str", "TraintopLogger"]),
        ([], {}, []),
        (["dummy"], {"fast_dev_run": True}, ["str"]),
    ],
)
def test_a_trainer_of_lightning_has_our_logger_as_the_last(
    loggers: list[object], options: dict[str, bool], expected: list[str]
) -> None:
    module = patched("lightning.pytorch.trainer.trainer", LightningTrainer)
    assert names(module.Trainer(*loggers, **options).loggers) == expected


def test_a_logger_of_wandb_logs_what_ours_does() -> None:
    wandb = type("WandbLogger", (), {"_wandb_init": {"name": "mine"}})()
    module = patched("lightning.pytorch.trainer.trainer", LightningTrainer)
    first, ours = module.Trainer(wandb).loggers
    assert (first, first.log_metrics, ours.name) == (wandb, ours.log_metrics, "mine")


def test_what_a_module_adds_to_its_writer_is_in_the_run(tmp_path: Path) -> None:
    module = ModuleType("writer")
    calls = ("__init__", "add_scalar", "add_scalars", "add_hparams", "close")
    module.SummaryWriter = type("W", (), dict.fromkeys(calls, lambda *_, **__: None))
    PATCHES["torch.utils.tensorboard.writer"](module)
    writer = module.SummaryWriter()
    training = FrameworkRun("fit", tmp_path)
    training.begin({}, 0)
    writer.add_scalar("mine", 2.5, 3)
    of_framework = {"__name__": "lightning.fabric.loggers", "writer": writer}
    exec("writer.add_scalar('loss', 1.5, 3)\nwriter.close()", of_framework)
    training.end()
    [path] = tmp_path.glob("*.json")
    history = OpenedRun(path).history()
    assert (history.columns["mine"].tolist(), "loss" in history.columns) == ([2.5], False)


def test_a_trainer_of_another_version_works_without(caplog: pytest.LogCaptureFixture) -> None:
    patched("transformers.trainer", type("Trainer", (), {"__init__": lambda self: None})).Trainer()
    assert "a Trainer is not recorded" in caplog.text


@pytest.mark.parametrize(
    ("module", "name", "options"),
    [
        ("wandb.integration.keras", "WandbMetricsLogger", {"log_freq": 10}),
        ("wandb.keras", "WandbCallback", {"save_model": False}),
        ("wandb.integration.xgboost", "WandbCallback", {"log_model": True}),
        ("wandb.integration.lightgbm", "wandb_callback", {}),
    ],
)
def test_callbacks_of_wandb_for_frameworks_are_ours(
    module: str, name: str, options: dict[str, Any]
) -> None:
    assert names([wandb_callback(module, name)(**options)]) == ["TraintopCallback"]


def test_what_wandb_brings_for_others_is_told(caplog: pytest.LogCaptureFixture) -> None:
    summary = wandb_callback("wandb.integration.lightgbm", "log_summary")
    assert isinstance(summary("model"), LeftOut)
    assert "log_summary of wandb.integration.lightgbm is left out" in caplog.text
    assert wandb_callback("wandb.sdk.lib", "RunDisabled") is None


def test_checkpoints_of_keras_are_still_written() -> None:
    keras = sys.modules["keras.callbacks"]
    keras.ModelCheckpoint = type("ModelCheckpoint", (), {})
    assert wandb_callback("wandb.keras", "WandbModelCheckpoint") is keras.ModelCheckpoint
