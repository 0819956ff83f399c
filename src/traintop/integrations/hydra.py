"""Hydra: a callback that starts a run for each job, with its configuration.

Without it, too, a run that is started in a job of Hydra says where its output directory is, and
what was overridden on the command line.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import open_dict, read_write

from traintop.integrations.current_run import current_run, init, init_on_other_rank
from traintop.integrations.run import Run
from traintop.tracking.environment import default_log_dir, process_rank
from traintop.values import NAME_SETTING


class TraintopCallback(Callback):
    """Starts a run for each job, of a sweep too, and ends it as the job ends.

    In the job, ``traintop.log`` and the callbacks of frameworks mean this run, which has the
    settings of the job. It is called by the ``experiment_name`` among these; without one, or with a
    ``name`` given here, by that name or the job's, and by what was overridden. Its file is made in
    ``log_dir``, else in ``$TRAINTOP_DIR``, else in ``experiment_logs`` of the directory that the
    program was started in. Ranks other than 0 write nothing.
    """

    def __init__(
        self, name: str | None = None, log_dir: str | os.PathLike[str] | None = None
    ) -> None:
        self.name = name
        self.log_dir = log_dir
        self._run: Run | None = None

    def on_job_start(self, config: Any, **_: Any) -> None:
        """Start the run."""
        settings = copy.deepcopy(config)
        with read_write(settings), open_dict(settings):
            del settings["hydra"]
        job = config.hydra.job
        name = " ".join(part for part in (self.name or job.name, job.override_dirname) if part)
        if process_rank():
            self._run = init_on_other_rank(name)
            return
        self._run = init(
            name=None if NAME_SETTING in settings and self.name is None else name,
            config=settings,
            reinit="finish_previous",
            log_dir=Path(config.hydra.runtime.cwd) / (self.log_dir or default_log_dir()),
        )

    def on_job_end(self, config: Any, job_return: Any, **_: Any) -> None:
        """The run is finished, or failed by the exception that left the job."""
        error: BaseException | None = None
        if job_return.status.name == "FAILED":
            # The public property raises the exception, and prints.
            error = getattr(job_return, "_return_value", None)
        for run in (self._run, current_run()):  # that of the job, and one that it started itself
            if run is not None and error is not None:
                run.__exit__(type(error), error, error.__traceback__)
            elif run is not None:
                run.finish()
