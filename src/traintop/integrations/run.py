"""A run in the words of code that was written for W&B or trackio, over a tracker."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from traintop.integrations.left_out import LeftOut, stand_in
from traintop.integrations.run_values import Values, flat_metrics, warn_once
from traintop.system_metrics import is_system_metric
from traintop.tracking.tracker import ExperimentTracker
from traintop.tracking.warn_once import log
from traintop.values import NAME_SETTING, jsonable, short_text

NO_METRICS: Mapping[str, Any] = MappingProxyType({})
"""What ``log()`` logs, which completes a record."""

_PLAIN = frozenset({float, int})
_PLACE = "iteration"  # of a record in our files, which no metric can be


class Run:
    """A run that ``init`` started; as a context manager, it is finished by its block.

    A disabled one accepts all the same, has no ``tracker``, and writes nothing. ``facts`` is what
    was said of it, and ``when_ended`` is called when it ends.
    """

    def __init__(
        self,
        tracker: ExperimentTracker | None,
        name: str,
        settings: dict[str, Any],
        facts: Mapping[str, Any],
        notes: str,
        when_ended: Callable[[Run], None],
    ) -> None:
        self.tracker = tracker
        self.notes = notes
        self.facts = facts
        self.project: str | None = facts.get("project")
        self.entity: str | None = facts.get("entity")
        self.group: str | None = facts.get("group")
        self.job_type: str | None = facts.get("job_type")
        self.tags: tuple[str, ...] = (*facts.get("tags", ()),)
        self.sweep_id: str | None = None
        self.project_url: str | None = None
        self.sweep_url: str | None = None
        self.start_time = time.time()
        """In seconds since the epoch, of this process."""
        self._when_ended = when_ended
        self._has_ended = False
        self.resumed = tracker is not None and tracker.resumed
        last = tracker.last_iteration if tracker is not None and self.resumed else None
        self.step = 0 if last is None else int(last) + 1
        """Where the next record stands that is logged without a step."""
        self.starting_step = self.step
        self._last_step = max(self.step - 1, 0)
        self._name = name
        self._settings = settings
        self._results: dict[str, Any] = {}
        self._logged_as: dict[str, str] = {}  # of these, which are metrics too

    @property
    def id(self) -> str:
        """What it is resumed by: the id that it was given, or its run id."""
        given: str | None = self.facts.get("id")
        return given or ("disabled" if self.path is None else self.path.stem)

    @property
    def name(self) -> str:
        """The name of the experiment, which may change."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._name = name
        if self.tracker is not None:
            self.tracker.update_config({NAME_SETTING: str(name)})

    @property
    def path(self) -> Path | None:
        """Its file; ``None`` where nothing is written."""
        return None if self.tracker is None else self.tracker.path

    def differs(self, settings: Mapping[str, Any], run_id: str | None) -> bool:
        """Whether these are the name, the settings, or the id of another run."""
        known = jsonable({**self._settings, NAME_SETTING: self._name})
        is_other = run_id is not None and run_id != self.id
        return is_other or any(
            name in known and known[name] != jsonable(value) for name, value in settings.items()
        )

    @property
    def url(self) -> str | None:
        """Its file, as a URL."""
        return None if self.path is None else self.path.as_uri()

    def get_url(self) -> str | None:
        """Its file, as a URL."""
        return self.url

    def project_name(self) -> str:
        """The project that ``init`` was given, or nothing."""
        return self.project or ""

    @property
    def offline(self) -> bool:
        """Nothing leaves the machine."""
        return True

    @property
    def dir(self) -> str:
        """A directory for what belongs to the run, beside its file; it is made here."""
        if self.path is None:
            import tempfile

            return tempfile.mkdtemp(prefix="traintop-")
        directory = self.path.with_suffix("")
        with contextlib.suppress(OSError):
            directory.mkdir(parents=True, exist_ok=True)
        return os.fspath(directory)

    @property
    def disabled(self) -> bool:
        """Whether nothing is written."""
        return self.tracker is None

    @property
    def config(self) -> Values:
        """Its settings. Those that come or change now are recorded as that."""
        return Values(self.settings, self.update_config)

    @property
    def summary(self) -> Values:
        """Its results: those that were put here, and else the last value of each metric.

        A number that is put here is logged at the last step, by this name, or as ``summary/NAME``
        where ``log`` has a metric of this name.
        """
        return Values(self.results, self.update_results)

    def settings(self) -> dict[str, Any]:
        """All its settings."""
        return self._settings

    def update_config(self, changes: Mapping[str, Any]) -> None:
        """Set or change settings."""
        self._settings.update(changes)
        if self.tracker is not None:
            self.tracker.update_config(changes)

    def results(self) -> dict[str, Any]:
        """Its results, as in ``summary``."""
        stats = {} if self.tracker is None else self.tracker.get_metric_stats()
        logged = {n: one.last for n, one in stats.items() if not is_system_metric(n)}
        return {**logged, **self._results}

    def update_results(self, results: Mapping[str, Any]) -> None:
        """Put results into ``summary``."""
        if self.tracker is None:
            self._results.update(results)
            return
        if new := [name for name in results if name not in self._results]:
            logged = self.tracker.get_metric_stats()
            self._logged_as |= {name: f"summary/{name}" if name in logged else name for name in new}
        self._results.update(results)
        numbers = {self._logged_as[name]: value for name, value in results.items()}
        self.tracker.log_metrics(self._last_step, metrics=flat_metrics(numbers))

    def log(
        self,
        data: Mapping[str, Any] = NO_METRICS,
        step: int | None = None,
        commit: bool | None = None,
        sync: object = None,
    ) -> None:
        """Log metrics, nested ones as ``train/loss``; what is no number is left out with a warning.

        Without a ``step``, each call is a record of its own; with ``commit=False``, the next call
        completes it. With a step, calls of the same one are one record, and what comes for an
        earlier step stands there. It never waits, whatever ``sync`` says, and never raises.
        """
        try:
            if step is None:
                step = self.step
                if commit or commit is None:
                    self.step = step + 1
            elif step >= self.step:
                self.step = step + 1 if commit else step
            if step > self._last_step:
                self._last_step = step
            if not _PLAIN.issuperset(map(type, data.values())):
                data = flat_metrics(data)
            if _PLACE in data:
                data = {"iter" if name == _PLACE else name: value for name, value in data.items()}
        except Exception as error:  # of a step that is no number, or data that is no dictionary
            warn_once("log", f"log({type(data).__name__}) is left out: {error}")
            return
        if self.tracker is not None and data:
            self.tracker.log_metrics(step, metrics=data)

    def finish(
        self,
        exit_code: int | None = None,
        quiet: object = None,
        *,
        error: str = "",
        interrupted: str = "",
    ) -> None:
        """End the run: as finished, as failed by an error or an exit code other than 0, or as
        interrupted for a reason. The first call counts; ``quiet`` is for ``init`` to say.
        """
        self._when_ended(self)
        if self.tracker is not None and not self._has_ended:
            self._has_ended = True
            if exit_code and not error:
                error = f"exit code {exit_code}"
            self.tracker.finish(notes=self.notes, error=error, interrupted=interrupted)

    def define_metric(self, name: str, *_: Any, **__: Any) -> LeftOut:
        """Accepted: any metric that counts can be the x axis of charts already."""
        return LeftOut(name)

    def alert(self, title: str, text: str = "", level: object = None, *_: Any, **__: Any) -> None:
        """Tell whoever watches the run, and the logger ``traintop``."""
        title, text = short_text(title), short_text(text)
        if self.tracker is not None:
            self.tracker.alert(title, text)
        log.warning("traintop: alert: %s", f"{title}: {text}" if text else title)

    def __getattr__(self, name: str) -> Any:
        return stand_in(name)

    def __enter__(self) -> Self:
        if self.tracker is not None:
            self.tracker.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._when_ended(self)
        self._has_ended = True
        if self.tracker is not None:
            self.tracker.__exit__(kind, exception, traceback)
