"""Textual's private names may change with any release: one module is all there is to look at."""

from __future__ import annotations

import ast
import inspect
from functools import cache
from pathlib import Path

import pytest
from textual.app import App
from textual.command import CommandPalette
from textual.dom import DOMNode
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.scroll_view import ScrollView
from textual.widget import Widget
from textual.widgets import Input

import traintop.tui

ROOT = Path(traintop.tui.__file__).parent
MODULES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))
BASES = (App, CommandPalette, DOMNode, Input, MessagePump, Screen, ScrollView, Widget)


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


@cache
def private_names_of_textual() -> set[str]:
    """The private attributes and methods that the classes of our screens and widgets inherit."""
    names: set[str] = set()
    for base in BASES:
        names.update(filter(is_private, vars(base)))
        for node in ast.walk(ast.parse(inspect.getsource(base))):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                names.update(filter(is_private, [node.attr]))
    return names


def private_uses(source: str) -> set[str]:
    """Private names of Textual that a module imports, calls or assigns to."""
    known, used = private_names_of_textual(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("textual"):
            parts = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            used.update(filter(is_private, parts))
        elif isinstance(node, ast.Attribute) and node.attr in known:
            used.add(node.attr)
        elif isinstance(node, ast.ClassDef):
            defined = {getattr(member, "name", "") for member in node.body}
            used.update(defined & known)
    return used


@pytest.mark.parametrize("module", [name for name in MODULES if name != "_textual.py"])
def test_a_module_uses_no_private_name_of_textual(module: str) -> None:
    assert private_uses((ROOT / module).read_text()) == set()


def test_private_names_would_be_found() -> None:
    source = (ROOT / "_textual.py").read_text()
    assert private_uses(source) >= {"_styles_cache", "_bindings", "_notifications", "_driver"}
