"""What TensorBoard reads back from event files."""

from __future__ import annotations

from pathlib import Path

import expected
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tensorboard.util import tensor_util


def read(directory: Path) -> dict:
    """What TensorBoard has of the event files of a directory."""
    events = EventAccumulator(str(directory), dict.fromkeys(("scalars", "tensors"), 0))
    events.Reload()
    tags = events.Tags()
    metrics = {
        tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in tags["scalars"]
    }
    texts = {}
    for tag in tags["tensors"]:
        values = [
            (event.step, tensor_util.make_ndarray(event.tensor_proto))
            for event in events.Tensors(tag)
        ]
        match events.SummaryMetadata(tag).plugin_data.plugin_name:
            case "scalars":
                metrics[tag] = [(step, value.item()) for step, value in values]
            case "text":
                texts[tag] = [[step, value.item().decode()] for step, value in values]
    return expected.run(
        metrics, _settings(events), texts=texts, started=events.FirstEventTimestamp()
    )


def _settings(events: EventAccumulator) -> dict:
    """What ``add_hparams`` was given."""
    try:
        content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    except KeyError:
        return {}
    hparams = HParamsPluginData.FromString(content).session_start_info.hparams
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in hparams.items()}
