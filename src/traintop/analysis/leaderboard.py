"""The leaderboard as columns: what each run reached, where, in what time, and with which settings.

And which settings go with a good place in it, as a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from traintop.analysis.ranking import Leader
from traintop.analysis.run_tables import setting_columns
from traintop.field import Field
from traintop.model import RunSummary
from traintop.tables import Cell, Column, Table
from traintop.text import MISSING, count, duration, fit_middle, percentage, safe_text, setting_text

if TYPE_CHECKING:
    from traintop.analysis.importance import Importance, SettingImportance

_WIDEST_SETTING = 18
_LONGEST_NAME = 40


def leader_columns(
    field: Field, leaders: Sequence[Leader], among: Sequence[RunSummary]
) -> list[Column]:
    """The value of each leader and what is to be said of it, what matters most first.

    They lead by ``field``. The settings are those that differ among some runs.
    """
    runs = [leader.run for leader in leaders]
    settings = setting_columns(runs, _WIDEST_SETTING, among)
    values = [Cell(leader.value, field.text(leader.value)) for leader in leaders]
    places = [Cell(one.iteration, _iteration(one), quiet=True) for one in leaders]
    times = [Cell(run.duration_seconds, duration(run.duration_seconds)) for run in runs]
    return [
        Column("VALUE", values),
        Column("AT", places, rank=1),
        Column("TIME", times, rank=2),
        *sorted(settings, key=lambda setting: setting.rank),
    ]


def _iteration(leader: Leader) -> str:
    return MISSING if leader.iteration is None else count(leader.iteration)


def importance_columns(settings: Sequence[SettingImportance]) -> list[Column]:
    """How each setting goes with the result; the first column names them."""
    names = (fit_middle(safe_text(one.name), _LONGEST_NAME) for one in settings)
    quiet = [one.may_be_chance for one in settings]
    rows = {
        "EXPLAINS": (percentage(one.share) for one in settings),
        "CORR": (_correlation(one) for one in settings),
        "BETTER": (better_text(one) for one in settings),
        "RUNS": (count(one.n) for one in settings),
        "": (", ".join(_remarks(one)) for one in settings),
    }
    ranks = {"EXPLAINS": 0, "BETTER": 1, "CORR": 2, "": 3, "RUNS": 4}
    columns = [
        Column(
            heading,
            [Cell(text=text, quiet=q, literal=True) for text, q in zip(texts, quiet, strict=True)],
            "left" if heading in ("BETTER", "") else "right",
            rank=ranks[heading],
        )
        for heading, texts in rows.items()
    ]
    return [Column.of_texts("SETTING", names, "left", literal=True), *columns]


def importance_table(importance: Importance) -> Table:
    """The settings of ranked runs by how much of the order they explain."""
    return Table(importance_columns(importance.settings))


def better_text(one: SettingImportance) -> str:
    """Which values of a setting go with better results: "higher", "lower", or the best one."""
    if one.by_value:
        return setting_text(one.best, _WIDEST_SETTING)
    if not one.correlation:
        return MISSING
    return "higher" if one.correlation > 0 else "lower"


def _correlation(one: SettingImportance) -> str:
    return MISSING if one.correlation is None else f"{one.correlation:+z.2f}"


def _remarks(one: SettingImportance) -> list[str]:
    """What to beware of with one setting."""
    said = ["may be chance"] if one.may_be_chance else []
    if one.varies_with:
        said.append(f"varies with {fit_middle(safe_text(one.varies_with[0]), _WIDEST_SETTING)}")
    if one.defaults:
        said.append(f"default in {one.defaults:,}")
    return said


def importance_document(importance: Importance) -> dict[str, Any]:
    """The same for JSON, in full precision."""
    rows = [
        {
            "setting": one.name,
            "share": one.share,
            "correlation": one.correlation,
            "better": None if not one.correlation or one.by_value else better_text(one),
            "best_value": one.best,
            "runs": one.n,
            "values": one.values,
            "defaults": one.defaults,
            "chance": one.chance,
            "may_be_chance": one.may_be_chance,
            "varies_with": [*one.varies_with],
            "varies_alone": one.varies_alone,
        }
        for one in importance.settings
    ]
    return {"runs": importance.n, "warnings": [*importance.warnings], "settings": rows}
