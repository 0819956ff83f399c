"""What a run that was started with ``init`` takes and gives: settings, results, nested metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from traintop.tracking.configuration import settings_of
from traintop.tracking.warn_once import WarnOnce

_DEEPEST = 20

warn_once = WarnOnce()


class Values(Mapping[str, Any]):
    """Named values of a run, as items and as attributes.

    ``known`` returns those of the run that is meant, and ``take`` takes further ones.
    """

    def __init__(
        self,
        known: Callable[[], Mapping[str, Any]],
        take: Callable[[dict[str, Any]], None],
    ) -> None:
        object.__setattr__(self, "_known", known)
        object.__setattr__(self, "_take", take)

    def as_dict(self) -> dict[str, Any]:
        """All of them, as a plain dictionary."""
        return dict(self._known())

    def update(self, values: Any = None, /, allow_val_change: Any = None, **further: Any) -> None:
        """Set several, of a mapping, a dataclass or a ``Namespace``; they may always change."""
        self._take({**usable_settings(values), **further})

    def setdefaults(self, values: Any) -> None:
        """Set those that are not set."""
        given = usable_settings(values)
        self._take({name: value for name, value in given.items() if name not in self})

    def setdefault(self, name: str, value: Any = None) -> Any:
        """Set one unless it is set; returns what it is then."""
        if name not in self:
            self[name] = value
        return self.get(name)

    def __getitem__(self, name: str) -> Any:
        return self._known()[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._take({name: value})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self:
            raise AttributeError(f"{name!r} is not set")
        return self[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())

    def __repr__(self) -> str:
        return repr(self.as_dict())

    def __reduce__(self) -> tuple[Any, ...]:
        return (_copied, (self.as_dict(),))


def _copied(values: dict[str, Any]) -> Values:
    """What another process or a checkpoint gets: the values, of no run."""
    return Values(lambda: values, values.update)


def usable_settings(settings: Any) -> dict[str, Any]:
    """Settings of any usual shape as a dictionary; of others none, with one warning."""
    if settings is None:
        return {}
    try:
        return settings_of(settings)
    except TypeError as error:
        warn_once("settings", f"settings are left out: {error}")
        return {}


def flat_metrics(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Metrics with nested ones named by their path: ``train/loss``.

    A name that is given as it is counts over the nested one that it spells.
    """
    plain = {str(name): value for name, value in data.items() if not isinstance(value, dict)}
    return plain if len(plain) == len(data) else {**dict(_paths("", data, 0)), **plain}


def _paths(prefix: str, data: Mapping[str, Any], depth: int) -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if isinstance(value, dict) and depth < _DEEPEST:
            yield from _paths(f"{prefix}{name}/", value, depth + 1)
        else:
            yield f"{prefix}{name}", value
