"""No test reads or writes what belongs to the person who runs it."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("person")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        patch.setenv("TRAINTOP_CONFIG", str(folder / "settings.toml"))
        yield
