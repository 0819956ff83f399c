"""JSON as other programs write it: more than the standard allows."""

from __future__ import annotations

import re

import msgspec

_SURROGATES = re.compile("[\ud800-\udfff]")


def decode_tolerantly(data: bytes) -> object:
    """A JSON value, with bare NaN and Infinity, and with U+FFFD for half a character.

    Raises ``ValueError`` with the reason, as words that follow the name of the file.
    """
    try:
        return msgspec.json.decode(data)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    import json  # the slow path only: accepts bare NaN, Infinity and numbers out of range

    try:
        found = json.loads(data.decode("utf-8-sig"))
        if b"\\ud" in data.lower():  # it may be one half of a pair
            found = json.loads(_SURROGATES.sub("\ufffd", json.dumps(found, ensure_ascii=False)))
        return found
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 text: {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from None
