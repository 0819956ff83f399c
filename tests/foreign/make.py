"""Makes the fixtures of this folder anew: ``python tests/foreign/make.py [TOOL]…``.

For each tool its script ``write_TOOL.py`` runs in a virtual environment that has the tool, in an
empty folder, with a neutral user and host; what it leaves behind becomes ``tests/foreign/TOOL``.
The README beside this file says what is in it. This is no part of the suite: it installs gigabytes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
VERSIONS = HERE / "versions.json"

PLAYGROUND = Path(tempfile.gettempdir()) / "training"
"""Where the tools write: some store absolute paths, and this one says nothing of the machine."""

LARGEST_BYTES = 300_000
"""Of what one tool leaves behind."""

TORCH = "torch==2.13.0"
"""Any build for the CPU will do. Pinned, for the newest one may bring gigabytes of CUDA along."""


class Environment(NamedTuple):
    """One virtual environment, and the tools whose scripts run in it."""

    packages: tuple[str, ...]
    tools: tuple[str, ...]


ENVIRONMENTS = {
    "torch": Environment(
        (
            TORCH,
            "tensorboard",
            "tensorboardX",
            "transformers[torch]",
            "accelerate",
            "lightning",
            "keras",
            "pandas",
        ),
        ("tensorboard", "transformers", "lightning", "keras"),
    ),
    "ultralytics": Environment(
        (TORCH, "torchvision", "ultralytics-opencv-headless"), ("ultralytics",)
    ),
    "wandb": Environment(("wandb",), ("wandb",)),
    "wandb_0_16": Environment(("wandb==0.16.6", "setuptools<81"), ("wandb_0_16",)),
    "trackio": Environment(("trackio",), ("trackio",)),
    "mlflow": Environment(("mlflow",), ("mlflow",)),
    "optuna": Environment(("optuna",), ("optuna",)),
    "boosting": Environment(("xgboost-cpu", "lightgbm"), ()),
    "hydra": Environment(("hydra-core",), ()),
    "recipes": Environment((TORCH, "ray[train,tune]", "nbclient", "ipykernel"), ()),
    "python": Environment((), ("json_lines", "text_logs")),
}


def main() -> None:
    """Make the fixtures of the named tools, or of all."""
    tools = [tool for environment in ENVIRONMENTS.values() for tool in environment.tools]
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("tool", nargs="*", help=f"one of {', '.join(tools)}")
    parser.add_argument(
        "--environments", type=Path, help="keep the environments here, for the next time"
    )
    arguments = parser.parse_args()
    wanted = set(arguments.tool or tools)
    if unknown := wanted.difference(tools):
        parser.error(f"no such tool: {', '.join(sorted(unknown))}")
    home = arguments.environments or Path(tempfile.mkdtemp(prefix="foreign-"))
    for name, environment in ENVIRONMENTS.items():
        if wanted.intersection(environment.tools):
            python = python_with(home.resolve() / name, environment.packages)
            for tool in environment.tools:
                if tool in wanted:
                    print(f"{tool} …", flush=True)
                    _make(tool, python)
                    _note_versions(tool, python, environment.packages)


def python_with(folder: Path, packages: tuple[str, ...]) -> Path:
    """The interpreter of an environment that has these packages, which is made if need be."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    if packages:
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return python


def _make(tool: str, python: Path) -> None:
    shutil.rmtree(PLAYGROUND, ignore_errors=True)
    PLAYGROUND.mkdir()
    with tempfile.TemporaryDirectory() as home:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": home,
            "USER": "trainer",
            "LOGNAME": "trainer",
            "CUDA_VISIBLE_DEVICES": "",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TZ": "UTC",
        }
        script = HERE / f"write_{tool}.py"
        subprocess.run([python, script], cwd=PLAYGROUND, env=environment, check=True)
        _refuse_traces(home, str(python.parents[1]), str(HERE), str(Path.home()))
    shutil.rmtree(HERE / tool, ignore_errors=True)
    shutil.move(PLAYGROUND, HERE / tool)


def _refuse_traces(*traces: str) -> None:
    """Of this machine, in what is going to be committed; and files that are too large."""
    files = [path for path in PLAYGROUND.rglob("*") if path.is_file()]
    for path in files:
        content = path.read_bytes()
        for trace in traces:
            if trace.encode() in content:
                sys.exit(f"{path} names {trace}")
    if (size := sum(path.stat().st_size for path in files)) > LARGEST_BYTES:
        sys.exit(f"{PLAYGROUND} has {size:,} bytes, more than {LARGEST_BYTES:,}")


def versions_of(python: Path, packages: tuple[str, ...]) -> dict[str, str]:
    """The versions of the interpreter and of these packages."""
    names = [re.split(r"[\[<=]", package)[0] for package in packages]
    program = (
        "import json, platform, sys; from importlib.metadata import version;"
        "print(json.dumps({'python': platform.python_version(),"
        " **{name: version(name) for name in sys.argv[1:]}}))"
    )
    found = subprocess.run(
        [python, "-c", program, *names], check=True, capture_output=True, text=True
    )
    versions: dict[str, str] = json.loads(found.stdout)
    return versions


def _note_versions(tool: str, python: Path, packages: tuple[str, ...]) -> None:
    versions = json.loads(VERSIONS.read_text()) if VERSIONS.exists() else {}
    versions[tool] = {"date": f"{datetime.now():%Y-%m-%d}", **versions_of(python, packages)}
    VERSIONS.write_text(json.dumps(versions, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
