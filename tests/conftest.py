"""How hypothesis works here; and no test reads or writes what belongs to the person who runs it."""

from __future__ import annotations

import gc
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from traintop.metrics import choose_directions

# A busy machine is no failure, and the same code gives the same result.
settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", settings.get_profile("steady"), derandomize=False)
settings.load_profile("steady")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-screenshots",
        action="store_true",
        help="keep the screens as they are drawn now as the pictures in tests/tui/screenshots",
    )


@pytest.fixture(scope="session", autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("person")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setenv("TRAINTOP_CONFIG", str(folder / "settings.toml"))
        # Each run asks git twice. Of a fresh clone that takes git as long as all the rest.
        patch.setenv("GIT_DIR", str(folder / "no repository"))
        yield


@pytest.fixture
def asks_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a test with a repository of its own: its runs ask git, as they do elsewhere."""
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)  # of a person who signs, say


@pytest.fixture
def no_state_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    """Where nothing can be kept of runs: the folder that would hold it is a file."""
    folder = tmp_path_factory.mktemp("no_state")
    in_the_way = folder / "traintop" / "annotations"
    in_the_way.parent.mkdir()
    in_the_way.touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return in_the_way


@pytest.fixture(autouse=True)
def _no_note_is_left_behind():
    """What a test keeps for the user alone is news to every catalog of the next one."""
    yield
    notes = Path(os.environ["XDG_STATE_HOME"], "traintop", "annotations")
    if notes.is_dir():
        shutil.rmtree(notes)


@pytest.fixture(autouse=True)
def _garbage_is_collected():
    """A command leaves the garbage collector off, for its process is about to end."""
    yield
    gc.enable()


@pytest.fixture(autouse=True)
def _no_directions_are_left_behind():
    yield
    choose_directions({})  # an app in this process takes over what its person chose


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch):
    """The place of ``ssh://box``; what lies there are the directories of this machine."""
    from tests.places import Box

    from traintop.store import catalog

    files, others = Box(), catalog.files_of
    monkeypatch.setattr(
        catalog, "files_of", lambda *root: files if root[0] == "ssh://box" else others(*root)
    )
    yield files
    files.answers.set()
