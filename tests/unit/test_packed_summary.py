"""Summaries that are compressed: nobody who asks them notices."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from tests.runs import make_run, record, write_run
from tests.unit.catalog_runs import Clock

from traintop.model import LoggedAlert, Pauses, RunStatus, RunSummary
from traintop.store.catalog import RunCatalog
from traintop.store.packed_summary import PackedSummary, SummaryPacker, is_same, unpacked
from traintop.store.summary_block import MOST_RUNS, row_of

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
    other = replace(unpacked(packed), config={"lr": 5}, last=None, name="other")
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


def test_like_runs_take_little_memory() -> None:
    packer, shared = SummaryPacker(), {f"setting_{i}": f"value {i}" for i in range(50)}
    runs = [
        packer.pack(replace(rich_run(number), config={**shared, "seed": number}))
        for number in range(MOST_RUNS)
    ]
    block = {run.block for run in runs if isinstance(run, PackedSummary)}.pop()
    assert block.is_packed
    size = sum(map(len, block.arrays)) / MOST_RUNS
    assert size < len(msgspec.msgpack.encode(row_of(runs[0]))) / 10


def test_nobody_notices_that_a_block_is_full() -> None:
    packer, given = SummaryPacker(), [rich_run(number) for number in range(2 * MOST_RUNS + 1)]
    packed = [packer.pack(run) for run in given]
    assert len({run.block for run in packed if isinstance(run, PackedSummary)}) == 3
    for one, other in zip(given, packed, strict=True):
        assert {name: getattr(one, name) for name in FIELDS} == {
            name: getattr(other, name) for name in FIELDS
        }
        assert (other.given, other.given_names) == (one.given, one.given_names)


def test_settings_read_like_a_dictionary() -> None:
    run = rich_run(2)
    for config in (run.config, SummaryPacker().pack(run).config):
        assert [*config] == ["lr", "model", "none"]
        assert (len(config), "lr" in config, "other" in config) == (3, True, False)
        assert (config.get("none", 5), config.get("other", 5)) == (None, 5)
        assert {**config, "lr": 1} == {**run.config, "lr": 1}
        assert config == run.config
        with pytest.raises(KeyError, match="other"):
            config["other"]


def test_runs_with_other_names_are_not_the_same() -> None:
    run = rich_run(1)
    renamed = {"LR" if name == "lr" else name: value for name, value in run.config.items()}
    assert not is_same(SummaryPacker().pack(run), replace(run, config=renamed))
    assert not is_same(SummaryPacker().pack(run), replace(run, config={"odd": object()}))


def test_runs_of_many_kinds_stay_apart() -> None:
    packer = SummaryPacker()
    given = [
        replace(rich_run(number), config={f"setting_{number % 40}": number})
        for number in range(200)
    ]
    packed = [packer.pack(run) for run in given]
    assert [run.config for run in packed] == [run.config for run in given]


def test_only_what_stays_as_it_is_is_packed(tmp_path: Path) -> None:
    path = tmp_path / "experiment_live.json"
    write_run(path, [record(0, train_loss=1.0)], status="running")
    clock = Clock()
    catalog = RunCatalog([tmp_path], clock=clock)
    assert not isinstance(catalog.refresh().runs[0], PackedSummary)
    clock.now += 61
    catalog.refresh()
    write_run(tmp_path / "experiment_other.json", [record(0, train_loss=1.0)])
    by_name = {run.stem: run for run in catalog.refresh().runs}
    assert isinstance(by_name["experiment_live"], PackedSummary)
    assert not isinstance(by_name["experiment_other"], PackedSummary)


def test_whole_numbers_say_the_same_after_they_were_packed() -> None:
    run = replace(rich_run(), last=record(7, train_loss=2, grad_norm=-7))
    packed = SummaryPacker().pack(run)
    assert is_same(packed, run)
    assert is_same(run, packed)
    assert not is_same(packed, replace(run, last=record(7, train_loss=2, grad_norm=-8)))


@pytest.mark.parametrize(
    "odd",
    [
        {"last": record(7, train_loss=True)},
        {"stats": {"val_loss": None}},
        {"left_out": (3,)},
        {"config": {"\ud800": 1}},
        {"config": {3: 1}},
        {"id": "caf\udce9.json"},
    ],
    ids=lambda odd: next(iter(odd)),
)
def test_what_would_not_come_back_is_left_as_it_is(odd: dict[str, Any]) -> None:
    packer, run = SummaryPacker(), replace(rich_run(), **odd)
    assert packer.pack(run) is run
    others = [packer.pack(rich_run(number)) for number in range(MOST_RUNS)]
    assert [one.last for one in others] == [rich_run().last] * MOST_RUNS
    assert is_same(run, replace(run))
    assert not is_same(others[0], run)


def test_an_unpacked_summary_is_one_like_any_other() -> None:
    run = rich_run(3)
    packed = SummaryPacker().pack(run)
    assert type(unpacked(packed)) is RunSummary
    assert unpacked(packed) == run
    assert not packed != run  # noqa: SIM202
    assert unpacked(packed).config | {"lr": 1} == {**run.config, "lr": 1}
    assert msgspec.json.encode(unpacked(packed)) == msgspec.json.encode(run)
