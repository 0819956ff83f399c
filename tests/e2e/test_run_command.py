"""`traintop run`, with real commands: they behave as without it, and are recorded."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.runs import OpenedRun
from tests.sidecars import read_console
from tests.waiting import wait_until

from traintop.model import RunStatus, RunSummary
from traintop.store.files.local import LocalFiles
from traintop.store.sidecars import CONSOLE, read_patch

TRAINTOP = (sys.executable, "-m", "traintop")


@pytest.fixture(autouse=True)
def _in_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("TRAINTOP_DIR", "TRAINTOP_LAUNCH", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)


def script(text: str, name: str = "train.py") -> tuple[str, str]:
    """A command that runs a program of these lines."""
    Path(name).write_text(text)
    return sys.executable, name


def launch(*command: str, options: tuple[str, ...] = (), **pipes: Any) -> subprocess.Popen[bytes]:
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **pipes}
    return subprocess.Popen([*TRAINTOP, "run", *options, "--", *command], **given)


def run(*command: str, **options: Any) -> tuple[int, bytes, bytes]:
    """The exit status of a command, and what it printed into two pipes."""
    process = launch(*command, **options)
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


def recorded() -> list[RunSummary]:
    """The runs that were recorded."""
    files = sorted(Path("experiment_logs").glob("experiment_*.json"))
    return [OpenedRun(path).summary() for path in files]


def printed(summary: RunSummary) -> list[str]:
    """What is kept of what the command of a run printed."""
    assert summary.path is not None
    return [*(read_console(summary.path) or ())]


def recorded_files() -> list[str]:
    """All files in the log directory."""
    return sorted(path.name for path in Path("experiment_logs").rglob("*") if path.is_file())


# What is recorded.


def test_printed_losses_are_the_run_of_a_plain_script() -> None:
    lines = "for i in range(0, 50, 10): print(f'iter {i}/100: loss {3 - i / 100:.1f}, time 2ms')"
    status, output, errors = run(*script(lines), options=("--name", "mine"))
    assert (status, output.splitlines()[1]) == (0, b"iter 10/100: loss 2.9, time 2ms")
    [summary] = recorded()
    assert errors.decode() == f"traintop: recorded in {Path(summary.id).resolve()}\n"
    assert (summary.name, summary.status, summary.iteration) == ("mine", RunStatus.FINISHED, 40)
    assert (summary.stats["loss"].last, summary.config["total_steps"]) == (2.6, 100)
    assert summary.environment["command"] == f"{sys.executable} train.py"
    assert summary.environment["exit_code"] == 0
    assert printed(summary)[4] == "iter 40/100: loss 2.6, time 2ms"


def test_a_crash_is_recorded_with_its_last_line() -> None:
    status, output, errors = run(*script("print('begin')\nraise ValueError('no data')"))
    assert (status, output) == (1, b"begin\n")
    assert b"Traceback" in errors
    [summary] = recorded()
    assert summary.status is RunStatus.FAILED
    assert summary.error == "exit code 1; last line: ValueError: no data"
    assert {"begin", "ValueError: no data"} <= {*printed(summary)}


def test_wandb_in_the_script_is_ours_and_the_run_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")  # what it prints stays in order
    program = """
import sys, wandb, wandb.sdk
from importlib.metadata import version
from wandb.errors import CommError
from wandb.integration.sb3 import WandbCallback
print("starting", version("wandb") == wandb.__version__)
WandbCallback(gradient_save_freq=100)
run = wandb.init(project="gpt", config={"lr": 0.1})
for step in range(3):
    wandb.log({"loss": 3 - step})
try:
    raise CommError
except CommError:
    sys.exit(f"{wandb.__name__} {issubclass(CommError, Exception)} {'launch' in str(sys.path)}")
"""
    status, _, errors = run(*script(program))
    assert status == 1
    assert b"traintop.wandb True False\n" in errors
    assert b"WandbCallback of wandb.integration.sb3 is left out" in errors
    [summary] = recorded()
    assert (summary.name, summary.config["lr"], summary.status) == ("gpt", 0.1, RunStatus.FAILED)
    assert (summary.stats["loss"].last, summary.environment["exit_code"]) == (1.0, 1)
    assert printed(summary)[0] == "starting True"
    log = f"{summary.stem}{CONSOLE}"
    assert recorded_files() == sorted([log, f"{summary.stem}.json"])


def test_a_killed_tracker_is_failed_and_not_crashed() -> None:
    program = """
