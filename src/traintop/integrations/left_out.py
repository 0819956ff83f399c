"""What other trackers take and we do not record: accepted and left out, with one warning."""

from __future__ import annotations

from typing import Any

from traintop.integrations.run_values import warn_once

MEDIA = frozenset(
    {"Audio", "EvalTable", "Graph", "Histogram", "Html", "Image", "ImageMask", "JoinedTable"}
    | {"BoundingBoxes2D", "Classes", "Molecule", "Object3D", "Plotly", "Table", "Video", "box3d"}
    | {"Artifact", "ArtifactTTL", "Settings"}
)
"""Classes whose objects may be logged, or given to what is left out."""

_CALLS = frozenset(
    {"finish_artifact", "link_artifact", "link_model", "log_artifact", "log_code", "log_model"}
    | {"mark_preempting", "plot_table", "save", "unwatch", "upsert_artifact", "watch", "write_logs"}
)
_MODULES = frozenset({"sklearn", "tensorboard"})
_NO_PAGE = frozenset({"_label", "display", "get_project_url", "get_sweep_url", "status", "to_html"})
"""Calls about a page of a server, or what is on it: there is none."""
_ELSEWHERE = {
    "Api": "read runs with traintop.ExperimentAnalyzer",
    "agent": "call the function in a loop that starts a run each time",
    "controller": "choose the settings in a loop that starts a run each time",
    "restore": "read the file from where it was saved",
    "sweep": "choose the settings in a loop that starts a run each time",
    "use_artifact": "read the files from where they are",
    "use_model": "read the files from where they are",
}


class LeftOut:
    """Media, an artifact, a plot: whatever is done with it is accepted."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return LeftOut()

    def __call__(self, *_: Any, **__: Any) -> LeftOut:
        return LeftOut()

    def __enter__(self) -> LeftOut:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def stand_in(name: str) -> Any:
    """What is called instead of a method that has no meaning here.

    It raises ``NotImplementedError`` where the program would go on with what it gives back. Raises
    ``AttributeError`` for names that the other trackers do not have either.
    """

    def leave_out(*_: Any, **__: Any) -> LeftOut:
        warn_once(name, f"{name} is left out: numbers, settings and results are recorded")
        return LeftOut()

    def refuse(*_: Any, **__: Any) -> Any:
        raise NotImplementedError(f"traintop has no {name}(): {_ELSEWHERE[name]}")

    if name in _NO_PAGE:
        return lambda *_, **__: None
    if name in _MODULES:
        return leave_out()
    if name in _CALLS:
        return leave_out
    if name in _ELSEWHERE:
        return refuse
    raise AttributeError(f"{name!r} is not known to traintop")
