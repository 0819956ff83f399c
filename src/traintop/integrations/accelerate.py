"""Accelerate: a tracker for ``Accelerator(log_with=…)``.

Once this is imported, ``log_with="traintop"`` is understood, too, by versions of Accelerate that
take further trackers by their name.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

from accelerate.tracking import GeneralTracker, on_main_process

from traintop.integrations.framework_run import FrameworkRun
from traintop.integrations.run import Run
from traintop.integrations.run_values import usable_settings


class TraintopTracker(GeneralTracker):
    """Records what ``Accelerator.log`` is given, and the ``config`` of ``init_trackers``.

    With ``resume``, it goes on with an unfinished run of this name, if there is one; steps that are
    trained again count once.
    """

    name = "traintop"
    requires_logging_directory = False
    main_process_only = True

    def __init__(
        self,
        run_name: str | None = None,
        log_dir: str | os.PathLike[str] | None = None,
        *,
        resume: bool = False,
    ) -> None:
        super().__init__()
        self._run = FrameworkRun(run_name, log_dir, resume=resume)

    @property
    @on_main_process
    def tracker(self) -> Run:
        """The run, which is started here if need be."""
        return self._run.run()

    @on_main_process
    def store_init_configuration(self, values: Any) -> None:
        """Record settings."""
        settings = usable_settings(values)
        self._run.run(settings).update_config(settings)

    @on_main_process
    def log(self, values: Mapping[str, Any], step: int | None = None, **_: Any) -> None:
        """Record metrics; those of one step are one record."""
        self._run.log(values, step)

    @on_main_process
    def finish(self) -> None:
        """The run is finished."""
        self._run.end()


with contextlib.suppress(ImportError):  # of an older version
    from accelerate.tracking import register_tracker_class

    register_tracker_class(TraintopTracker)
