"""The example that users copy runs in all its parts."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

from cs336_basics import experiment_tracking_example as example


def test_example_tracks_sweeps_and_analyzes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = example.BASELINE._replace(
        d_model=16, num_layers=1, d_ff=16, context_length=16, batch_size=4, max_iters=50
    )
    monkeypatch.setattr(example, "BASELINE", small)
    monkeypatch.setattr(sys, "argv", ["experiment_tracking_example"])
    monkeypatch.chdir(tmp_path)
    example.main()

    output = capsys.readouterr().out
    names = ("baseline", "lr_1e-04", "lr_6e-04", "lr_1e-03")
    assert len(list((tmp_path / "experiment_logs").iterdir())) == len(names)
    assert all(name in output for name in names)
    assert "Best: baseline" in output  # by far the highest learning rate in so short a training
    with (tmp_path / "baseline.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["iteration"] for row in rows] == [str(iteration) for iteration in range(50)]
    assert all(float(row["train_loss"]) > 0 for row in rows)
