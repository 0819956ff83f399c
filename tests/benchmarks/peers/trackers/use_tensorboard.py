"""tensorboardX writes, EventAccumulator of TensorBoard reads."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

from asked import RECORDS_OF_LISTED_RUN, OpenRun, Scalars, Tool, answer, log_run, loss
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboardX import SummaryWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import masked_crc32c
from tensorboardX.summary import scalar


def begin(home: Path, name: str) -> OpenRun:
    writer = SummaryWriter(str(home / name))

    def log(step: int, values: Scalars) -> None:
        for tag, value in values.items():
            writer.add_scalar(tag, value, step)

    return OpenRun(log, writer.close)


def write_runs(home: Path, count: int) -> None:
    log_run(TOOL, home, "run-00000", RECORDS_OF_LISTED_RUN)
    for number in range(1, count):
        shutil.copytree(home / "run-00000", home / f"run-{number:05d}")


def last_losses(home: Path) -> Iterator[float | None]:
    for run in home.iterdir():
        yield _events(run).Scalars("loss")[-1].value


def write_curve(home: Path, count: int) -> None:
    begin(home, "long-run").end()
    (file,) = home.glob("long-run/*tfevents*")
    with open(file, "ab") as events:
        for step in range(count):
            value = scalar("loss", loss(step))
            event = Event(wall_time=1.7e9 + step, step=step, summary=value).SerializeToString()
            length = struct.pack("<Q", len(event))
            events.write(length + _checksum(length) + event + _checksum(event))


def curve(home: Path) -> int:
    (run,) = home.iterdir()
    return len(_events(run).Scalars("loss"))


def _events(run: Path) -> EventAccumulator:
    events = EventAccumulator(str(run), size_guidance={"scalars": 0})
    events.Reload()
    return events


def _checksum(data: bytes) -> bytes:
    return struct.pack("<I", masked_crc32c(data))


TOOL = Tool(begin, write_runs, last_losses, write_curve, curve)

if __name__ == "__main__":
    answer(TOOL)
