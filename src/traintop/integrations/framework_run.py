"""The run of a framework's callback or logger, which hears when a training begins and ends."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Self

from traintop.integrations.current_run import (
    current_run,
    init,
    init_on_other_rank,
    let_go,
)
from traintop.integrations.run import Run

_own: weakref.WeakSet[Run] = weakref.WeakSet()
"""The runs that were started here, and not by a script that called ``init``."""


def is_of_framework(run: Run) -> bool:
    """Whether a callback, logger or writer started a run, and not a script."""
    return run in _own


class FrameworkRun:
    """A run of its own, or that of ``traintop.init`` where the script has called it before.

    What is logged when a training is over, such as a test, still goes into its run. ``resume``
    goes on with an unfinished run of this name. A copy, as another process gets it, starts a run
    when it logs. Where a framework calls us in every process of a training, ``rank`` says which
    one this is: those other than 0 start no run of their own.
    """

    def __init__(
        self,
        name: str | None,
        log_dir: str | os.PathLike[str] | None,
        *,
        resume: bool = False,
        rank: Callable[[], int] | None = None,
    ) -> None:
        self.name = name
        self.log_dir = log_dir
        self.resume = resume
        self._rank = rank
        self._run: Run | None = None
        self._is_over = False
        self._resumed_at: float | None = None  # the last iteration before, until one is logged

    @classmethod
    def within(cls, run: Run) -> Self:
        """One that logs to a run, which somebody else ends."""
        found = cls(run.name, None)
        found._run = run
        return found

    def begin(self, settings: Mapping[str, Any], step: int, name: str | None = None) -> None:
        """A training begins: a new one, or from a checkpoint at a ``step``, which is recorded.

        Then it goes on in the run of this callback, or in an unfinished one of this ``name``.
        """
        current = current_run()
        if current is not None and current in _own and (step == 0 or current is not self._run):
            let_go(current)  # its training failed, and the script went on
        if step == 0:
            self._run = None
        run = self.run(settings, name=name, resume=step > 0)
        if run in _own and step > 0 and run.tracker is not None:
            run.tracker.rewind(step)
            self._resumed_at = None
        run.update_config(settings)

    def run(
        self,
        settings: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        resume: bool = False,
    ) -> Run:
        """The run that is logged to, which is started with these settings if need be."""
        if self._run is not None and not self._is_over:
            return self._run
        current = current_run()
        if self._run is not None:
            self._run = _reopened(self._run)
        elif current is not None and current not in _own:
            self._run = current
        elif self._rank is not None and self._rank():
            self._run = init_on_other_rank(self.name or name)
        else:
            resumes: Any = "auto" if resume or self.resume else None
            self._run = init(
                name=self.name or name,
                config=settings,
                resume=resumes,
                reinit="create_new",
                log_dir=self.log_dir,
            )
            if self._run.resumed and self._run.tracker is not None:
                self._resumed_at = self._run.tracker.last_iteration
        if self._run is not current:
            _own.add(self._run)
        self._is_over = False
        return self._run

    def log(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log metrics at a step, as :meth:`Run.log` does."""
        run = self.run()
        if self._resumed_at is not None and step is not None:
            if step < self._resumed_at and run.tracker is not None:
                run.tracker.rewind(step - 1)  # these steps are trained again
            self._resumed_at = None
        run.log(metrics, step)

    def is_in(self, run: Run) -> bool:
        """Whether this is the run that is logged to."""
        return run is self._run

    def end(self, exception: BaseException | None = None, error: str = "") -> None:
        """The training is over, by an exception or an error if any; a script's run goes on."""
        run = self._run
        if run is None or run not in _own or self._is_over:
            return
        self._is_over = True
        if exception is None:
            run.finish(error=error)
        else:
            run.__exit__(type(exception), exception, exception.__traceback__)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_run": None, "_is_over": False, "_resumed_at": None}


def _reopened(run: Run) -> Run:
    """The same run, which has ended, to log to it again."""
    if run.path is None:
        return run
    return init(
        name=run.name,
        id=run.path.stem,
        resume="allow",
        reinit="create_new",
        log_dir=run.path.parent,
        quiet=True,
    )
