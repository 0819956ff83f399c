"""The leaderboard as columns: what each run reached, where, in what time, and with which settings.

And which settings go with a good place in it, as a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from traintop.analysis.ranking import Leader, Ranking
from traintop.analysis.run_tables import chosen_table, setting_columns
from traintop.field import Field
from traintop.model import RunSummary
from traintop.tables import Cell, Column, Rival, Table, winner
from traintop.text import (
    LONGEST_NAME,
    MISSING,
    count,
    duration,
    fit_middle,
    number,
    percentage,
    safe_text,
    setting_text,
)

if TYPE_CHECKING:
    from traintop.analysis.importance import Importance, SettingImportance

_WIDEST_SETTING = 18
_LONGEST_SETTING = 40


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


def leader_table(ranking: Ranking, labels: Mapping[str, str], chosen: Mapping[str, Field]) -> Table:
    """The leaders with their values, and the usual columns or those that were chosen.

    ``labels`` has the unique name of each run by its id.
    """
    runs = [leader.run for leader in ranking.leaders]
    texts = (safe_text(labels[run.id], LONGEST_NAME) for run in runs)
    values, *usual = leader_columns(ranking.field, ranking.leaders, runs)
    rivals = [
        Rival(leader.value, cell.text)
        for leader, cell in zip(ranking.leaders, values.cells, strict=True)
    ]
    best = winner(rivals, ranking.direction)
    cells = [cell._replace(best=place == best) for place, cell in enumerate(values.cells)]
    others = chosen_table(runs, labels, chosen).columns[1:] if chosen else usual
    return Table(
        [
            Column.of_texts("RUN", texts, "left", literal=True),
            Column(ranking.field.label, cells),
            *(column for column in others if column.heading != ranking.field.label),
        ],
        f"best {ranking.field.words}",
    )


def _iteration(leader: Leader) -> str:
    return MISSING if leader.iteration is None else count(leader.iteration)


def importance_columns(settings: Sequence[SettingImportance]) -> list[Column]:
    """How each setting goes with the result; the first column names them."""
    names = (fit_middle(safe_text(one.name), _LONGEST_SETTING) for one in settings)
    quiet = [one.may_be_chance for one in settings]
    rows = {
        "EXPLAINS": (_share_text(one) for one in settings),
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


def importance_table(settings: Sequence[SettingImportance]) -> Table:
    """The settings of ranked runs by how much of the order they explain."""
    return Table(importance_columns(settings))


def importance_csv(settings: Sequence[SettingImportance]) -> str:
    """The same as CSV, in full precision."""
    rows = [_importance_row(one) for one in settings]
    cells = [[*(row | {"varies_with": " ".join(row["varies_with"])}).values()] for row in rows]
    return Table.of_values([*rows[0]] if rows else [], cells).csv()


def better_text(one: SettingImportance) -> str:
    """Which values of a setting go with better results: "higher", "lower", or the best one."""
    if one.by_value and isinstance(one.best, tuple):
        return " to ".join(number(end, 3) for end in one.best)
    if one.by_value:
        return setting_text(one.best, _WIDEST_SETTING)
    if not one.correlation:
        return MISSING
    return "higher" if one.correlation > 0 else "lower"


def _correlation(one: SettingImportance) -> str:
    return MISSING if one.correlation is None else f"{one.correlation:+z.2f}"


def _share_text(one: SettingImportance) -> str:
    return f"{percentage(one.share)}{'?' if one.may_be_chance else ' '}"


def _remarks(one: SettingImportance) -> list[str]:
    """What to beware of with one setting."""
    said = []
    if one.varies_with:
        said.append(f"varies with {fit_middle(safe_text(one.varies_with[0]), _WIDEST_SETTING)}")
    if one.defaults:
        said.append(f"default in {one.defaults:,}")
    return said


def importance_document(importance: Importance) -> dict[str, Any]:
    """The same for JSON, in full precision."""
    return {
        "ranked": importance.n,
        "warnings": [*importance.warnings],
        "settings": [_importance_row(one) for one in importance.settings],
    }


def _importance_row(one: SettingImportance) -> dict[str, Any]:
    return {
        "setting": one.name,
        "share": one.share,
        "correlation": one.correlation,
        "better": None if one.by_value or not one.correlation else better_text(one),
        "best_value": one.best,
        "runs": one.n,
        "values": one.values,
        "defaults": one.defaults,
        "chance": one.chance,
        "may_be_chance": one.may_be_chance,
        "varies_with": [*one.varies_with],
        "varies_alone": one.varies_alone,
    }
