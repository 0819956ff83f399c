"""Which files are one run, and which of several sources of it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from traintop.store.formats import RunFormat
from traintop.store.sources import Claim, other_runs_of_files


class Named:
    """As much of a format as is asked here."""

    def __init__(
        self, name: str, wholes: Mapping[str, str] | None = None, *, owns: bool = False
    ) -> None:
        self.name = name
        self.wholes = wholes or {}
        self.owns_directories = owns

    def joined(self, run_id: str, others: Mapping[str, str]) -> str:
        whole = self.wholes.get(run_id, run_id)
        return whole if whole in others else run_id


def shown(claims: Mapping[str, tuple[str | None, Named]], *known: Named) -> dict[str, str]:
    formats = cast("tuple[RunFormat, ...]", known)
    made: dict[str, Any] = {
        file_id: Claim(run_id, cast("tuple[RunFormat, ...]", (each,)), (), True)
        for file_id, (run_id, each) in claims.items()
    }
    others = other_runs_of_files(made, formats)
    runs = {file_id: others.get(file_id, claim.run_id) for file_id, claim in made.items()}
    return {file_id: run_id for file_id, run_id in runs.items() if run_id is not None}


RICH, POOR = Named("rich"), Named("poor")


def test_the_richest_source_of_a_run_is_shown() -> None:
    claims = {"a/poor": ("a", POOR), "a/rich": ("a", RICH), "b/poor": ("b", POOR)}
    assert shown(claims, RICH, POOR) == {"a/rich": "a", "b/poor": "b"}


def test_files_that_belong_to_no_run_are_left_out() -> None:
    assert shown({"a": (None, RICH)}, RICH) == {}


def test_a_part_is_shown_in_the_whole() -> None:
    parts = Named("parts", {"a/1/x": "a/1", "a/1": "a", "z": "y"})
    claims = {name: (name, parts) for name in ("a", "a/1", "a/1/x", "z")}
    assert shown(claims, parts) == {"a": "a", "a/1": "a", "a/1/x": "a", "z": "z"}


def test_what_is_in_a_directory_that_is_owned_is_part_of_it() -> None:
    owner = Named("owner", owns=True)
    claims = {"r/a/log": ("r/a", owner), "./r/a/x/csv": ("./r/a/x/csv", RICH), "r/b": ("r/b", POOR)}
    assert shown(claims, RICH, owner, POOR) == {
        "r/a/log": "r/a",
        "./r/a/x/csv": "r/a",
        "r/b": "r/b",
    }


def test_runs_that_are_parts_of_each_other_are_shown() -> None:
    circle = Named("circle", {"a": "b", "b": "a"})
    assert len(shown({"a": ("a", circle), "b": ("b", circle)}, circle)) == 2
