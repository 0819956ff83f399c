"""Which settings go with a good result: rank statistics, and what is said of their limits."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.runs import record, write_run

from traintop.analysis.importance import (
    Importance,
    SettingImportance,
    beyond_chance,
    by_chance,
    epsilon_squared,
    importance_of,
    ranks,
    spearman,
)
from traintop.analysis.leaderboard import better_text
from traintop.analysis.ranking import Leader
from traintop.cli import main
from traintop.model import RunStatus, RunSummary


def leader(result: float, given_names: list[str] | None = None, **config: Any) -> Leader:
    known = {} if given_names is None else {"given": given_names}
    name = f"run-{result}"
    run = RunSummary(
        id=name, status=RunStatus.FINISHED, name=name, config=config, environment=known
    )
    return Leader(run, result, None)


def judged(leaders: list[Leader], name: str = "lr") -> SettingImportance:
    return next(one for one in importance_of(leaders, "lower").settings if one.name == name)


# Statistics, against values worked out by hand and those of published tables.


def test_equal_values_share_the_mean_of_their_ranks():
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]


def test_spearman_with_ties_is_pearson_of_the_ranks():
    # Ranks 1 2 3 4 5 and 1 2 3.5 5 3.5: covariance 8, squares 10 and 9.5.
    x, y = np.array([1.0, 2, 3, 4, 5]), np.array([5.0, 6, 7, 8, 7])
    assert spearman(x, y) == pytest.approx(8 / math.sqrt(95))
    assert spearman(x, -x) == -1.0
    assert spearman(x, np.ones(5)) == 0.0


def test_epsilon_squared_is_h_over_n_minus_1():
    # Rank sums 6 and 15: H = 12 / 42 * (36 / 3 + 225 / 3) - 3 * 7 = 27 / 7.
    found = epsilon_squared(np.array([0, 0, 0, 1, 1, 1]), np.array([1.0, 2, 3, 4, 5, 6]))
    assert found == pytest.approx(27 / 7 / 5)
    assert epsilon_squared(np.array([0, 1]), np.array([4.0, 4.0])) == 0.0


def test_what_chance_explains_is_taken_off():
    assert beyond_chance(27 / 35, 6, 2) == pytest.approx((27 / 7 - 1) / 4)  # (H - k + 1) / (n - k)
    assert beyond_chance(0.1, 6, 2) == 0.0
    assert beyond_chance(1.0, 6, 6) == 0.0


@pytest.mark.parametrize(
    ("degrees", "statistic", "probability"),
    [(1, 3.841, 0.05), (2, 5.991, 0.05), (3, 7.815, 0.05), (5, 15.086, 0.01), (9, 16.919, 0.05)],
)
def test_chance_is_that_of_tables_of_chi_squared(degrees, statistic, probability):
    assert by_chance(statistic / 100, 101, degrees + 1) == pytest.approx(probability, rel=0.03)


# Settings.


def test_numbers_are_judged_by_order_and_words_by_value():
    rows = [(1.0, 0.1, "muon"), (2.0, 0.2, "muon"), (3.0, 0.4, "adam"), (4.0, 0.5, "adam")]
    found = importance_of([leader(y, lr=lr, optimizer=o) for y, lr, o in rows], "lower")
    by_name = {one.name: one for one in found.settings}
    assert by_name["lr"].correlation == -1.0
    assert by_name["lr"].share == 1.0
    assert better_text(by_name["lr"]) == "lower"
    # Ranks 4 3 and 2 1: between 4 of 5, and 1 - (1 - 4/5) * 3 / 2 beyond chance.
    assert by_name["optimizer"].share == pytest.approx(0.7)
    assert by_name["optimizer"].correlation is None
    assert better_text(by_name["optimizer"]) == "muon"


def test_a_middle_value_that_is_best_is_found():
    results = {1e-4: (5.0, 5.1), 1e-3: (1.0, 1.1), 1e-2: (5.2, 4.9)}
    found = judged([leader(y, lr=lr) for lr, both in results.items() for y in both])
    assert abs(found.correlation) < 0.1
    assert found.by_value
    assert found.best == 1e-3
    # Ranks 3 2, 6 5 and 1 4: 12 of 17.5 is between them.
    assert found.share == pytest.approx(1 - 5.5 / 17.5 * 5 / 3)


def test_a_best_stretch_of_values_that_never_repeat_is_found():
    rates = np.random.default_rng(1).uniform(-4, 0, 40)
    found = judged([leader((rate + 2) ** 2, lr=10.0**rate) for rate in rates.tolist()])
    assert abs(found.correlation) < 0.5
    assert found.by_value
    low, high = found.best
    assert low < 10**-2 < high
    assert high / low < 100
    assert " to " in better_text(found)
    assert not found.may_be_chance


def test_the_direction_turns_the_correlation():
    leaders = [leader(float(i), lr=i * i) for i in range(1, 8)]
    lower, higher = (importance_of(leaders, way).settings[0] for way in ("lower", "higher"))
    assert (lower.correlation, higher.correlation) == (-1.0, 1.0)


def test_defaults_and_missing_settings_do_not_count():
    leaders = [leader(float(i), ["lr"], lr=i / 10, width=64) for i in range(6)]
    leaders += [leader(9.0, [], lr=0.7, width=64), leader(8.0, ["width"], width=128)]
    found = judged(leaders)
    assert (found.n, found.defaults, found.values) == (6, 1, 6)
    assert [one.name for one in importance_of(leaders, "lower").settings] == ["lr"]


def test_seeds_and_names_of_single_runs_are_not_judged():
    leaders = [leader(float(i), seed=i, out=f"runs/{i}", data={"seed": i}) for i in range(12)]
    assert importance_of(leaders, "lower") == Importance(12, (), ())


def test_true_and_false_and_numbers_with_nan_are_words():
    leaders = [leader(float(i), flash=i > 3, lr=[0.1, "NaN"][i % 2]) for i in range(8)]
    found = importance_of(leaders, "lower").settings
    assert {one.name: one.correlation for one in found} == {"flash": None, "lr": None}


def test_huge_and_equal_numbers_are_ranked():
    leaders = [leader(float(i), n=10**400 if i > 2 else 10 ** (300 * (i > 1))) for i in range(6)]
    assert judged(leaders, "n").values == 3


def test_settings_that_vary_together_are_named():
    rows = [(i, i * 10, "ab"[i % 2], [True, False][i % 2], (i * 7) % 5) for i in range(12)]
    leaders = [leader(float(a), a=a, b=b, c=c, d=d, e=e) for a, b, c, d, e in rows]
    found = importance_of(leaders, "lower")
    company = {one.name: one.varies_with for one in found.settings}
    assert company == {"a": ("b",), "b": ("a",), "c": ("d",), "d": ("c",), "e": ()}
    assert "a and b vary together: their effects cannot be told apart." in found.warnings


def test_whether_a_setting_was_changed_alone_is_known():
    grid = [
        leader(float(i), lr=lr, wd=wd, min_lr=lr / 10, seed=i)
        for i, (lr, wd) in enumerate(itertools.product((1, 2, 3), (0, 1), repeat=1))
    ]
    assert all(one.varies_alone for one in importance_of(grid, "lower").settings)
    line = [leader(float(i), lr=i, wd=(i * 5) % 7) for i in range(7)]
    found = importance_of(line, "lower")
    assert not any(one.varies_alone for one in found.settings)
    assert "No two runs differ in one setting alone" in " ".join(found.warnings)


def test_few_runs_and_runs_that_go_on_are_warned_of():
    leaders = [leader(float(i), lr=i) for i in range(4)]
    going = leaders[0]._replace(run=replace(leaders[0].run, status=RunStatus.RUNNING))
    warnings = importance_of([going, *leaders[1:]], "lower").warnings
    assert warnings[0].startswith("4 runs are few")
    assert warnings[1] == "1 of 4 runs go on, and may get better."


def test_the_strongest_of_many_random_settings_is_chance():
    found = 0
    for seed in range(40):
        values = np.random.default_rng(seed).random((20, 12))
        noise = [leader(y, **{f"s{i}": x for i, x in enumerate(row)}) for y, *row in values]
        found += not all(one.may_be_chance for one in importance_of(noise, "lower").settings)
    assert found <= 6  # of 40, one of 20 is expected
    real = [leader(y, lr=y + 0.1 * x, other=z) for y, x, z, *_ in values]
    assert not judged(real).may_be_chance
    assert judged(real, "other").may_be_chance


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-50, 50), st.integers(-50, 50), st.sampled_from("abc")),
        min_size=3,
        max_size=30,
    ),
    st.randoms(use_true_random=False),
)
def test_only_the_order_of_settings_and_results_counts(rows, random):
    def of(pairs: list[tuple[float, float, str]]) -> list[tuple[Any, ...]]:
        found = importance_of([leader(y, lr=x, kind=kind) for x, y, kind in pairs], "lower")
        return sorted((one.name, one.share, one.correlation, one.chance) for one in found.settings)

    plain = of([(float(x), float(y), kind) for x, y, kind in rows])
    turned = [(math.exp(x / 10), y**3 + 5.0, kind * 2) for x, y, kind in rows]
    random.shuffle(turned)
    assert [one[0] for one in of(turned)] == [one[0] for one in plain]
    for a, b in zip(of(turned), plain, strict=True):
        assert a[1:] == pytest.approx(b[1:])
        assert 0.0 <= a[1] <= 1.0
        assert 0.0 <= a[3] <= 1.0


# The command.


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for i in range(12):
        name, lr = f"run-{i:02}", 10.0 ** -(i % 4)
        rows = [record(step, val_loss=5 - step - i / 10, zz=float(i)) for step in range(3)]
        write_run(
            tmp_path / f"experiment_{name}.json",
            rows,
            status="finished",
            config={"experiment_name": name, "lr": lr, "width": 2 ** (i // 4), "seed": i},
        )
    return tmp_path


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_best_ranks_runs_by_what_each_reached(logs):
    done = run("best", "-d", logs)
    lines = done.stdout.splitlines()
    assert done.exit_code == 0
    assert "RUN" in lines[0]
    assert "VAL LOSS" in lines[0]
    assert lines[2].split()[:2] == ["run-11", "1.9000*"]
    assert len(lines) == 2 + 10 + 1
    assert "the best 10 of 12 runs" in done.stderr


def test_best_is_json_and_csv_for_programs(logs):
    document = json.loads(run("best", "val_loss", "-d", logs, "--json", "-n", 2).stdout)
    assert document["version"] == 1
    assert (document["metric"], document["direction"]) == ("val_loss", "lower")
    assert document["ranked"] == 12
    first = document["runs"][0]
    assert (first["rank"], first["run"], first["value"]) == (1, "run-11", pytest.approx(1.9))
    assert first["config"]["width"] == 4
    lines = run("best", "-d", logs, "--csv", "-c", "config.lr", "-n", 1).stdout.splitlines()
    assert lines[0] == "rank,value,value_iteration,run,config.lr"
    assert lines[1].startswith("1,1.9")


def test_best_asks_for_the_mode_where_it_is_unknown(logs):
    refused = run("best", "zz", "-d", logs)
    assert refused.exit_code == 2
    assert "--mode min or --mode max" in refused.stderr
    assert (
        run("best", "zz", "-d", logs, "--mode", "max").stdout.splitlines()[2].startswith("run-11")
    )
    assert run("best", "nonsense", "-d", logs).exit_code == 2
    assert run("best", "-d", logs, "-f", "val_loss < 0").exit_code == 1
    assert run("best", "-d", logs, "-c", "nonsense").exit_code == 2


def test_best_marks_the_best_in_papers(logs):
    latex = run("best", "-d", logs, "--latex", "-n", 3, "-c", "config.lr").stdout
    assert "\\textbf{1.9000}" in latex
    assert latex.count("textbf") == 1
    assert "**1.9000**" in run("best", "-d", logs, "--markdown").stdout


def test_importance_is_a_table_with_its_warnings(logs):
    done = run("best", "-d", logs, "--importance")
    lines = done.stdout.splitlines()
    assert lines[2].split()[:1] == ["width"]
    assert "higher" in lines[2]
    assert "beyond that of chance" in done.stdout
    document = json.loads(run("best", "-d", logs, "--importance", "--json").stdout)
    assert [row["setting"] for row in document["settings"]] == ["width", "lr"]
    assert document["settings"][0]["correlation"] > 0.9
    assert document["ranked"] == 12
    assert "seed" not in done.stdout
    csv = run("best", "-d", logs, "--importance", "--csv", "-n", 1).stdout.splitlines()
    assert csv[0].startswith("setting,share,correlation")
    assert len(csv) == 2
