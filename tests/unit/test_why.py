"""What sets two runs apart: where their curves part, and what differs, ranked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.runs import history, make_run, record, write_run

from traintop.analysis.compare import ComparisonRun
from traintop.analysis.curve_differences import CurveDifference, curve_difference
from traintop.analysis.why import Explanation, why
from traintop.analysis.why_text import explanation_text
from traintop.cli import main
from traintop.model import RunStatus


def noisy(points: int, deviation: float, seed: int) -> np.ndarray:
    falling = 2.0 + 3.0 * np.exp(-np.arange(points) / 300)
    return falling + np.random.default_rng(seed).normal(0.0, deviation, points)


def compared(
    a: Any, b: Any, x: Any = None, x_of_b: Any = None, metric: str = "loss"
) -> CurveDifference:
    x = np.arange(len(a)) if x is None else x
    x_of_b = np.arange(len(b)) if x_of_b is None else x_of_b
    first, second = history(iteration=x, loss=a), history(iteration=x_of_b, loss=b)
    return curve_difference(metric, (first, "loss"), (second, "loss"))


def test_curves_part_where_one_leaves_the_other_for_good():
    a, b = noisy(2000, 0.05, 1), noisy(2000, 0.05, 2)
    b[700:] += 0.3
    found = compared(a, b)
    assert 690 <= found.apart_from <= 740
    assert found.difference == pytest.approx(-0.3, abs=0.05)
    assert found.noise == pytest.approx(0.05 * np.sqrt(2), rel=0.3)


def test_curves_within_their_noise_are_not_apart():
    for seed in range(20):
        assert compared(noisy(400, 0.05, seed), noisy(400, 0.05, seed + 50)).apart_from is None
    a, b = noisy(2000, 0.05, 1), noisy(2000, 0.05, 2)
    b[700:] += 0.03
    assert compared(a, b).apart_from is None


def test_a_difference_that_goes_again_does_not_count():
    a, b = noisy(2000, 0.02, 1), noisy(2000, 0.02, 2)
    b[300:900] += 1.0
    assert compared(a, b).apart_from is None
    b[1500:] -= 1.0
    assert compared(a, b).apart_from == pytest.approx(1500, abs=32)


def test_the_last_moments_alone_are_too_few():
    a, b = noisy(2000, 0.02, 1), noisy(2000, 0.02, 2)
    b[-30:] += 1.0
    assert compared(a, b).apart_from is None
    b[-130:] += 1.0
    assert compared(a, b).apart_from == pytest.approx(1870, abs=32)


def test_a_spike_and_a_trend_are_no_noise():
    steps = np.arange(100.0)
    a, b = 100 - steps, 100 - steps + 0.5
    b[40] = 1e6
    found = compared(a, b)
    assert found.noise == pytest.approx(0.0, abs=1e-9)
    assert found.apart_from in (0.0, 41.0)


def test_twins_are_equal_until_they_part():
    a = noisy(600, 0.05, 1)
    assert compared(a, a.copy()) == CurveDifference(
        "loss", 600, 0.0, 599.0, None, 0.0, compared(a, a).noise, 599.0
    )
    b = np.concatenate([a[:250], noisy(600, 0.05, 9)[250:]])
    found = compared(a, b)
    assert (found.equal_until, found.apart_from) == (249.0, None)


def test_runs_that_did_not_overlap_are_never_apart():
    a, b = noisy(100, 0.01, 1), noisy(100, 0.01, 2) + 5
    apart = compared(a, b, x_of_b=np.arange(100, 200))
    assert (apart.shared, apart.apart_from, apart.comparable) == (0, None, False)
    few = compared(a, b, x_of_b=np.arange(95, 195))
    assert (few.shared, few.apart_from, few.comparable) == (5, None, False)
    empty = compared([np.nan] * 9, b)
    assert (empty.shared, empty.comparable) == (0, False)


def test_runs_that_log_at_other_iterations_are_compared():
    a = noisy(2000, 0.01, 1)
    every_hundredth = np.arange(0, 2000, 100)
    b = a[::100] + np.where(every_hundredth >= 1000, 0.5, 0.0)
    found = compared(a, b, x_of_b=every_hundredth)
    assert found.shared == 20
    assert found.apart_from == 1000.0


def test_what_was_not_finite_is_told_and_not_compared():
    a, b = noisy(100, 0.01, 1), noisy(100, 0.01, 2)
    b[60:] = np.nan
    found = compared(a, b)
    assert found.nonfinite == (None, 60.0)
    assert (found.shared, found.last) == (60, 59.0)


@settings(max_examples=30, deadline=None)
@given(st.integers(8, 200), st.integers(0, 1000), st.floats(-1e6, 1e6), st.floats(0.01, 100.0))
def test_where_curves_part_does_not_depend_on_their_scale(points, seed, shift, scale):
    a, b = noisy(points, 0.05, seed), noisy(points, 0.05, seed + 1)
    b[points // 2 :] += 0.4
    # A power of two changes no digit.
    factor = 2.0 ** round(np.log2(scale))
    plain, scaled = compared(a, b), compared(a * factor, b * factor)
    assert scaled.apart_from == plain.apart_from
    assert scaled.noise == plain.noise * factor
    swapped = compared(b, a)
    assert (swapped.apart_from, swapped.difference) == (plain.apart_from, -plain.difference)


# Causes.


def explained(a: dict[str, Any], b: dict[str, Any], patches=(None, None)) -> Explanation:
    runs = []
    for name, facts in (("a", a), ("b", b)):
        config = {"experiment_name": name, **facts.pop("config", {})}
        runs.append(ComparisonRun(name, make_run(name, config=config, environment=facts)))
    return why(*runs, patches=patches)


def test_causes_are_ranked_and_defaults_come_late():
    a = {"config": {"lr": 1, "seed": 1, "eps": 1, "same": 3}, "given": ["lr", "seed", "same"]}
    b = {"config": {"lr": 2, "seed": 2, "eps": 2, "same": 3}, "given": ["lr", "seed", "same"]}
    a |= {"host": "one", "python": "3.11", "git_commit": "aaa", "pid": 1, "boot": "x"}
    b |= {"host": "two", "python": "3.12", "git_commit": "bbb", "pid": 2, "boot": "y"}
    found = explained(a, b)
    assert [(one.kind, one.name) for one in found.differences] == [
        ("setting", "lr"),
        ("code", "git commit"),
        ("seed", "seed"),
        ("environment", "python"),
        ("default", "eps"),
        ("circumstance", "host"),
    ]
    assert found.same == ("1 setting",)


def test_settings_that_matter_among_all_runs_come_first():
    def trained(name: str, loss: float, **config: Any):
        status = RunStatus.FINISHED
        return make_run(name, status=status, best_val_loss=loss, stats={}, config=config)

    many = [trained(f"r{i}", 5.0 - i / 10, width=i % 3, lr=i) for i in range(20)]
    runs = [ComparisonRun(run.name, run) for run in (many[3], many[8])]
    found = why(*runs, among=many)
    assert [one.name for one in found.differences] == ["lr", "width"]
    assert found.differences[0].share == 1.0
    assert found.differences[1].share is None


def test_of_command_lines_only_what_differs_is_shown():
    a = {"command": "python train.py --lr 0.1 --name 'a b' --amp"}
    b = {"command": "python train.py --lr 0.3 --name 'a c'"}
    assert explained(a, b).differences[0].values == ("0.1 'a b' --amp", "0.3 'a c'")
    crooked = explained({"command": "x 'y"}, {"command": "y 'x"})
    assert [one.name for one in crooked.differences] == ["command"]


def test_changes_that_were_not_committed_are_compared_by_file():
    same = {"git_commit": "abc", "git_dirty": True}
    patch = "diff --git a/{0} b/{0}\n--- a/{0}\n+++ b/{0}\n@@ -1,2 +1,3 @@\n x\n-y\n+{1}\n+z\n"
    first = patch.format("train.py", "one") + patch.format("model.py", "m")
    second = patch.format("train.py", "two") + patch.format("model.py", "m")
    found = explained(dict(same), dict(same), (first, second)).differences
    assert [(one.kind, one.name, one.values) for one in found] == [
        ("code", "train.py", ("+2 -1", "+2 -1"))
    ]
    assert explained(dict(same), dict(same), (first, first)).differences == ()
    unknown = explained(dict(same), {"git_commit": "abc", "git_dirty": False}).differences
    assert [(one.name, one.values) for one in unknown] == [("uncommitted changes", ("yes", "no"))]


def test_hostile_names_are_written_safely():
    a = {"config": {"\x1b[2J": "\x07"}, "host": "\x1b]0;x\x07"}
    found = explained(a, {"host": "plain"})
    text = explanation_text(found, 80)
    assert all(line.isprintable() for line in text.splitlines())


# The command.


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for name, lr, shift in (("fast", 0.01, 0.0), ("slow", 0.001, 0.5)):
        losses = noisy(60, 0.01, len(name))
        losses[20:] += shift
        rows = [record(i, train_loss=float(y), val_loss=float(y)) for i, y in enumerate(losses)]
        config = {"experiment_name": name, "lr": lr, "width": 64}
        path = tmp_path / f"experiment_{name}.json"
        write_run(path, rows, status="finished", config=config, best_val_loss=float(min(losses)))
    return tmp_path


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_why_says_who_is_better_and_what_differs(logs):
    done = run("why", "fast", "slow", "-d", logs)
    assert done.exit_code == 0
    assert "fast is better by" in done.stdout
    lines = done.stdout.splitlines()
    assert next(line for line in lines if line.startswith("val loss")).split()[2] == "20"
    assert next(line for line in lines if line.startswith("lr")).split() == ["lr", "0.01", "0.001"]
    assert "The same: 1 setting" in done.stdout
    document = json.loads(run("why", "fast", "slow", "-d", logs, "--json").stdout)
    assert document["runs"] == ["fast", "slow"]
    assert {one["metric"]: one["apart_from"] for one in document["curves"]} == {
        "val_loss": 20.0,
        "train_loss": 20.0,
    }
    assert document["differences"][0]["values"] == [0.01, 0.001]


def test_why_reads_the_patches_that_were_kept_beside_runs(logs):
    (logs / ".traintop").mkdir()
    for name, line in (("fast", "x = 1"), ("slow", "x = 2")):
        patch = f"diff --git a/net.py b/net.py\n--- a/net.py\n+++ b/net.py\n@@ -1 +1 @@\n+{line}\n"
        (logs / ".traintop" / f"experiment_{name}.patch").write_text(patch)
    lines = run("why", "fast", "slow", "-d", logs).stdout.splitlines()
    found = next(line for line in lines if line.startswith("net.py")).split()
    assert found[1:5] == ["+1", "-0", "+1", "-0"]


def test_why_wants_two_different_runs(logs):
    assert run("why", "fast", "-d", logs).exit_code == 2
    same = run("why", "fast", "fast", "-d", logs)
    assert same.exit_code == 2
    assert "name two different ones" in same.stderr
    assert run("why", "fast", "nobody", "-d", logs).exit_code == 1
