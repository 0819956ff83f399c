"""What is worth knowing about the process that trains: host, command, git, rank, job, GPUs.

Modules that only the description needs are imported by it, in the writer's thread.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from traintop.logfile import FORMAT_VERSION
from traintop.process import current_process, user_name
from traintop.run_ids import is_remote

DEFAULT_LOG_DIR = "experiment_logs"

_RANKS = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK")
_WORLD_SIZES = ("WORLD_SIZE", "SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
_JOB_IDS = ("SLURM_ARRAY_JOB_ID", "SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")
_GIT_TIMEOUT_SECONDS = 2.0


def default_root() -> str:
    """Where runs are looked for: ``$TRAINTOP_DIR``, which may be elsewhere, else our directory."""
    return os.environ.get("TRAINTOP_DIR") or DEFAULT_LOG_DIR


def default_log_dir() -> Path:
    """Where runs are written to: ``$TRAINTOP_DIR`` if that is a directory of this machine, else
    ``experiment_logs`` in the working directory.
    """
    root = default_root()
    is_elsewhere = is_remote(root) or root.startswith("@")  # which names roots
    return Path(DEFAULT_LOG_DIR if is_elsewhere else root)


def log_directory(chosen: str | os.PathLike[str] | None) -> Path:
    """The one that was chosen, or the default: absolute, so that no ``chdir`` moves it.

    Raises ``ValueError`` for an address elsewhere.
    """
    if chosen is not None and is_remote(os.fspath(chosen)):
        raise ValueError(f"{os.fspath(chosen)}: runs are written to a directory of this machine")
    directory = default_log_dir() if chosen is None else Path(chosen)
    try:
        return directory.absolute()
    except FileNotFoundError:  # the working directory was deleted
        return directory


def process_rank() -> int:
    """The rank that the launcher gave this process; 0 without a launcher."""
    return _first_integer(_RANKS) or 0


def describe_environment() -> dict[str, Any]:
    """The ``run`` object of a log file. Never raises; what cannot be found is ``None``."""
    import platform
    import shlex

    return {
        "format": FORMAT_VERSION,
        **current_process(),
        "user": user_name(),
        "command": shlex.join(sys.orig_argv),
        "directory": os.getcwd(),
        "python": platform.python_version(),
        **_git(),
        "rank": process_rank(),
        "world_size": _first_integer(_WORLD_SIZES) or 1,
        "job_id": next((os.environ[name] for name in _JOB_IDS if os.environ.get(name)), None),
        "gpus": _gpu_names(),
        **_hydra(),
    }


def _first_integer(names: tuple[str, ...]) -> int | None:
    for name in names:
        try:
            return int(os.environ[name])
        except (KeyError, ValueError):
            continue
    return None


def _hydra() -> dict[str, Any]:
    """Where a job of Hydra writes, and what was overridden; both differ between runs alike."""
    module = sys.modules.get("hydra.core.hydra_config")
    try:
        job = module.HydraConfig.get()  # type: ignore[union-attr]
        return {
            "hydra_output_dir": str(job.runtime.output_dir),
            "hydra_overrides": [*map(str, job.overrides.task)],
        }
    except Exception:  # no Hydra, no job of it, or another version of it
        return {}


def _git() -> dict[str, Any]:
    commit = _run_git("rev-parse", "HEAD")
    if not commit:
        return {"git_commit": None, "git_dirty": None}
    changes = _run_git("status", "--porcelain", "--untracked-files=no")
    return {"git_commit": commit, "git_dirty": None if changes is None else bool(changes)}


def _run_git(*arguments: str) -> str | None:
    import subprocess

    # A shared directory may hold a repository of somebody else: none of its hooks may run here.
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", *arguments]
    try:
        found = subprocess.run(
            command,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_GIT_TIMEOUT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.decode("utf-8", "replace").strip()


def _gpu_names() -> list[str]:
    """NVIDIA GPUs by what their kernel driver says: no library, no driver call, no context."""
    try:
        entries = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
        lines = [line for entry in entries for line in entry.read_text().splitlines()]
    except OSError:
        return []
    return [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
