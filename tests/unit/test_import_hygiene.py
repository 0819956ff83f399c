"""What an import costs: the laws of the rooms, tried in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.runs import records, write_run

HEAVY = ("textual", "rich", "watchdog", "plotext", "numpy")


def loaded_by(code: str) -> set[str]:
    # At once, for an interpreter that ends in order may meet a thread that still computes.
    program = f"{code}\nimport os, sys\nprint(*sys.modules, flush=True)\nos._exit(0)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import traintop; traintop.ExperimentTracker; traintop.ExperimentConfig",
        "from traintop import ExperimentTracker, ExperimentConfig, MetricsSnapshot",
        "import traintop; traintop.init(mode='disabled'); traintop.log({'loss': 1.0})",
        "import traintop.wandb as wandb; wandb.init(mode='disabled').log({'loss': 1.0})",
        "from traintop.integrations.tensorboard import SummaryWriter",
    ],
)
def test_a_training_loop_never_pays_for_the_ui(code: str) -> None:
    loaded = loaded_by(code)
    assert "traintop.tracking.tracker" in loaded
    assert loaded.isdisjoint(HEAVY)
    assert loaded.isdisjoint({"subprocess", "argparse", "json"})
    assert loaded.isdisjoint({"psutil", "pynvml", "ctypes"})  # until something is to be sampled


def test_listing_runs_needs_no_ui(tmp_path: Path) -> None:
    write_run(tmp_path / "experiment_a.json", records(3), status="finished")
    (tmp_path / "settings.json").write_text('{\n"lr": 1\n}\n')  # files that are no runs
    program = f"""
import traintop.cli, traintop.store.watch
traintop.cli.main(["list", {str(tmp_path)!r}], standalone_mode=False)
"""
    assert loaded_by(program).isdisjoint(HEAVY)


def test_listing_the_settings_and_keys_needs_no_ui() -> None:
    program = 'import traintop.cli; traintop.cli.main(["settings"], standalone_mode=False)'
    assert loaded_by(program).isdisjoint(HEAVY)


def test_opening_runs_in_python_loads_no_arrays(tmp_path: Path) -> None:
    write_run(tmp_path / "experiment_a.json", records(3), status="finished")
    program = f"""
import traintop
runs = traintop.open_runs({str(tmp_path)!r}).filter("train_loss < 9").sort("train_loss")
assert repr(runs) + repr(runs.best()) and runs[0].value("train_loss") and runs[0].config
"""
    assert loaded_by(program).isdisjoint({*HEAVY, "pandas", "click"})


def test_the_first_frame_needs_neither_numpy_nor_plotext() -> None:
    loaded = loaded_by("import traintop.tui.app")
    assert "textual" in loaded
    assert loaded.isdisjoint({"watchdog", "plotext", "numpy"})


@pytest.mark.parametrize("sample_above", [0, 1_000_000])
def test_records_come_to_the_ui_when_what_draws_them_is_loaded(
    tmp_path: Path, sample_above: int
) -> None:
    path = write_run(tmp_path / "experiment_a.json", records(3), status="finished")
    program = f"""
import queue
from pathlib import Path
from tests.runs import OpenedRun, reader_of
from traintop.tui.plots import loader

loader.SAMPLE_ABOVE_BYTES = {sample_above}
posted = queue.Queue()
reader = loader.RunLoader(reader_of, posted.put)
reader.start()
reader.show([OpenedRun(Path({str(path)!r})).summary()])
posted.get()
"""
    assert {"traintop.charts.curves", "plotext", "numpy"} <= loaded_by(program)


def test_unknown_public_names_are_refused() -> None:
    import traintop

    assert set(traintop.__all__) <= set(dir(traintop))
    for name in traintop.__all__:
        assert getattr(traintop, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        traintop.nonsense  # noqa: B018
