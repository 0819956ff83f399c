"""The file format as functions of bytes: what is encoded is decoded, and nothing else is."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.runs import layout, record

from traintop import logfile
from traintop.logfile.lines import lines_of, read_ends
from traintop.model import RECORD_FIELDS, MetricsSnapshot, MetricStats

numbers = st.floats() | st.integers(1 - 2**63, 2**63 - 1)
LINE = logfile.encode_record(record(1, train_loss=2.5))


@given(
    st.builds(
        MetricsSnapshot,
        iteration=st.integers(-(2**53), 2**53),
        gradient_step=st.integers(0, 2**53),
        wallclock_time=st.floats(0, 1e9),
        train_loss=st.none() | numbers,
        val_loss=st.none() | numbers,
        metrics=st.dictionaries(
            st.text().filter(lambda name: name not in RECORD_FIELDS), numbers, max_size=4
        ),
    )
)
def test_a_record_survives_the_round_trip(record: MetricsSnapshot) -> None:
    line = logfile.encode_record(record)
    assert b"\n" not in line
    json.loads(line, parse_constant=lambda name: (_ for _ in ()).throw(AssertionError(name)))
    [(_, row)] = lines_of(line)
    assert row is not None
    assert repr(logfile.snapshot_of_row(row)) == repr(record)


def test_the_tail_survives_the_round_trip() -> None:
    stats = MetricStats(count=2, last=math.nan, min=1.0, max=1e308, mean=2.0, std=0.5, nonfinite=3)
    tail = logfile.Tail(
        end_time="2025-02-22T14:05:30.123456",
        final_train_loss=math.inf,
        notes="]\n}",
        status="failed",
        error='"last":{',
        count=2,
        stats={"a": stats},
        last_record={"iteration": 1, "last": 2.0, "tail_at": 3.0},
    )
    head = logfile.encode_head(logfile.Head(run={"format": 2}))
    data = head + logfile.encode_flush(LINE, tail, len(head))
    found = read_ends(lambda start, length: data[start : start + length], len(data))
    assert found.lines_end == len(head) + len(LINE)
    assert repr(found.tail) == repr(tail)


def test_a_tail_counts_only_as_it_was_written_and_where() -> None:
    data = layout([record(0, train_loss=1.0), record(1, train_loss=2.0)], notes="x")
    start = data.rindex(b" \n]")

    def has_tail(changed: bytes) -> bool:
        ends = read_ends(lambda at, length: changed[at : at + length], len(changed))
        return ends.tail is not None

    assert has_tail(data)
    for at in range(start, len(data)):
        if data[at : at + 1] != b" ":  # blanks before the last newline are filling
            assert not has_tail(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]), at
    assert not has_tail(data[:start] + b" " + data[start:])
    assert not has_tail(data.replace(b'"experiment_name"', b'"experiment_nam"'))


@pytest.mark.parametrize(
    ("region", "counts"),
    [
        (LINE, True),  # nothing follows: the end of a file, or of what a tail vouches for
        (LINE + b",\n", True),
        (LINE + b" \n],", True),  # a tail
        (LINE + b" \n" + LINE, True),  # a tail of which a newer page took the place
        (LINE + b"\n],", True),  # a tail of format 1
        (LINE + b"\0\0", True),
        (LINE + b",\0\n", True),
        (LINE + b"\n", False),  # what no flush of ours leaves
        (LINE + b"  \n", False),  # as an older tail ends
        (LINE + b"}  \n", False),
        (LINE[:-1] + b",\n", False),
        (LINE.replace(b"2.5", b"{}") + b",\n", False),
        (LINE.replace(b"2.5", b'"notes"') + b",\n", False),
        (LINE.replace(b"train_loss", b"x" * 501) + b",\n", False),
        (LINE.replace(b"iteration", b"iteratiom") + b",\n", False),
        (b"\0" + LINE + b",\n", False),
        (b" " + LINE + b",\n", False),
    ],
)
def test_a_line_counts_by_what_it_is_and_what_follows_it(region: bytes, counts: bool) -> None:
    assert (next(lines_of(region))[1] is not None) is counts


def test_a_block_never_shrinks_the_file() -> None:
    assert logfile.padded(b"{}\n", 10) == b"{}       \n"
    assert logfile.padded(b"{}\n", 2) == b"{}\n"
