"""Summaries that are compressed: nobody who asks them notices."""

from __future__ import annotations

import math
from pathlib import Path

from msgspec.structs import replace
from tests.runs import make_run, record, write_run

from traintop.model import LoggedAlert, Pauses, RunStatus, RunSummary
from traintop.store.catalog import RunCatalog
from traintop.store.packed_summary import PackedSummary, SummaryPacker, is_same

FIELDS = RunSummary.__struct_fields__


def rich_run(number: int = 0) -> RunSummary:
    """A run in which no field is the default."""
    return replace(
        make_run(f"run-{number}", status=RunStatus.STALLED, stats={}),
        config={"lr": 1e-3 * number, "model": {"layers": [1, 2], "name": "ü"}, "none": None},
        changed={"lr": None},
        environment={"host": "box", "pid": number, "given": ["lr"]},
        updated_at="2025-02-22T14:06:00",
        pauses=Pauses(1.0, 0.5, 0.5, 2.0),
        last=record(7, train_loss=math.inf, grad_norm=0.5),
        notes="a\nnote",
        error="ValueError",
        damaged=3,
        alerts=(LoggedAlert("2025-02-22T14:06:00+00:00", 7, "title", "text"),),
        left_out=("layer#",),
    )


def test_a_packed_summary_has_all_that_the_run_has() -> None:
    packer = SummaryPacker()
    for number in range(3):  # packed like nothing before, like the first one, and so on
        run = rich_run(number)
        packed = packer.pack(run)
        assert isinstance(packed, PackedSummary)
        assert {name: getattr(packed, name) for name in FIELDS} == {
            name: getattr(run, name) for name in FIELDS
        }
        assert (packed.given, packed.iteration) == (run.given, 7)


def test_what_is_replaced_in_a_packed_summary_counts() -> None:
    packed = SummaryPacker().pack(rich_run())
    other = replace(packed, config={"lr": 5}, last=None, name="other")
    assert (other.config, other.last, other.name) == ({"lr": 5}, None, "other")
    assert other.notes == "a\nnote"


def test_what_cannot_be_encoded_is_left_as_it_is() -> None:
    for value in (object(), 10**30, "\ud800"):
        run = replace(rich_run(), config={"odd": value})
        assert SummaryPacker().pack(run) is run
        assert is_same(run, replace(run))


def test_a_run_is_the_same_only_if_all_of_it_is() -> None:
    run = replace(rich_run(), best_val_loss=math.nan)
    packed = SummaryPacker().pack(run)
    assert is_same(run, packed)
    assert is_same(packed, replace(run))
    assert packed == run
    assert run == packed
    for change in ({"notes": "other"}, {"name": "other"}, {"best_val_loss": 1.0}):
        assert not is_same(packed, replace(run, **change))


def test_like_runs_take_little_memory(tmp_path: Path) -> None:
    for number in range(20):
        config = {f"setting_{i}": f"value {i}" for i in range(50)} | {"seed": number}
        path = tmp_path / f"experiment_{number}.json"
        write_run(path, [record(0, train_loss=1.0 / (number + 1))], config=config)
    runs = RunCatalog([tmp_path]).refresh().runs
    sizes = sorted(len(run.packed) for run in runs if isinstance(run, PackedSummary))
    assert len(sizes) == 20
    assert sizes[-2] < sizes[-1] / 3  # of the first of its kind


def test_whole_numbers_say_the_same_after_they_were_packed() -> None:
    run = replace(rich_run(), last=record(7, train_loss=2, grad_norm=-7))
    packed = SummaryPacker().pack(run)
    assert is_same(packed, run)
    assert is_same(run, packed)
    assert not is_same(packed, replace(run, last=record(7, train_loss=2, grad_norm=-8)))
