"""Whole JSON documents: what other programs write of the same schema, however they lay it out."""

from __future__ import annotations

from typing import NamedTuple, get_args

import msgspec

from traintop.logfile import Head, Row, Tail, WrittenStatus, convert_usable, is_record


class Document(NamedTuple):
    """A whole file in memory: ours or another program's of the same schema."""

    head: Head
    rows: list[Row]
    tail: Tail


def parse_document(data: bytes) -> Document:
    """Any JSON document of this schema, however it is indented, with bare NaN and Infinity.

    Optional keys may be missing or of a wrong type. Raises ``ValueError`` with the reason when
    the bytes are no such document.
    """
    document = _decode_tolerantly(data)
    if not isinstance(document, dict):
        raise ValueError(f"holds a JSON {type(document).__name__}, not an object")
    rows = document.get("metrics_history")
    config = document.get("config")
    if not isinstance(rows, list) and not isinstance(config, dict):
        raise ValueError('has neither "config" nor "metrics_history"')
    kept = [row for row in rows if is_record(row)] if isinstance(rows, list) else []
    found: Row = {key: value for key, value in document.items() if value is not None}
    if found.get("status") not in get_args(WrittenStatus):
        found["status"] = "finished" if found.get("end_time") else "running"
    found |= {"count": len(kept), "last": kept[-1] if kept else {}}
    head = convert_usable(found, Head)
    return Document(head, kept, convert_usable(found, Tail))


def _decode_tolerantly(data: bytes) -> object:
    try:
        return msgspec.json.decode(data)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    import json  # the slow path only: accepts bare NaN, Infinity and numbers out of range

    try:
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 text: {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from None
