"""Runs of another host, by a real ssh and a real sshd on this machine."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from tests.runs import new_tracker, rows_of
from tests.sshd import MISSING, Sshd
from tests.unit.catalog_runs import names, only, run_at
from tests.waiting import wait_until

from traintop.model import RunStatus
from traintop.store.catalog import RunCatalog
from traintop.store.files import AwayError
from traintop.store.files.places import files_of

pytestmark = pytest.mark.skipif(MISSING, reason="needs an SSH server: install openssh-server")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    made = Sshd(tmp_path / "host", "gpu07")
    monkeypatch.setenv("TRAINTOP_SSH", f"ssh -F {made.config}")
    made.start()
    yield made
    made.kill()


def helpers(host: Sshd) -> list[psutil.Process]:
    return [process for process in host.processes() if "-Iiq" in process.cmdline()]


def test_a_live_run_of_a_host(
    tmp_path: Path, host: Sshd, capfd: pytest.CaptureFixture[str]
) -> None:
    tracker = new_tracker(tmp_path / "runs", "live")
    tracker.start()
    catalog = RunCatalog([f"ssh://gpu07{tmp_path}/runs"])
    run = only(catalog.refresh())
    assert run.id.startswith(f"ssh://gpu07{tmp_path}/runs/")
    reader = catalog.reader(run.id)

    def losses() -> list[object]:
        catalog.refresh()
        reader.follow()
        return [row["train_loss"] for row in rows_of(reader.history())]

    for step in range(30):
        tracker.log_metrics(step, float(step))
    wait_until(lambda: losses() == [float(step) for step in range(30)])
    tracker.finish()
    assert only(catalog.refresh()).status is RunStatus.FINISHED
    assert len(helpers(host)) == 1
    catalog.places[0].files.close()
    wait_until(lambda: not helpers(host))
    assert capfd.readouterr() == ("", "")


def test_a_host_that_was_away_comes_back(tmp_path: Path, host: Sshd) -> None:
    run_at(tmp_path / "runs", "first")
    catalog = RunCatalog([f"ssh://gpu07{tmp_path}/runs"])
    before = catalog.refresh()
    host.kill()
    run_at(tmp_path / "runs", "second")
    for _ in range(2):
        away = catalog.refresh()
        assert away.runs == before.runs
    assert "connection refused" in str(away.places[0])
    host.start()
    assert sorted(names(catalog.refresh())) == ["first", "second"]


def test_a_host_that_hangs_is_away(
    tmp_path: Path, host: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_at(tmp_path / "runs", "first")
    catalog = RunCatalog([f"ssh://gpu07{tmp_path}/runs"])
    catalog.refresh()
    monkeypatch.setattr("traintop.store.files.connection.SILENCE", 1.0)
    host.send(signal.SIGSTOP)
    assert "no answer" in str(catalog.refresh().places[0])
    host.kill()
    host.start()
    run_at(tmp_path / "runs", "second")
    assert sorted(names(catalog.refresh())) == ["first", "second"]


def _unauthorized(host: Sshd) -> None:
    host.authorized.write_text("")


def _unknown(host: Sshd) -> None:
    host.configure("StrictHostKeyChecking yes")


def _changed(host: Sshd) -> None:
    files_of("ssh://gpu07").walk(["/nowhere"], ("*",))
    host.kill()
    host.make_host_key()
    host.start()


def _without_python(host: Sshd) -> None:
    with open(host.folder / "sshd_config", "a") as config:
        config.write("SetEnv PATH=/nowhere\n")
    host.kill()
    host.start()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_unauthorized, "wants a password: run `ssh-copy-id gpu07`"),
        (_unknown, "its host key is not known: run `ssh gpu07` once"),
        (_changed, "its host key has changed: see `ssh gpu07`"),
        (_without_python, "has no python3"),
        (Sshd.kill, "connection refused"),
        (lambda host: host.configure("HostName no-such-host.invalid"), "no such host name"),
    ],
)
def test_why_a_host_cannot_be_read(
    host: Sshd, harm: Callable[[Sshd], None], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    harm(host)
    with pytest.raises(AwayError, match=words):
        files_of("ssh://gpu07").walk(["/nowhere"], ("*",))
    assert capfd.readouterr() == ("", "")


def test_a_host_is_no_option(tmp_path: Path, host: Sshd) -> None:
    made = tmp_path / "made"
    with pytest.raises(AwayError):
        files_of(f"ssh://-oProxyCommand=touch${{IFS}}{made.name}").walk(["/"], ("*",))
    assert not made.exists()
    for address in ("ssh://", "ssh://a b", "ssh://me@", "ssh://gpu07:port"):
        with pytest.raises(ValueError, match="an address is ssh://"):
            files_of(address)


def test_a_connection_of_the_user_serves(tmp_path: Path, host: Sshd) -> None:
    """As where logging in takes a second factor."""
    run_at(tmp_path / "runs", "one")
    host.configure(f"ControlPath {tmp_path}/s")
    master = ["ssh", "-F", str(host.config), "-MN", host.alias]
    with subprocess.Popen(master, stdin=subprocess.DEVNULL) as process:
        wait_until((tmp_path / "s").exists)
        host.authorized.write_text("")
        assert names(RunCatalog([f"ssh://gpu07{tmp_path}/runs"]).refresh()) == ["one"]
        process.terminate()
