"""Settings in YAML: what is plain is taken, nothing is made, and hostile files cost little."""

from __future__ import annotations

import argparse
import enum
from pathlib import Path, PurePosixPath

import pytest
import yaml

from traintop.store.formats.yaml_settings import LARGEST_SETTINGS, yaml_settings


class Color(enum.Enum):
    RED = 1


def test_plain_settings_are_as_they_were_given() -> None:
    settings = {"lr": 1e-3, "layers": [1, {"size": 2}], "nested": {"on": True, "none": None}}
    assert yaml_settings(yaml.dump(settings).encode()) == (settings, "")
    assert yaml_settings(b"") == ({}, "")


def test_what_is_plain_of_objects_is_taken() -> None:
    settings = {
        "args": argparse.Namespace(lr=0.1, betas=(0.9, 0.99)),
        "function": yaml.dump,
        "not_a_number": float("nan"),
        "path": PurePosixPath("/data"),
        "inner": {"color": Color.RED},
    }
    found, left_out = yaml_settings(yaml.dump(settings).encode())
    assert found == {
        "args": {"lr": 0.1, "betas": [0.9, 0.99]},
        "function": "yaml.dump",
        "not_a_number": "NaN",
        "inner": {},
    }
    assert "inner.color (python/object/apply:" in left_out
    assert "path (python/object/apply:pathlib.PurePosixPath)" in left_out


def test_a_namespace_as_a_whole_is_settings() -> None:
    assert yaml_settings(yaml.dump(argparse.Namespace(lr=0.1)).encode()) == ({"lr": 0.1}, "")


@pytest.mark.parametrize("kind", ["object/apply", "object/new", "object"])
def test_nothing_is_called(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "made"
    text = f"x: !!python/{kind}:os.mkdir ['{path}']\ny: 1\n"
    assert yaml_settings(text.encode())[0] == {"y": 1}
    assert not path.exists()


def nested(first: str, further: str) -> str:
    """Each line is nine times the one before."""
    lines = [f"a{i}: &a{i} {further % ','.join([f'*a{i - 1}'] * 9)}" for i in range(1, 12)]
    return "\n".join([f"a0: &a0 {first}", *lines])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1]", "holds no settings"),
        ("a: [", "is not YAML"),
        ("\0", "is not YAML"),
        ("a: *b", "is not YAML: found undefined alias"),
        ("a: &a [*a]", "levels"),
        ("[" * 5000, "nest"),
        ("- " * 5000, "nest"),
        (nested("[x,x]", "[%s]"), "10,000 settings"),
        (nested("{x: 1}", "{<<: [%s]}"), "10,000 settings"),
        ("a: 2024-13-45", "cannot be read"),
        ("a: !!int ''", "cannot be read"),
        (f"a: {'9' * 9000}", "cannot be read"),
        ("#" * (LARGEST_SETTINGS + 1), "has over"),
    ],
)
def test_what_is_no_settings_is_explained(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        yaml_settings(text.encode())
