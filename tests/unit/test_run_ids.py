"""What people read and type for a run."""

from __future__ import annotations

import pytest

from traintop.run_ids import (
    folder_of,
    is_below,
    is_named_like_a_file,
    root_name,
    root_of,
    stem_of,
)


@pytest.mark.parametrize(
    ("run_id", "stem"),
    [
        ("logs/experiment_a_20250222_140530.json", "experiment_a_20250222_140530"),
        ("out/metrics.jsonl", "metrics"),
        ("out/Qwen2.5-7B.v1", "Qwen2.5-7B.v1"),
        ("runs/Nov29_12-00-00_box.local", "Nov29_12-00-00_box.local"),
        ("logs/mlflow.db#0a1b2c", "0a1b2c"),
        ("logs/mlflow.db", "mlflow"),
    ],
)
def test_only_the_suffix_of_a_file_is_cut(run_id: str, stem: str) -> None:
    assert stem_of(run_id) == stem


def test_a_run_lies_in_its_directory_or_database() -> None:
    assert folder_of("logs/run.json") == "logs"
    assert folder_of("logs/mlflow.db#0a") == "logs/mlflow.db"


def test_an_address_keeps_both_its_slashes() -> None:
    assert folder_of("ssh://gpu07/runs/a.json") == "ssh://gpu07/runs"
    assert root_of("ssh://gpu07/runs/") == "ssh://gpu07/runs"
    assert root_of("pipe:docker exec -i job python3 -//runs/") == (
        "pipe:docker exec -i job python3 -//runs"
    )
    assert root_of("ssh://gpu07") == "ssh://gpu07/"


@pytest.mark.parametrize(
    ("run_id", "root", "expected"),
    [
        ("logs/run.json", "logs", True),
        ("logs/run.json", "logs/run.json", True),
        ("logs/runs/a.json", "logs/run", False),
        ("/a.json", "/", True),
        ("logs/mlflow.db#0a", "logs", True),
        ("logs/mlflow.db#0a", "logs/mlflow.db", True),
        ("logs/mlflow.db#0a", "logs/mlflow.db#0a", True),
        ("logs/mlflow.db#0a", "logs/mlflow.db#0b", False),
        ("ssh://gpu07/runs/a.json", "ssh://gpu07/runs", True),
        ("ssh://gpu07/runs/a.json", "ssh://gpu07/", True),
        ("ssh://gpu07/runs/a.json", "ssh://gpu0/", False),
        ("ssh://gpu07/~/runs/a.json", "ssh://gpu07/~/runs", True),
        ("/runs/a.json", "ssh://gpu07/runs", False),
    ],
)
def test_a_run_is_below_its_roots_alone(run_id: str, root: str, expected: bool) -> None:
    assert is_below(run_id, root) is expected


def test_exports_are_called_as_the_directory_or_the_place() -> None:
    assert root_name("ssh://gpu07/runs") == "runs"
    assert root_name("ssh://gpu07/") == "ssh_gpu07"
    assert root_name("/home/../srv/runs") == "runs"
    assert root_name("/") == "runs"


def test_the_name_of_an_address_says_whether_it_is_a_file() -> None:
    assert is_named_like_a_file("ssh://gpu07/runs/a.json")
    assert is_named_like_a_file("s3://lab/mlflow.db#0a")
    assert not is_named_like_a_file("ssh://gpu07/runs")
