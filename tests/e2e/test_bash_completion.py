"""What bash makes of a tab, in a real terminal."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.e2e.terminal_session import TerminalSession

import traintop

_BASH = "import os, sys; os.execvp('bash', ['bash', '--rcfile', sys.argv[1], '-i'])"


def test_names_with_any_sign_are_completed_and_quoted(tmp_path: Path) -> None:
    for name in ("with space", "lr=0.1,seed=2", "then;touch made", "$(touch made)"):
        config = traintop.ExperimentConfig(name)
        with traintop.ExperimentTracker(config, tmp_path / "logs", quiet=True) as tracker:
            tracker.log_metrics(0, train_loss=1.0)
    start = tmp_path / "bashrc"
    start.write_text(
        f'PS1="> "\nPATH="{Path(sys.executable).parent}:$PATH"\n'
        'eval "$(_TRAINTOP_COMPLETE=bash_source traintop)"\n'
    )
    with TerminalSession(start, program=_BASH, working_directory=tmp_path) as session:
        session.wait_for(">")
        for typed, completed in {
            "sett": "> traintop settings",
            "show -d logs wi": r"> traintop show -d logs with\ space",
            "show -d logs 'with s": "> traintop show -d logs 'with space'",
            "show -d logs lr=": "> traintop show -d logs lr=0.1,seed=2",
            "show -d logs then": r"> traintop show -d logs then\;touch\ made",
            "show -d logs @la": "> traintop show -d logs @latest",
            "compare -d logs --baseline wi": r"> traintop compare -d logs --baseline with\ space",
        }.items():
            session.press(f"traintop {typed}\t")
            session.wait_for(completed)
            session.press("\x15")
        session.press("traintop show -d logs $\t\t")  # what a shell expands is not offered
        session.press("\x15echo do''ne\n")
        session.wait_for("done")
        assert "made)" not in session.text()
