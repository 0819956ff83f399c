"""The filter language: ``val_loss < 3.2 and d_model == 512 and status == "running"``.

Conditions compare what :mod:`traintop.fields` knows of a run with numbers, texts and
each other; ``and``, ``or``, ``not``, ``in`` and parentheses join them. A word, number or quoted
text that is compared with nothing must occur in the run's name, and conditions that merely stand
beside each other must all hold: ``muon val_loss<3.2``. Text is compared without regard to case.
Units save zeros: ``age < 2h``, ``step > 50k``, ``progress > 90%``. Names may hold ``/``, ``.``
and ``-`` (write ``a - b`` with spaces to subtract), and any name at all stands in backticks.

A comparison with something that a run does not have is false; ``x == none`` finds such runs.

There is nothing to execute: the text is taken apart by the few rules below, its length and depth
are bounded, and the time for a run follows its length. Whatever the text, only
:class:`QueryError` is raised.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

import msgspec

from traintop.analysis.query_tokens import END, QueryError, Token, tokens_of
from traintop.fields import Value, field_of, is_known, known_names
from traintop.model import RunSummary
from traintop.text import suggestions
from traintop.values import as_number

_DEEPEST = 30
"""Parentheses in each other."""

Condition = Callable[[RunSummary], bool]
Getter = Callable[[RunSummary], Value]


def filter_runs(runs: Sequence[RunSummary], text: str, now: datetime) -> Sequence[RunSummary]:
    """The runs that a query matches, in their order; all of them for a blank one.

    Names are those that some run has. Raises ``QueryError`` when the query is none.
    """
    if not text.strip():
        return runs
    matches = _Parser(text, runs, now).query()
    return tuple(run for run in runs if matches(run))


_UNITS: Mapping[str, float] = MappingProxyType(
    {"s": 1, "m": 60, "h": 3600, "d": 86_400, "k": 1e3, "M": 1e6, "G": 1e9, "%": 0.01}
)
_CONSTANTS: Mapping[str, Value] = MappingProxyType(
    {"true": True, "false": False, "nan": math.nan, "inf": math.inf, "none": None}
)
_ORDERINGS: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
)
_MEMBERSHIPS = frozenset({"in", "not in"})
_EQUALITIES = frozenset({"=", "==", "!=", *_MEMBERSHIPS})


class _Term(msgspec.Struct, frozen=True):
    """A part of a query: a condition, or something that can be compared.

    ``word`` is what it searches names for when it stands alone; ``named`` means that it may be
    the name of a field.
    """

    position: int
    condition: Condition | None = None
    value: Getter | None = None
    word: str | None = None
    named: bool = False
    is_none: bool = False


class _Parser:
    """Reads a query from left to right; each method reads what it is named after."""

    def __init__(self, text: str, runs: Sequence[RunSummary], now: datetime) -> None:
        self._runs = runs
        self._now = now
        self._tokens = tokens_of(text)
        self._next = 0
        self._depth = 0

    def query(self) -> Condition:
        term = self._any_of()
        token = self._peek()
        if token.kind != END:
            raise QueryError(f"{token.text} does not fit here", token.position)
        return self._condition(term)

    # Conditions.

    def _any_of(self) -> _Term:
        first = self._all_of()
        if not self._sees("or"):
            return first
        parts = [self._condition(first)]
        while self._accept("or"):
            parts.append(self._condition(self._all_of()))
        return _Term(first.position, lambda run: any(part(run) for part in parts))

    def _all_of(self) -> _Term:
        first = self._negation()
        parts: list[Condition] = []
        while self._accept("and") or not self._sees(END, "or", ")", ","):
            parts = parts or [self._condition(first)]
            parts.append(self._condition(self._negation()))
        if not parts:
            return first
        return _Term(first.position, lambda run: all(part(run) for part in parts))

    def _negation(self) -> _Term:
        position = self._peek().position
        if not self._accept("not"):
            return self._comparison()
        condition = self._condition(self._negation())
        return _Term(position, lambda run: not condition(run))

    def _comparison(self) -> _Term:
        left = first = self._sum()
        parts: list[Condition] = []
        while (sign := self._comparing()) is not None:
            right = self._sum()
            parts.append(self._compared(left, sign, right))
            left = right
        if not parts:
            return first
        if len(parts) == 1:
            return _Term(first.position, parts[0])
        return _Term(first.position, lambda run: all(part(run) for part in parts))

    def _comparing(self) -> str | None:
        """The comparing sign that stands next, taken."""
        if self._sees("not") and self._tokens[self._next + 1].text == "in":
            self._next += 2
            return "not in"
        if self._sees("=", "==", "!=", "in", *_ORDERINGS):
            return self._take().text
        return None

    def _compared(self, left: _Term, sign: str, right: _Term) -> Condition:
        if left.is_none or right.is_none:
            return self._missing(left, sign, right)
        a = self._value(left, text_too=sign in _MEMBERSHIPS)
        b = self._value(right, text_too=sign in _EQUALITIES)
        if sign in _ORDERINGS:
            return _ordered(a, _ORDERINGS[sign], b)
        if sign in _MEMBERSHIPS:
            return _joined(a, _contained, b, negated=sign == "not in")
        return _joined(a, _equal, b, negated=sign == "!=")

    def _missing(self, left: _Term, sign: str, right: _Term) -> Condition:
        if sign not in ("=", "==", "!="):
            raise QueryError("none goes with == and != only", right.position)
        get = self._value(right if left.is_none else left)
        if sign == "!=":
            return lambda run: not _is_nothing(get(run))
        return lambda run: _is_nothing(get(run))

    # What is compared.

    def _sum(self) -> _Term:
        return self._computed(self._product, {"+": operator.add, "-": operator.sub})

    def _product(self) -> _Term:
        return self._computed(self._factor, {"*": operator.mul, "/": operator.truediv})

    def _computed(
        self, operand: Callable[[], _Term], signs: Mapping[str, Callable[[float, float], float]]
    ) -> _Term:
        term = operand()
        while self._sees(*signs):
            compute = signs[self._take().text]
            value = _computed(self._value(term), compute, self._value(operand()))
            term = _Term(term.position, value=value)
        return term

    def _factor(self) -> _Term:
        position = self._peek().position
        count = 0
        while self._sees("-", "+"):
            count += self._take().text == "-"
        term = self._primary()
        if not count % 2:
            return term
        return _Term(position, value=_computed(lambda run: 0, operator.sub, self._value(term)))

    def _primary(self) -> _Term:
        token = self._take()
        if token.kind == "number":
            number = _number(token.text)
            return _Term(token.position, value=lambda run: number, word=token.text)
        if token.kind == "text":
            text = token.text[1:-1]
            return _Term(token.position, value=lambda run: text, word=text)
        if token.kind == "name":
            return _Term(token.position, word=token.text[1:-1], named=True)
        if token.kind == "word":
            if token.text.lower() in _CONSTANTS:
                constant = _CONSTANTS[token.text.lower()]
                return _Term(
                    token.position,
                    value=lambda run: constant,
                    word=token.text,
                    is_none=constant is None,
                )
            return _Term(token.position, word=token.text, named=True)
        if token.text == "(":
            return self._parenthesis(token)
        where = "at the end" if token.kind == END else f"before {token.text}"
        raise QueryError(f"something is missing {where}", token.position)

    def _parenthesis(self, opening: Token) -> _Term:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise QueryError(f"more than {_DEEPEST} parentheses in each other", opening.position)
        terms = [self._any_of()]
        while self._accept(","):
            terms.append(self._any_of())
        if not self._accept(")"):
            raise QueryError("the parenthesis is not closed", opening.position)
        self._depth -= 1
        if len(terms) == 1:
            return terms[0]
        values = [self._value(term, text_too=True) for term in terms]
        return _Term(opening.position, value=lambda run: tuple(value(run) for value in values))

    # What a term means where it stands.

    def _condition(self, term: _Term) -> Condition:
        if term.condition is not None:
            return term.condition
        if term.word is None:
            raise QueryError("compare it with something, as in step > 100", term.position)
        named = _named(term.word)
        if not any(map(named, self._runs)):
            # Half of a condition that is being typed, or a slip: either way no list to show.
            compare = self._getter(term.word) if term.named else None
            hint = f"; compare it, as in {term.word} < 3" if compare else ""
            raise QueryError(f"no name has {term.word} in it{hint}", term.position)
        return named

    def _value(self, term: _Term, *, text_too: bool = False) -> Getter:
        if term.value is not None:
            return term.value
        if term.condition is not None or term.word is None:
            raise QueryError("this is a condition, not a value", term.position)
        getter = self._getter(term.word)
        if getter is None and text_too:
            word = term.word
            return lambda run: word
        if getter is None:
            hint = suggestions(term.word, known_names(self._runs))
            raise QueryError(f"no run has {term.word}: {hint}", term.position)
        return getter

    def _getter(self, name: str) -> Getter | None:
        """What a name stands for, ``None`` when no run has it."""
        field, now = field_of(name), self._now
        return (lambda run: field.get(run, now)) if is_known(field, self._runs) else None

    # Tokens.

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._peek()
        if token.kind != END:
            self._next += 1
        return token

    def _sees(self, *signs: str) -> bool:
        token = self._peek()
        return (token.text if token.kind == "sign" else token.kind) in signs

    def _accept(self, sign: str) -> bool:
        if not self._sees(sign):
            return False
        self._next += 1
        return True


def _number(text: str) -> float:
    unit = _UNITS.get(text[-1])
    return float(text) if unit is None else float(text[:-1]) * unit


def _named(word: str) -> Condition:
    wanted = word.casefold()

    def matches(run: RunSummary) -> bool:
        return wanted in run.name.casefold() or wanted in run.stem.casefold()

    return matches


def _ordered(a: Getter, compare: Callable[[Any, Any], bool], b: Getter) -> Condition:
    def matches(run: RunSummary) -> bool:
        x, y = a(run), b(run)
        if isinstance(x, (int, float)) and isinstance(y, (int, float)):
            return compare(x, y)
        if isinstance(x, str) and isinstance(y, str):
            return compare(x.casefold(), y.casefold())
        return False

    return matches


def _joined(
    a: Getter, holds: Callable[[object, object], bool], b: Getter, *, negated: bool
) -> Condition:
    def matches(run: RunSummary) -> bool:
        x, y = a(run), b(run)
        if x is None or y is None:
            return False
        return holds(x, y) is not negated

    return matches


def _is_nothing(value: Value) -> bool:
    """Whether a run does not have something: no tags are none."""
    return value is None or value == ()


def _equal(x: object, y: object) -> bool:
    """Equality as a person means it: a list equals each of its items, and NaN is NaN."""
    if isinstance(x, tuple) and not isinstance(y, tuple):
        return any(_equal(item, y) for item in x)
    if isinstance(x, str) and isinstance(y, str):
        return x.casefold() == y.casefold()
    return x == y or (x != x and y != y)


def _contained(x: object, y: object) -> bool:
    if isinstance(y, tuple):
        return any(_equal(x, item) for item in y)
    return isinstance(y, str) and str(x).casefold() in y.casefold()


def _computed(a: Getter, compute: Callable[[float, float], float], b: Getter) -> Getter:
    def get(run: RunSummary) -> Value:
        x, y = _real(a(run)), _real(b(run))
        try:
            return None if x is None or y is None else compute(x, y)
        except ZeroDivisionError:
            return None

    return get


def _real(value: Value) -> float | None:
    number = as_number(value)
    return None if number is None else float(number)
