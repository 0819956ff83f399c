"""The blocks of docs/python.md are run one after the other, and print what the page says."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
OPTIONAL = ("pandas", "polars", "matplotlib")


def blocks() -> list[tuple[int, str, str | None]]:
    """The line, the code, and what it prints where the page says it."""
    text = PAGE.read_text()
    fenced = r"^```python\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?"
    return [
        (text.count("\n", 0, found.start()) + 1, found[1], found[2])
        for found in re.finditer(fenced, text, re.DOTALL | re.MULTILINE)
    ]


def is_runnable(code: str) -> bool:
    needed = [name for name in OPTIONAL if re.search(rf"^(?:import|from) {name}", code, re.M)]
    return all(importlib.util.find_spec(name) for name in needed)


def test_the_page_runs_from_its_beginning_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRAINTOP_DIR", raising=False)
    monkeypatch.setenv("MPLBACKEND", "agg")
    names: dict[str, object] = {"__name__": "__main__"}
    for line, code, said in blocks():
        if is_runnable(code):
            printed = io.StringIO()
            # Padded, so that a traceback names the line of the page.
            program = compile("\n" * line + code, str(PAGE), "exec")
            with contextlib.redirect_stdout(printed):
                exec(program, names)
            assert said is None or printed.getvalue() == said
    assert len(blocks()) == 12
    assert (tmp_path / "loss.svg").read_text().startswith("<svg")


def test_links_of_the_page_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE.read_text()):
        assert (PAGE.parent / target).exists()
