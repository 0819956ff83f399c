"""System metrics where runs are shown: asked by their names, and never in the way of a loop's."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
from drawings import a_run
from msgspec.structs import replace
from tests.runs import (
    NOW,
    OpenedRun,
    expected_rows,
    history,
    make_run,
    normal,
    records,
    rows_of,
    write_run,
)

from traintop.analysis.chart_names import chart_title, charts_beside, charts_of, shown_charts
from traintop.analysis.compare import ComparisonRun, columns_of, compare
from traintop.analysis.export import write_csv, write_runs
from traintop.analysis.query import filter_runs
from traintop.analysis.ranking import sorted_runs
from traintop.analysis.run_tables import comparison_table, run_rows
from traintop.analysis.summary_text import summary_lines
from traintop.analysis.system_text import system_lines
from traintop.analysis.x_values import metric_axes
from traintop.charts.curves import ChartMaker, ChartOptions
from traintop.direction import direction_of_name
from traintop.field import Field
from traintop.fields import field_of
from traintop.logfile.columns import kept_names
from traintop.logfile.lines import CHUNK
from traintop.metrics import logged_name, metrics_of, primary_metric, system_metrics_of
from traintop.model import MetricStats, RunStatus
from traintop.system_metrics import EACH_GPU, TOGETHER, system_metric, throttle_text
from traintop.tui.columns import offered_columns
from traintop.tui.main.details import sections_of
from traintop.tui.main.records import metrics_in

PLAIN = make_run("plain")


def of_gpu(gpu: int, *, utilization: float = 93.0) -> dict[str, MetricStats]:
    values = dict(zip(EACH_GPU, (utilization, 64.0, 640.0, 61.0, 4.0, 1.5), strict=True))
    return {
        f"gpu/{gpu}/{what}": MetricStats(count=2, last=value, mean=value, max=value, min=value)
        for what, value in values.items()
    }


HOST = {
    name: MetricStats(count=2, last=12.5, mean=12.0, max=13.0, min=11.0)
    for name in TOGETHER
    if not name.startswith("gpu/")
}
LOSS = {"train_loss": MetricStats(count=9, last=2.5, min=2.4, mean=3.0, max=4.0)}
ONE = make_run("one", stats={**HOST, **of_gpu(0), **LOSS})
TWO = make_run(
    "two",
    stats={
        **LOSS,
        **of_gpu(0, utilization=4.0),
        **of_gpu(1),
        "gpu/mean/utilization": MetricStats(count=2, last=48.5, mean=50.0),
    },
)


# -------------------------------------------------------------------------------------- names


def test_of_a_single_gpu_it_is_asked_as_of_several() -> None:
    field = field_of("gpu/mean/utilization")
    assert [field.value(run) for run in (ONE, TWO)] == [93.0, 48.5]
    assert field_of("mean_gpu/mean/utilization").value(ONE) == 93.0
    assert field_of("gpu/total/power").value(ONE) == 640.0
    assert field_of("gpu/total/power").value(TWO) is None  # it would be that of the first


@pytest.mark.parametrize("name", [*TOGETHER, "gpu/0/throttle", "gpu/11/memory"])
def test_each_has_a_heading_a_unit_and_no_winner(name: str) -> None:
    field: Field = field_of(name)
    known = system_metric(name)
    assert known is not None
    assert (field.label, field.unit, field.direction) == (known.label, known.unit, None)
    assert direction_of_name(name) is None
    assert field.align == "right"


def test_what_a_loop_calls_alike_is_its_own() -> None:
    for name in ("gpu/0/mfu", "memory/peak", "gpu/utilization", "cpu"):
        assert system_metric(name) is None


def test_throttling_is_written_in_words() -> None:
    assert field_of("gpu/0/throttle").text(36.0) == "power cap, thermal slowdown"
    assert field_of("gpu/0/throttle").text(0.0) == "no"
    assert throttle_text(-1.0) == "no"


def test_the_filter_finds_idle_gpus() -> None:
    assert [*filter_runs([ONE, TWO], "gpu/0/utilization < 10", NOW)] == [TWO]
    assert [*filter_runs([ONE, TWO], "gpu/mean/utilization > 50", NOW)] == [ONE]
    assert sorted_runs([ONE, TWO], "gpu/mean/utilization") == [TWO, ONE]


def test_of_too_many_metrics_those_of_gpus_give_way_first() -> None:
    names = [*(f"gpu/{gpu}/power" for gpu in range(3)), *(f"layer.{n}" for n in range(3)), "acc"]
    assert [*kept_names(names, 4)] == ["layer.0", "layer.1", "layer.2", "acc"]


# ------------------------------------------------------------------------- beside a loop's own


def test_metrics_of_a_loop_are_apart_from_those_of_the_system() -> None:
    assert metrics_of([ONE, TWO]) == ["train_loss"]
    found = system_metrics_of([ONE, TWO])
    assert found[: len(TOGETHER)] == [*TOGETHER]
    assert found[-1] == "gpu/1/energy"
    assert primary_metric([ONE]) == "train_loss"


def test_their_charts_come_last_on_pages_of_their_own() -> None:
    charts = charts_of([ONE.stats, TWO.stats])
    shown = shown_charts(charts, ())
    assert shown[:3] == ("loss", "gpu/mean/utilization", "gpu/mean/memory")
    assert {"disk/rates", "network/rates", "gpu/total/energy"} <= set(shown)
    assert not any(chart.startswith(("gpu/0/", "disk/read")) for chart in shown)
    assert "gpu/1/power" in charts  # which can be chosen
    assert charts_beside("loss", shown) == range(1)
    assert charts_beside("cpu/utilization", shown) == range(1, len(shown))
    assert charts_of([ONE.stats])[0] == "loss"
    assert chart_title("gpu/mean/utilization") == "GPU utilization, %"


def test_a_run_that_logged_nothing_else_has_their_charts() -> None:
    assert charts_of([of_gpu(0)])[0] == "gpu/mean/utilization"


def test_a_chart_of_gpus_has_runs_of_one_and_of_several() -> None:
    one = a_run("one", **{"gpu/0/utilization": [90.0] * 50 + [0.0] + [90.0] * 49})
    two = a_run("two", **{"gpu/mean/utilization": [50.0] * 100})
    spec = ChartMaker().chart("gpu/mean/utilization", [one, two], ChartOptions())
    assert [series.label for series in spec.series] == ["one", "two"]
    assert not spec.robust  # a moment at 0 % is what one looks for


def test_reads_and_writes_share_a_chart() -> None:
    run = a_run(**{"disk/read": [5.0] * 100, "disk/write": [1.0] * 100})
    spec = ChartMaker().chart("disk/rates", [run], ChartOptions())
    assert [series.label for series in spec.series] == ["disk reads", "disk writes"]
    both = ChartMaker().chart("disk/rates", [run, a_run("b")], ChartOptions())
    assert both.title == "disk, MiB/s   ─ read   ┄ write"


def test_energy_is_no_axis_that_one_goes_through() -> None:
    rising = history(iteration=range(9), **{"gpu/0/energy": [0.1 * i for i in range(9)]})
    assert metric_axes([rising]) == []


def test_in_csv_their_columns_are_the_last(tmp_path: Path) -> None:
    columns = {"cpu/utilization": [1.0], "gpu/0/power": [2.0], "gpu/0/utilization": [3.0]}
    run = history(iteration=[0], **columns, grad_norm=[4.0])
    names = write_csv(run, tmp_path / "run.csv").read_text().splitlines()[0].split(",")
    assert names[8:] == ["grad_norm", "gpu/0/utilization", "gpu/0/power", "cpu/utilization"]
    with (tmp_path / "runs.csv").open("w+") as file:
        write_runs(file, lambda: [("a", run)], ["gpu/0/power"])  # the others turn up in the records
        file.seek(0)
        assert file.readline().rstrip().split(",")[9:] == names[8:]
    assert metrics_in(run)[-4:] == ["gradient_step", *names[9:]]


def test_columns_are_offered_last() -> None:
    offered = offered_columns([ONE, TWO])
    assert offered.index("mean_gpu/mean/utilization") > offered.index("config.d_model")
    assert offered[-1] == "max_gpu/1/energy"
    assert not any(name.startswith("best_gpu") for name in offered)


def test_a_comparison_has_what_the_gpus_did_at_the_end() -> None:
    rows = compare(columns_of([ComparisonRun("one", ONE), ComparisonRun("two", TWO)])).rows
    assert [row.label for row in rows if row.section == "GPU"] == [
        "utilization, mean %",
        "memory, peak GiB",
        "energy, kWh",
    ]
    assert not any("gpu/" in row.section for row in rows)
    alone = compare(columns_of([ComparisonRun("a", PLAIN), ComparisonRun("b", PLAIN)])).rows
    assert not any(row.section == "GPU" for row in alone)


def test_tables_do_not_change_and_json_has_everything() -> None:
    assert "GPU" not in comparison_table([ONE, TWO])
    assert "GPU %" in comparison_table([ONE, TWO], sort="gpu/mean/utilization")
    [one, two] = run_rows([ONE, TWO], {ONE.id: "one", TWO.id: "two"})
    assert next(iter(one["metrics"])) == "train_loss"
    assert one["metrics"]["gpu/0/power"]["last"] == 640
    assert set(one["metrics"]) == set(ONE.stats)
    assert set(two["metrics"]) == set(TWO.stats)


def test_a_summary_has_a_line_for_each_gpu() -> None:
    assert [(line.label, line.value) for line in system_lines(ONE)] == [
        ("GPU 0", "93 %  64 GiB  640 W  61 °C"),
        ("GPU energy", "1.5 kWh"),
        ("CPU", "12.5 %"),
        ("memory", "12.5 GiB  12.5 %"),
        ("disk", "12.5 MiB/s  12.5 MiB/s"),
        ("network", "12.5 MiB/s  12.5 MiB/s"),
    ]
    text = "\n".join(summary_lines(ONE, "one"))
    assert "GPU 0             93 %  64 GiB  640 W  61 °C" in text
    assert "gpu/0" not in text
    ended = make_run("ended", stats=HOST, status=RunStatus.FINISHED)
    titles = {section.title for section in sections_of(ended)}
    assert "System · means" in titles
    assert "System" in {section.title for section in sections_of(ONE)}
    assert [*system_lines(PLAIN)] == []


def test_a_throttled_gpu_is_shown_as_that_while_it_is() -> None:
    hot = {
        "gpu/0/throttle": MetricStats(last=0x60, mean=0x60),
    }
    run = make_run("hot", stats={**of_gpu(0), **hot})
    [line, *_] = system_lines(run)
    assert line.aside == "thermal slowdown, hardware thermal slowdown"
    assert logged_name("gpu/max/temp", run.stats) == "gpu/0/temp"


def test_metrics_of_few_records_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = records(6000)
    for place in range(40, 6000, 97):  # in every region that is decoded at once, and not in each
        values = {"gpu/0/power": 600.0 + place, "gpu/0/temp": math.nan, "gpu/1/power": -math.inf}
        some = dict(itertools.islice(values.items(), 1 + place % 3))
        rows[place] = replace(rows[place], metrics={**rows[place].metrics, **some})
    path = write_run(tmp_path / "experiment_a.json", rows)
    assert path.stat().st_size > 4 * CHUNK
    assert normal(rows_of(OpenedRun(path).history())) == normal(expected_rows(rows))
