"""The filter language: what it finds, what it says about mistakes, and that it never raises."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traintop.analysis.alerts import AlertKind
from traintop.analysis.query import filter_runs
from traintop.analysis.query_tokens import LONGEST_QUERY, QueryError
from traintop.model import Annotations, MetricsSnapshot, MetricStats, RunStatus, RunSummary

NOW = datetime.fromisoformat("2025-02-22T15:00:00")


def run(name: str, **changes: Any) -> RunSummary:
    config = {"d_model": 512, "max_iters": 100, "max_learning_rate": 6e-4}
    fields: dict[str, Any] = {
        "id": f"/logs/experiment_{name}_20250222_140530.json",
        "status": RunStatus.RUNNING,
        "name": name,
        "config": {**config, **changes.pop("config", {})},
        "environment": {"host": "node7", "user": "ada", "git_commit": "12e4567f" + "0" * 32},
        "start_time": (NOW - timedelta(seconds=changes.pop("age", 3600))).isoformat(),
        "stats": {
            "val_loss": MetricStats(count=2, last=3.1, min=2.9, max=4.0, mean=3.3),
            "train/acc": MetricStats(count=2, last=0.9, min=0.1, max=0.95, mean=0.5),
        },
        "best_val_loss": 2.9,
        "last": MetricsSnapshot(iteration=41, val_loss=3.1),
    }
    return RunSummary(**{**fields, **changes})


def val(loss: float) -> dict[str, Any]:
    return {"stats": {"val_loss": MetricStats(count=1, last=loss, min=loss)}, "last": None}


RUNS = (
    run("baseline", annotations=Annotations(tags=("paper", "old"))),
    run("muon_2e-3", config={"d_model": 768, "optimizer": {"lr": 2e-3}, "betas": [0.9, 0.95]}),
    run("muon_wide", status=RunStatus.FAILED, error="CUDA out of memory", age=3 * 86_400),
    run("lr=0.1", **val(math.nan), best_val_loss=None, config={"use_rope": True}),
    run("new", stats={}, last=None, best_val_loss=None, config={"seed": "7"}),
)


def found(text: str) -> list[str]:
    return [one.name for one in filter_runs(RUNS, text, NOW)]


def mistake(text: str) -> QueryError:
    with pytest.raises(QueryError) as caught:
        filter_runs(RUNS, text, NOW)
    return caught.value


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", [one.name for one in RUNS]),
        ('val_loss < 3.2 and d_model == 512 and status == "running"', ["baseline"]),
        ("val_loss<3.2 d_model=512 status=RUNNING", ["baseline"]),
        ("muon", ["muon_2e-3", "muon_wide"]),
        ("MUON wide", ["muon_wide"]),
        ("2e-3", ["muon_2e-3"]),
        ('"lr=0.1"', ["lr=0.1"]),
        ("not muon and not new", ["baseline", "lr=0.1"]),
        ("baseline or new", ["baseline", "new"]),
        ("(baseline or muon) and d_model > 512", ["muon_2e-3"]),
        ("muon val_loss < 3.2 or new", ["muon_2e-3", "muon_wide", "new"]),
        ("20250222_140530 new", ["new"]),
        ("3 < val_loss <= 3.1 and muon", ["muon_2e-3", "muon_wide"]),
        ("best_val_loss < 3 baseline", ["baseline"]),
        ("mean_val_loss > 3.2 baseline", ["baseline"]),
        ("max_learning_rate == 6e-4 and baseline", ["baseline"]),
        ("train/acc > 0.8 baseline", ["baseline"]),
        ("`train/acc` - min_train/acc > 79% baseline", ["baseline"]),
        ("optimizer.lr == 0.002", ["muon_2e-3"]),
        ("config.d_model == 768", ["muon_2e-3"]),
        ("0.95 in betas", ["muon_2e-3"]),
        ("betas == 0.9", ["muon_2e-3"]),
        ("use_rope == true", ["lr=0.1"]),
        ("memory in error", ["muon_wide"]),
        ("status in (failed, crashed)", ["muon_wide"]),
        ("status not in (running, finished)", ["muon_wide"]),
        ("status != running", ["muon_wide"]),
        ("age > 2d", ["muon_wide"]),
        ("val_loss == nan", ["lr=0.1"]),
        ("val_loss == none", ["new"]),
        ("tags == none", [one.name for one in RUNS[1:]]),
        ("tags != none", ["baseline"]),
        ("tags != paper", [one.name for one in RUNS[1:]]),
        ("not tags == none", ["baseline"]),
        ("not val_loss < 10", ["lr=0.1", "new"]),
        ("host == node7 and d_model - 512 == 256", ["muon_2e-3"]),
        ("step == 42 and d_model / 2 == 3 * 128", ["muon_2e-3"]),
        ("progress > 40% baseline", ["baseline"]),
        ("val_loss / 0 < 1", []),
        ("d_model == -(-768)", ["muon_2e-3"]),
        ("d_model > 5k", []),
        ("seed == 7", []),
        ('seed == "7"', ["new"]),
        ("status == fail", ["muon_wide"]),
        ("status in (fail, done)", ["muon_wide"]),
        ("status != run", ["muon_wide"]),
        ("failed", ["muon_wide"]),
        ("not running", ["muon_wide"]),
        ("run baseline", ["baseline"]),
        ("paper", ["baseline"]),
        ("ada node7 wide", ["muon_wide"]),
        ("commit == 12e4567 and new", ["new"]),
        ("git_commit == 12E4567F new", ["new"]),
        ("12e4567 new", ["new"]),
        ("commit == 12e and new", []),
        ("commit != 12e4567", []),
        ("commit == ffff", []),
        ("started > 2025-02-22 13:59 baseline", ["baseline"]),
        ("started > 2025-02-22T13:59 baseline", ["baseline"]),
        ('started > "2025-02-22 13:59" baseline', ["baseline"]),
        ('started == "2025-02-22T14:00:00" baseline', ["baseline"]),
        ("started < 2025-02-22 9:30", ["muon_wide"]),
        ("started > 2025-02-22 14:01 baseline", []),
        ("started == 2025-02-22 14:00 and baseline", ["baseline"]),
        ("started == 2025-02-19", ["muon_wide"]),
        ("started < 2025-02-22", ["muon_wide"]),
        ("2025-02-22 > started", ["muon_wide"]),
        ("started != today", ["muon_wide"]),
        ("started >= today muon", ["muon_2e-3"]),
        ("not started == today", ["muon_wide"]),
        ("started < yesterday", ["muon_wide"]),
        ("2025-02-19", ["muon_wide"]),
        ("started > 2h ago muon", ["muon_2e-3"]),
        ("started < 2d ago", ["muon_wide"]),
        ("today wide", []),
        ("yesterday", []),
        ("crashed", []),
        ("stall or wide", ["muon_wide"]),
        ("ended > today", []),
        ("started > tomorrow", []),
        ("started < now wide", ["muon_wide"]),
        ("started > 1 minute ago", []),
        ("started > 2 hours ago muon", ["muon_2e-3"]),
        ("started < 2 d ago", ["muon_wide"]),
        ("age > 1 day", ["muon_wide"]),
        ("age < 30 mins", []),
        ("duration < 1 week", []),
        ("diverged", []),
        ("not diverged muon", ["muon_2e-3", "muon_wide"]),
        ("archived", []),
        ("use_rope", ["lr=0.1"]),
        ('name == "2025-02-22"', []),
    ],
)
def test_a_query_finds(text, names):
    assert found(text) == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("lr < 0.1", ["gave"]),
        ("lr != 0.05", []),
        ("lr == none", ["default", "logged"]),
        ("config.lr > 0", ["gave"]),
        ('"lr" in defaults', ["default"]),
        ("learning_rate < 1", ["logged"]),
        ("not lr < 0.1", ["default", "logged"]),
    ],
)
def test_a_default_is_compared_with_nothing(text, names):
    """And a name means the same in all runs: lr is the setting, for one of them has it."""
    runs = [
        run("gave", config={"lr": 0.05}, environment={"given": ["lr"]}),
        run("default", config={"lr": 0.05}, environment={"given": ["d_model"]}),
        run("logged", stats={"learning_rate": MetricStats(count=1, last=0.05)}),
    ]
    assert [one.name for one in filter_runs(runs, text, NOW)] == names


@pytest.mark.parametrize(
    ("text", "words", "position"),
    [
        ("d_modl == 512", "no run has d_modl: did you mean 'd_model'", 0),
        ("val_loss < vall_loss", "did you mean 'val_loss'", 11),
        ("val_loss <", "missing at the end", 10),
        ('status == "run', "quote is not closed", 10),
        ("(muon or baseline", "parenthesis is not closed", 0),
        ("muon) x", ") does not fit here", 4),
        ("d_model + 1", "compare it with something", 0),
        ("(val_loss < 3) < 4", "a condition, not a value", 1),
        ("muon adam", "no name, tag or note has adam in it", 5),
        ("runing", "did you mean 'running'", 0),
        ("val_los", "did you mean 'val_loss'", 0),
        ("papr", "did you mean 'paper'", 0),
        ("status == finishd", "no status is finishd: did you mean 'finished'", 10),
        ("started > 2025-02-31", "2025-02-31 is not a time", 10),
        ("started > 3h ago ago", "no name", 17),
        ("started == monday", "compare started with a time, as in 2025-02-22", 11),
        ("started > 1h", "compare started with a time", 10),
        ("1h < started", "compare started with a time", 0),
        ("started > last week", "compare started with a time", 10),
        ("age > yesterday", "age is not a time; started and ended are", 0),
        ("muon d_model", "compare it, as in d_model < 3", 5),
        ("val_loss ; 3", "; means nothing here", 9),
        ("val_loss < none", "none works only with", 11),
        ("(" * 40 + "x", "nested parentheses", 30),
        ("x" * (LONGEST_QUERY + 1), "longer than", LONGEST_QUERY),
        ("().__class__", ". means nothing here", 2),
        ("d_model ** 2 > 1", "missing before *", 9),
    ],
)
def test_a_mistake_is_explained_where_it_is(text, words, position):
    error = mistake(text)
    assert words in str(error)
    assert error.position == position


def test_notes_are_searched_too():
    runs = [run("a", notes="Warmup halved"), run("b", annotations=Annotations(note="broken GPU"))]
    assert [one.name for one in filter_runs(runs, "halved", NOW)] == ["a"]
    assert [one.name for one in filter_runs(runs, "gpu", NOW)] == ["b"]


def test_names_that_came_with_a_later_run_are_understood_then():
    assert "no run has aux_loss" in str(mistake("aux_loss > 1"))
    runs = (*RUNS, run("x", stats={"aux_loss": MetricStats(count=1, last=2.0)}))
    assert [one.name for one in filter_runs(runs, "aux_loss > 1", NOW)] == ["x"]


def test_standard_metrics_are_known_before_any_measurement():
    assert filter_runs([], "val_loss < 3", NOW) == ()
    assert filter_runs([RUNS[-1]], "tokens_per_sec > 3 or best_val_loss < 1", NOW) == ()


_ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.one_of(st.integers(), st.text(max_size=3), st.lists(st.none())), max_size=3),
    st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
)
_WORDS = [
    *"and or not in ( ) , < <= > >= == != = + - * /".split(),  # noqa: SIM905
    *"a b a.b 1 2.5 1e999 5k 50% .5 'x' \"y\" `a` ' \" ` none true nan inf".split(),  # noqa: SIM905
    *"name status age tags val_loss best_val_loss min_a step".split(),  # noqa: SIM905
    *"today yesterday ago 3h 1e9d 2025-02-22 9999-12-31 started commit".split(),  # noqa: SIM905
]


@given(st.text(max_size=LONGEST_QUERY + 5), st.dictionaries(st.sampled_from("ab"), _ODD))
def test_any_text_is_a_query_or_a_query_error(text, config):
    _try(text, config)


@given(st.lists(st.sampled_from(_WORDS), max_size=40), st.dictionaries(st.sampled_from("ab"), _ODD))
def test_any_words_of_the_language_are_a_query_or_a_query_error(words, config):
    _try(" ".join(words), config)


def _try(text: str, config: dict[str, Any]) -> None:
    runs = [run("x", config=config)]
    try:
        kept = filter_runs(runs, text, NOW)
    except QueryError as error:
        said = error
    else:
        assert list(kept) in ([], runs)
        return
    assert str(said)
    assert 0 <= said.position <= len(text)


@given(st.integers(0, 300), st.sampled_from(["not ", "-", "1+", "2*", "(", "x ", "1<"]))
def test_queries_of_any_length_or_depth_terminate(count, part):
    _try(part * count + "1", {})


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("div", ["b"]),
        ("diverged", ["b"]),
        ("nan or slow", ["a", "c"]),
        ("status == slow", ["c"]),
        ("status in (div, slow)", ["b", "c"]),
        ("status != div", ["a", "c", "d"]),
        ("running", ["a", "b", "c", "d"]),
    ],
)
def test_what_marks_a_running_run_finds_it(text: str, names: list[str]) -> None:
    runs = [run(name, status=RunStatus.RUNNING) for name in "abcd"]
    kinds = (AlertKind.NOT_FINITE, AlertKind.DIVERGED, AlertKind.SLOWER)
    alerts = {one.id: kind for one, kind in zip(runs, kinds, strict=False)}
    assert [one.name for one in filter_runs(runs, text, NOW, alerts)] == names
