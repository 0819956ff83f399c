"""The alerts that the program of a run logged, in words, and which of them are news."""

from __future__ import annotations

from datetime import datetime

from traintop.model import ALIVE, LoggedAlert, RunSummary
from traintop.text import count
from traintop.times import parse_time

RECENT_SECONDS = 600.0
"""How old an alert may be that is there when its run is first seen."""


_YEARS = range(1971, 3000)


def logged_alerts(run: RunSummary) -> list[tuple[str, datetime]]:
    """What each says, as the file has it, and when it was logged by the clock of its machine.

    Those of a time that no clock shows are left out: not every system can do sums with it.
    """
    times = ((alert, parse_time(alert.time)) for alert in run.alerts)
    return [(_words(alert), time) for alert, time in times if time and time.year in _YEARS]


def new_alerts(
    run: RunSummary, before: RunSummary | None, since: float
) -> list[tuple[str, datetime]]:
    """Those that the run ``before`` did not have.

    Of a run that is first seen, they are those ``since`` a moment, in seconds since 1970, and none
    of one that has ended.
    """
    if before is not None:
        known = logged_alerts(before)
        return [alert for alert in logged_alerts(run) if alert not in known]
    if run.status not in ALIVE:
        return []
    return [(words, time) for words, time in logged_alerts(run) if time.timestamp() >= since]


def _words(alert: LoggedAlert) -> str:
    at = "" if alert.iteration is None else f"iteration {count(alert.iteration)}"
    title_and_text = ": ".join(filter(None, (alert.title, alert.text)))
    return ", ".join(filter(None, (title_and_text, at)))
