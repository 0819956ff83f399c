"""What sets two runs apart, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from traintop.analysis.curve_differences import CurveDifference
from traintop.analysis.curve_points import whole
from traintop.analysis.differences import ABSENT
from traintop.analysis.why import Difference, Explanation, Outcome
from traintop.fields import field_of
from traintop.tables import Cell, Column, Table
from traintop.text import (
    LONGEST_NAME,
    MISSING,
    Default,
    aligned,
    at_iteration,
    count,
    counted,
    fit_middle,
    number,
    percentage,
    safe_text,
    setting_text,
)

_MOST_CURVES = 12
_WIDEST_VALUE = 32
_WIDEST_LABEL = 28
_COMMIT_DIGITS = 10


def explanation_text(explanation: Explanation, width: int) -> str:
    """The explanation in blocks of lines of at most ``width`` cells."""
    blocks = [outcome_text(explanation)]
    if explanation.curves:
        blocks.append(_curve_table(explanation).text(width))
        left_out = len(explanation.curves) - _MOST_CURVES
        if left_out > 0:
            blocks[-1] += f"\n… and {counted(left_out, 'more metric')}: --json has all"
    if explanation.differences:
        blocks.append(_difference_table(explanation).text(width))
    else:
        blocks.append("No setting, commit or fact about the machine differs.")
    if explanation.same:
        blocks.append(f"The same: {', '.join(safe_text(one) for one in explanation.same)}.")
    return "\n\n".join(blocks)


def outcome_text(explanation: Explanation) -> str:
    """Which of the two is better, and by how much, in a sentence."""
    first, second = (safe_text(name, LONGEST_NAME) for name in explanation.names)
    outcome = explanation.outcome
    if outcome is None:
        return f"{first} and {second}: no metric that both have says which is better."
    words = field_of(outcome.metric).words
    texts = [
        MISSING if value is None else at_iteration(aligned(value), iteration)
        for value, iteration in zip(outcome.values, outcome.iterations, strict=True)
    ]
    said = f"Best {words}: {first} {texts[0]}, {second} {texts[1]}."
    return f"{said} {_verdict(outcome, first, second)}".rstrip()


def _verdict(outcome: Outcome, first: str, second: str) -> str:
    a, b = outcome.values
    if a is None or b is None:
        return ""
    if a == b:
        return "They are equal."
    better, worse = (first, b) if (a < b) is (outcome.direction == "lower") else (second, a)
    share = f" ({number(100 * abs(a - b) / abs(worse), 3)}%)" if worse else ""
    return f"{better} is better by {number(abs(a - b), 3)}{share}."


def _curve_table(explanation: Explanation) -> Table:
    curves, names = explanation.curves[:_MOST_CURVES], explanation.names
    labels = (fit_middle(field_of(one.metric).words, _WIDEST_LABEL) for one in curves)
    apart = (MISSING if one.apart_from is None else count(whole(one.apart_from)) for one in curves)
    return Table(
        [
            Column.of_texts("CURVE", labels, "left", literal=True),
            Column.of_texts("APART FROM", apart),
            Column("AT THE END", _cells(_signed(one.difference) for one in curves), rank=1),
            Column("NOISE", _cells(number(one.noise, 2) for one in curves), rank=3),
            Column("", _cells("; ".join(_remarks(c, names)) for c in curves), "left", rank=2),
        ]
    )


def _cells(texts: Iterable[str]) -> list[Cell]:
    return [Cell(text=text) for text in texts]


def _signed(difference: float | None) -> str:
    return MISSING if difference is None else f"{'+' * (difference > 0)}{number(difference, 3)}"


def _remarks(curve: CurveDifference, names: tuple[str, str]) -> Iterator[str]:
    if not curve.shared:
        yield "no shared iterations"
    elif not curve.comparable:
        yield f"{counted(curve.shared, 'shared point')}, too few"
    elif curve.equal_until is not None and curve.equal_until == curve.last:
        yield "equal"
    elif curve.equal_until is not None and curve.equal_until != curve.first:
        yield f"equal until {count(whole(curve.equal_until))}"
    elif curve.apart_from is None:
        yield "within their noise"
    for name, iteration in zip(names, curve.nonfinite, strict=True):
        if iteration is not None:
            yield f"{fit_middle(safe_text(name), 20)} not finite at {count(whole(iteration))}"


def _difference_table(explanation: Explanation) -> Table:
    found = explanation.differences
    texts = [[_value_text(one, value) for value in one.values] for one in found]
    labels = (fit_middle(safe_text(one.name), _WIDEST_LABEL) for one in found)
    first, second = (safe_text(name, LONGEST_NAME) for name in explanation.names)
    return Table(
        [
            Column.of_texts("WHAT DIFFERS", labels, "left", literal=True),
            Column.of_texts(first, (pair[0] for pair in texts), literal=True),
            Column.of_texts(second, (pair[1] for pair in texts), literal=True),
            Column.of_texts("", map(_note, found), "left"),
        ]
    )


def _value_text(difference: Difference, value: object) -> str:
    if value is ABSENT or value is None or value == "":
        return MISSING
    if difference.name == "git commit":
        return safe_text(value)[:_COMMIT_DIGITS]
    return fit_middle(setting_text(value), _WIDEST_VALUE)


def _note(difference: Difference) -> str:
    if difference.share:
        return f"explains {percentage(difference.share)} of the order of all runs"
    return difference.note


def explanation_document(explanation: Explanation) -> dict[str, Any]:
    """The explanation for JSON, in full precision; the causes in their order."""
    outcome = explanation.outcome
    return {
        "runs": list(explanation.names),
        "outcome": None
        if outcome is None
        else {
            "metric": outcome.metric,
            "direction": outcome.direction,
            "best": list(outcome.values),
            "best_iteration": list(outcome.iterations),
        },
        "curves": [
            {
                "metric": one.metric,
                "apart_from": one.apart_from,
                "difference_at_end": one.difference,
                "noise": one.noise,
                "equal_until": one.equal_until,
                "shared_points": one.shared,
                "shared_from": one.first,
                "shared_to": one.last,
                "first_nonfinite": list(one.nonfinite),
            }
            for one in explanation.curves
        ],
        "differences": [
            {
                "kind": one.kind,
                "name": one.name,
                "values": [_plain(value) for value in one.values],
                "default": [isinstance(value, Default) for value in one.values],
                "share": one.share,
                "note": one.note or None,
            }
            for one in explanation.differences
        ],
        "same": list(explanation.same),
    }


def _plain(value: object) -> object:
    if value is ABSENT:
        return None
    return value.value if isinstance(value, Default) else value
