"""The x axes of charts: which there are, and where the records of a run lie on them."""

from __future__ import annotations

import dataclasses
import math

import pytest
from drawings import a_run
from msgspec.structs import replace
from tests.runs import make_run

from traintop.analysis.axes import XAxis, axis_named, tokens_per_iteration
from traintop.charts import draw_chart
from traintop.charts.curves import ChartMaker, ChartOptions
from traintop.charts.view import points_for


@pytest.mark.parametrize(
    ("config", "tokens"),
    [
        ({"batch_size": 64, "context_length": 256}, 16384),
        ({"batch_size": 64, "context_length": 256, "accumulation_steps": 4}, 16384),
        ({"batch_size": 64}, None),
        ({"batch_size": "64", "context_length": 256}, None),
        ({"batch_size": True, "context_length": 256}, None),
        ({"batch_size": -1, "context_length": 256}, None),
        ({"batch_size": math.nan, "context_length": 256}, None),
        ({"batch_size": 10**400, "context_length": 256}, None),
        ({"batch_size": 1e300, "context_length": 1e300}, None),
    ],
)
def test_tokens_of_an_iteration_by_the_settings(config, tokens):
    assert tokens_per_iteration(make_run("a", config=config)) == tokens


def test_tokens_seen_are_logged_or_follow_from_the_settings():
    maker, options = ChartMaker(), ChartOptions(XAxis("tokens"))
    spec = maker.chart("loss", [a_run(tokens=10.0)], options)
    assert spec.series[0].x[:3].tolist() == [10, 20, 30]
    assert spec.x_label == "tokens (it × batch × context)"
    sparse = [None if i % 2 else i * 7.0 for i in range(100)]
    for name in ("tokens_seen", "train/num_input_tokens_seen", "total_tokens"):
        logged = a_run(name, tokens=10.0, **{name: sparse})
        spec = maker.chart("loss", [logged], options)
        assert spec.series[0].x[:3].tolist() == [0, 7, 14]
        assert spec.x_label == "tokens (logged)"
    each_batch = a_run("each batch", tokens=10.0, num_tokens=[5.0, 6.0] * 50)
    assert maker.chart("loss", [each_batch], options).series[0].x[:2].tolist() == [10, 20]
    both = maker.chart("loss", [logged, each_batch], options)
    assert both.x_label == "tokens (logged or it × batch × context)"
    assert replace(both, cursor=7.0).cursor_text == "tokens 7"
    assert draw_chart(both, 120, 20)[-1][-1].text.endswith("(logged or it × batch × context)")
    assert draw_chart(both, 40, 20)[-1][-1].text.endswith("  tokens")


def test_a_run_without_tokens_is_left_out_with_a_remark():
    runs = [a_run("knows", tokens=10.0), a_run("does not")]
    spec = ChartMaker().chart("loss", runs, ChartOptions(XAxis("tokens")))
    assert [s.label for s in spec.series] == ["knows"]
    assert spec.note == "no tokens, nor batch × context: does not"
    assert spec.note in "".join(s.text for s in draw_chart(spec, 80, 20)[1])
    alone = ChartMaker().chart("loss", runs[1:], ChartOptions(XAxis("tokens")))
    assert alone.series == ()
    draw_chart(alone, 80, 20)


def xs(run, axis: str) -> list[float]:
    return ChartMaker().chart("loss", [run], ChartOptions(XAxis(axis))).series[0].x.tolist()


@pytest.mark.parametrize(
    ("axis", "name"),
    [
        ("epoch", "epoch"),
        ("epoch", "train/epoch"),
        ("epoch", "Epoch"),
        ("epoch", "trainer.current_epoch"),
        ("tokens", "consumed_train_tokens"),
        ("samples", "samples"),
        ("samples", "consumed-train-samples"),
        ("samples", "train/num_examples_seen"),
        ("env_steps", "env_steps"),
    ],
)
def test_any_metric_is_an_axis_by_its_names(axis, name):
    run = a_run(rows=4, **{name: [0.25, 0.5, 0.75, 1.0]})
    assert xs(run, axis) == [0.25, 0.5, 0.75, 1.0]
    assert axis in ChartMaker().axes([run])


@pytest.mark.parametrize("name", ["samples_per_second", "tokens/s", "epoch_time", "max_tokens"])
def test_rates_and_limits_count_nothing(name):
    run = a_run(rows=4, **{name: [1.0, 2.0, 3.0, 4.0]})
    assert not {"samples", "tokens", "epoch"}.intersection(ChartMaker().axes([run]))


def test_records_between_two_epochs_lie_between_them():
    run = a_run(rows=7, epoch=[None, 1.0, None, None, None, 2.0, None])
    first, *between, last = xs(run, "epoch")
    assert between == [1.0, 1.25, 1.5, 1.75, 2.0]
    assert math.isnan(first)  # nobody knows what was before, and what comes after
    assert math.isnan(last)


def test_records_between_values_that_fall_have_no_place():
    run = a_run(rows=5, temperature=[3.0, None, 1.0, None, 2.0])
    measured = [x for x in xs(run, "temperature") if not math.isnan(x)]
    assert measured == [3.0, 1.0, 2.0]
    assert "temperature" not in ChartMaker().axes([run])


def test_an_epoch_that_begins_anew_counts_nothing():
    run = a_run(rows=4, epoch=[1.0, 2.0, 1.0, 2.0], **{"train/epoch": [1.0, 2.0, 3.0, 4.0]})
    assert xs(run, "epoch") == [1.0, 2.0, 3.0, 4.0]


