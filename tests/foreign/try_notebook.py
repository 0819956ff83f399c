"""Runs docs/python.md in a kernel of Jupyter: ``python tests/foreign/try_notebook.py DIR``.

What is shown is in ``DIR/light.html`` and ``DIR/dark.html`` then, as JupyterLab shows it, to be
looked at in a browser. The packages are installed into a new environment.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

from make import python_with

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "python.md"
PACKAGES = ("nbclient", "nbconvert", "ipykernel", "pandas", "polars", "pyarrow", "matplotlib")
NAME = "</td><script>alert(1)</script>"
HOSTILE = f"""
with ExperimentTracker(ExperimentConfig({NAME!r}, x={NAME!r}), "hostile", quiet=True) as tracker:
    tracker.log_metrics(0, 1.0, metrics={{{NAME!r}: 1.0}})
hostile = traintop.open_runs("hostile")
"""
SHOWN = (
    *("runs", "run", "comparison", "picture", "groups.compare()", "traintop.plot(groups)"),
    *(HOSTILE, "hostile", "hostile[0]", "hostile.compare()"),
)
NOTEBOOK = """
import json
import nbclient, nbformat
cells = [nbformat.v4.new_code_cell(cell) for cell in json.load(open("cells.json"))]
notebook = nbformat.v4.new_notebook(cells=cells)
nbclient.NotebookClient(notebook, timeout=120).execute()
nbformat.write(notebook, "shown.ipynb")
"""


def main() -> None:
    """Write both pages."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("directory", type=Path, help="where to, and where the runs are made")
    directory = parser.parse_args().directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    blocks = re.findall(r"^```python\n(.*?)\n```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    (directory / "cells.json").write_text(json.dumps([*blocks, *SHOWN]))
    with tempfile.TemporaryDirectory() as home:
        python = python_with(Path(home) / "notebook", (*PACKAGES, str(ROOT)))
        path = os.pathsep.join([str(python.parent), os.environ["PATH"]])  # of the kernel
        environment = {**os.environ, "PATH": path}
        subprocess.run([python, "-c", NOTEBOOK], cwd=directory, env=environment, check=True)
        for theme in ("light", "dark"):
            convert = [python, "-m", "nbconvert", "--to", "html", "--theme", theme, "shown.ipynb"]
            subprocess.run(
                [*convert, "--output", theme], cwd=directory, env=environment, check=True
            )


if __name__ == "__main__":
    main()
