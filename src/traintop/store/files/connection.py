"""The pipe to a helper on another machine: a command that leads there, while it runs."""

from __future__ import annotations

import atexit
import base64
import contextlib
import functools
import importlib
import inspect
import json
import os
import selectors
import signal
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import IO

from traintop.store.files.far_side import MODULES
from traintop.store.files.wire import HEADER, LARGEST_FRAME, READY, TOO_OLD

SILENCE = 15.0
"""Seconds without a byte, after which no answer is expected any more."""

_LOGIN_SILENCE = 30.0  # the same before the helper has begun
_LONGEST_WAIT = 120.0  # seconds for one part of an answer, however slowly it trickles in
_MOST_FRAMES = 10_000
_LONGEST_BANNER = 64 * 1024
_MOST_ERRORS = 16 << 20  # bytes of them while one thing is waited for
_KEPT_ERRORS = 4096
_PIECE = 256 * 1024
_LAST_WORDS = 5.0  # seconds for a command that has closed its output to end with a status
_FAREWELL = 0.3  # seconds for the command to end by itself

_BEGINNING = f"""\
import sys,os,zlib,base64
_=sys.version_info>=(3,8)or(os.write(1,{TOO_OLD!r}+b"%d.%d\\n"%sys.version_info[:2]),os._exit(1))
exec(zlib.decompress(base64.b64decode("PROGRAM")).decode())
"""

_PROGRAM = """
import json, os, sys, traceback, types
try:
    for name, is_package, source in json.loads(sources):
        module = sys.modules[name] = types.ModuleType(name)
        if is_package:
            module.__path__ = []
        exec(compile(source, name, "exec"), module.__dict__)
    from traintop.store.files.far_side import Helper
    from traintop.store.files.local import LocalFiles
    Helper(LocalFiles(), 0, 1).serve()
except BaseException:
    traceback.print_exc()
finally:
    os._exit(0)
"""


class LostError(Exception):
    """The pipe is of no use any more: what happened, and what the command had to say."""

    def __init__(self, reason: str, errors: str = "", status: int | None = None) -> None:
        super().__init__(reason)
        self.errors = errors
        """The end of its standard error."""
        self.status = status
        """With what it has ended, if so."""


