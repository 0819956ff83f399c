"""What a training script pays for ``import traintop``, before the first step."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from tests.benchmarks.measuring import (
    Floor,
    Line,
    Scale,
    child_cpu_seconds,
    child_environment,
    interleaved,
)

_TRACKER = "from traintop import ExperimentConfig, ExperimentTracker, MetricsSnapshot"
_HEAVY = {"textual", "rich", "watchdog", "plotext", "numpy"}


def measure(scale: Scale) -> Iterator[Line]:
    """The lines of this family."""
    programs = ("pass", _TRACKER, "import msgspec", "import numpy", f"import numpy; {_TRACKER}")
    for program in programs:
        child_cpu_seconds("-c", program)  # compiles the modules
    bare, tracker, msgspec, numpy, after_numpy = interleaved(
        scale.rounds * 4, *(lambda program=p: child_cpu_seconds("-c", program) for p in programs)
    )
    yield Line(
        "import of the tracker's classes, over a bare interpreter",
        tracker - bare,
        "s",
        "≤ 50 ms",
        0.050,
        (Floor("import msgspec", msgspec - bare),),
        f"CPU time of whole processes; the bare interpreter itself takes {bare * 1e3:.0f} ms.",
    )
    yield Line(
        "import of the tracker's classes, after numpy",
        after_numpy - numpy,
        "s",
        "≤ 12 ms, after numpy and torch",
        0.012,
        reading="As a training script imports them; torch brings still more of what they need.",
    )
    yield Line(
        "of textual, rich, watchdog, plotext, numpy it loads",
        len(_loaded_by(_TRACKER) & _HEAVY),
        "count",
        "none",
        0,
        reading="Also a test: `tests/unit/test_import_hygiene.py`.",
    )


def _loaded_by(program: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys\nprint(*sys.modules)"],
        env=child_environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return set(done.stdout.split())
