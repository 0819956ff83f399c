"""`traintop doctor`: the troubleshooting checklist, answered by looking."""

from __future__ import annotations

from pathlib import Path

from traintop.doctor.directory import check_directory, directory_facts
from traintop.doctor.environment import check_environment
from traintop.doctor.findings import Diagnosis, Finding, Level
from traintop.doctor.rendering import as_json, render
from traintop.doctor.repair import RepairRefusedError, repair
from traintop.doctor.runs import check_runs, run_facts
from traintop.doctor.system import system_facts
from traintop.store.catalog import RunCatalog
from traintop.tracking.environment import default_log_dir

__all__ = [
    "Diagnosis",
    "Finding",
    "Level",
    "RepairRefusedError",
    "as_json",
    "diagnose",
    "render",
    "repair",
]


def diagnose(log_dir: Path | None = None) -> Diagnosis:
    """Looks at a log directory, at all runs below it, and at the environment.

    The directory is ``$TRAINTOP_DIR``, else ``experiment_logs``, if ``None``. Nothing is changed.
    """
    directory = default_log_dir() if log_dir is None else log_dir
    facts = directory_facts(directory)
    summaries = RunCatalog([directory]).refresh().runs if facts.usable else ()
    runs = run_facts(summaries)
    return Diagnosis(
        directory,
        len(runs),
        (
            *check_directory(facts, len(runs)),
            *check_runs(runs),
            *check_environment(system_facts()),
        ),
        tuple(run.summary.path for run in runs if run.state.torn),
    )
