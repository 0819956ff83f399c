"""``python -m tests.benchmarks``: the budgets beside what they cost at least.

Needs Linux, and two gigabytes in the directory for temporary files. Prints each line as soon as
it is measured; a full run writes ``docs/performance.md``. With ``--peers`` other tools are measured
beside ours instead, which takes 30 gigabytes and installs them; it writes the page's last section.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from platformdirs import user_cache_path
from tests.benchmarks import (
    chart_frames,
    faces,
    flushes,
    import_cost,
    log_calls,
    other_tools,
    reading,
    system_metrics,
    terminal,
    thin_line,
    very_many_runs,
)
from tests.benchmarks.generated_runs import RECORDS_OF_USUAL_RUN, write_run, write_runs
from tests.benchmarks.measuring import FULL, QUICK, Line, Scale
from tests.benchmarks.peers import measure as peers
from tests.benchmarks.peers.report import section, with_section
from tests.benchmarks.peers.results import decode, encode
from tests.benchmarks.report import machine, page, text_row

_PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
_PEERS = Path(__file__).parent / "peers" / "results.json"
_FEW_RUNS = 1000
_A_DAY = datetime.fromisoformat("2025-02-22T14:05:30")


def main() -> None:
    """Measure, print, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="less of everything, in a minute; only prints"
    )
    parser.add_argument("--peers", action="store_true", help="measure other tools beside ours")
    parser.add_argument(
        "--environments",
        type=Path,
        default=user_cache_path("traintop-benchmarks"),
        metavar="DIR",
        help="where to keep the virtual environments of the peers (default: %(default)s)",
    )
    arguments = parser.parse_args()
    if arguments.peers:
        _measure_peers(arguments.quick, arguments.environments.resolve())
    else:
        _measure_budgets(arguments.quick)


def _measure_peers(quick: bool, environments: Path) -> None:
    results = peers.measure(peers.QUICK if quick else peers.FULL, environments)
    print(section(results))
    if not quick:
        _PEERS.write_bytes(encode(results))
        _PAGE.write_text(with_section(_PAGE.read_text(), results))
        print(f"Wrote {_PEERS} and {_PAGE}")


def _measure_budgets(quick: bool) -> None:
    print(machine())
    families: dict[str, list[Line]] = {}
    with tempfile.TemporaryDirectory(prefix="traintop-benchmarks-") as directory:
        for title, lines in _families(QUICK if quick else FULL, Path(directory)):
            print(f"\n{title}")
            families[title] = []
            for line in lines:
                families[title].append(line)
                print(f"  {text_row(line)}", flush=True)
    if not quick:
        _PAGE.write_text(with_section(page(families), decode(_PEERS.read_bytes())))
        print(f"\nWrote {_PAGE}")


def _families(scale: Scale, directory: Path) -> Iterator[tuple[str, Iterator[Line]]]:
    tracked, empty, listed, long = (
        directory / name for name in ("tracked", "empty", "listed", "long")
    )
    for folder in (tracked, empty, listed, long):
        folder.mkdir()
    yield "A log call", log_calls.measure(scale, tracked)
    yield "System metrics", system_metrics.measure(scale, tracked)
    yield "Import", import_cost.measure(scale)
    yield "Faces of other trackers and frameworks", faces.measure(scale, tracked)
    yield "The file", flushes.measure(scale, tracked)
    yield "A chart", chart_frames.measure(scale)
    runs = write_runs(listed / "few", _FEW_RUNS)
    more_runs = write_runs(listed / "many", scale.many_runs)
    write_run(
        long, "short-run", RECORDS_OF_USUAL_RUN, datetime.fromisoformat("2025-02-21T14:05:30")
    )
    long_run = write_run(
        long, "long-run", scale.long_run, datetime.fromisoformat("2025-02-22T14:05:30")
    )
    yield "Reading", reading.measure(scale, runs, more_runs, long_run)
    yield "The terminal UI", terminal.measure(scale, empty, runs, more_runs, long_run)
    yield "A thin line", thin_line.measure(scale, directory / "live")
    yield "A year of a lab", very_many_runs.measure(scale, directory / "year")
    yield "Runs of other tools", other_tools.measure(scale, directory / "foreign")


if __name__ == "__main__":
    main()
