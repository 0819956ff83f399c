"""Other trackers at the same work, where they are installed. None of them is a dependency."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.measuring import Floor, Line, Scale, interleaved, seconds_of

from traintop import ExperimentConfig, ExperimentTracker
from traintop.metrics import last_value
from traintop.store.catalog import RunCatalog

_RUNS = 200
_STEPS = 5
_CALLS = 200

Scalars = dict[str, float]


class OpenRun(NamedTuple):
    """A run that is being written."""

    log: Callable[[int, Scalars], object]
    end: Callable[[], object]


class Peer(NamedTuple):
    """A tracker: how it begins a run of some name, and how one learns what all runs reached."""

    package: str
    needs: tuple[str, ...]
    begin: Callable[[Path, str], OpenRun]
    last_losses: Callable[[Path], list[float | None]]

    @property
    def title(self) -> str:
        return f"{self.package} {importlib.metadata.version(self.package)}"


def measure(scale: Scale, directory: Path) -> Iterator[Line]:
    """The lines of this family: none where no other tracker is installed."""
    others = [peer for peer in _OTHERS if all(map(importlib.util.find_spec, peer.needs))]
    if not others:
        return
    homes = {peer: directory / peer.package for peer in (_OURS, *others)}
    for home in homes.values():
        home.mkdir()
    yield _line(
        "a log call of 4 scalars, mean",
        others,
        interleaved(
            scale.rounds, *(partial(_log_call, peer, home) for peer, home in homes.items())
        ),
        f"{_CALLS:,} calls in a row, as the training loop sees them: where a tracker has a thread "
        "that writes, its work comes on top.",
    )
    for peer, home in homes.items():
        for number in range(_RUNS):
            run = peer.begin(home, f"run-{number}")
            for step in range(_STEPS):
                run.log(step, _scalars(step))
            run.end()
    yield _line(
        f"the last loss of each of {_RUNS:,} runs of {_STEPS} steps",
        others,
        interleaved(
            min(scale.rounds, 3),
            *(partial(_look, peer, home) for peer, home in homes.items()),
        ),
        "From a cold start of the reader, all files in the cache of the system. The event files of "
        "TensorBoard are read whole, so that longer runs cost it more.",
    )


def _log_call(peer: Peer, home: Path) -> float:
    run = peer.begin(home, "calls")
    values = [_scalars(step) for step in range(_CALLS)]
    seconds = seconds_of(lambda: [run.log(step, value) for step, value in enumerate(values)])
    run.end()
    return seconds / _CALLS


def _look(peer: Peer, home: Path) -> float:
    losses: list[float | None] = []
    seconds = seconds_of(lambda: losses.extend(peer.last_losses(home)))
    if sum(loss is not None for loss in losses) < _RUNS:
        raise RuntimeError(f"{peer.title} lost runs: {len(losses)}")
    return seconds


def _scalars(step: int) -> Scalars:
    return {
        "train_loss": 4.0 / (1 + step),
        "learning_rate": 6e-4,
        "tokens_per_sec": 121_000.0,
        "iter_time_ms": 135.0,
    }


def _line(what: str, others: list[Peer], figures: list[float], reading: str) -> Line:
    ours, *theirs = figures
    floors = (Floor(peer.title, value) for peer, value in zip(others, theirs, strict=True))
    return Line(what, ours, "s", floors=tuple(floors), reading=reading)


def _begin_ours(home: Path, name: str) -> OpenRun:
    tracker = ExperimentTracker(ExperimentConfig(name), log_dir=home, quiet=True)
    tracker.start()
    return OpenRun(lambda step, scalars: tracker.log_metrics(step, **scalars), tracker.finish)


def _our_last_losses(home: Path) -> list[float | None]:
    return [last_value(run, "train_loss") for run in RunCatalog([home]).refresh().runs]


def _begin_tensorboard(home: Path, name: str) -> OpenRun:
    from tensorboardX import SummaryWriter

    writer = SummaryWriter(str(home / name))

    def log(step: int, scalars: Scalars) -> None:
        for tag, value in scalars.items():
            writer.add_scalar(tag, value, step)

    return OpenRun(log, writer.close)


def _last_losses_of_tensorboard(home: Path) -> list[float | None]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    losses: list[float | None] = []
    for run in home.iterdir():
        events = EventAccumulator(str(run))
        events.Reload()
        losses.append(events.Scalars("train_loss")[-1].value)
    return losses


def _begin_mlflow(home: Path, name: str) -> OpenRun:
    client, experiment = _mlflow(home)
    run = client.create_run(experiment, run_name=name).info.run_id

    def log(step: int, scalars: Scalars) -> None:
        import mlflow

        mlflow.log_metrics(scalars, step=step, run_id=run)

    return OpenRun(log, lambda: client.set_terminated(run))


def _last_losses_of_mlflow(home: Path) -> list[float | None]:
    client, experiment = _mlflow(home)
    runs = client.search_runs([experiment], max_results=50_000)
    return [run.data.metrics.get("train_loss") for run in runs]


def _mlflow(home: Path):  # its client, and the experiment that holds all runs
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{home / 'mlflow.db'}")
    return mlflow.MlflowClient(), "0"


_OURS = Peer("traintop", (), _begin_ours, _our_last_losses)
_OTHERS = (
    Peer(
        "tensorboardX",
        ("tensorboardX", "tensorboard"),
        _begin_tensorboard,
        _last_losses_of_tensorboard,
    ),
    Peer(
        "mlflow-skinny",
        ("mlflow", "sqlalchemy", "alembic"),
        _begin_mlflow,
        _last_losses_of_mlflow,
    ),
)
