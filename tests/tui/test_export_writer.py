"""The end of the program waits for exports, and tells of those that nobody heard of."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
from test_exporting import written_run

from traintop.tui.export import writer as export_writer
from traintop.tui.export.exports import RunsExport, TextExport
from traintop.tui.export.writer import ExportWriter
from traintop.tui.messages import ExportEnded, TextExportRequested


def nobody(message: object) -> bool:
    """Whom messages are posted to when the App has ended."""
    return False


class HeldExport(TextExport):
    """Waits before it writes, until it is let go or stopped."""

    def __init__(self, directory: Path, post: Callable[[object], object]) -> None:
        super().__init__(TextExportRequested("held", ".md", "text"), post, [directory])
        self.let_go = Event()
        self.stops = True

    def run(self) -> None:
        self.let_go.wait()
        super().run()

    def stop(self) -> None:
        if self.stops:
            self.let_go.set()


def test_quitting_finishes_a_running_export_and_prints_it(tmp_path):
    writer = ExportWriter(nobody)
    held = HeldExport(tmp_path, writer.post)
    writer.write(held)
    assert writer.unfinished == ("held.md",)
    held.let_go.set()
    assert writer.finish() == (f"wrote {tmp_path / 'held.md'}",)
    assert writer.unfinished == ()


def test_an_export_seen_on_screen_is_not_printed_again(tmp_path):
    heard: list[ExportEnded] = []
    writer = ExportWriter(heard.append)
    writer.write(TextExport(TextExportRequested("a", ".md", ""), writer.post, [tmp_path]))
    writer.finish()
    writer.heard(heard[0])
    assert writer.finish() == ()


@pytest.mark.parametrize("together", [True, False])
def test_an_export_that_takes_too_long_is_stopped_and_named(tmp_path, monkeypatch, together):
    runs = [written_run(tmp_path / "logs", name) for name in ("a", "b")]
    out = tmp_path / "out"
    out.mkdir()
    reached, go_on = Event(), Event()

    class SlowExport(RunsExport):
        def _advance(self, rows: int) -> None:
            if self._rows:
                reached.set()
                go_on.wait()
            super()._advance(rows)

        def stop(self) -> None:
            super().stop()
            go_on.set()

    monkeypatch.setattr(export_writer, "PATIENCE_SECONDS", 0.05)
    writer = ExportWriter(nobody)
    export = SlowExport(runs, "logs", together=together, post=writer.post, directories=[out])
    writer.write(export)
    assert reached.wait(30)
    (half,) = os.listdir(out)
    assert half.startswith(".traintop-")
    assert writer.finish() == (f"stopped: {export.name} was not written",)
    assert os.listdir(out) == []


def test_an_interrupt_at_the_end_stops_it_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(export_writer, "PATIENCE_SECONDS", 60.0)
    writer = ExportWriter(nobody)
    held = HeldExport(tmp_path, writer.post)
    writer.write(held)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.2)  # as ctrl+c would come
    try:
        assert writer.finish() == (f"wrote {tmp_path / 'held.md'}",)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert held.let_go.is_set()


def test_a_hanging_filesystem_does_not_delay_quitting(tmp_path, monkeypatch):
    monkeypatch.setattr(export_writer, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(export_writer, "_STOPPING_SECONDS", 0.05)
    writer = ExportWriter(nobody)
    held = HeldExport(tmp_path, writer.post)
    held.stops = False
    writer.write(held)
    assert writer.finish() == ("held.md was not written: no answer",)
    held.let_go.set()
