"""All questions to all tools, in one go: ``python -m tests.benchmarks --peers``."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.peers import screens, writing
from tests.benchmarks.peers.environments import Installed, NoAnswerError, install
from tests.benchmarks.peers.questions import QUESTIONS
from tests.benchmarks.peers.results import Answer, Results, with_ratios
from tests.benchmarks.peers.rounds import grow
from tests.benchmarks.peers.tools import PEERS, Group
from tests.benchmarks.report import machine

Tools = Mapping[str, Installed]


class PeerScale(NamedTuple):
    """How much is measured: all of it, or what shows that everything works."""

    rounds: int
    fewer_rounds: int
    """Of what waits more than it computes, or hardly varies."""
    seconds: float
    runs: tuple[int, ...]
    listed_runs: int
    steps: tuple[int, ...]
    steps_of_curve: int
    steps_of_chart: int


FULL = PeerScale(
    rounds=5,
    fewer_rounds=3,
    seconds=10.0,
    runs=(100, 1000, 10_000, 100_000),
    listed_runs=1000,
    steps=(10_000, 100_000, 1_000_000, 10_000_000),
    steps_of_curve=1_000_000,
    steps_of_chart=100_000,
)
QUICK = PeerScale(
    rounds=1,
    fewer_rounds=1,
    seconds=3.0,
    runs=(20, 40),
    listed_runs=40,
    steps=(1000, 2000),
    steps_of_curve=2000,
    steps_of_chart=2000,
)


def measure(scale: PeerScale, environments: Path) -> Results:
    """Install every tool, ask it everything, and print what comes of it."""
    load = os.getloadavg()
    with tempfile.TemporaryDirectory(prefix="traintop-peers-") as folder:
        scratch = Path(folder)
        tools, missing = _install(environments, scratch)
        began = time.monotonic()
        writers, shown = _able(tools, "write"), _able(tools, "screen")
        found: dict[str, dict[str, Answer]] = {}

        def note(question: str, answers: dict[str, Answer]) -> None:
            found[question] = answers
            print(f"\n{question}, {time.monotonic() - began:.0f} s so far")
            for name, each in answers.items():
                print(f"  {name}: {each.reason or each}", flush=True)

        note("log_call", writing.log_calls(scale.rounds, writers, scratch))
        rounds, seconds = scale.fewer_rounds, scale.seconds
        note("bytes_of_record", writing.bytes_of_record(rounds, writers, scratch))
        note("survivors", writing.survivors(rounds, 1.5 * seconds, writers, scratch))
        busy, memory = writing.at_rest(rounds, seconds, writers, scratch)
        note("idle_run", busy)
        note("memory_of_run", memory)

        listed = _written("write-runs", scale.listed_runs, tools, shown, scratch)
        curves = _written("write-curve", scale.steps_of_chart, tools, shown, scratch)
        note("first_list", screens.first_lists(scale.rounds, shown, listed))
        note("first_chart", screens.first_charts(scale.rounds, shown, curves))
        note("log_to_screen", screens.log_to_screen(rounds, seconds, tools, scratch))
        busy, memory = screens.at_rest(rounds, seconds, shown, listed)
        note("idle_screen", busy)
        note("memory_of_screen", memory)

        table = grow(scale.rounds, "table", scale.runs, scale.listed_runs, tools, scratch)
        note("table", table.answers)
        curve = grow(scale.rounds, "curve", scale.steps, scale.steps_of_curve, tools, scratch)
        note("curve", curve.answers)

        return Results(
            date=f"{datetime.now():%Y-%m-%d %H:%M}",
            minutes=round((time.monotonic() - began) / 60, 1),
            machine=machine(),
            load_before=load,
            load_after=os.getloadavg(),
            versions={name: tool.versions() for name, tool in tools.items()},
            missing=missing,
            answers=_complete(found, tools),
            growth={"table": table.growth, "curve": curve.growth},
        )


def _install(environments: Path, scratch: Path) -> tuple[dict[str, Installed], dict[str, str]]:
    """The tools that could be installed, and why others could not."""
    tools: dict[str, Installed] = {}
    missing: dict[str, str] = {}
    for peer in PEERS:
        print(f"installing {peer.title}", flush=True)
        try:
            if peer.writer not in (peer.name, *tools):
                raise NoAnswerError(f"{peer.writer} is missing, which writes its files")
            tools[peer.name] = install(peer, environments, scratch / f"home-{peer.name}")
        except NoAnswerError as error:
            missing[peer.name] = str(error)
            print(f"  {error}")
    return tools, missing


def _able(tools: Tools, group: Group) -> dict[str, Installed]:
    return {name: tool for name, tool in tools.items() if group not in tool.peer.cannot}


def _written(
    question: str, count: int, tools: Tools, shown: Tools, scratch: Path
) -> dict[str, Path]:
    """A folder for each of the tools that have a screen, with what it is to show."""
    homes = {name: writing.fresh(scratch) for name in shown}
    for name, home in homes.items():
        tools[shown[name].peer.writer].ask(question, home, count)
    return homes


def _complete(found: Mapping[str, dict[str, Answer]], tools: Tools) -> dict[str, dict[str, Answer]]:
    """In the order of the tables, with ratios, and the reasons of those that were not asked."""
    return {
        question.name: with_ratios(
            {
                name: found[question.name].get(name)
                or Answer(reason=tool.peer.cannot[question.group])
                for name, tool in tools.items()
            },
            question.more_is_better,
        )
        for question in QUESTIONS
    }
