"""Random keys, clicks and resizes while runs appear, change and vanish. The long form: ui_fuzz."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import _wait
from ui_fuzz import Fuzzer


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_keys_and_clicks_break_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.chdir(tmp_path)  # exports go here
    # Textual waits after each key for 40 ms in which the program does nothing: 2 ms are harder.
    monkeypatch.setattr(_wait, "SLEEP_GRANULARITY", 0.001)
    monkeypatch.setattr(_wait, "SLEEP_IDLE", 0.0001)
    logs = tmp_path / "logs"
    logs.mkdir()
    fuzzer = Fuzzer(logs, seed)
    try:
        await fuzzer.run(keys=240)
    except BaseException as error:
        error.add_note(fuzzer.story)
        raise
