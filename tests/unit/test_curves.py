"""From the records of runs to the specification of a chart."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from drawings import a_run

from traintop.analysis.axes import X_AXES, XAxis
from traintop.charts import curves, draw_chart
from traintop.charts.curves import ChartMaker, ChartOptions


def test_one_run_names_its_losses_several_runs_themselves():
    val = [None] * 99 + [3.5]
    first, second = a_run("first", val_loss=val), a_run("second", val_loss=val)
    one = ChartMaker().chart("loss", [first], ChartOptions())
    assert (one.title, [s.label for s in one.series]) == ("", ["train loss", "val loss"])
    two = ChartMaker().chart("loss", [first, second], ChartOptions())
    assert [s.label for s in two.series] == ["first", "", "second", ""]
    assert two.title == "loss   ─ train   ┄ val"
    legend = "".join(span.text for span in draw_chart(two, 80, 20)[1])
    assert legend.startswith("first ─●─ 3.010  ┄●┄ 3.500   second ─▲─ 3.010  ┄▲┄ 3.500")


def test_a_run_with_a_val_loss_only_is_named_too():
    run = a_run("only val", train_loss=[None] * 100, val_loss=[3.0] * 100)
    spec = ChartMaker().chart("loss", [run, a_run("b")], ChartOptions())
    assert [s.label for s in spec.series] == ["only val", "b"]


def test_a_title_has_last_and_median_or_the_value_at_the_cursor():
    run = a_run(grad_norm=[float(i) for i in range(100)])
    maker = ChartMaker()
    assert maker.chart("grad_norm", [run], ChartOptions()).title == (
        "gradient norm   last 99   median 49.5"
    )
    assert maker.chart("grad_norm", [run], ChartOptions(cursor=7.0)).title == "gradient norm   7"
    empty = a_run(grad_norm=[math.nan] * 100)
    assert ChartMaker().chart("grad_norm", [empty], ChartOptions()).title == (
        "gradient norm   last NaN @99"
    )
    assert ChartMaker().chart("grad_norm", [a_run()], ChartOptions()).title == "gradient norm"


@pytest.mark.parametrize("weight", [0.0, 0.9])
@pytest.mark.parametrize(("last", "words"), [(math.nan, "NaN"), (-math.inf, "-inf")])
def test_the_last_value_is_the_last_measured_be_it_no_number(weight, last, words):
    losses = [2.0] * 1290 + [last, None]
    runs = [a_run(name, rows=1292, train_loss=losses, grad_norm=losses) for name in "ab"]
    one = ChartMaker().chart("grad_norm", runs[:1], ChartOptions(weight=weight))
    assert one.title == f"gradient norm   last {words} @1.29k   median 2"
    both = ChartMaker().chart("loss", runs, ChartOptions(weight=weight))
    assert [both.legend_value(series) for series in both.in_legend] == [f"{words} @1.29k"] * 2
    at = ChartMaker().chart("loss", runs, ChartOptions(weight=weight, cursor=1290.0))
    assert at.legend_value(at.in_legend[0]) == words
    timed = ChartMaker().chart("loss", runs, ChartOptions(XAxis("wallclock_time"), weight=weight))
    assert timed.legend_value(timed.in_legend[0]) == f"{words} @43m00s"


def test_a_chart_without_curves_says_why():
    def words(chart, *runs, **options):
        return ChartMaker().chart(chart, runs, ChartOptions(**options)).nothing_drawn

    assert words("loss", a_run(rows=0)) == "no record yet"
    assert words("loss", a_run(train_loss=[None] * 100)) == "no train or val loss was logged"
    assert words("grad_norm", a_run(), a_run("b")) == "no gradient norm was logged"
    assert words("loss", a_run(), x_axis=XAxis("tokens")).startswith("no token count: log tokens")
    below = a_run(train_loss=[-1.0] * 100)
    assert words("loss", below, log_y=True) == "no value above 0 for a log axis"
    drawn = draw_chart(ChartMaker().chart("loss", [below], ChartOptions(log_y=True)), 60, 12)
    assert any("no value above 0" in "".join(p.text for p in line) for line in drawn)


def test_a_loss_of_another_name_is_in_the_chart_of_losses():
    runs = [
        a_run("lightning", train_loss=[None] * 100, **{"training/loss": [2.0] * 100}),
        a_run("transformers", train_loss=[None] * 100, loss=[3.0] * 100, eval_loss=[3.5] * 100),
    ]
    spec = ChartMaker().chart("loss", runs, ChartOptions())
    assert [(s.label, s.style, s.last[1]) for s in spec.series] == [
        ("lightning", "solid", 2.0),
        ("transformers", "solid", 3.0),
        ("", "dotted", 3.5),
    ]
    alone = ChartMaker().chart("loss", runs[1:], ChartOptions())
    assert [s.label for s in alone.series] == ["train loss", "val loss"]


def test_a_chart_without_curves_says_what_it_would_show():
    run = a_run(train_loss=[None] * 100)
    assert ChartMaker().chart("loss", [run], ChartOptions()).title == "loss"


def test_all_charts_share_what_the_records_cover():
    run = a_run(grad_norm=[None] * 50 + [1.0] * 50)
    maker = ChartMaker()
    for chart in ("loss", "grad_norm"):
        assert maker.chart(chart, [run], ChartOptions()).x_limits == (0, 99)
    longer = a_run("b", rows=500)
    assert maker.extent([run, longer], XAxis("iteration")) == (0, 499)
    assert maker.spacing([run, longer], XAxis("wallclock_time")) == 2.0
    assert ChartMaker().extent([a_run(rows=0)], XAxis("iteration")) is None


def test_wall_clock_is_labelled_in_a_unit_that_fits():
    for rows, label, unit in [
        (50, "wall clock, s", 1.0),
        (200, "wall clock, min", 60.0),
        (6000, "wall clock, h", 3600.0),
    ]:
        spec = ChartMaker().chart("loss", [a_run(rows=rows)], ChartOptions(XAxis("wallclock_time")))
        assert (spec.x_label, spec.x_unit) == (label, unit)
        assert spec.x_limits == (0, (rows - 1) * 2)
    bottom = "".join(span.text for span in draw_chart(spec, 60, 20)[-1])
    assert bottom.split() == ["0", "1", "2", "wall", "clock,", "h"]


def test_cursor_and_legend_write_times_and_rates_for_people():
    options = ChartOptions(XAxis("wallclock_time"), cursor=318.0)
    runs = [a_run("a", rows=200, tokens_per_sec=[41_155.0] * 200), a_run("b", rows=200)]
    spec = ChartMaker().chart("tokens_per_sec", runs, options)
    title, legend = ("".join(span.text for span in line) for line in draw_chart(spec, 60, 20)[:2])
    assert title.rstrip().endswith("wall clock 5m18s")
    assert legend.startswith("a ─ 41.2k")


def test_a_smoothed_curve_has_its_raw_one_with_nan_marks_behind():
    loss = [2.0] * 100
    loss[50], loss[60] = math.nan, math.inf
    spec = ChartMaker().chart("loss", [a_run(train_loss=loss)], ChartOptions(weight=0.9))
    raw, smooth = spec.series
    assert (raw.dim, smooth.dim, raw.label, smooth.label) == (True, False, "", "train loss")
    assert [x.tolist() for x in raw.marks] == [[50, 60], []]
    assert [x.tolist() for x in smooth.marks] == [[], []]
    assert math.isnan(raw.value_at(50.0))
    assert raw.value_at(60.0) == math.inf
    assert raw.value_at(61.0) == 2.0


def test_smoothing_counts_records_so_a_rare_metric_does_not_lag():
    val = [None if i % 50 else 4 - i / 1000 for i in range(1000)]
    spec = ChartMaker().chart(
        "val_loss", [a_run(rows=1000, val_loss=val)], ChartOptions(weight=0.9)
    )
    assert spec.series[-1].last[1] == pytest.approx(val[950], abs=1e-3)


def test_the_value_at_a_cursor_beyond_a_curve_is_none():
    series = ChartMaker().chart("loss", [a_run()], ChartOptions()).series[0]
    assert series.value_at(99.9) == series.last[1]
    assert series.value_at(150.0) is None
    assert series.value_at(-5.0) is None


def test_the_cursor_steps_through_records_and_stops_at_the_ends():
    maker, runs = ChartMaker(), [a_run(), a_run("b", rows=40)]
    assert maker.record_near(runs, XAxis("iteration"), 50.0, 0.2) == 51
    assert maker.record_near(runs, XAxis("iteration"), 50.0, -10.0) == 40
    assert maker.record_near(runs, XAxis("iteration"), 99.0, 5.0) == 99
    assert maker.record_near(runs, XAxis("wallclock_time"), 3.0, 0.5) == 4


def test_cursor_and_zoom_are_kept_on_another_axis():
    maker, run = ChartMaker(), a_run()
    assert maker.on_other_axis(run, XAxis(), XAxis("wallclock_time"), [10, 20.5]) == [20, 41]
    assert maker.on_other_axis(run, XAxis(), XAxis("tokens"), [10]) is None


def test_curves_are_kept_until_they_are_forgotten(monkeypatch):
    monkeypatch.setattr(curves, "QUICK_RECORDS", 0)
    maker, run, other = ChartMaker(), a_run(), a_run("b")

    def kept() -> list[tuple[str, float]]:
        return [
            (one.label, weight)
            for one in (run, other)
            for weight in (0.6, 0.9, 0.99)
            if not maker.missing("loss", [one], ChartOptions(weight=weight))
        ]

    for weight in (0.6, 0.9, 0.99):
        for one in (run, other):
            maker.chart("loss", [one], ChartOptions(weight=weight))
    assert len(kept()) == 6
    maker.keep_only({run}, XAxis("iteration"), (0.99,))
    assert kept() == [("a", 0.99)]
    same = maker.chart("loss", [run], ChartOptions(weight=0.99, cursor=3.0))
    again = maker.chart("loss", [run], ChartOptions(weight=0.99, log_y=True))
    assert same.series == again.series
    maker.keep_only({run}, XAxis("wallclock_time"), (0.99,))
    assert kept() == []


def test_curves_over_very_many_records_are_prepared_first(monkeypatch):
    monkeypatch.setattr(curves, "QUICK_RECORDS", 150)
    maker, options = ChartMaker(), ChartOptions(weight=0.5)
    assert maker.missing("loss", [a_run()], ChartOptions()) == ()
    missing = maker.missing("loss", [a_run()], options)
    assert [key.weight for key in missing] == [0.0, 0.5]
    for key in missing:
        maker.prepare(key)
    assert maker.missing("loss", [a_run()], options) == ()


def test_runs_without_a_place_on_the_axis_are_not_waited_for(monkeypatch):
    monkeypatch.setattr(curves, "QUICK_RECORDS", 0)
    runs = [a_run("knows", tokens=10.0), a_run("does not")]
    missing = ChartMaker().missing("loss", runs, ChartOptions(XAxis("tokens")))
    assert [key.run.label for key in missing] == ["knows"]


def test_preparing_does_all_work_over_all_points(monkeypatch):
    monkeypatch.setattr(curves, "QUICK_RECORDS", 0)
    maker = ChartMaker()
    (key,) = maker.missing("loss", [a_run()], ChartOptions())
    maker.prepare(key)
    (series,) = maker.chart("loss", [a_run()], ChartOptions()).series
    assert {"measured", "overview", "means", "marks", "median"} <= set(vars(series))


def test_odd_records_are_charted():
    rows = 4000
    odd = np.where(np.arange(rows) % 7 == 0, np.inf, 1e308).tolist()
    runs = [
        a_run("odd", rows=rows, train_loss=odd, wallclock_time=[-1.0] * rows),
        a_run("none", rows=0),
        a_run("nan", train_loss=[math.nan] * 100),
    ]
    scales = (False, True)
    for axis, weight, log_x, log_y in itertools.product(X_AXES, (0.0, 0.99), scales, scales):
        options = ChartOptions(XAxis(axis, log_x), log_y, weight=weight, cursor=3.0)
        spec = ChartMaker().chart("loss", runs, options)
        assert len(draw_chart(spec, 60, 15)) == 15
