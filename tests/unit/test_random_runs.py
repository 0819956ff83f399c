"""Whatever happens to a run, in whatever order: all readers and the statistics agree."""

from __future__ import annotations

import contextlib
import json
import math
import tempfile
from pathlib import Path
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from stepped_run import Call, SteppedRun, merged_json, same, values_of
from test_log_format import calls

from traintop.doctor.repair import RepairRefusedError, repair
from traintop.store.run import Run
from traintop.tracking import statistics


class RandomRun(RuleBasedStateMachine):
    """Logs, flushes, is killed within a write, repaired, and resumed."""

    @initialize()
    def begin(self) -> None:
        self._ends = contextlib.ExitStack()
        folder = self._ends.enter_context(tempfile.TemporaryDirectory())
        # So that replays go further back than what is in memory.
        self._ends.enter_context(patch.object(statistics, "RECENT_RECORDS", 2))
        self._ends.enter_context(patch.object(statistics, "MOST_READINGS", 10**6))
        self.run = SteppedRun(Path(folder))
        self.follower = Run(self.run.path)
        self.is_flushed = True

    def teardown(self) -> None:
        if hasattr(self, "run"):
            self.run.leave()
            self._ends.close()

    @rule(added=st.lists(calls, min_size=1, max_size=8))
    def log(self, added: list[Call]) -> None:
        for call in added:
            self.run.log(call)
        self.is_flushed = False

    @rule()
    def flush(self) -> None:
        self.run.flush()
        self.is_flushed = True
        self.assert_agreement()

    @precondition(lambda self: self.is_flushed)
    @rule()
    def resume(self) -> None:
        self.run.resume()
        self.assert_agreement()

    @precondition(lambda self: self.is_flushed)
    @rule(
        added=st.lists(calls, min_size=1, max_size=3),
        cut=st.floats(0, 1),
        is_repaired=st.booleans(),
    )
    def tear(self, added: list[Call], cut: float, is_repaired: bool) -> None:
        """A write is torn by the end of its process; then the run goes on."""
        path, flushed = self.run.path, {i: dict(row) for i, row in self.run.expected.items()}
        for call in added:
            self.run.log(call)
        offset, before, after = self.run.flush()
        place = offset + round((len(after) - offset) * cut)
        with path.open("r+b") as file:
            file.write(after[:place] + before[place:])
        self.run.leave()
        found = values_of(Run(path).history())
        self.assert_kept(flushed, found)
        assert self.followed() == repr(found)
        if is_repaired:
            with contextlib.suppress(RepairRefusedError):
                repair(path).unlink()
            assert same(values_of(Run(path).history()), found)
        self.run.resume()
        self.run.expected = found
        self.assert_agreement()

    def assert_kept(self, flushed: dict, found: dict) -> None:
        for iteration, row in flushed.items():
            for name in row:
                logged = self.run.ever_logged[iteration, name]
                assert repr(found[iteration][name]) in logged, (iteration, name)

    def followed(self) -> str:
        self.follower.follow()
        return repr(values_of(self.follower.history()))

    def assert_agreement(self) -> None:
        path, expected = self.run.path, self.run.expected
        assert same(merged_json(path), expected)
        history = values_of(Run(path).history())
        assert same(history, expected)
        assert self.followed() == repr(history)
        summary = Run(path).summary()
        assert summary.count == len(expected)
        document = json.loads(path.read_text())
        records = document["metrics_history"]
        assert document["last"] == (records[-1] if records else {})
        for metric in {name for row in expected.values() for name in row}:
            values = [row[metric] for row in expected.values() if metric in row]
            finite = [value for value in values if math.isfinite(value)]
            stats = summary.stats[metric]
            assert (stats.count, stats.nonfinite) == (len(finite), len(values) - len(finite))
            assert stats.min == (min(finite) if finite else None)
            assert stats.max == (max(finite) if finite else None)


TestRandomRun = RandomRun.TestCase
TestRandomRun.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
