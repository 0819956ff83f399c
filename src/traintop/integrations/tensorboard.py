"""``SummaryWriter`` as that of ``torch.utils.tensorboard`` and tensorboardX, on runs of ours."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import PurePath
from types import TracebackType
from typing import Any, Self

from traintop.integrations.framework_run import FrameworkRun
from traintop.integrations.run import Run
from traintop.integrations.run_values import usable_settings, warn_once


class SummaryWriter:
    """Records scalars and hyperparameters; what else is added is left out, with one warning.

    Each writer is a run, called by the last parts of ``log_dir``, which is no directory here; its
    file is made in ``$TRAINTOP_DIR``, else in ``experiment_logs``. With a ``purge_step``, it goes
    on in an unfinished run of that name, whose records from that step on are void. With ``tee``,
    event files are written as well, by the real writer, which gets all that is added.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] | None = None,
        comment: str = "",
        purge_step: int | None = None,
        *options: Any,
        tee: bool = False,
        **further: Any,
    ) -> None:
        directory = log_dir or further.get("logdir")
        self._log_dir = None if directory is None else os.fspath(directory)
        self._run = FrameworkRun(_name(self._log_dir), None)
        self._tee = None
        if tee:
            self._tee = _real_writer()(log_dir, comment, purge_step, *options, **further)
        settings = {"comment": comment} if comment else {}
        if purge_step:
            self._run.begin(settings, purge_step - 1)
        else:
            self._run.run(settings)

    @classmethod
    def within(cls, run: Run) -> Self:
        """One that adds to a run, which somebody else ends: it is not to be closed."""
        writer = cls.__new__(cls)
        writer._log_dir, writer._tee = None, None
        writer._run = FrameworkRun.within(run)
        return writer

    @property
    def log_dir(self) -> str:
        """A directory for what belongs to the run."""
        return self.get_logdir()

    def get_logdir(self) -> str:
        """A directory for what belongs to the run: as given, else beside the run's file."""
        if self._tee is not None:
            return str(self._tee.get_logdir())
        if self._log_dir is None:
            return self._run.run().dir
        os.makedirs(self._log_dir, exist_ok=True)
        return self._log_dir

    def add_scalar(
        self, tag: str, scalar_value: Any, global_step: Any = None, *further: Any, **others: Any
    ) -> None:
        """Record a metric at a step; those of one step are one record."""
        self._run.log({tag: scalar_value}, _step(global_step))
        if self._tee is not None:
            self._tee.add_scalar(tag, scalar_value, global_step, *further, **others)

    def add_scalars(
        self,
        main_tag: str,
        tag_scalar_dict: Mapping[str, Any],
        global_step: Any = None,
        *further: Any,
        **others: Any,
    ) -> None:
        """Record metrics ``MAIN_TAG/TAG`` of this run; TensorBoard makes a run of each."""
        metrics = {f"{main_tag}/{tag}": value for tag, value in tag_scalar_dict.items()}
        self._run.log(metrics, _step(global_step))
        if self._tee is not None:
            self._tee.add_scalars(main_tag, tag_scalar_dict, global_step, *further, **others)

    def add_hparams(
        self,
        hparam_dict: Mapping[str, Any],
        metric_dict: Mapping[str, Any],
        *more: Any,
        **others: Any,
    ) -> None:
        """Record settings, and results at the last step."""
        run = self._run.run()
        run.update_config(usable_settings(hparam_dict))
        run.update_results(metric_dict)
        if self._tee is not None:
            self._tee.add_hparams(hparam_dict, metric_dict, *more, **others)

    def is_in(self, run: Run) -> bool:
        """Whether what is added is recorded in this run."""
        return self._run.is_in(run)

    def flush(self) -> None:
        """What was added is on its way to the disk in any case."""
        if self._tee is not None:
            self._tee.flush()

    def close(self) -> None:
        """The run is finished; what is added later still goes into it."""
        self._run.end()
        if self._tee is not None:
            self._tee.close()

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and self._tee is not None:
            return getattr(self._tee, name)
        if not name.startswith("add_"):
            raise AttributeError(f"SummaryWriter has no {name!r}")

        def leave_out(*_: Any, **__: Any) -> None:
            warn_once(name, f"{name}() is left out: scalars and hyperparameters are recorded")

        return leave_out

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._run.end(exception)
        self.close()


def _name(log_dir: str | None) -> str | None:
    """What the directory is called, below the one that usually holds all: ``gpt/lr_0.1``."""
    if log_dir is None:
        return None
    parts = [part for part in PurePath(log_dir).parts if part not in (os.sep, ".", "..")]
    return "/".join(parts[-2:] if parts[-2:-1] != ["runs"] else parts[-1:]) or None


def _step(step: Any) -> int | None:
    return step if step is None or type(step) is int else int(step)


def _real_writer() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter as RealWriter
    except ImportError:
        from tensorboardX import SummaryWriter as RealWriter
    return RealWriter
