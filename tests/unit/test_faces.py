"""What trainers of frameworks have under `traintop run`; they stand in for those not installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from tests.framework_interfaces import interfaces

from traintop.faces import PATCHES

OURS = ("traintop.integrations.lightning", "traintop.integrations.transformers")


@pytest.fixture(autouse=True)
def _frameworks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, module in interfaces().items():
        monkeypatch.setitem(sys.modules, name, module)
    yield
    for name in OURS:
        sys.modules.pop(name, None)


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


def test_a_logger_of_wandb_logs_nothing_twice() -> None:
    logged: list[float] = []
    wandb = type("WandbLogger", (), {"log_metrics": lambda self, loss: logged.append(loss)})()
    module = patched("lightning.pytorch.trainer.trainer", LightningTrainer)
    first, _ = module.Trainer(wandb).loggers
    first.log_metrics(2.5)
    assert (first, logged) == (wandb, [])


def test_a_trainer_of_another_version_works_without(caplog: pytest.LogCaptureFixture) -> None:
    patched("transformers.trainer", type("Trainer", (), {"__init__": lambda self: None})).Trainer()
    assert "a Trainer is not recorded" in caplog.text
