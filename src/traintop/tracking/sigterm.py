"""SIGTERM, which schedulers send before they preempt a job: it is recorded, then ends the process.

By default it would end the process at once and leave a run that looks crashed. So where the script
leaves it to its default, a handler passes it on to a thread, which has the runs ended and then
the process die from it. The handler does no more, for the code it interrupts may hold any lock.
And since Python runs handlers only between two steps of the main thread, which may hang outside
of Python forever, the thread is also woken through :func:`signal.set_wakeup_fd`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

_GRACE_SECONDS = 5.0  # schedulers send SIGKILL 10 s later or more

_pipe: tuple[int, int] | None = None  # its ends: what the thread reads, what signals write
_unblocked = threading.local()


def record_sigterm(end_runs: Callable[[float], None]) -> None:
    """Have runs ended, within a few seconds, before a SIGTERM ends the process.

    Does nothing outside of the main thread, or when the script handles or ignores the signal. A
    handler that the script installs later takes the place of ours. Raises ``OSError`` or
    ``RuntimeError`` where the system has no descriptor or no thread left.
    """
    global _pipe
    in_main_thread = threading.current_thread() is threading.main_thread()
    if os.name != "posix" or not in_main_thread:
        return
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return
    if _pipe is None:
        _pipe = _pipe_to_thread(end_runs)
    _swap_wakeup(-1, _pipe[1])
    signal.signal(signal.SIGTERM, _forward)


def _pipe_to_thread(end_runs: Callable[[float], None]) -> tuple[int, int]:
    pipe = os.pipe()
    os.set_blocking(pipe[1], False)
    thread = threading.Thread(
        target=_end_on_sigterm, args=(pipe[0], end_runs), name="traintop-sigterm", daemon=True
    )
    try:
        thread.start()
    except BaseException:
        for descriptor in pipe:
            os.close(descriptor)
        raise
    return pipe


def _forward(number: int, frame: FrameType | None) -> None:
    if _pipe is not None:
        with contextlib.suppress(BlockingIOError):  # full: the thread has enough to read
            os.write(_pipe[1], bytes([number]))


def _is_ours() -> bool:
    """Whether no handler of the script replaced ours; a handler that calls ours did."""
    return signal.getsignal(signal.SIGTERM) is _forward


def _swap_wakeup(old: int, new: int) -> None:
    """Change the descriptor that signals are written to, unless the script has set its own."""
    found = signal.set_wakeup_fd(new, warn_on_full_buffer=False)
    if found != old:
        signal.set_wakeup_fd(found)


def _end_on_sigterm(signals: int, end_runs: Callable[[float], None]) -> None:
    while True:
        if signal.SIGTERM in os.read(signals, 256) and _is_ours():
            try:
                end_runs(_GRACE_SECONDS)
            finally:
                _die_from(signal.SIGTERM)


def _die_from(number: int) -> NoReturn:
    import ctypes

    try:
        ctypes.CDLL(None).signal(number, None)  # Python's own is for the main thread only
        signal.raise_signal(number)
    finally:
        os._exit(128 + number)  # what a shell would report


# A forked child must die from a SIGTERM as usual, and not wake its parent's thread. The signal is
# blocked until the child has removed the handler; otherwise Python would lose it.


def _block_sigterm() -> None:
    if _pipe is not None and _is_ours():
        _unblocked.mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _unblock_sigterm() -> None:
    mask = _unblocked.__dict__.pop("mask", None)
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _reset_in_child() -> None:
    global _pipe
    if _pipe is not None:
        _swap_wakeup(_pipe[1], -1)
        if _is_ours():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for descriptor in _pipe:
            os.close(descriptor)
        _pipe = None
    _unblock_sigterm()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_block_sigterm, after_in_parent=_unblock_sigterm, after_in_child=_reset_in_child
    )