import os, signal
from traintop import ExperimentConfig, ExperimentTracker
tracker = ExperimentTracker(ExperimentConfig("mine"), quiet=True)
tracker.start()
tracker.log_metrics(7, train_loss=2.5)
tracker.save()
os.kill(os.getpid(), signal.SIGKILL)
"""
    status, _, _ = run(*script(program))
    assert status == -signal.SIGKILL
    [summary] = recorded()
    assert (summary.status, summary.error) == (RunStatus.FAILED, "SIGKILL")
    assert (summary.iteration, summary.environment["signal"]) == (7, "SIGKILL")
    assert OpenedRun(Path(summary.id)).history().columns["train_loss"].tolist() == [2.5]


def test_writers_of_tensorboard_are_recorded_and_write_on() -> None:
    package = Path("tensorboardX")
    package.mkdir()
    (package / "__init__.py").write_text("from tensorboardX.writer import SummaryWriter\n")
    (package / "writer.py").write_text(
        """
class SummaryWriter:
    def __init__(self, logdir=None, **options):
        self.file = open("events", "a")
    def add_scalar(self, tag, scalar_value, global_step=None, walltime=None):
        print(tag, scalar_value, global_step, file=self.file)
    def add_scalars(self, main_tag, tag_scalar_dict, global_step=None):
        for tag, value in tag_scalar_dict.items():
            self.add_scalar(f"{main_tag}/{tag}", value, global_step)
    def add_hparams(self, hparams, metrics):
        SummaryWriter().add_scalar("hparam/x", 1)
    def close(self):
        self.file.close()
"""
    )
    program = """
from tensorboardX import SummaryWriter
class Writer(SummaryWriter):
    pass
unused = SummaryWriter()
unused.close()
with_name = Writer("runs/lr_0.1")
with_name.add_hparams({"lr": 0.1}, {"best": 1.5})
with_name.add_scalar("loss", 2.5, 3)
with_name.add_scalars("acc", {"val": 0.5}, global_step=3)
with_name.close()
"""
    status, _, errors = run(*script(program))
    assert status == 0, errors
    assert "loss 2.5 3\nacc/val 0.5 3\n" in Path("events").read_text()
    [summary] = recorded()
    assert (summary.name, summary.config["lr"], summary.iteration) == ("lr_0.1", 0.1, 3)
    assert {"loss", "acc/val"} <= {*summary.stats}


def test_each_run_of_a_sweep_has_the_output_and_the_end() -> None:
    program = """
import traintop
for seed in range(2):
    traintop.init(name=f"seed{seed}", quiet=True)
    traintop.log({"loss": seed})
    print("seed", seed, flush=True)
    traintop.finish()
"""
    assert run(*script(program))[0] == 0
    first, second = recorded()
    assert (first.name, second.name) == ("seed0", "seed1")
    assert printed(first) == printed(second) == ["seed 0", "seed 1", ""]
    assert first.environment["exit_code"] == second.environment["exit_code"] == 0


def test_a_python_without_traintop_is_read_by_what_it_prints() -> None:
    program = """
import sys
print(sys.flags.no_site, "sitecustomize" in sys.modules)
try:
    import wandb
except ImportError as error:
    print(error)
"""
    command = script(program)
    status, output, errors = run(command[0], "-S", command[1])
    assert (status, output) == (0, b"1 False\nNo module named 'wandb'\n"), errors
    [summary] = recorded()
    assert summary.name == "train"


def test_the_users_own_sitecustomize_is_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("site").mkdir()
    Path("site/sitecustomize.py").write_text("print('customized')")
    monkeypatch.setenv("PYTHONPATH", "site")
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")  # what both print stays in order
    program = "import sys, sitecustomize; print(sitecustomize.__file__, sys.path[1])"
    output = run(*script(program))[1].decode().split()
    site = os.path.abspath("site")
    assert output[-3:] == ["customized", f"{site}/sitecustomize.py", site]


@pytest.mark.usefixtures("asks_git")
def test_the_changes_of_the_code_are_kept_unless_unwanted() -> None:
    Path("train.py").write_text("")
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b")
    for arguments in (("init", "-q"), ("add", "."), ("commit", "-qm", "a")):
        subprocess.run([*git, *arguments], check=True)
    Path("train.py").write_text("pass\n")
    assert run("true")[0] == run("true", options=("--no-patch",))[0] == 0
    with_patch, without = (read_patch(LocalFiles(), summary.id) for summary in recorded())
    assert with_patch is not None
    assert with_patch.endswith("+pass\n")
    assert without is None


# How the command behaves.


def test_output_and_errors_stay_apart_and_input_is_read() -> None:
    program = """
