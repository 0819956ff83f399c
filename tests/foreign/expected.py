"""``expected.json``: what a tool's own library reads back from the files beside it."""

from __future__ import annotations

import json
import math
import platform
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HOST = "trainbox"

# Tools write the names of the host and of its system into files, and into the names of files.
socket.gethostname = lambda: HOST
platform.node = lambda: HOST
platform.platform = lambda *_, **__: "Linux-6.8.0-x86_64-with-glibc2.39"


def run(
    metrics: dict[str, Iterable[tuple[int, float]]],
    settings: dict[str, Any] | None = None,
    status: str | None = None,
    **more: Any,
) -> dict[str, Any]:
    """One run: the points of each metric, named as the tool names it, and how the run ended.

    ``status`` is ``finished``, ``failed``, ``running``, or ``None`` where the files do not say.
    """
    points = {name: [list(point) for point in metrics[name]] for name in sorted(metrics)}
    return {"settings": settings or {}, "metrics": points, "status": status, **more}


def write(runs: dict[str, dict[str, Any]]) -> None:
    """Write the runs, by directory or file; where a file holds several, by ``file#run``.

    A metric has a line of its own, so that a difference can be read.
    """
    text = ",\n".join(f" {_json(name)}: {_run_text(found)}" for name, found in runs.items())
    Path("expected.json").write_text(f'{{"runs": {{\n{text}\n}}}}\n', encoding="utf-8")


def _run_text(found: dict[str, Any]) -> str:
    lines = [f"  {_json(key)}: {_json(value)}" for key, value in found.items() if key != "metrics"]
    metrics = ",\n".join(
        f"   {_json(name)}: {_json(found['metrics'][name])}" for name in found["metrics"]
    )
    return "{\n" + ",\n".join([*lines, f'  "metrics": {{\n{metrics}\n  }}']) + "\n }"


def _json(value: Any) -> str:
    return json.dumps(_strict(value), ensure_ascii=False, allow_nan=False)


def _strict(value: Any) -> Any:
    """NaN and the infinities as strings, as our own files have them."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    return value
