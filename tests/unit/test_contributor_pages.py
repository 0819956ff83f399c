"""What the pages for contributors name is there: files, functions, and the pages they link to."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "CONTRIBUTING.md", ROOT / "docs" / "architecture.md")
TEXTUAL_HOOKS = frozenset(
    {"apply", "check_action", "compose", "discover", "get_default_screen", "get_line_filters"}
    | {"dismiss", "notify_style_update", "render_line", "search", "validate_value"}
    | {"watch_scroll_y"}
)
"""Methods of Textual, which documents them."""


def answers() -> list[str]:
    """Each answer to "where does this go?": rows of the one page, sections of the other."""
    contributing, architecture = (page.read_text(encoding="utf-8") for page in PAGES)
    table = architecture.partition("## Ten changes")[2]
    rows = re.findall(r"^\| (?!change |---).*$", table, re.MULTILINE)
    sections = re.findall(r"^### (Add .*?)(?=^##)", contributing, re.MULTILINE | re.DOTALL)
    return [*rows, *sections]


def test_ten_changes_and_six_additions_are_answered() -> None:
    assert len(answers()) == 10 + 6


@pytest.mark.parametrize("answer", answers(), ids=lambda answer: answer.strip("| ")[:24])
def test_the_files_and_functions_of_an_answer_exist(answer: str) -> None:
    paths = [ROOT / path for path in re.findall(r"`((?:src|tests|docs)/[^`*]+)`", answer)]
    assert paths
    assert [path for path in paths if not path.exists()] == []
    text = "\n".join(path.read_text(encoding="utf-8") for path in paths if path.is_file())
    names = re.findall(r"`([A-Za-z_]\w*)`", answer)
    assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths_of_a_page_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    named = re.findall(r"`([\w.]+/[\w./]*)`", text)
    assert links
    assert named
    assert [link for link in links if not (page.parent / link).exists()] == []
    homes = (ROOT, ROOT / "src" / "traintop")
    assert [path for path in named if not any((home / path).exists() for home in homes)] == []


def test_public_definitions_have_docstrings() -> None:
    """But overrides, which have that of what they override, and actions, whose keys have help."""
    documented: set[str] = set()
    missing: dict[str, str] = {}
    for path in sorted((ROOT / "src").rglob("*.py")):
        for name, node in public_definitions(ast.parse(path.read_text(encoding="utf-8"))):
            if ast.get_docstring(node):
                documented.add(name)
            elif not name.startswith(("action_", "on_")) and name not in TEXTUAL_HOOKS:
                missing[f"{path.relative_to(ROOT)}:{node.lineno}"] = name
    assert {at: name for at, name in missing.items() if name not in documented} == {}


def test_names_of_tests_are_as_short_as_the_page_says() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    names = re.findall(r"^(?:async )?def (test_\w+)", "\n".join(texts), re.MULTILINE)
    assert [name for name in names if len(name) >= 60] == []


def public_definitions(
    parent: ast.Module | ast.ClassDef,
) -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in parent.body:
        is_definition = isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        if is_definition and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node)
