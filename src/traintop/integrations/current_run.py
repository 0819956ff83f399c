"""``init``, ``log``, ``finish``: the run that is meant where none is named.

It is the one that ``init`` started last and nobody finished; a second ``init`` goes on with it.
Whoever calls ``init`` owns a file, whatever its rank. Where several threads train at once, each may
have a run of its own: see :func:`as_current`.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import sys
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal, NoReturn

from traintop.integrations.run import NO_METRICS, Run
from traintop.integrations.run_values import Values, usable_settings, warn_once
from traintop.model import LOGGED_WITH
from traintop.tracking.run_file import RunFileBusyError
from traintop.tracking.system import DEFAULT_INTERVAL
from traintop.tracking.tracker import ExperimentTracker
from traintop.values import NAME_SETTING

Reinit = bool | Literal["default", "return_previous", "finish_previous", "create_new"] | None
Resume = bool | Literal["allow", "must", "never", "auto"] | None

_current: Run | None = None
_of_thread: ContextVar[Run | None] = ContextVar("run", default=None)
_unfinished: list[Run] = []
_on_other_ranks: weakref.WeakSet[Run] = weakref.WeakSet()
_exit_code: object = None
_exit_steps: dict[Run, int] = {}  # where each run was then: one that went on caught the exit
_is_watched = False


def init(
    project: str | None = None,
    name: str | None = None,
    group: str | None = None,
    *,
    config: object = None,
    id: str | None = None,  # noqa: A002 - as other trackers call it
    job_type: str | None = None,
    entity: str | None = None,
    tags: Iterable[str] | None = None,
    notes: str | None = None,
    resume: Resume = None,
    reinit: Reinit = None,
    mode: str | None = None,
    log_dir: str | os.PathLike[str] | None = None,
    facts: Mapping[str, Any] | None = None,
    quiet: bool = False,
    system_interval: float | None = DEFAULT_INTERVAL,
    **further: Any,
) -> Run:
    """Start a run, or go on with the one that is not finished where nothing says it is another.

    Args:
        project, group, job_type, entity, tags, notes: what is said of the run, beside its settings.
        name: of the experiment; else the ``experiment_name`` among the settings, the project, or
            the name of the script.
        config: the settings: a mapping, a dataclass, a ``Namespace`` or an OmegaConf config.
        id: what to resume the run by later, if not its run id.
        resume: go on with the run of this ``id``, or else of this name: ``"allow"`` starts one
            where there is none, ``"must"`` does not; ``"auto"`` or ``True`` goes on with the
            unfinished run of this name.
        reinit: what happens to a run that is not finished. It goes on, with further settings;
            with another name, ``id`` or value of a setting, it is finished. With ``True`` or
            ``"finish_previous"`` it is finished, with ``"return_previous"`` it goes on in any case,
            and with ``"create_new"`` beside the new one. In a notebook, it is let go of.
        mode: ``"disabled"`` writes nothing.
        log_dir, facts, quiet, system_interval: as for :class:`ExperimentTracker`.
        further: accepted and left out, with one warning.

    Raises ``FileNotFoundError`` where a run must be resumed and is not there, and
    ``RunFileBusyError`` where another process writes it.
    """
    global _current
    ignored = ", ".join(option for option, value in further.items() if value)
    if ignored:
        warn_once("init", f"init() takes no account of: {ignored}")
    settings = usable_settings(config)
    hidden = set() if NAME_SETTING in settings else {NAME_SETTING}
    if name := name or settings.pop(NAME_SETTING, None):
        settings[NAME_SETTING] = str(name)
    run_id = str(id) if id else None
    previous = _make_way(reinit, settings, run_id)
    if previous is not None:
        settings.pop(NAME_SETTING, None)
        previous.update_config(settings)
        return previous
    known: dict[str, Any] = {
        "project": project,
        "entity": entity,
        "group": group,
        "job_type": job_type,
        "id": run_id,
        "tags": [tags] if isinstance(tags, str) else [*map(str, tags or ())],
        LOGGED_WITH: "traintop.log",
    }
    facts = {**(facts or {}), **{fact: value for fact, value in known.items() if value}}
    named = {NAME_SETTING: str(project or _script_name()), **settings}
    tracker = None
    if mode != "disabled":
        where: dict[str, Any] = {
            "log_dir": log_dir,
            "all_ranks": True,
            "quiet": quiet,
            "system_interval": system_interval,
        }
        if run_id is None and resume in (True, "auto"):
            tracker = _resumed_or_started(named, where)
        elif resume and resume != "never":
            wanted = run_id or named[NAME_SETTING]
            tracker = _resumed(wanted, settings, where, must_exist=resume == "must")
        tracker = tracker or ExperimentTracker(named, **where, notes=notes or "", facts=facts)
        tracker.start()
        named = tracker.config.to_dict()
    shown = {setting: value for setting, value in named.items() if setting not in hidden}
    run = Run(tracker, named[NAME_SETTING], shown, facts, notes or "", let_go)
    _unfinished.append(run)
    if reinit != "create_new" or _current is None:
        _current = run
    _watch_exit()
    return run


def init_on_other_rank(name: str | None) -> Run:
    """Start a run that writes nothing, where another process writes that of a callback.

    An ``init`` of the script takes its place: whoever calls that owns a file.
    """
    run = init(name=name, mode="disabled", reinit="create_new")
    _on_other_ranks.add(run)
    return run


def log(
    data: Mapping[str, Any] = NO_METRICS,
    step: int | None = None,
    commit: bool | None = None,
    sync: object = None,
) -> None:
    """Log metrics of the run that :func:`init` started: see :meth:`Run.log`."""
    run = _of_thread.get() or _current
    if run is None:
        _refuse("log()")
    else:
        run.log(data, step, commit)


def finish(exit_code: int | None = None, quiet: object = None) -> None:
    """End the run that :func:`init` started, as finished, or as failed by an exit code."""
    if run := current_run():
        run.finish(exit_code)


def current_run() -> Run | None:
    """The run that ``log`` means; ``None`` before ``init`` and after ``finish``."""
    return _of_thread.get() or _current


@contextlib.contextmanager
def as_current(run: Run) -> Iterator[None]:
    """Have ``log`` and the like mean this run, in this thread and until the block ends."""
    token = _of_thread.set(run)
    try:
        yield
    finally:
        _of_thread.reset(token)


config = Values(
    lambda: run.settings() if (run := current_run()) else {},
    lambda changes: run.update_config(changes) if (run := current_run()) else _refuse("config"),
)
"""The settings of the run that ``log`` means, as :attr:`Run.config`."""

summary = Values(
    lambda: run.results() if (run := current_run()) else {},
    lambda results: run.update_results(results) if (run := current_run()) else _refuse("summary"),
)
"""The results of the run that ``log`` means, as :attr:`Run.summary`."""


def _refuse(what: str) -> None:
    warn_once(what, f"{what} without a run: nothing is recorded; call traintop.init() first")


def let_go(run: Run) -> None:
    """Have ``log`` mean this run no longer: it ended, or its loop is gone."""
    global _current
    if run in _unfinished:
        _unfinished.remove(run)
    if _current is run:
        _current = None
    if _of_thread.get() is run:
        _of_thread.set(None)


def _make_way(reinit: Reinit, settings: dict[str, Any], run_id: str | None) -> Run | None:
    """The run that goes on in place of a new one, if one does."""
    previous = current_run()
    if previous is None or reinit == "create_new":
        return None
    if previous in _on_other_ranks:
        let_go(previous)
        return None
    is_other = previous.differs(settings, run_id)
    if reinit == "return_previous":
        if is_other:
            warn_once(
                "again",
                f"init() was called again: the run {previous.name!r} goes on; call finish() first "
                "to start another",
            )
    elif reinit is True or reinit == "finish_previous" or is_other:
        previous.finish()
    elif hasattr(sys, "ps1"):
        let_go(previous)  # its tracker notices that its cell is gone
    return current_run()


def _resumed(
    wanted: str, settings: Mapping[str, Any], where: Mapping[str, Any], *, must_exist: bool
) -> ExperimentTracker | None:
    """A tracker that goes on with this run, with these settings; ``None`` for a new run."""
    try:
        tracker = ExperimentTracker.resume(wanted, again=True, **where)
    except (OSError, RunFileBusyError, ValueError) as error:
        if must_exist:
            raise
        if not isinstance(error, FileNotFoundError):
            warn_once("resume", f"init() starts a new run: {error}")
        return None
    tracker.update_config(settings)
    return tracker


def _resumed_or_started(
    settings: Mapping[str, Any], where: Mapping[str, Any]
) -> ExperimentTracker | None:
    try:
        return ExperimentTracker.resume_or_start(settings, **where)
    except (OSError, RunFileBusyError, ValueError) as error:
        warn_once("resume", f"init() starts a new run: {error}")
        return None


def _script_name() -> str:
    name = Path(sys.argv[0] if sys.argv else "").stem
    return name if name.strip("-c") else "run"  # "-c" is that of ``python -c``


def _watch_exit() -> None:
    """Have runs finished when the process ends in order, with the code that it exits with.

    The tracker does all else: an exception that nobody caught, a signal.
    """
    global _is_watched
    if _is_watched:
        return
    _is_watched = True
    leave = sys.exit

    @functools.wraps(leave)
    def exit_with_code(status: Any = None, /) -> NoReturn:
        global _exit_code, _exit_steps
        _exit_code, _exit_steps = status, {run: run.step for run in _unfinished}
        leave(status)

    sys.exit = exit_with_code
    atexit.register(_finish_all)  # after those of the tracker, so it is called before them
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_leave_to_parent)


def _leave_to_parent() -> None:
    global _current
    _current = None
    _of_thread.set(None)
    _unfinished.clear()


def _finish_all() -> None:
    if getattr(sys, "last_value", None) is not None:
        return
    code = _exit_code if isinstance(_exit_code, int) else int(_exit_code is not None)
    for run in [*_unfinished]:
        run.finish(code if _exit_steps.get(run) == run.step else None)