import sys
data = sys.stdin.buffer.read()
sys.stdout.buffer.write(bytes(range(256)) + data)
sys.stderr.write(f"{sys.stdin.isatty()} {sys.stdout.isatty()} {sys.stderr.isatty()}")
sys.exit(3)
"""
    process = launch(*script(program), stdin=subprocess.PIPE)
    output, errors = process.communicate(b"given", timeout=60)
    assert (process.returncode, output) == (3, bytes(range(256)) + b"given")
    assert errors.startswith(b"False False False")


def test_one_within_another_leaves_the_recording_to_that() -> None:
    status, output, errors = run(*TRAINTOP, "run", "--name", "inner", "--", *script("print(7)"))
    assert (status, output) == (0, b"7\n")
    assert b"traintop: recorded by the `traintop run` around this one" in errors
    assert [summary.name for summary in recorded()] == ["traintop"]


def test_a_script_without_interpreter_is_run_as_shells_do() -> None:
    Path("train").write_text("echo $1; exit 3")
    Path("train").chmod(0o755)
    status, output, errors = run("./train", "given")
    assert (status, output) == (3, b"given\n"), errors
    assert recorded()[0].environment["exit_code"] == 3


def test_output_and_errors_in_one_pipe_keep_their_order() -> None:
    command = ("sh", "-c", "for i in 1 2 3 4 5 6 7 8; do echo out$i; echo err$i >&2; done")
    _, output, _ = run(*command, stderr=subprocess.STDOUT)
    lines = output.decode().split("\n")[:16]
    assert lines == [f"{word}{i}" for i in range(1, 9) for word in ("out", "err")]


def test_it_ends_with_the_command_whatever_that_leaves_behind() -> None:
    process = launch("sh", "-c", "sleep 300 & echo $!")
    assert process.stdout is not None
    left_behind = int(process.stdout.readline())
    try:
        assert process.wait(60) == 0
        os.kill(left_behind, 0)
        [summary] = recorded()
        assert summary.status is RunStatus.FINISHED
    finally:
        os.kill(left_behind, signal.SIGKILL)
        process.communicate()


def test_who_reads_no_more_ends_the_command_as_usual() -> None:
    process = launch("sh", "-c", "while echo line; do :; done; exit 5", stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    assert process.stdout.readline() == b"line\n"
    process.stdout.close()
    assert process.wait(60) in (-signal.SIGPIPE, 5)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device")
def test_output_that_a_full_disk_refuses_is_told() -> None:
    with open("/dev/full", "wb") as full:
        process = launch(*script("print('kept')"), stdout=full)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"some of the output is lost but for its record: No space left on device" in errors
    assert printed(recorded()[0])[0] == "kept"


def test_a_signal_is_passed_on_and_may_be_ignored() -> None:
    program = """
import signal, sys
def handle(number, frame):
    print("got", signal.Signals(number).name, flush=True)
    if number == signal.SIGINT:
        sys.exit(7)
for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
    signal.signal(number, handle)
print("ready", flush=True)
while True:
    signal.pause()
