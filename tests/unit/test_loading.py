"""Single log files in memory, without an analyzer."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.runs import record, write_run

from traintop import compare_experiments, load_experiment_log


def test_a_single_file_that_is_no_run_raises_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        load_experiment_log(tmp_path / "missing.json")
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(ValueError, match=r"x.json' .*list, not an object"):
        load_experiment_log(str(tmp_path / "x.json"))


def test_some_files_compared(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paths = [
        write_run(
            tmp_path / f"experiment_{name}.json",
            [record(0, train_loss=1.0, val_loss=loss)],
            config={"experiment_name": name},
            status="finished",
            best_val_loss=loss,
        )
        for name, loss in (("a", 3.0), ("b", 2.0))
    ]
    broken = tmp_path / "broken.json"
    broken.touch()
    lines = compare_experiments([*map(str, paths), broken]).splitlines()
    assert [line.split()[0] for line in lines[2:4]] == ["b", "a"]
    assert "broken.json' is empty" in caplog.text
    assert compare_experiments(paths[0]).count("finished") == 1
