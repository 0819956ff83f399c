"""The filter language: ``val_loss < 3.2 and d_model == 512 and status == "running"``.

Conditions compare what :mod:`traintop.fields` knows of a run with numbers, texts and
each other; ``and``, ``or``, ``not``, ``in`` and parentheses join them. A word, number or quoted
text that is compared with nothing must occur in the run's name, tags, notes, user or host, or be
its status or the beginning of its commit; and conditions that merely stand beside each other must
all hold: ``muon val_loss<3.2``. Text is compared without regard to case. Units save zeros:
``age < 2h``, ``step > 50k``, ``progress > 90%``. Names may hold ``/``, ``.`` and ``-`` (write
``a - b`` with spaces to subtract), and any name at all may be in backticks.

Times are ``2025-02-22``, ``2025-02-22 14:05``, ``today`` and ``3 hours ago``. A day, or a minute,
lasts: ``started == today`` is any time of it, ``started > today`` from its beginning on.

A comparison with something that a run does not have, or with a setting that nobody gave, is false;
``x == none`` finds such runs. A name means the same in all runs: :func:`.field_names.field_among`.

There is nothing to execute: the text is taken apart by the few rules below, its length and depth
are bounded, and the time for a run follows its length. Whatever the text, only
:class:`QueryError` is raised.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from types import MappingProxyType

import msgspec

from traintop.analysis.field_names import (
    field_among,
    hint_of_unknown,
    is_known,
    known_names,
    values_of,
)
from traintop.analysis.query_conditions import (
    CONSTANTS,
    EQUALITIES,
    MEMBERSHIPS,
    MIRRORED,
    ORDERINGS,
    STATUSES,
    Alerts,
    Condition,
    Getter,
    computed,
    contained,
    equal,
    has_status,
    is_commit,
    joined,
    mentions,
    ordered,
)
from traintop.analysis.query_times import DAYS, Period
from traintop.analysis.query_tokens import (
    END,
    QueryError,
    Token,
    TokenReader,
    UnknownFieldError,
    number_of,
)
from traintop.field import Kind, is_nothing
from traintop.fields import STATUS_WORDS, field_of
from traintop.model import RunSummary
from traintop.text import suggestions

_DEEPEST = 30
"""Parentheses in each other."""


def filter_runs(
    runs: Sequence[RunSummary], text: str, now: datetime, alerts: Alerts = MappingProxyType({})
) -> Sequence[RunSummary]:
    """The runs that a query matches, in their order; all of them for a blank one.

    Names are those that some run has. ``alerts`` are what is wrong with runs that go on, whose
    words are statuses too. Raises ``QueryError`` when the query is none.
    """
    if not text.strip():
        return runs
    matches = _Parser(text, runs, now, alerts).query()
    return tuple(run for run in runs if matches(run))


def runs_now_matching(
    runs: Sequence[RunSummary], text: str, now: datetime, alerts: Alerts = MappingProxyType({})
) -> Sequence[RunSummary]:
    """As :func:`filter_runs`, of a query that is asked again and again, as in ``traintop wait``.

    What no run has yet may come, so it is no mistake. The word of a status means the status alone:
    a run named "unfinished" is not ``finished``.
    """
    matches = _Parser(text, runs, now, alerts, repeats=True).query()
    return tuple(run for run in runs if matches(run))


class _Term(msgspec.Struct, frozen=True):
    """A part of a query: a condition, or something that can be compared.

    ``word`` is what it searches names for when it is alone; ``named`` means that it may be
    the name of a field.
    """

    position: int
    condition: Condition | None = None
    value: Getter | None = None
    word: str | None = None
    named: bool = False
    is_none: bool = False
    time: Period | None = None
    items: tuple[_Term, ...] = ()


class _Parser:
    """Reads a query from left to right; each method reads what it is named after."""

    def __init__(
        self,
        text: str,
        runs: Sequence[RunSummary],
        now: datetime,
        alerts: Alerts,
        *,
        repeats: bool = False,
    ) -> None:
        self._repeats = repeats
        self._runs = runs
        self._ids = [id(run) for run in runs]
        self._alerts = alerts
        self._now = now
        self._tokens = TokenReader(text)
        self._depth = 0

    def query(self) -> Condition:
        term = self._any_of()
        token = self._tokens.peek()
        if token.kind != END:
            raise QueryError(f"{token.text} does not fit here", token.position)
        return self._condition(term)

    # Conditions.

    def _any_of(self) -> _Term:
        first = self._all_of()
        if not self._tokens.sees("or"):
            return first
        parts = [self._condition(first)]
        while self._tokens.accept("or"):
            parts.append(self._condition(self._all_of()))
        return _Term(first.position, lambda run: any(part(run) for part in parts))

    def _all_of(self) -> _Term:
        first = self._negation()
        parts: list[Condition] = []
        while self._tokens.accept("and") or not self._tokens.sees(END, "or", ")", ","):
            parts = parts or [self._condition(first)]
            parts.append(self._condition(self._negation()))
        if not parts:
            return first
        return _Term(first.position, lambda run: all(part(run) for part in parts))

    def _negation(self) -> _Term:
        position = self._tokens.peek().position
        if not self._tokens.accept("not"):
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
        """Take the next token if it is a comparison operator."""
        if self._tokens.accept_both("not", "in"):
            return "not in"
        if self._tokens.sees("=", "==", "!=", "in", *ORDERINGS):
            return self._tokens.take().text
        return None

    def _compared(self, left: _Term, sign: str, right: _Term) -> Condition:
        if left.is_none or right.is_none:
            return self._missing(left, sign, right)
        if sign not in MEMBERSHIPS and self._are_times(left, right):
            return self._compared_times(left, sign, right)
        if sign in MEMBERSHIPS and right.items:
            each = [
                self._compared(left, "!=" if sign == "not in" else "==", i) for i in right.items
            ]
            if sign == "not in":
                return lambda run: all(part(run) for part in each)
            return lambda run: any(part(run) for part in each)
        if sign in EQUALITIES and sign not in MEMBERSHIPS:
            for field, literal in ((left, right), (right, left)):
                named = self._compared_by_name(field, literal, negated=sign == "!=")
                if named is not None:
                    return named
        a = self._value(left, text_too=sign in MEMBERSHIPS)
        b = self._value(right, text_too=sign in EQUALITIES)
        if sign in ORDERINGS:
            return ordered(a, ORDERINGS[sign], b)
        if sign in MEMBERSHIPS:
            return joined(a, contained, b, negated=sign == "not in")
        return joined(a, equal, b, negated=sign == "!=")

    def _are_times(self, left: _Term, right: _Term) -> bool:
        """Whether times are compared. Raises ``QueryError`` where one side is none, and should."""
        for one, other in ((left, right), (right, left)):
            kind = self._kind(one)
            if kind == "time" and other.time is None and self._kind(other) is None:
                hint = "as in 2025-02-22 14:05, today, 3h ago"
                raise QueryError(f"compare {one.word} with a time, {hint}", other.position)
            if kind in ("age", "seconds") and other.time is not None:
                raise QueryError(f"{one.word} is not a time; started and ended are", one.position)
            if kind == "text" and other.time is not None:
                return False
        return (left.time is None) is not (right.time is None)

    def _kind(self, term: _Term) -> Kind | None:
        """The kind of the field that a term names; ``None`` for anything else."""
        if not term.named or term.word is None:
            return None
        field = field_among(term.word, self._runs)
        return field.kind if is_known(field, self._runs) else None

    def _compared_times(self, left: _Term, sign: str, right: _Term) -> Condition:
        other, time = (left, right.time) if left.time is None else (right, left.time)
        if left.time is not None:
            sign = MIRRORED.get(sign, sign)
        assert time is not None
        get, period = self._value(other), time

        def matches(run: RunSummary) -> bool:
            value = get(run)
            return isinstance(value, str) and period.compares(value, sign)

        return matches

    def _compared_by_name(self, field: _Term, literal: _Term, *, negated: bool) -> Condition | None:
        """Whether a run has a status by one of its words, or a commit by its beginning.

        ``None`` for other fields. Raises ``QueryError`` for a status that no run can have.
        """
        if not field.named or field.word is None or literal.word is None:
            return None
        name, word = field_of(field.word).name, literal.word.lower()
        if name == "git_commit":
            known = self._getter(name) or (lambda run: None)
            return lambda run: known(run) is not None and is_commit(known(run), word) is not negated
        if name != "status":
            return None
        if word not in STATUSES:
            if self._getter(literal.word):
                return None
            hint = suggestions(word, [status.value for status in STATUS_WORDS])
            raise QueryError(f"no status is {literal.word}: {hint}", literal.position)
        return lambda run: has_status(run, word, self._alerts) is not negated

    def _missing(self, left: _Term, sign: str, right: _Term) -> Condition:
        if sign not in ("=", "==", "!="):
            raise QueryError("none works only with == and !=", right.position)
        get = self._value(right if left.is_none else left)
        if sign == "!=":
            return lambda run: not is_nothing(get(run))
        return lambda run: is_nothing(get(run))

    # What is compared.

    def _sum(self) -> _Term:
        return self._computed(self._product, {"+": operator.add, "-": operator.sub})

    def _product(self) -> _Term:
        return self._computed(self._factor, {"*": operator.mul, "/": operator.truediv})

    def _computed(
        self, operand: Callable[[], _Term], signs: Mapping[str, Callable[[float, float], float]]
    ) -> _Term:
        term = operand()
        while self._tokens.sees(*signs):
            compute = signs[self._tokens.take().text]
            value = computed(self._value(term), compute, self._value(operand()))
            term = _Term(term.position, value=value)
        return term

    def _factor(self) -> _Term:
        position = self._tokens.peek().position
        count = 0
        while self._tokens.sees("-", "+"):
            count += self._tokens.take().text == "-"
        term = self._primary()
        if not count % 2:
            return term
        return _Term(position, value=computed(lambda run: 0, operator.sub, self._value(term)))

    def _primary(self) -> _Term:
        token = self._tokens.take()
        if token.kind == "number":
            number, lasts = number_of(token.text)
            if lasts and self._tokens.peek().text.lower() == "ago":
                self._tokens.take()
                return self._time(token, Period.ago(number, self._now))
            return _Term(token.position, value=lambda run: number, word=token.text)
        if token.kind == "text":
            text = token.text[1:-1]
            time = Period.written(text)
            return _Term(token.position, value=lambda run: text, word=text, time=time)
        if token.kind == "name":
            return _Term(token.position, word=token.text[1:-1], named=True)
        if token.kind == "time":
            return self._time(token, Period.written(token.text))
        if token.kind == "word":
            if (word := token.text.lower()) == "now" or word in DAYS:
                return self._time(token, Period.named(word, self._now))
            if token.text.lower() in CONSTANTS:
                constant = CONSTANTS[token.text.lower()]
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

    def _time(self, token: Token, time: Period | None) -> _Term:
        if time is None:
            raise QueryError(f"{token.text} is not a time", token.position)
        text = token.text
        return _Term(token.position, value=lambda run: text, word=text, time=time)

    def _parenthesis(self, opening: Token) -> _Term:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise QueryError(f"more than {_DEEPEST} nested parentheses", opening.position)
        terms = [self._any_of()]
        while self._tokens.accept(","):
            terms.append(self._any_of())
        if not self._tokens.accept(")"):
            raise QueryError("the parenthesis is not closed", opening.position)
        self._depth -= 1
        if len(terms) == 1:
            return terms[0]
        values = [self._value(term, text_too=True) for term in terms]
        return _Term(
            opening.position,
            value=lambda run: tuple(value(run) for value in values),
            items=tuple(terms),
        )

    # What a term means where it stands.

    def _condition(self, term: _Term) -> Condition:
        if term.condition is not None:
            return term.condition
        if term.word is None:
            raise QueryError("compare it with something, as in step > 100", term.position)
        word, is_status = term.word.casefold(), term.word.lower() in STATUSES
        if self._repeats and is_status:
            named: Condition = partial(has_status, word=word, alerts=self._alerts)
        else:
            named = mentions(term.word, self._runs, term.time, self._alerts)
        compare = self._getter(term.word) if term.named else None
        if compare and any(isinstance(compare(run), bool) for run in self._runs):
            return lambda run: named(run) or compare(run) is True
        may_be_none = term.time is not None or is_status or self._repeats
        if not may_be_none and not any(map(named, self._runs)):
            # Half of a condition that is being typed, or a slip: either way no list to show.
            hint = f"; compare it, as in {term.word} < 3" if compare else self._meant(term.word)
            raise QueryError(f"no name, tag or note has {term.word} in it{hint}", term.position)
        return named

    def _meant(self, word: str) -> str:
        """What a word that nothing matches may be a slip of."""
        facts = (v for fact in ("user", "host") for v in values_of(field_of(fact), self._runs))
        tags = (tag for run in self._runs for tag in run.annotations.tags)
        known = {*known_names(self._runs), *STATUS_WORDS, *tags, *filter(None, facts)}
        hint = suggestions(word, sorted(map(str, known)))
        return f": {hint}" if hint.startswith("did") else ""

    def _value(self, term: _Term, *, text_too: bool = False) -> Getter:
        if term.value is not None:
            return term.value
        if term.condition is not None or term.word is None:
            raise QueryError("this is a condition, not a value", term.position)
        getter = self._getter(term.word)
        if getter is None and text_too:
            word = term.word
            return lambda run: word
        if getter is None and self._repeats:
            return lambda run: None
        if getter is None:
            hint = hint_of_unknown(term.word, self._runs)
            raise UnknownFieldError(f"no run has {term.word}: {hint}", term.position)
        return getter

    def _getter(self, name: str) -> Getter | None:
        """What a name means, ``None`` when no run has it."""
        field = field_among(name, self._runs)
        if not is_known(field, self._runs):
            return None
        known = dict(zip(self._ids, values_of(field, self._runs, self._now), strict=True))
        return lambda run: known[id(run)]