"""
    process = launch(*script(program))
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT):
        process.send_signal(number)
        assert process.stdout.readline() == b"got %s\n" % number.name.encode()
    process.communicate(timeout=60)
    assert process.returncode == 7


def test_a_command_that_a_signal_ends_is_interrupted() -> None:
    process = launch("sh", "-c", "echo ready; exec sleep 300")
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM
    [summary] = recorded()
    assert (summary.status, summary.error) == (RunStatus.INTERRUPTED, "SIGTERM")


# In a terminal.


class Terminal:
    """A terminal of our own, and what is seen in it, byte for byte."""

    def __init__(self, *command: str) -> None:
        self.seen = b""
        self._screen, slave = os.openpty()
        self.resize(100, 30)

        def take_terminal() -> None:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            # What the tests run in may ignore these, as a shell's background does.
            for number in (signal.SIGINT, signal.SIGQUIT):
                signal.signal(number, signal.SIG_DFL)

        self.process = subprocess.Popen(
            [*TRAINTOP, "run", "--", *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            preexec_fn=take_terminal,
        )
        os.close(slave)

    def resize(self, columns: int, lines: int) -> None:
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self._screen, termios.TIOCSWINSZ, size)

    def type(self, keys: bytes) -> None:
        os.write(self._screen, keys)

    def wait_for(self, text: bytes) -> None:
        while text not in self.seen:
            self.seen += os.read(self._screen, 65536)

    def status(self) -> int:
        """That of the program, once it has ended and all is read."""
        try:
            while data := os.read(self._screen, 65536):
                self.seen += data
        except OSError:
            pass
        return self.process.wait(60)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._screen)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


def test_a_terminal_stays_one_and_bytes_pass_unchanged(terminals: list[Terminal]) -> None:
    program = """
import os, sys
sizes = [tuple(os.get_terminal_size(stream)) for stream in (0, 1, 2)]
print([stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)], {*sizes})
for done in range(5):
    sys.stderr.write(f"\\r {done}/4 \\x1b[32mloss\\x1b[0m")
    sys.stderr.flush()
    if done == 1:
        print(input("? "))
sys.stderr.write("\\n")
"""
    terminal = Terminal(*script(program))
    terminals.append(terminal)
    terminal.wait_for(b"? ")
    terminal.type(b"yes\n")
    assert terminal.status() == 0
    bars = [b"\r %d/4 \x1b[32mloss\x1b[0m" % done for done in range(5)]
    begin = b"[True, True, True] {(100, 30)}\r\n" + bars[0] + bars[1] + b"? yes\r\nyes\r\n"
    assert terminal.seen.startswith(begin + b"".join(bars[2:]) + b"\r\n")
    [summary] = recorded()
    first = "[True, True, True] {(100, 30)}"
    assert printed(summary) == [first, " 1/4 loss? yes", " 4/4 loss", ""]


def test_ctrl_c_reaches_the_command_once(terminals: list[Terminal]) -> None:
    program = """
import signal, time
count = []
signal.signal(signal.SIGINT, lambda *_: count.append(1))
print("ready", flush=True)
while not count:
    time.sleep(0.01)
time.sleep(0.3)
print("count", len(count), flush=True)
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.raise_signal(signal.SIGINT)
"""
    terminal = Terminal(*script(program))
    terminals.append(terminal)
    terminal.wait_for(b"ready")
    terminal.type(b"\x03")
    assert terminal.status() == -signal.SIGINT
    assert b"count 1\r\n" in terminal.seen
    [summary] = recorded()
    assert (summary.status, summary.error) == (RunStatus.INTERRUPTED, "SIGINT")


def test_the_command_knows_when_the_window_changes(terminals: list[Terminal]) -> None:
    program = """
import os, signal
signal.signal(signal.SIGWINCH, lambda *_: print(os.get_terminal_size(1).columns, flush=True))
print("ready", flush=True)
while True:
    signal.pause()
"""
    terminal = Terminal(*script(program))
    terminals.append(terminal)
    terminal.wait_for(b"ready")
    terminal.resize(77, 20)
    terminal.wait_for(b"77\r\n")
    terminal.type(b"\x1c")  # ctrl+\
    assert terminal.status() == -signal.SIGQUIT


def test_the_run_is_there_while_the_command_runs(terminals: list[Terminal]) -> None:
    terminal = Terminal("sh", "-c", "printf 'loading 1 %%'; read answer; echo $answer")
    terminals.append(terminal)
    terminal.wait_for(b"loading")
    wait_until(lambda: any(name.endswith(CONSOLE) for name in recorded_files()))
    [summary] = recorded()
    assert summary.status is RunStatus.RUNNING
    wait_until(lambda: printed(summary) == ["loading 1 %"])
    terminal.type(b"go\n")
    assert terminal.status() == 0
