"""Hosts that fail while runs are written on them; ``hosts.py`` has the ten minutes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hosts import play
from tests.sshd import MISSING


@pytest.mark.skipif(MISSING, reason="needs an SSH server: install openssh-server")
@pytest.mark.timeout(360)
def test_hosts_that_fail_lose_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINTOP_SSH", "")
    hosts, seen = play(tmp_path, 30.0, seed=1)
    assert sum(hosts.harms.values()) > 5
    assert seen.aways
    assert seen.followed > 20
