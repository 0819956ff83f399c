"""The end of the program waits for exports, and reports those that nobody saw."""

from __future__ import annotations

import os
import signal
from threading import Event

import pytest
from test_exporting import written_run
from tests.runs import reader_of

from traintop.tui.export import exports
from traintop.tui.export.exports import ExportWriter
from traintop.tui.messages import ExportEnded, TextExportRequested


def nobody(message: object) -> bool:
    """Whom messages are posted to when the App has ended."""
    return False


class HeldText(TextExportRequested):
    """A text that takes until it is let go."""

    def __init__(self) -> None:
        super().__init__("held", ".md", "text")
        self.reached, self.let_go = Event(), Event()

    @property
    def text(self) -> str:
        self.reached.set()
        assert self.let_go.wait(30)
        return self._text

    @text.setter
    def text(self, text: str) -> None:
        self._text = text


def test_quitting_finishes_a_running_export_and_prints_it(tmp_path):
    writer, held = ExportWriter(nobody, reader_of, [tmp_path]), HeldText()
    writer.write_text(held)
    assert writer.unfinished == ("held.md",)
    held.let_go.set()
    assert writer.finish() == (f"wrote {tmp_path / 'held.md'}",)
    assert writer.unfinished == ()


def test_an_export_seen_on_screen_is_not_printed_again(tmp_path):
    ended: list[ExportEnded] = []
    writer = ExportWriter(ended.append, reader_of, [tmp_path])
    writer.write_text(TextExportRequested("a", ".md", ""))
    writer.finish()
    writer.mark_reported(ended[0])
    assert writer.finish() == ()


@pytest.mark.parametrize("together", [True, False])
def test_an_export_that_takes_too_long_is_stopped_and_named(tmp_path, monkeypatch, together):
    runs = [written_run(tmp_path / "logs", name) for name in ("a", "b")]
    out = tmp_path / "out"
    out.mkdir()
    reached, go_on = Event(), Event()

    def hold(message: object) -> None:
        if getattr(message, "records", 0):
            reached.set()
            go_on.wait(30)

    monkeypatch.setattr(exports, "QUIT_SECONDS", 0.05)
    monkeypatch.setattr(exports, "_PROGRESS_SECONDS", 0.0)
    writer = ExportWriter(hold, reader_of, [out])
    export = writer.write_runs(runs, "logs", together=together)
    assert reached.wait(30)
    (half,) = os.listdir(out)
    assert half.startswith(".traintop-")
    stop = export.stop
    monkeypatch.setattr(export, "stop", lambda: (stop(), go_on.set()))
    assert writer.finish() == (f"cancelled: {export.name} was not written",)
    assert os.listdir(out) == []


def test_an_interrupt_at_the_end_stops_waiting_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(exports, "QUIT_SECONDS", 60.0)
    monkeypatch.setattr(exports, "_STOPPING_SECONDS", 0.05)
    writer, held = ExportWriter(nobody, reader_of, [tmp_path]), HeldText()
    writer.write_text(held)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.2)  # as ctrl+c would come
    try:
        assert writer.finish() == ("held.md was not written: no answer",)
    finally:
        signal.signal(signal.SIGALRM, before)
    held.let_go.set()


def test_a_hanging_filesystem_does_not_delay_quitting(tmp_path, monkeypatch):
    monkeypatch.setattr(exports, "QUIT_SECONDS", 0.05)
    monkeypatch.setattr(exports, "_STOPPING_SECONDS", 0.05)
    writer, held = ExportWriter(nobody, reader_of, [tmp_path]), HeldText()
    writer.write_text(held)
    assert held.reached.wait(30)
    assert writer.finish() == ("held.md was not written: no answer",)
    held.let_go.set()
