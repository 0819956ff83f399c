"""What every tool is asked, and how it is measured."""

from __future__ import annotations

from tests.benchmarks.peers.results import Question

QUESTIONS = (
    Question(
        "log_call",
        "log call",
        "s",
        "write",
        "One step of five scalars as the training loop sees it, calls a millisecond apart, the "
        "median of 200. Where a tool has a thread or a process that writes, its work comes on top. "
        "tensorboardX, DVCLive: one call of theirs for each scalar.",
    ),
    Question(
        "bytes_of_record",
        "bytes a record",
        "count",
        "write",
        "What 1,000 records of five scalars add to all files of a finished run, logged in one go. "
        "A database grows by whole pages.",
    ),
    Question(
        "survivors",
        "after kill -9",
        "share",
        "write",
        "The share of the records that the tool reads back, of 20 a second logged for 15 to 30 s "
        "until the process is killed, and nothing else. More is better.",
        more_is_better=True,
    ),
    Question(
        "idle_run",
        "idle run",
        "share",
        "write",
        "A run of 100 records that is open and logs nothing: the share of a core of its process "
        "and those it has started. System metrics are off, here and above.",
    ),
    Question(
        "memory_of_run",
        "its memory",
        "B",
        "write",
        "The same processes, the interpreter and all modules included; what several share counts "
        "once.",
    ),
    Question(
        "table",
        "table of 1,000 runs",
        "s",
        "read",
        "Name and last loss of each run of 20 records, all files in the cache of the system, "
        "imports not counted. Tools that read whole files pay more for longer runs.",
    ),
    Question(
        "curve",
        "curve of 1,000,000 steps",
        "s",
        "read",
        "All values of the only metric of the only run, in Python, imports not counted.",
    ),
    Question(
        "first_list",
        "first list",
        "s",
        "screen",
        "From the start of the program until the first of 1,000 runs is on the screen, 160x48.",
    ),
    Question(
        "first_chart",
        "first chart",
        "s",
        "screen",
        "From the start of the program until a curve of the loss of a run of 100,000 steps is "
        "drawn. That of LEET has the steps read so far, some 600 of them; epokio draws one when "
        "Enter and Tab are pressed, which is done as soon as the run is listed.",
    ),
    Question(
        "log_to_screen",
        "log call to screen",
        "s",
        "screen",
        "From before a call in another process, some five a second, until the screen shows this "
        "step or a later one: median and quartiles of all calls. All screens at one time.",
    ),
    Question(
        "idle_screen",
        "idle screen",
        "share",
        "screen",
        "1,000 runs listed, and no file changes: the share of a core of the program and what it "
        "has started.",
    ),
    Question("memory_of_screen", "its memory", "B", "screen", "The same processes."),
)
