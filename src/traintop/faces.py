"""The faces of a program that `traintop run` started: it imports other trackers, and has these.

``wandb`` is ours. Writers of TensorBoard go on to write their files, and trainers of Transformers
and Lightning have our callback or logger beside those that they have.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import importlib.metadata
import os
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from traintop.integrations.current_run import current_run
from traintop.integrations.framework_run import is_of_framework
from traintop.integrations.left_out import LeftOut
from traintop.integrations.run import Run
from traintop.integrations.run_values import warn_once

_RECORDER = "_traintop_recorder"
_FRAMEWORKS = frozenset({"lightning", "pytorch_lightning", "transformers"})

_calls = threading.local()
_recorders: weakref.WeakSet[Any] = weakref.WeakSet()


def find_spec(
    asking: Any, name: str, path: Sequence[str] | None, target: ModuleType | None
) -> importlib.machinery.ModuleSpec | None:
    """What is loaded for a module of a framework, or for one of W&B.

    ``asking`` is the finder that asks, which the others are asked without.
    """
    if name.partition(".")[0] == "wandb":
        return importlib.machinery.ModuleSpec(name, _WandbLoader(), is_package=True)
    for finder in sys.meta_path:
        if finder is not asking and hasattr(finder, "find_spec"):
            spec = finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader = _Patched(spec.loader, PATCHES[name])
                return spec
    return None


class _WandbLoader(importlib.abc.Loader):
    """Loads our face as ``wandb``, and modules below that accept everything."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        import traintop.wandb as face
        from traintop.integrations.wandb_callbacks import wandb_callback

        if spec.name == "wandb":
            return face
        module = ModuleType(spec.name)

        def attribute(name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            if name.endswith("Error"):
                return face.Error
            if callback := wandb_callback(spec.name, name):
                return callback
            return getattr(face, name, None) or type(name, (LeftOut,), {})

        module.__dict__["__getattr__"] = attribute
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is left to do."""


class WandbDistribution(importlib.metadata.Distribution):
    """The package ``wandb``, for whoever asks for its version: that of our face."""

    def read_text(self, filename: str) -> str | None:
        """Its metadata; it has no other file."""
        from traintop.wandb import __version__

        metadata = f"Metadata-Version: 2.1\nName: wandb\nVersion: {__version__}\n"
        return metadata if filename == "METADATA" else None

    def locate_file(self, path: str | os.PathLike[str]) -> Path:
        """Where a file of it would be, beside ours."""
        return Path(__file__).parent / path


class _Patched(importlib.abc.Loader):
    """Loads a module as another loader does, and changes something in it."""

    def __init__(self, loader: Any, patch: Callable[[Any], None]) -> None:
        self._loader = loader
        self._patch = patch

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        found: ModuleType | None = self._loader.create_module(spec)
        return found

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        try:
            self._patch(module)
        except Exception as error:  # of a version that is different
            warn_once(module.__name__, f"{module.__name__} is not recorded: {error!r}")


def _record_writers(module: Any) -> None:
    """Have all writers of TensorBoard recorded, with what they are given."""
    writer = module.SummaryWriter
    writer.__init__ = _prepared(writer.__init__)
    for name in ("add_scalar", "add_scalars", "add_hparams", "close"):
        setattr(writer, name, _recorded(name, getattr(writer, name)))


def _prepared(begin: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(begin)
    def prepare(writer: Any, *arguments: Any, **options: Any) -> None:
        begin(writer, *arguments, **options)
        vars(writer)[_RECORDER] = functools.partial(_recorder, *arguments, **options)

    return prepare


def _recorder(*arguments: Any, **options: Any) -> Any:
    from traintop.integrations.tensorboard import SummaryWriter

    recorder = SummaryWriter(*arguments, **options)
    _recorders.add(recorder)
    return recorder


def _recorded(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """A method that is recorded, too; what it calls itself is not."""

    @functools.wraps(call)
    def record_and_call(writer: Any, *arguments: Any, **options: Any) -> Any:
        if getattr(_calls, "is_inside", False):
            return call(writer, *arguments, **options)
        _calls.is_inside = True
        caller = sys._getframe(1).f_globals.get("__name__", "")
        try:
            try:
                _record(name, writer, arguments, options, caller)
            except Exception as error:
                warn_once(name, f"{name}() is not recorded: {error!r}")
            return call(writer, *arguments, **options)
        finally:
            _calls.is_inside = False

    return record_and_call


def _record(
    name: str, writer: Any, arguments: tuple[Any, ...], options: dict[str, Any], caller: str
) -> None:
    recorder = vars(writer).get(_RECORDER)
    if recorder is None:
        return
    if run := _run_of_framework():
        # A callback or logger of ours gets what the framework gives its own writer, but not what
        # a module adds to that.
        if name == "close" or caller.partition(".")[0] in _FRAMEWORKS:
            return
        from traintop.integrations.tensorboard import SummaryWriter

        recorder = SummaryWriter.within(run)
    elif isinstance(recorder, functools.partial):  # as long as nothing was added, there is no run
        if name == "close":
            return
        recorder = vars(writer)[_RECORDER] = recorder()
    getattr(recorder, name)(*arguments, **options)


def _run_of_framework() -> Run | None:
    """The run of a callback or logger of ours, where that is the current one."""
    run = current_run()
    if run is None or not is_of_framework(run):
        return None
    return None if any(recorder.is_in(run) for recorder in _recorders) else run


def _record_trainers(add: Callable[[Any], None]) -> Callable[[Any], None]:
    """Have something done to every ``Trainer`` of a module, once it is made."""

    def patch(module: Any) -> None:
        begin = module.Trainer.__init__

        @functools.wraps(begin)
        def begin_recorded(trainer: Any, *arguments: Any, **options: Any) -> None:
            begin(trainer, *arguments, **options)
            try:
                add(trainer)
            except Exception as error:  # of a version that is different
                warn_once(module.__name__, f"a Trainer is not recorded: {error!r}")

        module.Trainer.__init__ = begin_recorded

    return patch


def _add_callback(trainer: Any) -> None:
    """Give a ``Trainer`` of Transformers our callback, in place of that for W&B."""
    from traintop.integrations.transformers import TraintopCallback

    callbacks = trainer.callback_handler.callbacks
    if not any(isinstance(one, TraintopCallback) for one in callbacks):
        callbacks.insert(0, TraintopCallback())  # its run is there before those of writers
    for one in [*callbacks]:
        if _is_for_our_wandb(one):
            trainer.remove_callback(one)  # it would log the same once more


def _add_logger(trainer: Any) -> None:
    """Give a ``Trainer`` of Lightning that has loggers ours as the last one.

    With ours alone, it would put checkpoints into another place.
    """
    from traintop.integrations.lightning import TraintopLogger

    loggers = [] if trainer.fast_dev_run else trainer.loggers
    if not loggers or any(isinstance(one, TraintopLogger) for one in loggers):
        return
    of_wandb = [one for one in loggers if _is_for_our_wandb(one)]
    names = (getattr(one, "_wandb_init", {}).get("name") for one in of_wandb)
    ours = TraintopLogger(next(filter(None, names), None))
    trainer.loggers = [*loggers, ours]
    for one in of_wandb:
        one.log_metrics = ours.log_metrics  # one record, whether Lightning logs or the module does


def _is_for_our_wandb(logger: object) -> bool:
    """Whether a logger or callback of a framework logs to W&B, which is ours."""
    names = ("WandbCallback", "WandbLogger")
    return type(logger).__name__ in names and not os.environ.get("TRAINTOP_KEEP_WANDB")


PATCHES: dict[str, Callable[[Any], None]] = {
    "lightning.pytorch.trainer.trainer": _record_trainers(_add_logger),
    "pytorch_lightning.trainer.trainer": _record_trainers(_add_logger),
    "tensorboardX.writer": _record_writers,
    "torch.utils.tensorboard.writer": _record_writers,
    "transformers.trainer": _record_trainers(_add_callback),
}
"""What is changed in modules when they are imported."""
