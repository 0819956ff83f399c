"""Notes, tags and the archive from the keyboard, over a real directory."""

from __future__ import annotations

from threading import Event

import pytest
from tests.runs import DIRECTORY, make_run, make_runs
from tests.sidecars import annotate, read_annotations
from tests.waiting import settle
from tui_runs import listed_names, screen_text, toasts, watching

from traintop.model import Annotations
from traintop.store.annotations import AnnotationChange, AnnotationFiles, Saved
from traintop.store.files.local import LocalFiles
from traintop.tui.annotate import writer as annotation_writer
from traintop.tui.annotate.actions import (
    common_note,
    common_tags,
    runs_to_annotate,
    subject,
    tags_change,
)
from traintop.tui.annotate.writer import AnnotationWriter
from traintop.tui.kit.entry import EntryScreen, TextEntry
from traintop.tui.messages import AnnotationRequested
from traintop.tui.rows import RunRows
from traintop.tui.view import ViewState


def notices(app):
    return " ".join(toast.message for toast in toasts(app))


async def write_in(app, pilot, key, text):
    """Open a dialog, put the text into it, and confirm."""
    await pilot.press(key)
    await settle(pilot, lambda: isinstance(app.screen, EntryScreen) and app.focused is not None)
    app.screen.query_one(TextEntry).value = text
    await pilot.press("enter")


async def test_a_note_is_written_beside_the_run_and_shown(tmp_path):
    async with watching(tmp_path) as (app, pilot, paths):
        await write_in(app, pilot, "n", "warmup was too short")
        await settle(pilot, lambda: read_annotations(paths[0]).note == "warmup was too short")
        await settle(pilot, lambda: "warmup was too short" in screen_text(app))
        await pilot.press("n")
        await settle(pilot, lambda: isinstance(app.screen, EntryScreen))
        assert app.screen.query_one(TextEntry).value == "warmup was too short"
        assert "note for run-0" in screen_text(app)
        await pilot.press("x", "escape")
        assert app.screen is app.main_screen
        assert read_annotations(paths[0]).note == "warmup was too short"


async def test_tags_go_to_all_marked_runs_and_leave_their_own(tmp_path):
    async with watching(tmp_path) as (app, pilot, paths):
        annotate(paths[1], AnnotationChange(added_tags=("mine",)))
        await settle(pilot, lambda: app.main_screen.rows.run(str(paths[1])).annotations.tags)
        await pilot.press("space", "j", "space", "t")
        await settle(pilot, lambda: "tags of 2 marked runs" in screen_text(app))
        await pilot.press(*"paper", "space", *"v2", "enter")
        await settle(pilot, lambda: read_annotations(paths[0]).tags == ("paper", "v2"))
        await settle(pilot, lambda: read_annotations(paths[1]).tags == ("mine", "paper", "v2"))
        await settle(pilot, lambda: "Saved the tags of 2 runs" in notices(app))
        await settle(pilot, lambda: "#paper" in screen_text(app))


async def test_archived_runs_leave_the_list_until_they_are_asked_for(tmp_path):
    async with watching(tmp_path) as (app, pilot, paths):
        await pilot.press("j", "a")
        await settle(pilot, lambda: listed_names(app) == ["run-0", "run-2"])
        assert "2 of 3 runs  1 archived" in screen_text(app)
        await pilot.press("A")
        assert listed_names(app) == ["run-0", "run-1", "run-2"]
        row = next(line for line in screen_text(app).splitlines() if "run-1" in line)
        assert row[2] == "a"
        await pilot.press("g", "j", "a")
        await settle(pilot, lambda: not read_annotations(paths[1]).archived)
        await pilot.press("A")
        await settle(pilot, lambda: listed_names(app) == ["run-0", "run-1", "run-2"])


async def test_with_all_runs_archived_the_list_says_how_to_see_them(tmp_path):
    async with watching(tmp_path, runs=1) as (app, pilot, _):
        await pilot.press("a")
        await settle(pilot, lambda: "All runs are archived." in screen_text(app))
        assert "A shows the 1 archived run." in screen_text(app)


async def test_what_is_saved_for_oneself_alone_says_so(tmp_path):
    async with watching(tmp_path) as (app, pilot, _):
        (tmp_path / ".traintop").write_text("a file where a folder should be")
        await pilot.press("space", "j", "space", "a")
        await settle(pilot, lambda: "for you alone, on this machine" in notices(app))
        assert notices(app).count(str(tmp_path / ".traintop")) == 1
        await settle(pilot, lambda: len(app.main_screen.rows.runs) == 1)


async def test_a_failed_archiving_names_path_and_reason(tmp_path, no_state_folder):
    async with watching(tmp_path) as (app, pilot, _):
        (tmp_path / ".traintop").write_text("a file where a folder should be")
        await pilot.press("space", "j", "space", "a")
        await settle(pilot, lambda: "Not saved, " in notices(app))
        assert notices(app).count(str(no_state_folder)) == 1
        await pilot.press("k")
        assert app.is_running


