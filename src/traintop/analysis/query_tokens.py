"""A query taken apart into tokens, and the error of one that cannot be understood."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from traintop.times import UNIT_SECONDS

LONGEST_QUERY = 500
"""Characters of a query."""


class QueryError(ValueError):
    """A query that cannot be understood; ``position`` is the character where it goes wrong."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


class UnknownFieldError(QueryError):
    """A query about something that no run has, or none has yet."""


class Token(NamedTuple):
    """``kind`` is text, name (in backticks), time, number, word, sign (also a keyword), or end."""

    kind: str
    text: str
    position: int


_TOKEN = re.compile(
    r"""
    (?P<blank>\s+)
    | (?P<text>"[^"]*"|'[^']*')
    | (?P<name>`[^`]*`)
    | (?P<time>\d{4}-\d\d-\d\d
        (?:[\ T]\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?(?![\w./@:-]))
    | (?P<number>(?:\d+(?:_\d+)*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?
        (?:[smhdkMG%]|\s?(?:sec(?:ond)?s?|min(?:ute)?s?|hours?|days?|weeks?)|\s[smhdw](?=\s+ago\b))?
        (?![\w./@:-]))
    | (?P<word>\w[\w./@:-]*)
    | (?P<sign><=|>=|==|!=|[=<>(),+*/-])
    """,
    re.VERBOSE,
)
_NUMBER = re.compile(r"([\d_.]+(?:[eE][+-]?\d+)?)\s?(\D?)")
_UNITS: Mapping[str, float] = {
    "": 1,
    **UNIT_SECONDS,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "%": 0.01,
}
_WORDS = frozenset({"and", "or", "not", "in"})

END = "end"


def number_of(text: str) -> tuple[float, bool]:
    """The value of a number with its unit, and whether that is one of time."""
    found = _NUMBER.match(text)
    assert found is not None
    return float(found[1]) * _UNITS[found[2]], found[2] in tuple("smhdw")


def tokens_of(text: str) -> list[Token]:
    """The tokens of a query and one for its end. Raises ``QueryError`` for what is none."""
    if len(text) > LONGEST_QUERY:
        raise QueryError(f"longer than {LONGEST_QUERY} characters", LONGEST_QUERY)
    tokens = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            character = text[position]
            if character in "\"'`":
                raise QueryError("the quote is not closed", position)
            raise QueryError(f"{character} means nothing here", position)
        kind, found = str(match.lastgroup), match.group()
        if kind == "word" and found in _WORDS:
            kind = "sign"
        if kind != "blank":
            tokens.append(Token(kind, found, position))
        position = match.end()
    return [*tokens, Token(END, "", len(text))]


class TokenReader:
    """The tokens of a query, read from left to right. Raises ``QueryError`` for what is none."""

    def __init__(self, text: str) -> None:
        self._tokens = tokens_of(text)
        self._next = 0

    def peek(self) -> Token:
        """The next token."""
        return self._tokens[self._next]

    def take(self) -> Token:
        """The next token; the one after it is next then."""
        token = self.peek()
        if token.kind != END:
            self._next += 1
        return token

    def sees(self, *signs: str) -> bool:
        """Whether one of these signs is next."""
        return self._is(self.peek(), *signs)

    def accept(self, sign: str) -> bool:
        """Take a sign if it is next."""
        if not self.sees(sign):
            return False
        self._next += 1
        return True

    def accept_both(self, first: str, second: str) -> bool:
        """Take two signs if they are next."""
        if not self.sees(first) or not self._is(self._tokens[self._next + 1], second):
            return False
        self._next += 2
        return True

    @staticmethod
    def _is(token: Token, *signs: str) -> bool:
        return (token.text if token.kind == "sign" else token.kind) in signs
