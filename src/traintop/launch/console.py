"""What a command prints, in a file that stays small: the beginning, and the end."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from traintop.atomic_file import hidden_path, write_atomically
from traintop.store.console import LARGEST_BYTES, end_of_console, without_escapes
from traintop.store.sidecars import CONSOLE, make_folder, sidecar_of
from traintop.text import safe_text

HEAD_BYTES = 1 << 20
TAIL_BYTES = 1 << 20
_LONGEST_ERROR = 500
_LONGEST_LINE = 1 << 16
_MOST_WAITING = 1 << 20  # while the disk refuses
_GOES_ON = b"\n[traintop: the run goes on]\n"
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Console:
    """What a command prints, beside the file of a run, and of further ones that it writes.

    Of what is written over, as a progress bar, the file has the last state. All runs share one
    file, by a name for each, where the file system has such; else they get copies at the end. A run
    that an earlier command began has at the end what both printed.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._descriptor = -1
        self._unnamed: list[Path] = []  # runs that have no name of the file yet
        self._without: list[Path] = []  # and those that cannot have one
        self._earlier: dict[Path, bytes] = {}  # what earlier commands printed that wrote a run
        self._waiting = bytearray()  # whole lines
        self._line = b""  # the last one, which may go on
        self._settled = 0  # bytes of the file that stay as they are
        self._head = 0  # of these, the beginning; 0 while all is kept
        self._printed = 0  # in whole lines
        self._is_changed = False
        self._last_line = b""  # that is not blank

    def write(self, data: bytes) -> None:
        """Take what was printed; nothing is on disk before :meth:`flush`."""
        text = self._line + data
        if b"\r" in text:
            text = _last_states(text)
        end = text.rfind(b"\n") + 1
        if len(text) - end > _LONGEST_LINE:
            end = len(text)
        self._waiting += text[:end]
        self._line = text[end:]
        self._printed += end
        self._is_changed = True
        if shown := text.rstrip():
            self._last_line = shown[shown.rfind(b"\n") + 1 :][:_LONGEST_LINE]
        if len(self._waiting) > 2 * _MOST_WAITING:
            with suppress(OSError):
                self.flush()
            del self._waiting[: max(len(self._waiting) - _MOST_WAITING, 0)]

    def flush(self) -> None:
        """Have the file hold all that was printed. Raises ``OSError``; then it may be tried again.

        The last line is written anew each time, until it ends.
        """
        if not self._is_changed:
            return
        if self._descriptor < 0:
            make_folder(self._run.parent)
            self._descriptor = os.open(sidecar_of(self._run, CONSOLE), _NEW, 0o666)
        self._put(bytes(self._waiting) + self._line)
        self._settled += len(self._waiting)
        self._waiting.clear()
        self._is_changed = False
        if self._settled > LARGEST_BYTES:
            self._leave_out_middle()
        self._name_runs()

    def _put(self, block: bytes) -> None:
        at, rest = self._settled, memoryview(block)
        while rest:
            written = os.pwrite(self._descriptor, rest, at)
            at, rest = at + written, rest[written:]
        os.ftruncate(self._descriptor, at)

    def _leave_out_middle(self) -> None:
        if not self._head:
            head = os.pread(self._descriptor, HEAD_BYTES, 0)
            self._head = head.rfind(b"\n") + 1 or len(head)
        tail = os.pread(self._descriptor, TAIL_BYTES, self._settled - TAIL_BYTES)
        tail = tail[tail.find(b"\n") + 1 :]
        left_out = self._printed - self._head - len(tail)
        kept = b"[traintop: %d bytes are left out here]\n%b" % (left_out, tail)
        self._settled = self._head
        self._put(kept + self._line)
        self._settled += len(kept)

    @property
    def last_line(self) -> str:
        """The last line that is not blank, as text that may be drawn."""
        shown = without_escapes(self._last_line).decode("utf-8", "replace")
        return safe_text(shown, _LONGEST_ERROR)

    def add(self, run: Path) -> None:
        """Another run is written by the same command."""
        self._unnamed.append(run)
        self._is_changed = True

    def _name_runs(self) -> None:
        runs, self._unnamed = self._unnamed, []
        for run in runs:
            path = sidecar_of(run, CONSOLE)
            try:
                folder = make_folder(run.parent)
                if earlier := end_of_console(run, TAIL_BYTES):
                    self._earlier[run] = earlier + _GOES_ON
                with hidden_path(folder) as name:
                    os.link(sidecar_of(self._run, CONSOLE), name)
                    os.replace(name, path)
            except OSError:
                self._without.append(run)

    def close(self, *, keep: bool) -> None:
        """The command has ended; the first run keeps the file or not. Raises ``OSError``."""
        self.flush()
        if self._descriptor < 0:
            return
        os.close(self._descriptor)
        path = sidecar_of(self._run, CONSOLE)
        if of_their_own := {*self._without, *self._earlier}:
            printed = path.read_bytes()
            for run in of_their_own:
                write_atomically(sidecar_of(run, CONSOLE), self._earlier.get(run, b"") + printed)
        if not keep:
            path.unlink()


def _last_states(text: bytes) -> bytes:
    """Of each line what was written over it last; the last line may go on behind its returns."""
    *whole, last = text.split(b"\n")
    lines = [_last_state(line.rstrip(b"\r")) for line in whole]
    return b"\n".join([*lines, _last_state(last)])


def _last_state(line: bytes) -> bytes:
    return line[line.rstrip(b"\r").rfind(b"\r") + 1 :]
