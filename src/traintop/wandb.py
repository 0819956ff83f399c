"""``import traintop.wandb as wandb``: code that was written for W&B, on runs of ours.

Metrics, settings and results are recorded. Media, artifacts and what else belongs to a server are
accepted and left out, with one warning. What would have to give something back, such as an
artifact to train on, raises ``NotImplementedError``.
"""

from __future__ import annotations

import enum
import os
import string
import sys
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from traintop.integrations import current_run
from traintop.integrations.current_run import Reinit, Resume, config, finish, log, summary
from traintop.integrations.left_out import MEDIA, LeftOut, stand_in
from traintop.integrations.run import Run

__all__ = [
    "AlertLevel",
    "AuthenticationError",
    "CommError",
    "Error",
    "Run",
    "UsageError",
    "alert",
    "config",
    "define_metric",
    "errors",
    "finish",
    "init",
    "join",
    "log",
    "login",
    "plot",
    "require",
    "setup",
    "summary",
    "teardown",
    "termerror",
    "termlog",
    "termwarn",
    "util",
]

__version__ = "0.21.0"
"""The version of W&B whose calls are taken."""

_ONLY_THERE = frozenset({"anonymous", "force", "magic", "save_code", "settings"})
"""What no run here needs, so that no warning is needed."""


class Error(Exception):
    """What W&B raises; nothing here does."""


CommError = UsageError = AuthenticationError = Error


class AlertLevel(enum.Enum):
    """How bad the news is."""

    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


def init(
    entity: str | None = None,
    project: str | None = None,
    dir: str | os.PathLike[str] | None = None,  # noqa: A002
    id: str | None = None,  # noqa: A002
    name: str | None = None,
    notes: str | None = None,
    tags: Iterable[str] | None = None,
    config: object = None,
    config_exclude_keys: Iterable[str] | None = None,
    config_include_keys: Iterable[str] | None = None,
    allow_val_change: bool | None = None,
    group: str | None = None,
    job_type: str | None = None,
    mode: str | None = None,
    force: bool | None = None,
    reinit: Reinit = None,
    resume: Resume = None,
    **further: Any,
) -> Run:
    """Start a run, as ``wandb.init`` does: see :func:`traintop.init`.

    The file is made in ``$TRAINTOP_DIR``, else in ``dir``, else in ``experiment_logs``. The
    environment variables of W&B count where nothing is given: ``WANDB_PROJECT``, ``WANDB_NAME``,
    ``WANDB_RUN_ID``, ``WANDB_RESUME``, ``WANDB_MODE`` and the like.
    """
    environment = os.environ.get
    given_tags = environment("WANDB_TAGS", "")
    run_id, wanted = id or environment("WANDB_RUN_ID"), resume or environment("WANDB_RESUME")
    if wanted == "allow" and not run_id:
        wanted = None  # a new run has a new id
    if not reinit or reinit == "default":
        # The run of a script goes on, whatever is said; that of a notebook's cell does not.
        reinit = None if hasattr(sys, "ps1") else "return_previous"
    return current_run.init(
        project or environment("WANDB_PROJECT"),
        name or environment("WANDB_NAME"),
        group or environment("WANDB_RUN_GROUP"),
        config=config,
        id=run_id,
        job_type=job_type or environment("WANDB_JOB_TYPE"),
        entity=entity or environment("WANDB_ENTITY"),
        tags=given_tags.split(",") if tags is None and given_tags else tags,
        notes=notes or environment("WANDB_NOTES"),
        resume=wanted,  # type: ignore[arg-type]
        reinit=reinit,
        mode=mode or environment("WANDB_MODE"),
        log_dir=environment("TRAINTOP_DIR") or dir or environment("WANDB_DIR"),
        config_exclude_keys=config_exclude_keys,
        config_include_keys=config_include_keys,
        **{option: value for option, value in further.items() if option not in _ONLY_THERE},
    )


def define_metric(name: str, *_: Any, **__: Any) -> LeftOut:
    """Accepted: any metric that counts can be the x axis of charts already."""
    return LeftOut(name)


def alert(title: str, text: str = "", *further: Any, **others: Any) -> None:
    """Tell whoever watches the run, and the logger ``traintop``."""
    if run := current_run.current_run():
        run.alert(title, text, *further, **others)


def login(*_: Any, **__: Any) -> bool:
    """There is no account."""
    return True


def setup(*_: Any, **__: Any) -> None:
    """Nothing need be set up."""


require = setup
join = teardown = finish


def termlog(text: object = "", *_: Any, **__: Any) -> None:
    """Print to the standard error."""
    print(f"wandb: {text}", file=sys.stderr)


termwarn = termerror = termlog


def _generate_id(length: int = 8) -> str:
    import secrets  # what it imports would cost every program

    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(length))


util = SimpleNamespace(generate_id=_generate_id)
errors = SimpleNamespace(Error=Error, CommError=Error, UsageError=Error, AuthenticationError=Error)
errors.errors = errors
wandb_run = SimpleNamespace(Run=Run)
plot = data_types = apis = LeftOut()


class _Sdk(LeftOut):
    wandb_run = wandb_run  # by whose class runs are recognised


sdk = wandb_sdk = _Sdk()


def __getattr__(name: str) -> Any:
    if name == "run":
        return current_run.current_run()
    if name in MEDIA:
        # One class for each name: messages say it, and isinstance() distinguishes them.
        found = globals()[name] = type(name, (LeftOut,), {})
        return found
    return stand_in(name)
