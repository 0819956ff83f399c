"""What people read and type for a run."""

from __future__ import annotations

import pytest

from traintop.run_ids import folder_of, stem_of


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
