"""`traintop doctor`: goes through the troubleshooting checklist by itself."""

from __future__ import annotations

import os
from pathlib import Path

from traintop.doctor.directory import check_access, check_directory, check_place
from traintop.doctor.environment import check_environment
from traintop.doctor.findings import Diagnosis, Finding, Level
from traintop.doctor.rendering import as_json, render
from traintop.doctor.repair import RepairRefusedError, repair, set_aside
from traintop.doctor.runs import RunFacts, check_runs, continued_elsewhere, run_facts
from traintop.run_ids import is_remote
from traintop.store.catalog import RunCatalog
from traintop.tracking.environment import default_root

__all__ = [
    "Diagnosis",
    "Finding",
    "Level",
    "RepairRefusedError",
    "as_json",
    "diagnose",
    "render",
    "repair",
    "set_aside",
]


def diagnose(root: str | os.PathLike[str] | None = None) -> Diagnosis:
    """Looks at a log directory, at all runs below it, and at the environment.

    The directory is ``$TRAINTOP_DIR``, else ``experiment_logs``, if ``None``. Of a root elsewhere,
    it looks whether it can be read, and at what its runs say. Nothing is changed.
    """
    root = default_root() if root is None else os.fspath(root)
    if is_remote(root):
        snapshot = RunCatalog([root]).refresh()
        findings = [*check_place(snapshot), *check_environment(os.environ)]
        return Diagnosis(root, len(snapshot.runs), tuple(findings))
    directory = Path(root)
    findings = [check_access(directory)]
    runs: list[RunFacts] = []
    if findings[0].level is Level.OK:
        catalog = RunCatalog([directory])
        runs = run_facts(catalog.refresh().runs)
        findings += check_directory(directory, len(runs), catalog.other_files())
        findings += check_runs(runs)
    findings += check_environment(os.environ)
    torn = tuple(Path(run.summary.id) for run in runs if run.state.torn or run.state.damaged)
    left_behind = tuple(
        (Path(one), Path(whole)) for one, whole in continued_elsewhere(runs).items()
    )
    return Diagnosis(root, len(runs), tuple(findings), torn, left_behind)
