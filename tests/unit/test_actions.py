"""What rules do: a command or a signal, for the right process only, once, and never for ever."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.faults import training_processes
from tests.runs import NOW, make_run, write_run
from tests.waiting import wait_until

from traintop.actions import Actions, child_process
from traintop.actions.claims import Claims
from traintop.analysis.alerts import Alert
from traintop.analysis.events import event_of
from traintop.analysis.rules import RuleWatch
from traintop.model import RunSummary
from traintop.process import current_process
from traintop.rule import Rule

HOSTILE = "$(touch pwned) `touch pwned` ; touch pwned \x1b]0;x\x07 'quoted\" \x00"
WHEN = "train_loss > 3"

Act = Callable[..., list[str]]


@pytest.fixture
def act(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Act:
    """Lets a rule of these actions be raised for a run, waits, and returns what went wrong."""
    monkeypatch.chdir(tmp_path)

    def do(run: RunSummary, *wanted: str, claims: Claims | None = None, **more: Any) -> list[str]:
        said: list[str] = []
        rule = Rule(WHEN, do=wanted)
        actions = Actions(said.append, claims=claims or Claims(tmp_path / "claims"), **more)
        event = event_of(Alert(WHEN, run.id, run.title, HOSTILE, NOW), run)
        actions.respond([event], RuleWatch(rules=[rule]))
        actions.finish()
        return said

    return do


def test_a_command_gets_the_event_and_no_shell_reads_it(act: Act, tmp_path: Path) -> None:
    script = tmp_path / "save.py"
    script.write_text(
        "import json, os, sys\n"
        "event = json.load(sys.stdin)\n"
        "env = {k: v for k, v in os.environ.items() if k.startswith('TRAINTOP_')}\n"
        "json.dump([event, env, sys.argv[1:]], open('got.json', 'w'))\n"
    )
    run = make_run(HOSTILE, id="/nowhere/$(touch pwned).json")
    assert act(run, f"exec: {sys.executable} save.py 'a b' $HOME *") == []
    event, env, arguments = json.loads((tmp_path / "got.json").read_text())
    assert arguments == ["a b", "$HOME", "*"]
    assert (event["version"], event["event"], event["alert"]) == (1, "alert", WHEN)
    assert (event["run"], event["text"], event["iteration"]) == (HOSTILE, HOSTILE, 41)
    assert env["TRAINTOP_RUN"].startswith("$(touch pwned)")
    assert env["TRAINTOP_ALERT"] == WHEN
    assert env["TRAINTOP_ITERATION"] == "41"
    assert all(value.isprintable() for name, value in env.items() if name != "TRAINTOP_CONFIG")
    assert not (tmp_path / "pwned").exists()


def test_a_command_that_hangs_is_ended_with_its_children(
    act: Act, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_process, "TIMEOUT", 1.0)
    monkeypatch.setattr(child_process, "_GRACE", 0.2)
    script = tmp_path / "hang.sh"
    script.write_text("trap '' TERM\nsleep 1000 & echo $! > child\necho $$ > self\nwait; wait\n")
    (problem,) = act(make_run("a"), "exec: sh hang.sh")
    assert "did not end within 1 s" in problem
    for name in ("child", "self"):
        pid = int((tmp_path / name).read_text())
        wait_until(lambda pid=pid: not is_running(pid))


def test_what_a_command_says_when_it_fails_is_told_once(act: Act) -> None:
    failing = "exec: sh -c 'echo no such job >&2; exit 3'"
    assert act(make_run("a"), failing, failing) == [
        "a: exec sh -c echo no such job >&2; exit 3: exit status 3: no such job"
    ]
    (problem,) = act(make_run("b"), "exec: ./missing.sh")
    assert problem == "b: exec ./missing.sh: No such file or directory"


def test_a_command_that_says_very_much_fills_no_disk(
    act: Act, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_process, "TIMEOUT", 20.0)
    (tmp_path / "loud.py").write_text(
        "import os, sys, time\n"
        "os.write(2, b'x' * 2**22)\n"
        "while os.fstat(2).st_size > 2**20:\n"
        "    time.sleep(0.01)\n"
        "sys.exit('it was too long')\n"
    )
    (problem,) = act(make_run("a"), f"exec: {sys.executable} loud.py")
    assert problem.endswith("exit status 1: it was too long")


def test_a_rule_acts_once_whoever_watches_until_it_is_over(act: Act, tmp_path: Path) -> None:
    count = "exec: sh -c 'echo x >> count'"
    run, folder = make_run("a"), tmp_path / "claims"
    for _ in range(3):  # as the UI is closed and opened again
        act(run, count)
    assert (tmp_path / "count").read_text() == "x\n"
    Claims(folder).release(lambda when, address: (when, address) == (WHEN, run.id))
    act(run, count)
    assert (tmp_path / "count").read_text() == "x\nx\n"
    act(make_run("b"), count)
    assert (tmp_path / "count").read_text() == "x\n" * 3


def test_without_a_state_folder_a_rule_acts_once_in_a_process(act: Act, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    claims = Claims(tmp_path / "file" / "claims")
    for _ in range(2):
        act(make_run("a"), "exec: sh -c 'echo x >> count'", claims=claims)
    assert (tmp_path / "count").read_text() == "x\n"


def test_a_signal_reaches_the_process_of_the_run(act: Act, tmp_path: Path) -> None:
    code = "signal.signal(signal.SIGUSR1, lambda *_: tracker.finish())\n"
    process = training_processes.start(code + training_processes.TRAINS, tmp_path)
    training_processes.next_line(process)
    run = summary_in(tmp_path)
    try:
        assert act(run, "signal: SIGUSR1") == []
        wait_until(lambda: summary_in(tmp_path).status == "finished")
    finally:
        process.kill()
        process.communicate()
    assert "has ended" in act(replace(run, name="late"), "signal: SIGTERM")[0]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"pid_started": "1"}, "has ended"),
        ({"host": "elsewhere"}, "not known"),
        ({"pid": -1}, "not known"),
        ({"pid": None}, "not known"),
        ({"pid": 1}, "has ended"),
    ],
)
def test_no_other_process_gets_a_signal(
    act: Act, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    path = write_run(tmp_path / "experiment_a.json")
    run = make_run("a", id=str(path), environment={**current_process(), **changes})
    (problem,) = act(run, "signal: SIGTERM")
    assert reason in problem


def test_a_file_of_somebody_else_names_no_process_of_mine(
    act: Act, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_run(tmp_path / "experiment_a.json")
    run = make_run("a", id=str(path), environment=current_process())
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    (problem,) = act(run, "signal: SIGTERM")
    assert "the file of the run belongs to another user" in problem


@pytest.mark.filterwarnings("ignore:.*imghdr:DeprecationWarning")  # of Apprise
def test_a_notice_reaches_each_url(act: Act) -> None:
    received: list[dict[str, Any]] = []

    class Server(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"json://127.0.0.1:{server.server_port}"
        assert act(make_run("a"), "notify", notify_urls=[url]) == []
        (problem,) = act(make_run("b"), "notify", notify_urls=[url, "nonsense-secret"])
        server.shutdown()
    titles = [notice["title"] for notice in received]
    assert titles == [f"traintop: a: {WHEN}", f"traintop: b: {WHEN}"]
    assert received[0]["message"].isprintable()
    assert "does not know notify_urls number 2" in problem
    assert "secret" not in problem


def test_without_apprise_a_notice_says_what_to_install(
    act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    (problem,) = act(make_run("a"), "notify", notify_urls=["ntfy://secret"])
    assert "pip install 'traintop[notify]'" in problem
    assert "secret" not in problem


def summary_in(directory: Path) -> RunSummary:
    from traintop.store.catalog import RunCatalog

    return RunCatalog([directory]).refresh().runs[0]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state != "Z"
