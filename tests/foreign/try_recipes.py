"""Runs the scripts of docs/recipes.md: ``python tests/foreign/try_recipes.py [RECIPE]…``.

With a real torchrun (two processes of gloo), Ray, and a kernel of Jupyter, in the environment that
``make.py`` makes for them. ``recipes.json`` keeps what the last run of this found.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from make import ENVIRONMENTS, python_with, versions_of

from traintop import load_experiment_log

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1] / "src"
PAGE = HERE.parents[1] / "docs" / "recipes.md"
RECORD = HERE / "recipes.json"

INTERRUPTED = """
with traintop.init(name="interrupted") as run:
    for step in range(50):
        run.log({"train/loss": 1 / (1 + step)})
        if step == 20:
            raise KeyboardInterrupt
"""
LEFT = 'traintop.init(name="left"); traintop.log({"train/loss": 1.0})'
NOTEBOOK = """
import json
import nbclient, nbformat
cells = [nbformat.v4.new_code_cell(cell) for cell in json.load(open("cells.json"))]
notebook = nbformat.v4.new_notebook(cells=cells)
nbclient.NotebookClient(notebook, allow_errors=True, timeout=60).execute()
errors = [one.ename for cell in notebook.cells for one in cell.outputs if "ename" in one]
assert errors == ["KeyboardInterrupt"], errors
"""


def torchrun(python: Path, script: str) -> None:
    """Two processes."""
    launcher = python.parent / "torchrun"
    subprocess.run([launcher, "--nproc-per-node=2", script], check=True, timeout=300)


def alone(python: Path, script: str) -> None:
    """One process, which may start others."""
    subprocess.run([python, script], check=True, timeout=300)


def notebook(python: Path, script: str) -> None:
    """The cells of the page, the first one twice; then one that is interrupted, and one again."""
    first, plot = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    cells = [first, first, plot + "assert len(losses) == 50", INTERRUPTED, LEFT, LEFT]
    Path("cells.json").write_text(json.dumps(cells))
    subprocess.run([python, "-c", NOTEBOOK], check=True, timeout=300)


RECIPES: dict[str, tuple[Callable[[Path, str], None], dict[str, tuple[str, int]]]] = {
    "ddp": (torchrun, {"ddp": ("finished", 100)}),
    "fsdp": (torchrun, {"fsdp": ("finished", 20)}),
    "ray_train": (alone, {"ray_train": ("finished", 30)}),
    "ray_tune": (
        alone,
        {"_00000": ("finished", 20), "_00001": ("finished", 0), "_00002": ("finished", 0)},
    ),
    "notebook": (
        notebook,
        {
            "notebook": ("finished", 50),
            "interrupted": ("interrupted", 21),
            "left": ("interrupted", 1),
        },
    ),
}
"""How each is run, and how its runs end, by the end of their names, with how many records."""


def main() -> None:
    """Try the named recipes, or all."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("recipe", nargs="*", choices=[*RECIPES, []], help=", ".join(RECIPES))
    parser.add_argument("--environments", type=Path, help="keep the environments here")
    arguments = parser.parse_args()
    home = arguments.environments or Path(tempfile.mkdtemp(prefix="recipes-"))
    packages = ENVIRONMENTS["recipes"].packages
    python = python_with(home.resolve() / "recipes", packages)
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    for recipe in arguments.recipe or RECIPES:
        print(f"{recipe} …", flush=True)
        record[recipe] = {
            "date": f"{datetime.now():%Y-%m-%d}",
            "versions": versions_of(python, packages),
            "runs": _try(recipe, python),
        }
        RECORD.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")


def _try(recipe: str, python: Path) -> dict[str, Any]:
    run, expected = RECIPES[recipe]
    with tempfile.TemporaryDirectory() as playground, tempfile.TemporaryDirectory() as ours:
        # What we need beside the framework is installed elsewhere: its environment stays as it is.
        install = [python, "-m", "pip", "install", "--quiet", "--target", ours, "msgspec", "numpy"]
        subprocess.run(install, check=True)
        os.environ.pop("TRAINTOP_DIR", None)
        os.environ["PYTHONPATH"] = os.pathsep.join([str(SOURCE), ours])
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        os.chdir(playground)
        for name, text in scripts().items():
            Path(name).write_text(text)
        run(python, f"{recipe}.py")
        logs = [load_experiment_log(path) for path in Path("experiment_logs").glob("*.json")]
        os.chdir(HERE)
    found: dict[str, Any] = {}
    for log in logs:
        [name] = (name for name in expected if log.config.experiment_name.endswith(name))
        status, records = expected[name]
        if log.status != status or len(log.metrics_history) < records:
            sys.exit(f"{recipe}: {name} is {log.status}, with {len(log.metrics_history)} records")
        of_name = found.setdefault(name, {"status": log.status, "records": []})
        of_name["records"].append(len(log.metrics_history))
    if found.keys() != expected.keys():
        sys.exit(f"{recipe}: no run of {expected.keys() - found.keys()}")
    return found


def scripts() -> dict[str, str]:
    """The scripts of the page by the names of their files, after the change that it shows."""
    diffs = re.findall(r"^```diff\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    texts = ["\n".join(line[1:] for line in diff.splitlines() if line[:1] != "-") for diff in diffs]
    return {text.partition("\n")[0].removeprefix("# "): text + "\n" for text in texts}


if __name__ == "__main__":
    main()