@pytest.mark.parametrize(("key", "typed"), [("n", "a precious thought"), ("t", "paper v2")])
async def test_text_that_cannot_be_saved_is_asked_for_again(tmp_path, no_state_folder, key, typed):
    in_the_way = tmp_path / ".traintop"
    async with watching(tmp_path) as (app, pilot, paths):
        await pilot.press(key)
        await settle(pilot, lambda: app.focused is not None)
        app.screen.query_one(TextEntry).value = typed
        in_the_way.touch()
        await pilot.press("enter")
        await settle(pilot, lambda: "Not saved, " in screen_text(app))
        assert app.screen.query_one(TextEntry).value == typed
        await pilot.press("enter")  # in vain
        await settle(pilot, lambda: app.screen.query_one(TextEntry).value == typed)
        await settle(pilot, lambda: "Not saved, " in screen_text(app))
        in_the_way.unlink()
        await pilot.press("!", "enter")
        await settle(pilot, lambda: app.screen is app.main_screen)
        await settle(pilot, lambda: read_annotations(paths[0]) != Annotations())
        kept = read_annotations(paths[0])
        assert " ".join((kept.note, *kept.tags)).strip() == f"{typed}!"


async def test_unchanged_text_writes_nothing(tmp_path):
    async with watching(tmp_path) as (app, pilot, _):
        await write_in(app, pilot, "n", "")
        await write_in(app, pilot, "t", " , ")
        await pilot.pause()
        assert not (tmp_path / ".traintop").exists()


async def test_an_annotation_of_another_kind_is_left_alone(tmp_path):
    async with watching(tmp_path) as (app, pilot, paths):
        sidecar = tmp_path / ".traintop" / paths[0].name
        sidecar.parent.mkdir()
        sidecar.write_text('{"note": "written by hand", }')
        await write_in(app, pilot, "t", "paper")
        await settle(pilot, lambda: "holds something other" in notices(app))
        assert "by hand" in sidecar.read_text()


@pytest.mark.parametrize("size", [(160, 48), (100, 30), (80, 24), (60, 20), (20, 5)])
async def test_the_dialog_opens_at_any_size(tmp_path, size):
    async with watching(tmp_path, size) as (app, pilot, paths):
        await write_in(app, pilot, "n", "small")
        await settle(pilot, lambda: read_annotations(paths[0]).note == "small")


async def test_hostile_annotations_of_others_are_drawn_as_plain_text(tmp_path):
    hostile = "\x1b]0;pwned\x07[@click=app.quit]x[/]\x9b31m\u202e"
    async with watching(tmp_path) as (app, pilot, paths):
        annotate(paths[0], AnnotationChange(note=hostile, added_tags=(hostile,)))
        await settle(pilot, lambda: "[@click=app.quit]x[/]" in screen_text(app))
        assert all(part.isprintable() for part in screen_text(app).split("\n"))
        await pilot.press("n")
        await settle(pilot, lambda: isinstance(app.screen, EntryScreen))
        assert all(part.isprintable() for part in screen_text(app).split("\n"))


def annotated(name, *tags, note=""):
    return make_run(name, annotations=Annotations(note, tags))


def test_annotating_applies_to_marked_runs_before_the_selected():
    runs = make_runs(3)
    rows = RunRows(runs)
    paths = [run.id for run in runs]
    assert runs_to_annotate(ViewState(selected=paths[2]), rows) == (runs[2],)
    assert runs_to_annotate(ViewState(selected=paths[2], marks=tuple(paths[:2])), rows) == (
        *runs[:2],
    )
    assert runs_to_annotate(ViewState(), rows) == ()
    assert subject(runs, rows) == "3 marked runs"
    assert subject(runs[:1], rows) == "run-0"


def test_common_annotations_of_several_runs_can_be_edited():
    runs = [annotated("a", "x", "y", note="n"), annotated("b", "z", "x", note="n")]
    assert common_tags(runs) == ("x",)
    assert common_note(runs) == "n"
    assert common_note([*runs, annotated("c")]) == ""
    change = tags_change(("x",), "new, other")
    assert change == AnnotationChange(added_tags=("new", "other"), removed_tags=("x",))
    assert change.apply(runs[1].annotations).tags == ("z", "new", "other")


def test_quitting_does_not_wait_for_a_hanging_filesystem(monkeypatch):
    answers = Event()
    monkeypatch.setattr(annotation_writer, "QUIT_SECONDS", 0.05)

    def annotate(run_id, change):
        answers.wait()
        return Saved(Annotations(), "")

    writer = AnnotationWriter(annotate, lambda message: True)
    change = AnnotationChange(note="try 2e-3")
    writer.write(AnnotationRequested((str(DIRECTORY / "run.json"),), change))
    assert writer.finish() == ("not saved, the filesystem does not answer: try 2e-3",)
    answers.set()


def test_quitting_waits_for_notes_and_reports_unsaved_ones(tmp_path, no_state_folder):
    change = AnnotationFiles(LocalFiles(), "").change
    writer = AnnotationWriter(change, lambda message: False)
    kept, lost = tmp_path / "run.json", tmp_path / "gone" / "run.json"
    for path in (kept, lost):
        writer.write(AnnotationRequested((str(path),), AnnotationChange(note="try 2e-3")))
    (told,) = writer.finish()
    assert told.startswith("not saved, ")
    assert str(no_state_folder) in told
    assert told.endswith(": try 2e-3")
    assert read_annotations(kept).note == "try 2e-3"
