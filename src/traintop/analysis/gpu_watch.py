"""Whether the GPUs of a run that goes on idle, or are throttled, from one sample to the next.

A GPU idles when every sample of two minutes has it below 10 % of its time at work. One that the run
has never used does not, unless it has used none: whoever trains on one GPU of eight knows. It is
throttled when its clocks were held down in every sample of half a minute, by heat or by a power
brake: to reach its power cap is no trouble.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from traintop.metrics import last_value
from traintop.model import RunSummary
from traintop.system_metrics import SLOWDOWN, gpus_among, throttle_text
from traintop.text import number

_IDLE_PERCENT = 10.0
_IDLE_SECONDS = 120.0
_THROTTLED_SECONDS = 30.0


class GpuSample(NamedTuple):
    """What was read of the GPUs in a second of the run, by their numbers."""

    second: float
    utilization: Mapping[int, float] = {}
    throttle: Mapping[int, float] = {}


def newest_sample(run: RunSummary) -> GpuSample | None:
    """The last one that the file of a run has; ``None`` without any."""
    if run.gpus_sampled_at is None:
        return None
    utilization, throttle = (
        {gpu: run.stats[name].last or 0.0 for gpu, name in gpus_among(run.stats, what).items()}
        for what in ("utilization", "throttle")
    )
    return GpuSample(run.gpus_sampled_at, utilization, throttle)


class GpuWatch(msgspec.Struct):
    """What is remembered of the GPUs of a run."""

    second: float = -1.0
    idle: dict[int, float] = {}
    """Since which second GPUs idle."""
    throttled: dict[int, float] = {}

    def take(self, sample: GpuSample) -> None:
        """Take a sample into account, which may be the one that was taken last."""
        self.second = sample.second
        for gpu, share in sample.utilization.items():
            _note(self.idle, gpu, sample.second, so=share < _IDLE_PERCENT)
        for gpu, reasons in sample.throttle.items():
            _note(self.throttled, gpu, sample.second, so=bool(int(reasons) & SLOWDOWN))

    def idle_gpus(self, run: RunSummary) -> list[int]:
        """Those that idle for long enough to say so."""
        used = [gpu for gpu, name in gpus_among(run.stats).items() if _was_used(run, name)]
        long = _for(self.idle, self.second - _IDLE_SECONDS)
        return [gpu for gpu in long if not used or gpu in used]

    def throttled_gpus(self) -> list[int]:
        """Those that are throttled for long enough to say so."""
        return _for(self.throttled, self.second - _THROTTLED_SECONDS)

    def idle_text(self, run: RunSummary) -> str:
        """Which ones idle and for how long: "GPU 0 idle for 2 min (3 %)"."""
        gpus = self.idle_gpus(run)
        minutes = (self.second - max(self.idle[gpu] for gpu in gpus)) / 60
        shares = [last_value(run, f"gpu/{gpu}/utilization") or 0.0 for gpu in gpus]
        most = f"{number(max(shares), 3)} %"
        most = most if len(gpus) == 1 else f"at most {most}"
        return f"{_names(gpus)} idle for {minutes:.0f} min ({most})"

    def throttled_text(self, run: RunSummary) -> str:
        """Which ones are throttled and why: "GPU 0 throttled (thermal slowdown, 88 °C)"."""
        gpus = self.throttled_gpus()
        reasons = 0
        for gpu in gpus:
            reasons |= int(last_value(run, f"gpu/{gpu}/throttle") or 0) & SLOWDOWN
        known = (last_value(run, f"gpu/{gpu}/temp") for gpu in gpus)
        hottest = max((one for one in known if one is not None), default=None)
        heat = "" if hottest is None else f", {number(hottest, 3)} °C"
        return f"{_names(gpus)} throttled ({throttle_text(reasons)}{heat})"


def _note(since: dict[int, float], gpu: int, second: float, *, so: bool) -> None:
    if so:
        since.setdefault(gpu, second)
    else:
        since.pop(gpu, None)


def _for(since: Mapping[int, float], second: float) -> list[int]:
    return sorted(gpu for gpu, began in since.items() if began <= second)


def _was_used(run: RunSummary, utilization: str) -> bool:
    most = run.stats[utilization].max
    return most is not None and most >= _IDLE_PERCENT


def _names(gpus: Sequence[int]) -> str:
    """ "GPU 0", "GPUs 0, 2 and 5", "GPUs 0 to 7"."""
    if len(gpus) == 1:
        return f"GPU {gpus[0]}"
    if len(gpus) > 2 and gpus[-1] - gpus[0] == len(gpus) - 1:
        return f"GPUs {gpus[0]} to {gpus[-1]}"
    return f"GPUs {', '.join(map(str, gpus[:-1]))} and {gpus[-1]}"
