"""What the tail of a run's file says beside its records: how far it is, and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from traintop import logfile
from traintop.model import LoggedAlert, MetricsSnapshot
from traintop.tracking.recording import Recording
from traintop.tracking.run_clock import RunClock
from traintop.tracking.run_end import RunEnd
from traintop.tracking.statistics import best_loss

_LONGEST_CHANGES = 200_000  # each flush writes them anew


class RunState:
    """A run that this process started, or goes on with: then ``known`` is the tail before.

    ``gradient_steps`` returns the optimizer steps so far, and ``resumptions`` are the processes
    that resumed the run, this one last.
    """

    def __init__(
        self,
        clock: RunClock,
        gradient_steps: Callable[[], int],
        resumptions: list[dict[str, Any]],
        known: logfile.Tail,
    ) -> None:
        self.run_end: RunEnd | None = None
        self.rewinds = 0
        self.gpus_sampled_at: float | None = None  # on the monotonic clock
        self._clock = clock
        self._gradient_steps = gradient_steps
        self._resumptions = resumptions
        self._known = known

    @property
    def final_losses(self) -> dict[str, float | None]:
        """The losses that were given to ``finish``, by metric."""
        run_end = self.run_end
        return {
            "train_loss": run_end.train_loss if run_end else None,
            "val_loss": run_end.val_loss if run_end else None,
        }

    def change_settings(self, changes: dict[str, Any]) -> None:
        """Have settings written over those of the head. Raises ``ValueError`` for too many."""
        changed = {**self._known.config_changes, **changes}
        if len(msgspec.json.encode(changed)) > _LONGEST_CHANGES:
            raise ValueError(
                f"the settings that came after the start take more than {_LONGEST_CHANGES} bytes: "
                f"{', '.join(changes)[:100]} left out; give them when the run starts"
            )
        self._known = msgspec.structs.replace(self._known, config_changes=changed)

    def add_alert(self, moment: float, iteration: float | None, title: str, text: str) -> None:
        """Keep an alert that the program logged at a moment of ``time.monotonic``."""
        time = self._clock.zoned_time_at(moment)
        alerts = [*self._known.alerts, LoggedAlert(time, iteration, title, text)]
        self._known = msgspec.structs.replace(self._known, alerts=alerts[-logfile.MOST_ALERTS :])

    def tail(
        self,
        recording: Recording,
        suspension: RunEnd | None = None,
        lost: int = 0,
        *,
        complete: bool = True,
    ) -> logfile.Tail:
        """The tail of a flush; ``complete`` unless more lines wait for another one.

        ``suspension`` is how the run seems to have ended, and ``lost`` counts records and calls.
        """
        known, run_end = self._known, self.run_end or suspension
        # An open record would follow a gap if the waiting lines were never written.
        open_record = recording.open_record if complete else None
        complete &= not recording.statistics.stale
        stats = recording.statistics.summaries() if complete else {}
        newest, final = recording.statistics.newest, self.final_losses
        is_open = newest == open_record
        elapsed = run_end.duration_seconds if run_end else self._clock.elapsed()
        sampled_at = self.gpus_sampled_at
        return logfile.Tail(
            end_time=run_end.end_time if run_end else None,
            duration_seconds=round(elapsed, 6),
            best_train_loss=best_loss("train_loss", stats, final),
            best_val_loss=best_loss("val_loss", stats, final),
            final_train_loss=final["train_loss"],
            final_val_loss=final["val_loss"],
            notes=(run_end.notes if run_end else "") or known.notes,
            status=run_end.status if run_end else "running",
            error=run_end.error if run_end else "",
            updated_at=self._clock.now(),
            resumed=self._resumptions,
            config_changes=known.config_changes,
            gradient_step=run_end.gradient_step if run_end else self._gradient_steps(),
            iterations_per_second=recording.pace.iterations_per_second(),
            pauses=recording.pace.pauses(elapsed),
            gpus_sampled_at=None if sampled_at is None else round(self._clock.at(sampled_at), 3),
            alerts=known.alerts,
            count=recording.statistics.count if complete else None,
            dropped=known.dropped + recording.dropped + lost,
            left_out=[*recording.left_out],
            rewinds=self.rewinds,
            stats=stats,
            highest_record=_row(newest if complete and not is_open else None),
            last_record=_row(open_record),
        )


def _row(record: MetricsSnapshot | None) -> logfile.Row:
    return {} if record is None else logfile.record_row(record)