class Connection:
    """A helper that answers one question at a time.

    Whatever goes wrong raises :class:`LostError`; then only :meth:`close` is left to do.
    """

    def __init__(self, command: Sequence[str]) -> None:
        """Start a command that leads to a Python which runs what it is given line by line."""
        self._starting = threading.Lock()
        self._is_asked = True  # and has not answered yet
        with self._starting:
            atexit.register(self._end_if_silent)
            try:
                # In a session of its own: ctrl+c is not for it, and there is no terminal to ask at.
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    bufsize=0,
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                self._is_asked = False
                atexit.unregister(self._end_if_silent)
                raise LostError(f"{command[0]} cannot be run: {error}") from error
        self._stdin, self._stdout, self._stderr = map(
            _not_blocking, (self._process.stdin, self._process.stdout, self._process.stderr)
        )
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._selector.register(self._stderr, selectors.EVENT_READ)
        self._received = bytearray()
        self._errors = b""
        self._errors_left = _MOST_ERRORS
        self._is_ready = False

    @property
    def has_ended(self) -> bool:
        """Whether the command has ended."""
        return self._process.poll() is not None

    def begin(self) -> None:
        """Start the helper there, and wait until it is ready."""
        self._exchange(_helper_program(), self._has_begun, _LOGIN_SILENCE)
        _, is_old, version = self._received.partition(TOO_OLD)
        if is_old:
            named = version.split(b"\n")[0].decode("ascii", "replace")
            raise LostError(f"has Python {named}; 3.8 is needed")
        self._received = self._received.partition(READY)[2]
        self._is_ready = True

    def ask(self, request: bytes) -> Iterator[bytes]:
        """The frames of the answer, without their headers. All of them must be taken."""
        waits_since = time.monotonic()
        for _ in range(_MOST_FRAMES):
            self._exchange(request, lambda: len(self._received) >= HEADER.size, SILENCE)
            length, more = HEADER.unpack_from(self._received)
            if length > LARGEST_FRAME:
                raise LostError("its helper answers nonsense: a frame that is too large")
            end = HEADER.size + length
            self._exchange(b"", lambda: len(self._received) >= end, SILENCE)  # noqa: B023
            packed = bytes(self._received[HEADER.size : end])
            del self._received[:end]
            request = b""
            if packed:
                waits_since = time.monotonic()
                yield packed
            elif time.monotonic() > waits_since + _LONGEST_WAIT:
                raise LostError(f"no answer for {_LONGEST_WAIT:.0f} s")
            if not more:
                return
        raise LostError("its helper answers nonsense: no end of it")

    def close(self) -> None:
        """End the command, and with it the helper."""
        atexit.unregister(self._end_if_silent)
        self._selector.close()
        for pipe in (self._stdin, self._stdout, self._stderr):
            with contextlib.suppress(OSError):
                pipe.close()
        try:
            self._process.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            self._kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_FAREWELL)

    def _kill(self) -> None:
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _end_if_silent(self) -> None:
        """At the end of the program: one that answers sees it, and another one may never do so."""
        has_started = self._starting.acquire(timeout=_FAREWELL)
        if has_started and self._is_asked and self._process.poll() is None:
            self._kill()

    def _has_begun(self) -> bool:
        if len(self._received) > _LONGEST_BANNER:
            raise LostError("says too much before the helper begins")
        _, is_old, version = self._received.partition(TOO_OLD)
        return READY in self._received or (bool(is_old) and b"\n" in version)

    def _exchange(self, outgoing: bytes, is_enough: Callable[[], bool], silence: float) -> None:
        """Send something, and receive until that is enough."""
        rest = memoryview(outgoing)
        self._is_asked = True
        self._errors_left = _MOST_ERRORS
        ends = time.monotonic() + _LONGEST_WAIT
        if rest:
            self._selector.register(self._stdin, selectors.EVENT_WRITE)
        while rest or not is_enough():
            events = self._selector.select(silence)
            if not events or time.monotonic() > ends:
                raise LostError(f"no answer for {silence:.0f} s")
            for key, _ in events:
                if key.fileobj is self._stderr:
                    self._take_errors()
                elif key.fileobj is self._stdout:
                    self._receive()
                else:
                    rest = rest[self._send(rest) :]
                    if not rest:
                        self._selector.unregister(self._stdin)
        self._is_asked = False

    def _send(self, data: memoryview) -> int:
        try:
            return os.write(self._stdin.fileno(), data[:_PIECE])
        except BlockingIOError:
            return 0
        except OSError:  # it has ended, and may have said why
            return len(data)

    def _receive(self) -> None:
        try:
            data = os.read(self._stdout.fileno(), _PIECE)
        except BlockingIOError:
            return
        if not data:
            raise self._ended()
        self._received += data

    def _take_errors(self) -> None:
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._stderr.fileno(), _PIECE)
            self._errors = (self._errors + data)[-_KEPT_ERRORS:]
            self._errors_left -= len(data)
            if self._errors_left < 0:
                raise LostError("says too much on its standard error")
            if not data:
                self._selector.unregister(self._stderr)

    def _ended(self) -> LostError:
        status = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = self._process.wait(_LAST_WORDS)
        with contextlib.suppress(KeyError):
            self._selector.get_key(self._stderr)
            self._take_errors()
        # Some say there why nobody may log in.
        said = self._errors if self._errors or self._is_ready else self._received[-_KEPT_ERRORS:]
        return LostError("the connection has ended", said.decode("utf-8", "replace"), status)


def _not_blocking(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    os.set_blocking(pipe.fileno(), False)
    return pipe


@functools.cache
def _helper_program() -> bytes:
    """What makes a Python that reads line by line the helper, as it runs here."""
    named = [(name, True, "") for name in ("traintop", "traintop.store")]
    for name in MODULES:
        module = importlib.import_module(name)
        named.append((name, hasattr(module, "__path__"), inspect.getsource(module)))
    program = f"sources = {json.dumps(named)!r}\n{_PROGRAM}"
    packed = base64.b64encode(zlib.compress(program.encode(), 9))
    return _BEGINNING.encode().replace(b"PROGRAM", packed)
