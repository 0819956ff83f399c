"""Optuna: a run for each trial of a study."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Sequence
from typing import Any

from optuna import TrialPruned

from traintop.integrations.current_run import as_current, init
from traintop.integrations.run import Run
from traintop.model import DIRECTIONS

_REPORTED = "intermediate_value"
_BETTER = {"MINIMIZE": "lower", "MAXIMIZE": "higher"}
_UNNAMED = "no-name-"  # how the name begins that a study gets without one


class TraintopCallback:
    """Records each trial: its parameters, what it reports, and its value at the last step.

    In ``study.optimize(…, callbacks=[callback])``, it records trials when they are over; one whose
    objective :meth:`track` decorates is recorded while it goes on. A pruned trial is interrupted.
    The runs are called ``name``, else by the study, and the number of the trial.
    """

    def __init__(
        self, name: str | None = None, log_dir: str | os.PathLike[str] | None = None
    ) -> None:
        self.name = name
        self.log_dir = log_dir
        self._tracked: set[tuple[str, int]] = set()  # studies and trials that have a run

    def __call__(self, study: Any, trial: Any) -> None:
        """Record a trial that is over, unless it was tracked."""
        if (study.study_name, trial.number) in self._tracked:
            return
        run = self._start(study, trial)
        for step, value in trial.intermediate_values.items():
            run.log({_REPORTED: value}, step)
        if trial.state.name == "PRUNED":
            run.finish(interrupted="pruned")
        elif trial.state.name == "COMPLETE":
            _finish(run, study, trial.values)
        else:
            run.finish(error="the trial failed")

    def track(self, objective: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Decorate an objective: its trials are recorded while they go on.

        In it, ``traintop.log`` and the callbacks of frameworks mean the run of the trial, in each
        of several threads that of its own.
        """

        @functools.wraps(objective)
        def tracked(trial: Any) -> Any:
            if not hasattr(trial, "study"):  # a FixedTrial, which belongs to none
                return objective(trial)
            study = trial.study
            self._tracked.add((study.study_name, trial.number))
            run = self._start(study, trial)
            _log_reports(run, trial)
            with run, as_current(run):
                try:
                    result = _called(objective, run, trial)
                except TrialPruned:
                    run.finish(interrupted="pruned")
                    raise
                _finish(run, study, result)
            return result

        return tracked

    def _start(self, study: Any, trial: Any) -> Run:
        is_named = not study.study_name.startswith(_UNNAMED)
        name = self.name or (study.study_name if is_named else "trial")
        objectives = _objectives(study)
        directions = [_BETTER.get(direction.name) for direction in study.directions]
        better = dict(zip(objectives, directions, strict=False))
        if len(objectives) == 1:
            better[_REPORTED] = better[objectives[0]]
        return init(
            name=f"{name}-{trial.number}",
            group=self.name or study.study_name,
            config=trial.params,
            reinit="create_new",
            log_dir=self.log_dir,
            facts={DIRECTIONS: better},
            quiet=True,
        )


def _objectives(study: Any) -> Sequence[str]:
    """What the values of a trial are called."""
    names: Sequence[str] | None = getattr(study, "metric_names", None)
    count = len(study.directions)
    return names or (["value"] if count == 1 else [f"value_{place}" for place in range(count)])


def _log_reports(run: Run, trial: Any) -> None:
    """Have what a trial reports recorded, too."""
    report = trial.report

    def report_and_log(value: Any, step: Any) -> None:
        report(value, step)
        _add_parameters(run, trial)
        run.log({_REPORTED: value}, int(step))

    trial.report = report_and_log


def _called(objective: Callable[[Any], Any], run: Run, trial: Any) -> Any:
    try:
        return objective(trial)
    finally:
        _add_parameters(run, trial)


def _add_parameters(run: Run, trial: Any) -> None:
    """Record what was suggested since the run began."""
    known = run.settings()
    if new := {name: value for name, value in trial.params.items() if name not in known}:
        run.update_config(new)


def _finish(run: Run, study: Any, result: Any) -> None:
    """Record what an objective returned; as Optuna has it, a trial without numbers failed."""
    objectives = _objectives(study)
    try:
        values = [*map(float, result if isinstance(result, Sequence) else [result])]
    except (TypeError, ValueError):
        values = []
    if len(values) == len(objectives) and not any(map(math.isnan, values)):
        run.update_results(dict(zip(objectives, values, strict=True)))
        run.finish()
    else:
        run.finish(error=f"the objective returned {result!r}")
