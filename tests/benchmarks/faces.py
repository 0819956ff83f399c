"""What a step costs that is logged in the words of other trackers and of frameworks.

The frameworks themselves take no part: their classes are stood in for, and what is timed is what we
do when they call us.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter_ns
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

from tests.benchmarks.measuring import (
    Floor,
    Line,
    Scale,
    child_cpu_seconds,
    interleaved,
    percentile,
)
from tests.framework_interfaces import interfaces

import traintop
from traintop import wandb
from traintop.integrations.run import Run
from traintop.integrations.tensorboard import SummaryWriter

_BATCH = 100
_BATCHES = 100
_TIMES_A_PLAIN_CALL = 5

_TRACKER = "from traintop import ExperimentTracker"
_FRAMEWORKS = ("transformers", "lightning", "keras", "accelerate", "xgboost")
_STAND_INS = (
    "import sys; from tests.framework_interfaces import interfaces; sys.modules |= interfaces()\n"
)
_WITH_FRAMEWORK = f"{_STAND_INS}{_TRACKER}\nimport traintop.integrations.transformers"
_IMPORTS = {
    "`traintop.log`": "import traintop; traintop.log",
    "`traintop.wandb`": "import traintop.wandb",
    "`SummaryWriter`": "import traintop.integrations.tensorboard",
}


class _Face(NamedTuple):
    """Logs a step of three metrics into a run."""

    name: str
    log: Callable[[int], object]
    run: Run


def measure(scale: Scale, directory: Path) -> Iterator[Line]:
    """The lines of this family."""
    with (
        patch.dict(os.environ, TRAINTOP_DIR=str(directory)),
        contextlib.redirect_stderr(io.StringIO()),  # which says where each run is written
        _modules() as modules,
    ):
        faces = [*_faces(modules)]
        yield from _calls(scale, faces)
        for face in faces:
            face.run.finish()
    yield from _imports(scale)


def _calls(scale: Scale, faces: list[_Face]) -> Iterator[Line]:
    steps = 0

    def median(face: _Face) -> float:
        nonlocal steps
        times = []
        for _ in range(_BATCHES):
            times.append(_batch(face.log, range(steps, steps + _BATCH)))
            steps += _BATCH
        assert face.run.tracker is not None
        face.run.tracker.save()  # so that no round pays for the one before
        return percentile(times, 0.5) * 1e-9 / _BATCH

    plain, *others = interleaved(
        scale.rounds * 2, *(lambda face=face: median(face) for face in faces)
    )
    for face, ours in zip(faces[1:], others, strict=True):
        yield Line(
            f"{face.name}, median",
            ours,
            "s",
            f"≤ {_TIMES_A_PLAIN_CALL} x a plain call",
            _TIMES_A_PLAIN_CALL * plain,
            (Floor("log_metrics", plain),),
            "Three metrics of a step unless it says one, in a tight loop; what we do when the "
            "framework calls us.",
        )


def _batch(log: Callable[[int], object], steps: range) -> int:
    started = perf_counter_ns()
    for step in steps:
        log(step)
    return perf_counter_ns() - started


@contextlib.contextmanager
def _modules() -> Iterator[dict[str, Any]]:
    """Our modules over classes that stand in for those of the frameworks."""
    names = {name: f"traintop.integrations.{name}" for name in _FRAMEWORKS}
    with patch.dict(sys.modules, interfaces()):
        yield {name: importlib.import_module(module) for name, module in names.items()}
    for module in names.values():
        sys.modules.pop(module, None)


def _faces(modules: dict[str, Any]) -> Iterator[_Face]:
    """A plain call, and all others."""
    run = traintop.init(name="log")
    plain = traintop.init(name="plain", reinit="create_new")
    tracker = plain.tracker
    assert tracker is not None
    yield _Face("log_metrics", lambda step: tracker.log_metrics(step, metrics=_measured()), plain)
    yield _Face("`traintop.log`", lambda step: traintop.log(_measured(), step=step), run)
    nested = wandb.init(name="nested", reinit="create_new")
    yield _Face("`wandb.log` of nested metrics", lambda step: nested.log(_nested(), step), nested)
    writer = _own(SummaryWriter, "runs/writer")
    yield _of_framework(
        "`SummaryWriter.add_scalar` of one metric",
        lambda step: writer.add_scalar("train_loss", 2.5, step),
        writer,
    )
    callback = _own(modules["transformers"].TraintopCallback)
    state = SimpleNamespace(is_world_process_zero=True, global_step=0)

    def on_log(step: int) -> None:
        state.global_step = step
        callback.on_log(None, state, None, logs=_measured())

    callback._is_training = True
    yield _of_framework("Transformers' `on_log`", on_log, callback)

    logger = _own(modules["lightning"].TraintopLogger)
    yield _of_framework(
        "Lightning's `log_metrics`", lambda step: logger.log_metrics(_measured(), step), logger
    )
    keras = _own(modules["keras"].TraintopCallback)
    keras.params = {"steps": None}
    yield _of_framework(
        "Keras' `on_train_batch_end`",
        lambda step: keras.on_train_batch_end(step, _measured()),
        keras,
    )
    accelerated = _own(modules["accelerate"].TraintopTracker)
    yield _of_framework(
        "Accelerate's `log`", lambda step: accelerated.log(_measured(), step=step), accelerated
    )
    boosted = _own(modules["xgboost"].TraintopCallback)
    evaluated = {"train": {"rmse": [0.5], "mae": [0.25]}, "val": {"rmse": [0.75]}}
    yield _of_framework(
        "XGBoost's `after_iteration`",
        lambda step: boosted.after_iteration(None, step, evaluated),
        boosted,
    )


def _own(face: Callable[..., Any], *arguments: str) -> Any:
    """One whose run is its own, though others are running."""
    with patch("traintop.integrations.framework_run.current_run", lambda: None):
        made = face(*arguments)
        made._run.run()
    return made


def _of_framework(name: str, log: Callable[[int], object], face: Any) -> _Face:
    return _Face(name, log, face._run.run())


def _measured() -> dict[str, float]:
    return {"train_loss": 2.5, "learning_rate": 6e-4, "grad_norm": 0.7}


def _nested() -> dict[str, Any]:
    return {"train": {"loss": 2.5, "grad_norm": 0.7}, "lr": 6e-4}


def _imports(scale: Scale) -> Iterator[Line]:
    """Of the faces that import no framework, and of one that does, over what stands in for it."""
    programs = ["pass", _TRACKER, *_IMPORTS.values(), f"{_STAND_INS}{_TRACKER}", _WITH_FRAMEWORK]
    for program in programs:
        child_cpu_seconds("-c", program)  # compiles the modules
    bare, tracker, *others = interleaved(
        scale.rounds * 4, *(lambda program=p: child_cpu_seconds("-c", program) for p in programs)
    )
    stand_ins, with_framework = others[-2:]
    costs = dict(zip(_IMPORTS, others, strict=False))
    costs["a framework's callback"] = tracker + with_framework - stand_ins
    for name, cost in costs.items():
        yield Line(
            f"import of {name}",
            cost - bare,
            "s",
            floors=(Floor("of the tracker", tracker - bare),),
            reading="CPU time over a bare interpreter, without what the framework itself takes.",
        )
