"""The lines above a chart: its title, the names and the values of its curves."""

from __future__ import annotations

import re

import numpy as np
from drawings import SMOOTH, chart, curve, drawn, floats
from msgspec.structs import replace

from traintop.charts import ChartSpec, Series
from traintop.text import si, stopwatch

LAST = {"a": 2.94, "b": 2.895, "c": 12.0}


def test_the_legend_counts_what_it_has_no_room_for() -> None:
    x = np.arange(10.0)
    spec = chart(*(Series(f"run number {n}", x, x + n, n) for n in range(6)))
    assert drawn(spec, 60, 11)[1].rstrip() == "run number 0 ─●─ 9   run number 1 ─▲─ 10   +4 more"
    assert drawn(spec, 12, 12)[1] == "run number …"


def test_legend_and_title_give_way_when_there_is_little_room() -> None:
    spec = chart(curve(SMOOTH))
    parts = [
        [any(word in row for row in drawn(spec, 40, height)) for word in ("train", "loss", "└")]
        for height in (8, 7, 6, 5, 4, 3)
    ]
    assert parts == [
        [True, True, True],
        [False, True, True],
        [False, True, True],
        [False, False, True],
        [False, False, True],
        [False, False, False],
    ]


def test_the_legend_takes_more_lines_where_there_is_room() -> None:
    x = np.arange(10.0)
    spec = chart(*(Series(f"run number {n}", x, x + n, n) for n in range(6)))
    rows = drawn(spec, 60, 30)
    assert "+" not in "".join(rows[1:4])
    assert [f"run number {n}" in "".join(rows[1:4]) for n in range(6)] == [True] * 6


def test_a_legend_of_several_lines_is_in_columns() -> None:
    x = np.arange(10.0)
    names = ["a", "longer", "b", "c", "the longest of all", "d"]
    spec = chart(*(Series(name, x, x + 0.5, n) for n, name in enumerate(names)))
    legend = drawn(spec, 64, 30)[1:3]
    samples = [[match.start() for match in re.finditer("─.─", line)] for line in legend]
    assert samples[0] == samples[1]
    assert len(samples[0]) == 3


def test_long_names_in_legends_differ_by_their_ends() -> None:
    x = np.arange(10.0)
    many = [Series(f"{'very' * 20}_{n:02d}", x, x + n, n % 8) for n in range(24)]
    legend = "".join(drawn(chart(*many), 158, 46)[1:8])
    assert all(f"{n:02d} " in legend for n in range(24))
    assert "more" not in legend


def test_a_title_leaves_out_a_figure_that_has_no_room() -> None:
    spec = replace(chart(curve(SMOOTH)), title="learning rate   last 1.122e-05   median 0.0035")
    assert drawn(spec, 50, 12)[0].rstrip() == spec.title
    assert drawn(spec, 45, 12)[0].rstrip() == "learning rate   last 1.122e-05"
    assert drawn(spec, 20, 12)[0].rstrip() == "learning rate"
    pointed = replace(spec, title="learning rate   0.0008906", cursor=12.0)
    assert drawn(pointed, 30, 12)[0].rstrip() == pointed.title


def test_without_a_title_the_legend_has_the_place_of_the_cursor() -> None:
    spec = replace(chart(curve(SMOOTH), cursor=120.0, x_label="wall clock, min"), title="")
    spec = replace(spec, x_unit=60.0, place_text=stopwatch)
    assert drawn(spec, 60, 14)[0].endswith("wall clock 2m00s")


def test_legend_values_have_equal_decimals_or_a_given_format() -> None:
    pair = [Series(name, floats(0, 1), floats(4, y), n) for n, (name, y) in enumerate(LAST.items())]
    assert drawn(chart(*pair), 60, 14)[1].rstrip() == "a ─●─ 2.940   b ─▲─ 2.895   c ─■─ 12"
    fast = curve(floats(41_000, 41_155), label="a")
    assert drawn(chart(fast, value_text=si), 60, 14)[1].rstrip() == "a ─ 41.2k"
    at = drawn(chart(fast, cursor=12_345.0), 60, 14)[0]
    assert at.endswith("iteration 12,345")


def test_hostile_labels_are_only_text() -> None:
    label = "\x1b[31m[bold]\n日本" + "x" * 500
    spec = ChartSpec(label, (curve(SMOOTH, label=label),), x_label=label)
    assert all(row.isprintable() for row in drawn(spec, 80, 24))


def test_a_group_whose_member_failed_last_has_no_last_mean() -> None:
    x = np.arange(3.0)
    assert Series("d ×2", x, x + 1.0, 0, events=np.array([2.0])).last_text(si, si) == "NaN @2"
    assert Series("d ×2", x, x + 1.0, 0, events=np.array([1.0])).last_text(si, si) == "3"
