"""Which rules were acted on for which runs, by whatever program of this person.

The UI, ``watch --events`` and ``wait`` may watch one run at a time, and each is opened many times
while something stays wrong. So what a rule asks for is done by the first that can make a file for
it in the user's state folder, and by nobody else until that file is gone.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from traintop.rule import Rule
from traintop.run_ids import address_of

_KEPT_SECONDS = 90 * 86_400.0


class _Claim(msgspec.Struct, frozen=True):
    when: str
    run: str


class Claims:
    """The claims in a folder; where that cannot be written, those of this process alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known = dict(_claims_in(folder))

    @classmethod
    def of_this_user(cls) -> Claims:
        """Those in the user's state folder."""
        from platformdirs import user_state_path

        return cls(user_state_path("traintop", appauthor=False) / "rules")

    def claim(self, rule: Rule, run_id: str, moment: str = "") -> bool:
        """Whether a rule has yet to be acted on for a run; from now on it has been.

        ``moment`` says which it is of those that come again and again, and are never over.
        """
        address = address_of(run_id)
        key = "\0".join((rule.when, *rule.do, address, *filter(None, [moment]))).encode(
            "utf-8", "surrogatepass"
        )
        name = f"{hashlib.blake2b(key, digest_size=16).hexdigest()}.json"
        is_new = name not in self._known
        self._known[name] = claim = _Claim(rule.when, address)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._folder / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return False
        except OSError:
            return is_new
        with suppress(OSError), open(descriptor, "wb") as file:
            file.write(msgspec.json.encode(claim))
        return True

    def release(self, is_over: Callable[[str, str], bool]) -> None:
        """Forget the claims that are over, given the ``when`` and the run's address of each."""
        over = [name for name, claim in self._known.items() if is_over(claim.when, claim.run)]
        for name in over:
            del self._known[name]
            with suppress(OSError):
                (self._folder / name).unlink()


def _claims_in(folder: Path) -> list[tuple[str, _Claim]]:
    found = []
    with suppress(OSError):
        for path in folder.glob("*.json"):
            with suppress(OSError, msgspec.MsgspecError):
                if time.time() - path.stat().st_mtime > _KEPT_SECONDS:
                    path.unlink()
                else:
                    found.append((path.name, msgspec.json.decode(path.read_bytes(), type=_Claim)))
    return found