def test_the_iterations_of_some_runs_are_epochs():
    run = a_run(rows=3)
    assert "epoch" not in ChartMaker().axes([run])
    epochs = a_run("epochs", rows=3, counts_epochs=True)
    assert xs(epochs, "epoch") == [0.0, 1.0, 2.0]


def test_axes_are_those_the_runs_have_then_few_metrics():
    rising = [float(i) for i in range(100)]
    run = a_run(
        gradient_step=[None] * 100,
        epoch=rising,
        samples=rising,
        frames=rising,
        grad_norm=rising,
        accuracy=rising,
        peak_memory=[float(i // 10) for i in range(100)],
        temperature=rising[::-1],
        cadence=[1.0] + [None] * 99,
        **{f"norm/layer{layer}": rising for layer in range(20)},
    )
    plain = ("iteration", "wallclock_time", "epoch", "samples", "frames")
    axes = ChartMaker().axes([run])
    assert axes[:5] == plain
    assert len(axes) == 7
    assert all(axis.startswith("norm/") for axis in axes[5:])
    uncounted = a_run("a", gradient_step=[0] * 100)
    assert ChartMaker().axes([uncounted]) == ("iteration", "wallclock_time")
    both = ChartMaker().axes([a_run("b", tokens=10.0), run])
    assert both[:4] == ("iteration", "gradient_step", "wallclock_time", "tokens")


def test_names_of_fields_and_of_metrics_lead_to_an_axis():
    logged = [("train_loss", "num_tokens", "env_steps")]
    assert axis_named("step", logged) == "iteration"
    assert axis_named("time", logged) == "wallclock_time"
    assert axis_named("tokens_seen", logged) == "tokens"
    assert axis_named("num_tokens", logged) == "num_tokens"
    assert axis_named("env_steps", logged) == "env_steps"
    assert axis_named("nothing", logged) == "nothing"


def test_a_run_that_did_not_log_the_axis_is_named():
    runs = [a_run("knows", epoch=[float(i) for i in range(100)]), a_run("does not")]
    spec = ChartMaker().chart("loss", [*runs, a_run("empty", rows=0)], ChartOptions(XAxis("epoch")))
    assert ([s.label for s in spec.series], spec.x_label) == (["knows"], "epoch")
    assert spec.note == "no epoch: does not"
    alone = ChartMaker().chart("loss", runs[1:], ChartOptions(XAxis("epoch")))
    assert alone.nothing_drawn == "no epoch was logged"


LOG = ChartOptions(XAxis(log=True))


def test_on_a_log_axis_what_is_not_above_0_is_left_out():
    spec = ChartMaker().chart("loss", [a_run(rows=1001)], LOG)
    assert spec.x_limits == (0, 3)
    assert spec.series[0].measured[0][:2].tolist() == [0, math.log10(2)]
    runs = [a_run("long"), a_run("first step", rows=1)]
    assert ChartMaker().chart("loss", runs, LOG).note == "no iteration above 0: first step"
    only = ChartMaker().chart("loss", runs[1:], LOG)
    assert only.nothing_drawn == "no iteration above 0 for a log axis"
    at_0 = a_run(train_loss=[None] * 100, val_loss=[1.0] + [None] * 99)
    words = ChartMaker().chart("loss", [at_0], LOG).nothing_drawn
    assert words == "no value has a place on this x axis"


def test_on_a_log_axis_the_first_decades_keep_their_points():
    loss = [2.0] * 200_000
    loss[3], loss[40], loss[150_000] = 9.0, 8.0, 7.0
    spec = ChartMaker().chart("loss", [a_run(rows=200_000, train_loss=loss)], LOG)
    (drawn,) = points_for(spec, 100)
    _, (x, high) = drawn.edges
    peaks = {round(10**at): value for at, value in zip(x, high, strict=True) if value > 2}
    assert sorted(set(peaks.values())) == [7.0, 8.0, 9.0]
    assert min(peaks) == 3
    assert len(x) <= 200


def test_on_a_log_axis_cursor_and_figures_are_of_x():
    maker, run = ChartMaker(), a_run(rows=200_000, grad_norm=[math.nan] * 200_000)
    cursor = maker.record_near([run], LOG.x_axis, 0.0, math.log10(123_456))
    spec = maker.chart("loss", [run], ChartOptions(LOG.x_axis, cursor=cursor))
    assert spec.cursor_text == "iteration 123,456"
    assert spec.legend_value(spec.series[0]) == "3.383"
    assert maker.chart("grad_norm", [run], LOG).title.endswith("last NaN @200k")
    times = ChartMaker().chart("loss", [run], ChartOptions(XAxis("wallclock_time", log=True)))
    assert (times.x_label, times.x_unit) == ("wall clock, h", 3600.0)


def test_the_end_of_a_log_axis_is_seen_as_closely_as_any():
    run = a_run(rows=10_000)
    last_gap = math.log10(9_999 / 9_998)
    assert last_gap < ChartMaker().spacing([run], LOG.x_axis) < 2 * last_gap


def test_the_log_axis_of_a_growing_run_ends_at_a_round_place():
    growing = [dataclasses.replace(a_run(rows=rows), grows=True) for rows in (1500, 2900)]
    ends = [ChartMaker().chart("loss", [run], LOG).x_limits for run in growing]
    assert ends == [(0.0, 3.5)] * 2


def test_an_axis_of_any_name_is_drawn():
    name = "a\x1b[31m, (b)" * 20
    options = ChartOptions(XAxis(name), cursor=3.0)
    spec = ChartMaker().chart("loss", [a_run(**{name: range(100)})], options)
    for width in (20, 60, 200):
        drawn = "".join(piece.text for line in draw_chart(spec, width, 12) for piece in line)
        assert "\x1b" not in drawn
