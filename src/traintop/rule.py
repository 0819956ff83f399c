"""A rule of the settings file: when something is so of a run, for how long, and what to do then."""

from __future__ import annotations

import shlex
import signal
from typing import NamedTuple

import msgspec

from traintop.times import seconds_of

_ACTIONS = '"notify", "exec: COMMAND" or "signal: SIGUSR1"'


class Action(NamedTuple):
    """``kind`` is notify, exec or signal; ``arguments`` are a command's, or a signal's name."""

    kind: str
    arguments: tuple[str, ...] = ()


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"lasting": "for"}):
    """``when`` is a query or the name of an alert; ``do`` what is done once that is so.

    It must have been so ``for`` that long, such as "5m". Raises ``ValueError`` for what is none.
    """

    when: str
    lasting: str = "0s"
    do: tuple[str, ...] = ("notify",)

    def __post_init__(self) -> None:
        if not self.when.strip():
            raise ValueError('when: must be a condition, as in "train_loss == nan"')
        try:
            seconds_of(self.lasting)
        except ValueError as error:
            raise ValueError(f"for: {error}") from None
        for action in self.do:
            _action_of(action)

    @property
    def seconds(self) -> float:
        """How long it must have been so."""
        return seconds_of(self.lasting)

    @property
    def actions(self) -> tuple[Action, ...]:
        """What is done, taken apart."""
        return tuple(map(_action_of, self.do))

    @property
    def notifies(self) -> bool:
        """Whether a person gets a notice."""
        return Action("notify") in self.actions


def _action_of(text: str) -> Action:
    kind, colon, rest = (part.strip() for part in text.partition(":"))
    if kind == "notify" and not colon:
        return Action(kind)
    if kind == "exec" and rest:
        try:
            return Action(kind, tuple(shlex.split(rest)))
        except ValueError as error:  # a quote that is not closed
            raise ValueError(f"do: {text!r}: {error}") from None
    if kind == "signal":
        if rest not in signal.Signals.__members__:
            raise ValueError(f"do: {text!r}: there is no signal {rest!r}; write it as in SIGUSR1")
        return Action(kind, (rest,))
    raise ValueError(f"do: {text!r} must be {_ACTIONS}")
