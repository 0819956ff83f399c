"""JSON documents of other programs: read whatever their layout."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from traintop.logfile import Head, Tail
from traintop.store.formats.json_document import parse_document
from traintop.store.history import History


def parsed(data: bytes) -> tuple[tuple[Head, Tail], History]:
    head, tail, records, _ = parse_document(data)
    return (head, tail), History.from_columns(records)


def iterations(history: History) -> list[float]:
    found: list[float] = history.columns["iteration"].tolist()
    return found


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("indent", [None, 2])
def test_any_layout_is_read_and_what_is_no_record_is_left_out(mark: str, indent: int | None):
    content = {
        "config": {"experiment_name": "foreign", "optimizer_name": "o"},
        "start_time": 5,
        "metrics_history": [
            {"iteration": 0, "train_loss": math.inf, "batch_size": 4, "context_length": 8},
            {"no": "iteration"},
            {"iteration": "x"},
            "no record",
            [1, [2]],
            {"iteration": 7, "nested": {"a": []}},
            None,
            {"iteration": 1, "train_loss": None, "val_loss": "2.5", "batch_size": True},
            {},
            -1.5,
        ],
        "best_val_loss": math.inf,
        "end_time": "2025-02-22T15:00:00",
    }
    (head, tail), history = parsed((mark + json.dumps(content, indent=indent)).encode())
    assert head.config["optimizer_name"] == "o"
    assert head.start_time is None
    assert (tail.status, tail.best_val_loss) == ("finished", math.inf)
    assert iterations(history) == [0, 1, 7]
    assert history.columns["batch_size"][:2].tolist() == [4, 1]
    assert np.isinf(history.columns["train_loss"][0])
    assert history.measured("val_loss").tolist() == [False, True, False]


HOSTILE_TEXTS = [
    '}], "metrics_history": [{',
    '"metrics_history": [',
    ": NaN, ",
    ': -Infinity}]}"',
    "\\",
    '\\"',
    "[[[{{{",
    ",",
]


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_text_is_never_taken_for_brackets_or_numbers(text: str):
    records: list[Any] = [
        {"iteration": 0, text: text, "train_loss": math.nan},
        text,
        [text],
        {text: [text]},
        {"iteration": 1, "train_loss": 2.0, "note": text},
    ]
    content = {
        "x": {text: text, "metrics_history": [text, {"iteration": 9}]},
        "config": {"experiment_name": text, "metrics_history": [{"iteration": 8}]},
        "metrics_history": records,
        "notes": text,
    }
    for indent in (None, 1):
        (head, tail), history = parsed(json.dumps(content, indent=indent).encode())
        assert head.config["experiment_name"] == tail.notes == text
        assert iterations(history) == [0, 1]
        assert history.nonfinite("train_loss").tolist() == [True, False]


def test_half_a_character_is_replaced_wherever_it_stands():
    half = "a\ud800"
    content = {
        "config": {half: half},
        "metrics_history": [{"iteration": 0, half: math.nan}],
        "notes": f"{half} \U0001f600 \\ud800",
    }
    (head, tail), history = parsed(json.dumps(content).encode())
    assert head.config == {"a\ufffd": "a\ufffd"}
    assert history.metrics == ("a\ufffd",)
    assert tail.notes == "a\ufffd \U0001f600 \\ud800"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"config":{},"metrics_history":[{"iteration":0}', "is not JSON"),
        ('{"config":{},"metrics_history":[{"iteration":0},{"iteration"', "is not JSON"),
        ('{"config":{},"metrics_history":[{"iteration":0}{"iteration":1}]}', "is not JSON"),
        ('{"config":{},"metrics_history":[{"iteration":0}, x]}', "is not JSON"),
        ('{"config":{},"metrics_history":[{"iteration":0 "a":1}]}', "is not JSON"),
        ('{"config":{},"metrics_history":[] "notes":""}', "is not JSON"),
        ('{"config":{} "metrics_history":[]}', "is not JSON"),
        ('{"config":{},"metrics_history":[]', "is not JSON"),
        ('{"config":{},"metrics_history":[]}}', "is not JSON"),
        ('{"config":{},"metrics_history":[' + "[" * 5000, "nested too deeply"),
        ('["config", "metrics_history"]', "holds a JSON list"),
        ('{"config": 1, "metrics_history": 2}', "neither"),
    ],
)
def test_a_file_that_is_no_document_is_refused_with_the_reason(text: str, words: str):
    with pytest.raises(ValueError, match=words):
        parsed(text.encode())
