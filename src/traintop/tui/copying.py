"""What was copied, in a file: for terminals that take nothing for the clipboard."""

from __future__ import annotations

from pathlib import Path

from traintop.whole_file import write_whole


def copy_path() -> Path:
    """The file in the user's state folder."""
    from platformdirs import user_state_path

    return user_state_path("traintop", appauthor=False) / "copied.txt"


def keep_copy(text: str) -> Path | None:
    """Keep a text that was copied in place of the one before; where, ``None`` if nowhere.

    It writes a file, so call it in a worker thread.
    """
    path = copy_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, f"{text}\n".encode())
    except OSError:
        return None
    return path
