"""Random lives of a run's file, and torn flushes: readers say what the model says."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.random_histories import cut_everywhere, play


@pytest.mark.parametrize("first", range(0, 100, 25))
def test_readers_say_what_the_model_says_after_any_harm(tmp_path: Path, first: int) -> None:
    for seed in range(first, first + 25):
        directory = tmp_path / str(seed)
        directory.mkdir()
        play(directory, seed, steps=10)


def test_readers_say_what_the_model_says_of_a_rewound_run(tmp_path: Path) -> None:
    for seed in range(25):
        directory = tmp_path / str(seed)
        directory.mkdir()
        play(directory, seed, steps=10, rewinds=True)


@pytest.mark.parametrize("seed", [7055, 110069, 110259, 502485, 610505])
def test_histories_that_once_went_wrong(tmp_path: Path, seed: int) -> None:
    play(tmp_path, seed)


def test_a_torn_flush_costs_at_most_what_it_brought(tmp_path: Path) -> None:
    """Of the fifty histories that ``--cuts 50`` plays, the beginning of one."""
    cut_everywhere(tmp_path, 1, flushes=1, stride=3)
