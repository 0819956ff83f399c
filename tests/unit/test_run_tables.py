"""The comparison table, the order of its runs, and the rows that lists export."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from traintop.analysis.differences import differing_settings
from traintop.analysis.naming import unique_names
from traintop.analysis.ranking import leaders, sorted_runs
from traintop.analysis.run_tables import comparison_table, run_rows, runs_csv
from traintop.commands.runs import unreadable_lines
from traintop.model import MetricsSnapshot, MetricStats, RunStatus, RunSummary
from traintop.tables import json_text
from traintop.text import cell_width


def run(name: str = "baseline", *, stem: str | None = None, **known: Any) -> RunSummary:
    config = {"experiment_name": name, "max_iters": 1000, **known.pop("config", {})}
    return RunSummary(
        id=f"logs/{stem or f'experiment_{name}_20250222_140530'}.json",
        status=known.pop("status", RunStatus.FINISHED),
        name=name,
        config=config,
        **known,
    )


def reached(name: str, val_loss: float | None, **known: Any) -> RunSummary:
    stats = {} if val_loss is None else {"val_loss": MetricStats(count=1, min=val_loss)}
    return run(name, stats=stats, **known)


SWEEP = [
    reached("slow", 2.75, duration_seconds=400.0, config={"lr": 1e-4}),
    reached("good", 2.5, duration_seconds=300.0, config={"lr": 6e-4}),
    reached("bad", 12.125, duration_seconds=200.0, config={"lr": 1e-2}),
    reached("none", None, status=RunStatus.CRASHED, duration_seconds=1.0, config={"lr": 1e-3}),
]


def cells(table: str) -> dict[str, list[str]]:
    lines = table.splitlines()
    body = [line.split() for line in lines[2:] if not line.startswith("*")]
    return {line[0]: line[1:] for line in body}


def test_the_shortest_of_runs_that_did_less_is_not_the_fastest() -> None:
    runs = [
        reached(name, 2.0, duration_seconds=seconds, last=MetricsSnapshot(iteration))
        for name, seconds, iteration in (("early", 5.0, 4), ("slow", 90.0, 49), ("fast", 60.0, 49))
    ]
    rows = cells(comparison_table(runs, width=200))
    starred = [name for name, row in rows.items() if any(cell.endswith("s*") for cell in row)]
    assert starred == ["fast"]
    assert [leader.run.name for leader in leaders(runs, "duration", "lower")] == ["fast", "slow"]


def test_column_bests_are_marked_and_numbers_aligned() -> None:
    lines = comparison_table(SWEEP, width=120).splitlines()
    heading, rows = lines[0], lines[2:6]
    assert [row for row in rows if "2.5000*" in row] == [rows[1]]
    right = heading.index("BEST VAL") + len("BEST VAL")
    assert [row[:right].split()[-1] for row in rows] == ["2.7500", "2.5000", "12.125", "–"]
    # The crashed run was over soonest, which is not what "best" means.
    assert [row for row in rows if "3m20s*" in row] == [rows[2]]
    assert lines[-1] == "* best of its column"


def test_nothing_is_marked_where_all_are_equally_good() -> None:
    assert "*" not in comparison_table([reached("a", 2.0), reached("b", 2.0)])


def test_settings_that_differ_are_shown() -> None:
    wide = comparison_table(SWEEP, width=140)
    assert "lr" in wide.splitlines()[0].split()
    assert "max_iters" not in wide
    assert cells(wide)["bad"][-1] == "0.01"


@pytest.mark.parametrize("width", [1, 5, 20, 40, 80, 120, 200])
def test_it_fits_any_width(width: int) -> None:
    names = ["a" * 60, "学習率" * 9, "evil\x1b[2J\nname", "[red]x[/red]", "b"]
    runs = [reached(name, 2.0 + i, stem=f"run{i}") for i, name in enumerate(names)]
    table = comparison_table(runs, width=width)
    assert all(cell_width(line) <= width for line in table.splitlines())
    assert len(table.splitlines()) >= 2 + len(runs)
    assert table.replace("\n", "").isprintable()


def test_the_more_important_columns_stay() -> None:
    heading = comparison_table(SWEEP, width=30).splitlines()[0]
    assert heading.split() == ["RUN", "STATUS", "BEST", "VAL"]


def test_the_most_distinctive_setting_stays_longest() -> None:
    runs = [
        reached(f"r{i}", 2.0 + i, config={"depth": i // 3, "width": i // 3, "learning_rate": i})
        for i in range(4)
    ]
    heading = comparison_table(runs, width=42).splitlines()[0].split()
    assert heading[-1] == "learning_rate"
    assert "depth" not in heading


def test_a_sweep_shows_its_learning_rate_on_80_columns() -> None:
    runs = [
        reached(
            f"gpt2_small_owt_lr{lr}_seed{seed}",
            2.0 + lr,
            config={"out": f"ckpt/{lr}/{seed}", "min_lr": lr / 10, "seed": seed, "lr": lr},
        )
        for lr in (1e-4, 3e-4, 1e-3)
        for seed in range(4)
    ]
    heading = comparison_table(runs, width=80).splitlines()[0].split()
    assert heading[-1] in ("lr", "min_lr")
    assert "seed" not in comparison_table(runs, width=60).splitlines()[0]
    wide = comparison_table(runs, width=200).splitlines()[0].split()
    assert {"lr", "min_lr", "seed", "out"} <= {*wide}


def test_without_runs_it_says_so() -> None:
    broken = run("x", status=RunStatus.UNREADABLE, problem="is empty")
    assert comparison_table([]) == comparison_table([broken]) == "No runs."
    assert unreadable_lines([broken, *SWEEP]) == [f"{broken.id} is empty"]


def test_of_many_reasons_for_reading_in_part_some_are_said() -> None:
    runs = [reached(str(at), 2.0, problem=f"no number: x in {at // 2}") for at in range(20)]
    *lines, last = unreadable_lines(runs)
    assert len(lines) == 5
    assert last == "not read as a whole: 10 more runs; their details say why"


def test_markdown_is_a_table_with_all_columns() -> None:
    evil = reached("a|b *c* _d_ e_f", 2.0, config={"lr": 1.0})
    lines = comparison_table([*SWEEP, evil], markdown=True, width=10).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert lines[0].startswith("| RUN | STATUS | STEP | BEST VAL | BEST TRAIN |")
    assert lines[0].endswith("| `lr` |")
    assert set(lines[1]) <= set("|:- ")
    assert "| `a¦b *c* _d_ e_f` |" in lines[-1]
    assert "| **2.0000** |" in lines[-1]


def test_differing_settings_compares_missing_and_nested_ones() -> None:
    runs = [
        run("a", config={"seed": 1, "data": {"mix": [1]}, "same": 1}),
        run("b", config={"seed": 1, "data": {"mix": [2]}, "same": 1, "new": None}),
    ]
    assert differing_settings(runs) == ["data.mix", "new"]
    assert differing_settings([]) == []


def test_nested_settings_have_columns_and_sort_by_their_paths() -> None:
    runs = [
        run(name, config={"opt": {"lr": lr, "k": [1]}}) for name, lr in (("a", 2.0), ("b", 1.0))
    ]
    assert comparison_table(runs, width=200).splitlines()[0].split()[-1] == "opt.lr"
    assert [one.name for one in sorted_runs(runs, "opt.lr")] == ["b", "a"]
    assert [one.name for one in sorted_runs(runs, "config.opt.lr")] == ["b", "a"]
    row = next(csv.DictReader(io.StringIO(runs_csv(runs, unique_names(runs)))))
    assert (row["config.opt.lr"], row["config.opt.k"]) == ("2.0", "[1]")


def test_settings_beyond_json_numbers_equal_only_themselves() -> None:
    clips = [math.inf, -math.inf, math.nan, None, 1.0]
    runs = [run(str(i), config={"clip": clip}) for i, clip in enumerate(clips)]
    for i, one in enumerate(runs):
        for j, clip in enumerate(clips):
            other = run("other", config={"clip": clip})
            assert differing_settings([one, other]) == ([] if i == j else ["clip"])
    decoded = json.loads(json_text(run_rows(runs, unique_names(runs))), parse_constant=pytest.fail)
    written = ["Infinity", "-Infinity", "NaN", None, 1.0]
    assert [row["config"]["clip"] for row in decoded] == written


# ------------------------------------------------------------------------------ names


def test_the_newest_run_owns_the_plain_name() -> None:
    old = run("a", stem="experiment_a_20250222_140530", start_time="2025-02-22T14:05:30")
    twin = run("a", stem="experiment_a_20250222_140530_2", start_time="2025-02-22T14:05:30.5")
    foreign = run("a", stem="mine", start_time="2025-02-21 09:08:07.123")
    nameless = run("a", stem="other")
    new = run("a", stem="experiment_a_20250301_000000", start_time="2025-03-01T00:00:00")
    names = unique_names([old, new, foreign, nameless, twin])
    assert {Path(run_id).stem: name for run_id, name in names.items()} == {
        "experiment_a_20250222_140530": "a@20250222_140530",
        "experiment_a_20250222_140530_2": "a@20250222_140530_2",
        "mine": "a@20250221_090807",
        "other": "a@other",
        "experiment_a_20250301_000000": "a",
    }


def test_copies_of_one_file_have_names_of_their_own() -> None:
    copies = [
        RunSummary(id=f"{folder}/experiment_a_20250222_140530.json", status=status, name="a")
        for folder in ("x", "y", "z")
        for status in [RunStatus.FINISHED]
    ]
    names = unique_names([*copies, run("a@20250222_140530", stem="plain")])
    assert len(set(names.values())) == 4
    assert names["logs/plain.json"] == "a@20250222_140530"


# ------------------------------------------------------------------------------ order


def names_of(runs: list[RunSummary]) -> list[str]:
    return [summary.name for summary in runs]


def test_sorted_by_best_validation_loss_with_the_missing_last() -> None:
    assert names_of(sorted_runs(SWEEP)) == ["good", "slow", "bad", "none"]
    assert names_of(sorted_runs(SWEEP, reverse=True)) == ["bad", "slow", "good", "none"]


def test_sorted_by_fields_settings_and_further_metrics() -> None:
    assert names_of(sorted_runs(SWEEP, "name")) == ["bad", "good", "none", "slow"]
    assert names_of(sorted_runs(SWEEP, "duration"))[0] == "none"
    assert names_of(sorted_runs(SWEEP, "config.lr")) == ["slow", "good", "none", "bad"]
    assert names_of(sorted_runs(SWEEP, "lr")) == ["slow", "good", "none", "bad"]
    scored = [
        run(name, stats={"val/acc": MetricStats(max=best, min=0.0)})
        for name, best in (("low", 0.5), ("high", 0.9))
    ]
    assert names_of(sorted_runs([*SWEEP, *scored], "best_val/acc"))[:2] == ["high", "low"]


def test_settings_of_several_types_sort() -> None:
    values = {"text": "relu", "nothing": None, "number": 3, "list": [1], "nan": math.nan}
    runs = [run(name, config={"act": value}) for name, value in values.items()]
    assert names_of(sorted_runs(runs, "act")) == ["number", "list", "text", "nan", "nothing"]


def test_an_unknown_key_names_the_closest() -> None:
    with pytest.raises(ValueError, match="'vall_loss': did you mean 'val_loss'"):
        sorted_runs(SWEEP, "vall_loss")


# ------------------------------------------------------------------------------ rows


def test_rows_are_strict_json_and_csv() -> None:
    diverged = run(
        "a",
        last=MetricsSnapshot(9, train_loss=math.nan),
        stats={"train_loss": MetricStats(last=math.nan, min=1.5)},
        config={"lr": 0.1, "note": "=1+1"},
    )
    runs = [diverged, SWEEP[0]]
    decoded = json.loads(json_text(run_rows(runs, unique_names(runs))), parse_constant=pytest.fail)
    assert [row["run"] for row in decoded] == ["a", "slow"]
    assert decoded[0]["last_train_loss"] == "NaN"
    assert decoded[0]["best_train_loss"] == 1.5
    assert decoded[0]["progress"] == 0.01
    assert decoded[1]["config"]["lr"] == 1e-4
    table = list(csv.DictReader(io.StringIO(runs_csv(runs, unique_names(runs)))))
    assert table[0]["last_train_loss"] == "nan"
    assert table[0]["config.note"] == "'=1+1"
    assert table[1]["config.note"] == ""
    assert float(table[1]["config.lr"]) == 1e-4


def test_listing_needs_neither_the_terminal_ui_nor_numpy() -> None:
    program = (
        "import sys\n"
        "import traintop.analysis.run_tables, traintop.analysis.export\n"
        "import traintop.store.catalog\n"
        "loaded = {'textual', 'numpy', 'plotext', 'watchdog', 'pandas'} & set(sys.modules)\n"
        "sys.exit(', '.join(loaded) or None)"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (finished.returncode, finished.stderr) == (0, "")


def test_what_is_known_of_no_run_has_no_column() -> None:
    heading = comparison_table(SWEEP, width=200).splitlines()[0]
    assert heading.split() == ["RUN", "STATUS", "BEST", "VAL", "TIME", "lr"]


def test_runs_without_losses_show_what_they_measured() -> None:
    names = ("learning_rate", "train/box_loss", "metrics/precision(B)", "other")
    stats = {name: MetricStats(count=1, min=0.25, max=0.75, last=0.5) for name in names}
    yolo = run("yolo", stats=stats, config={})
    heading, _, row = comparison_table([yolo], width=200).splitlines()[:3]
    assert heading.split() == ["RUN", "STATUS", "BEST", "BOX", "LOSS", "BEST", "PRECISION…"]
    assert row.split() == ["yolo", "finished", "0.25000", "0.75000"]
    unknown = run("unknown", stats={"other": stats["other"]}, config={})
    assert comparison_table([unknown], width=200).split()[2] == "OTHER"
