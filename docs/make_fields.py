"""Makes docs/fields.md from the table in src/traintop/fields.py: python docs/make_fields.py"""

from collections.abc import Iterable
from pathlib import Path

from traintop.field import Field
from traintop.fields import FIELDS, STATISTICS, SYNONYMS, field_of
from traintop.metrics import METRICS
from traintop.system_metrics import EACH_GPU, TOGETHER, system_order

PAGE = Path(__file__).with_name("fields.md")

TEMPLATE = """\
# The fields of a run

The filter, `--sort`, the columns of the list, the leaderboard, the comparison, JSON, CSV and the
report know a field by the same names, with the same value and the same heading. (Made by `python
docs/make_fields.py`.)

| name | also | heading | what it is | unit | better |
| --- | --- | --- | --- | --- | --- |
{fields}
| any metric | | its name | its last value | | by its name |
{statistics}
| `config.x` | `x` | the setting's name | setting `x`; dots lead into nested ones | | |
| `host`, `user`, `git_commit`, … | | the name | a fact about the machine or the code | | |

A plain name that is not in this table means a metric, else a setting, else a fact about the
machine; `config.x` is the setting in any case. Lower or higher values are better by the words of
a metric's name: losses, errors and latencies down; accuracies, rewards and rates up. Where the
name does not say, no run is the best until you choose: `i` in the leaderboard, or `[directions]`
in the [settings](settings.md).

## System metrics

A tracker samples these by itself: see [the guide](../EXPERIMENT_TRACKING_GUIDE.md#system-metrics).
`N` is the number of a GPU as the process sees it; of a run with one GPU, the names of all GPUs
together mean that one.

| name | heading | what it is | unit |
| --- | --- | --- | --- |
{system}

## Metrics that tools call differently

A run may log a metric under any of these names, which then work everywhere like the first one.
Case, and the signs between words, make no difference. Of several in one run the first counts.

| metric | also logged as | also within |
| --- | --- | --- |
{metrics}
"""


def page() -> str:
    """The page as it should be."""
    table = [field for field in FIELDS.values() if field.metric is None or field.name in METRICS]
    of_each = [f"gpu/0/{what}" for what in EACH_GPU]
    further = [(name, one) for name, one in STATISTICS.items() if name != "last"]
    return TEMPLATE.format(
        fields="\n".join(map(row, table)),
        statistics="\n".join(
            f"| `{name}_…` | | {one.label}… | {one.explanation} of any metric | | |"
            for name, one in further
        ),
        system="\n".join(map(system_row, sorted([*TOGETHER, *of_each], key=system_order))),
        metrics="\n".join(
            f"| `{one.name}` | {quoted(one.logged_as)} | {quoted(f'{g}/' for g in one.groups)} |"
            for one in METRICS.values()
        ),
    )


def row(field: Field) -> str:
    """A field as a row of the table."""
    synonyms = quoted(name for name, meant in SYNONYMS.items() if meant == field.name)
    cells = (f"`{field.name}`", synonyms, field.label, field.explanation, field.unit)
    return f"| {' | '.join(cells)} | {field.direction or ''} |"


def system_row(name: str) -> str:
    """A system metric as a row; one of the first GPU stands for those of each."""
    field = field_of(name)
    cells = (f"`{name.replace('/0/', '/N/')}`", field.label, field.explanation, field.unit)
    return f"| {' | '.join(cells)} |".replace("GPU 0", "GPU N").replace(", last value", "")


def quoted(names: Iterable[str]) -> str:
    """Names as code, one after another."""
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
