"""Notes, tags and what a command printed, of runs that lie elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.elsewhere import PLACE, Elsewhere
from tests.runs import records, write_run
from tests.sidecars import annotations_file, read_annotations

from traintop.model import Annotations
from traintop.store.annotations import AnnotationChange
from traintop.store.files import AwayError
from traintop.store.place_catalog import PlaceCatalog
from traintop.store.sidecars import CONSOLE, PATCH, sidecar_of


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "experiment_a_20250222_140530.json", records(3))


@pytest.fixture
def files() -> Elsewhere:
    return Elsewhere()


@pytest.fixture
def catalog(run: Path, files: Elsewhere) -> PlaceCatalog:
    catalog = PlaceCatalog(files, PLACE, [str(run.parent)])
    catalog.refresh()
    return catalog


def address(run: Path) -> str:
    return f"{PLACE}{run}"


def listed(catalog: PlaceCatalog) -> Annotations:
    [run] = catalog.refresh().runs
    return run.annotations


def is_away() -> None:
    raise AwayError("no route to host")


def test_a_note_goes_to_where_the_run_is(run: Path, catalog: PlaceCatalog) -> None:
    saved = catalog.annotate(address(run), AnnotationChange(note="mine"))
    assert saved.where == "on elsewhere"
    assert read_annotations(run) == saved.annotations == listed(catalog)
    assert saved.annotations.note == "mine"
    catalog.annotate(address(run), AnnotationChange(note=""))
    assert not annotations_file(run).exists()
    assert listed(catalog) == Annotations()


def test_a_change_does_not_undo_the_one_before_it(run: Path, catalog: PlaceCatalog) -> None:
    """Even where what was read of the place is older than what was written to it."""
    catalog.annotate(address(run), AnnotationChange(note="first"))
    assert listed(catalog).note == "first"  # which is kept until the next look
    catalog.annotate(address(run), AnnotationChange(note="second"))
    catalog.annotate(address(run), AnnotationChange(added_tags=("paper",)))
    found = listed(catalog)
    assert (found.note, found.tags) == ("second", ("paper",))


def test_what_others_say_there_is_kept(run: Path, catalog: PlaceCatalog) -> None:
    annotations_file(run).parent.mkdir()
    annotations_file(run).write_text(json.dumps({"note": "theirs"}))
    catalog.annotate(address(run), AnnotationChange(added_tags=("paper",)))
    assert read_annotations(run).note == "theirs"


def test_a_note_on_what_is_away_is_kept_here(
    run: Path, catalog: PlaceCatalog, files: Elsewhere
) -> None:
    files.before_each = is_away
    saved = catalog.annotate(address(run), AnnotationChange(note="mine"))
    assert saved.where == ("for you alone, on this machine: elsewhere is away: no route to host")
    files.before_each = int
    assert listed(catalog) == saved.annotations
    assert not annotations_file(run).exists()  # nobody is told of it without being asked
    saved = catalog.annotate(address(run), AnnotationChange(added_tags=("paper",)))
    assert saved.where == "on elsewhere"
    assert read_annotations(run).note == "mine"


def test_what_may_not_be_written_there_is_kept_here(run: Path, catalog: PlaceCatalog) -> None:
    (run.parent / ".traintop").touch()
    saved = catalog.annotate(address(run), AnnotationChange(archived=True))
    reason = f"elsewhere: {run.parent}/.traintop: cannot be written: not a directory"
    assert saved.where == f"for you alone, on this machine: {reason}"
    assert listed(catalog).archived


def test_what_is_kept_here_is_not_of_a_run_elsewhere(run: Path, catalog: PlaceCatalog) -> None:
    """A path is the same on many machines."""
    (run.parent / ".traintop").touch()
    catalog.annotate(address(run), AnnotationChange(archived=True))
    [other] = PlaceCatalog(Elsewhere(), "ssh://other", [str(run.parent)]).refresh().runs
    assert other.annotations == Annotations()


def test_what_a_command_prints_there_is_followed(
    run: Path, catalog: PlaceCatalog, files: Elsewhere
) -> None:
    reader = catalog.console(address(run))
    assert not reader.follow()
    assert reader.lines is None
    log = sidecar_of(run, CONSOLE)
    log.parent.mkdir()
    log.write_text("line\n" * 100_000 + "goes")
    assert reader.follow()
    before = files.fetched
    with log.open("a") as file:
        file.write(" on\nlast")
    assert reader.follow()
    assert files.fetched - before < 100
    assert reader.lines is not None
    assert reader.lines[-3:] == ("line", "goes on", "last")
    files.trips = 0
    assert not reader.follow()
    assert files.trips == 1


def test_changes_of_the_code_are_known_there(run: Path, catalog: PlaceCatalog) -> None:
    assert catalog.patch(address(run)) is None
    path = sidecar_of(run, PATCH)
    path.parent.mkdir()
    path.write_text("diff --git a b")
    assert catalog.patch(address(run)) == "diff --git a b"
