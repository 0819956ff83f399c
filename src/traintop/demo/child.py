"""One training run in a child process, which ends on SIGTERM and when its parent is gone.

The child reads its settings as one line of JSON from standard input and then waits there for the
end of the file: the system closes the pipe when the parent process is gone, even after
``kill -9``. Either way the tracker records the run as ``interrupted``.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from traintop import ExperimentConfig

_SECONDS_TO_STOP = 10.0
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
_NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}  # which would idle beside models that train on the CPU


class TrainingProcess:
    """A child process that trains one run into ``log_dir``."""

    def __init__(self, config: ExperimentConfig, log_dir: Path) -> None:
        self.name: str = config.experiment_name
        # A file: a full pipe would block the child.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (result() closes it)
        self._process = subprocess.Popen(
            # -P: a module in the user's working directory must not take another's place.
            [sys.executable, "-P", "-m", "traintop.demo.child", str(log_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            # Several single-threaded runs share the cores better than multi-threaded ones.
            env={**os.environ, **_ONE_THREAD, **_NO_GPU},
            # Ctrl-C in the terminal is for the parent, which then stops the children.
            start_new_session=True,
            bufsize=0,
        )
        self.pid = self._process.pid
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it failed at once; result() says why
            self._process.stdin.write(json.dumps(config.to_dict()).encode() + b"\n")

    def terminate(self) -> None:
        """Ask the run to end: it is recorded as interrupted. Does not wait."""
        self._process.terminate()

    def stop(self) -> None:
        """End the run and wait until it has saved its log."""
        self.terminate()
        try:
            self._process.wait(_SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def result(self) -> str | None:
        """Wait for the end; returns why the run failed, if it did. To be called once.

        Having been stopped is no failure.
        """
        with self._process as process, self._errors as errors:
            status = process.wait()
            if status in (0, -signal.SIGTERM):
                return None
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines()
        return f"{self.name}: " + (lines[-1] if lines else f"exit status {status}")


def main() -> None:
    """Train the run that the parent describes on standard input."""
    config = ExperimentConfig.from_settings(json.loads(sys.stdin.readline()))
    threading.Thread(target=_stop_without_parent, daemon=True).start()

    from traintop.demo.training import train  # numpy, which the parent does not need

    train(config, Path(sys.argv[1]))


def _stop_without_parent() -> None:
    # Not sys.stdin: a daemon thread in its buffer's lock would abort the interpreter's exit.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
