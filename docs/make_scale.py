"""Makes docs/scale.md, the arithmetic of a large lab: python docs/make_scale.py

What it computes with is in scale_figures.json, which `python docs/make_scale.py --measure` makes
anew with the real program (two minutes; it needs traintop[parquet] and duckdb). The closed forms
are checked by a simulation of one day, which tests/unit/test_scale.py repeats.
"""

# ruff: noqa: E501 - rows of tables have no line breaks

from __future__ import annotations

import json
import math
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).with_name("scale.md")
FIGURES = Path(__file__).with_name("scale_figures.json")

DAY = 86_400.0
SPREAD = math.log(10) / 2  # two of three runs are within a factor of ten of each other in length
SCANNING = 20  # times as long as a look took, the next one waits at least
BUDGET = 100_000  # runs that one screen is built for


class Lab(NamedTuple):
    """What is assumed: 1,000 GPUs that are never idle, and what they leave behind."""

    gpus: int = 1000
    gpus_of_host: int = 8
    runs: int = 10_000_000
    years: float = 5.0
    records_per_second: float = 1.0  # of a run on one GPU
    viewers: int = 20  # screens that are open at once

    @property
    def hosts(self) -> int:
        return self.gpus // self.gpus_of_host

    @property
    def runs_per_day(self) -> float:
        return self.runs / (self.years * 365)

    @property
    def seconds_per_run(self) -> float:
        return self.gpus * DAY / self.runs_per_day

    @property
    def records_per_run(self) -> float:
        return self.seconds_per_run * self.records_per_second


class Prices(NamedTuple):
    """In dollars: Amazon S3 Standard, us-east-1, as listed in 2026. Put yours here."""

    list_or_put: float = 0.005 / 1000
    get: float = 0.0004 / 1000
    gigabyte_month: float = 0.023


class Bucket(NamedTuple):
    """How a bucket is looked at and filled."""

    tick: float = 30.0  # seconds between two looks
    keys_of_page: int = 1000  # of a LIST, which is a request for each page
    gets_of_change: int = 2  # ranged reads of a run that changed, at most
    push_every: float = 30.0  # seconds, of `traintop run --push`
    push_rest: float = 20.0  # times as long as a run took to be stored, it is not stored again
    bandwidth: float = 100e6  # bytes a second into the bucket


class Figures(NamedTuple):
    """What was measured of the real program, on the machine that is named."""

    machine: str
    record_bytes: float
    ends_bytes: float  # of a run: head and tail
    first_read_seconds: float  # of one run, from disk to summary
    look_seconds: float  # of one run in a directory where nothing changed
    listed_bytes: float  # of memory, of one run
    ssh_idle_bytes: float  # of a tick over ssh without a change, both ways
    ssh_change_bytes: float  # more, of a run that changed
    parquet_record_bytes: float
    parquet_run_bytes: float  # of the row of a run
    query_seconds: float  # DuckDB, five questions of docs/engines.md over 1,000,000 rows of runs


class Day(NamedTuple):
    """What one day costs: requests and bytes, counted or computed."""

    runs_ended: float
    puts: float
    bytes_put: float
    list_pages: float  # of one viewer
    gets: float  # of one viewer


# ------------------------------------------------------------------------------------ closed forms


def run_bytes(lab: Lab, figures: Figures) -> float:
    """Bytes of the log of a usual run."""
    return lab.records_per_run * figures.record_bytes + figures.ends_bytes


def pushes(seconds: float, growth: float, bucket: Bucket) -> list[float]:
    """The ages in seconds at which a run of a length is put: the last time when it ends.

    It grows by so many bytes a second, and is put as a whole each time.
    """
    ages, age = [], bucket.push_every
    while age < seconds:
        ages.append(age)
        age += max(bucket.push_every, bucket.push_rest * age * growth / bucket.bandwidth)
    return [*ages, seconds]


def computed_day(lab: Lab, figures: Figures, bucket: Bucket) -> Day:
    """A day by formulas: lengths are lognormal, and runs begin evenly over the day.

    A run is put as a whole each time, so that the bytes grow with the square of its length.
    """
    growth = lab.records_per_second * figures.record_bytes
    ended, ages = lab.runs_per_day, pushes(lab.seconds_per_run, growth, bucket)
    ticks = DAY / bucket.tick
    # In the prefix of the day: what goes on, and on average the half of what ends today.
    pages = (lab.gpus + ended / 2) / bucket.keys_of_page + 0.5
    return Day(
        runs_ended=ended,
        puts=ended * len(ages),
        bytes_put=ended
        * (sum(ages) * growth * math.exp(SPREAD**2) + len(ages) * figures.ends_bytes),
        list_pages=ticks * pages,
        gets=ended * len(ages) * bucket.gets_of_change,
    )


# ------------------------------------------------------------------------------------- simulation


def simulated_day(lab: Lab, figures: Figures, bucket: Bucket, seed: int = 1) -> Day:
    """A day after ten others, run by run: lengths differ as they do, by a factor of ten.

    Every GPU has one run after the other; each is put when it is due, and a viewer looks at each
    tick at what was put since.
    """
    chance = random.Random(seed)
    growth = lab.records_per_second * figures.record_bytes
    mean = math.log(lab.seconds_per_run) - SPREAD**2 / 2
    puts: list[tuple[float, float]] = []  # when, and how large
    ends: list[float] = []
    for _ in range(lab.gpus):
        now = -10 * DAY  # so that long runs are under way
        while now < 2 * DAY:
            length = chance.lognormvariate(mean, SPREAD)
            if now + length > DAY:
                for age in pushes(length, growth, bucket):
                    puts.append((now + age, age * growth + figures.ends_bytes))
            now += length
            ends.append(now)
    today = sorted(put for put in puts if DAY <= put[0] < 2 * DAY)
    ended = sorted(end for end in ends if DAY <= end < 2 * DAY)
    pages = gets = 0
    ended_so_far = put_so_far = 0
    for tick in range(int(DAY / bucket.tick)):
        now = DAY + (tick + 1) * bucket.tick
        while ended_so_far < len(ended) and ended[ended_so_far] < now:
            ended_so_far += 1
        while put_so_far < len(today) and today[put_so_far][0] < now:
            put_so_far += 1
            gets += bucket.gets_of_change
        pages += math.ceil((lab.gpus + ended_so_far) / bucket.keys_of_page)
    return Day(len(ended), len(today), sum(size for _, size in today), pages, gets)


# ------------------------------------------------------------------------------------ measurement

_RECORDS = 20_000
_RUNS = 1000
_RECORDS_OF_EACH = 20


def measured(directory: Path) -> Figures:
    """The figures, from real runs in a directory that is empty."""
    import platform

    one, many = directory / "one", directory / "many"
    write_runs(one, 1, _RECORDS)
    write_runs(many, _RUNS, _RECORDS_OF_EACH)
    long, short = size_of(one), size_of(many) / _RUNS
    record_bytes = (long - short) / (_RECORDS - _RECORDS_OF_EACH)
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    first, look, memory = listing_costs(many)
    run_row, record_row, query = parquet_costs(one, many, directory / "dataset")
    idle, change = ssh_bytes(many)
    return Figures(
        machine=f"{machine}, Python {platform.python_version()}",
        record_bytes=record_bytes,
        ends_bytes=short - _RECORDS_OF_EACH * record_bytes,
        first_read_seconds=first,
        look_seconds=look,
        listed_bytes=memory,
        ssh_idle_bytes=idle,
        ssh_change_bytes=change,
        parquet_record_bytes=record_row,
        parquet_run_bytes=run_row,
        query_seconds=query,
    )


def write_runs(directory: Path, runs: int, records: int) -> None:
    """Runs as a training loop writes them: five metrics that differ as measured ones do."""
    from traintop import ExperimentTracker

    chance = random.Random(1)
    for number in range(runs):
        config = {"experiment_name": f"run-{number}", "max_learning_rate": chance.random()}
        with ExperimentTracker({**config, "seed": number}, directory, quiet=True) as tracker:
            for step in range(records):
                loss = 4 / (1 + step) + chance.gauss(2, 0.1)
                tracker.log_metrics(
                    step,
                    train_loss=loss,
                    val_loss=loss + chance.random(),
                    learning_rate=chance.random() * 1e-3,
                    tokens_per_sec=chance.gauss(1e5, 1e3),
                    iter_time_ms=chance.gauss(300, 5),
                )


def size_of(directory: Path) -> int:
    """Bytes of all files below a directory."""
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def listing_costs(directory: Path) -> tuple[float, float, float]:
    """Of one run: seconds of the first look, of another one, and bytes of memory."""
    from traintop.store.catalog import RunCatalog

    RunCatalog([directory.with_name("one")]).refresh()  # what is imported
    before = resident()
    started = time.process_time()
    catalog = RunCatalog([directory])
    catalog.refresh()
    first = time.process_time() - started
    memory = resident() - before
    time.sleep(2.5)  # after which files that stay as they are need not be read again
    catalog.refresh()
    looks = []
    for _ in range(9):
        started = time.process_time()
        catalog.refresh()
        looks.append(time.process_time() - started)
    return first / _RUNS, sorted(looks)[4] / _RUNS, memory / _RUNS


def resident() -> int:
    """Bytes of memory of this process."""
    import psutil

    return int(psutil.Process().memory_info().rss)


_RELAY = """
import os, subprocess, sys, threading
counts, *command = sys.argv[1:]
program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def pass_on(source, target):
    while data := os.read(source, 65536):
        with open(counts, "ab") as file:
            file.write(b"." * len(data))
        os.write(target, data)
threading.Thread(target=pass_on, args=(0, program.stdin.fileno()), daemon=True).start()
pass_on(program.stdout.fileno(), 1)
"""


def ssh_bytes(directory: Path, ticks: int = 20) -> tuple[float, float]:
    """Bytes both ways of a tick without a change, and those more of a run that changed.

    What ssh itself adds to each is not counted.
    """
    from traintop import ExperimentTracker
    from traintop.store.catalog import RunCatalog

    relay, counts = directory.parent / "relay.py", directory.parent / "bytes"
    relay.write_text(_RELAY)
    command = f"{sys.executable} {relay} {counts} {sys.executable} -"
    catalog = RunCatalog([f"pipe:{command}/{directory}"])
    catalog.refresh()
    time.sleep(2.5)  # after which files that stay as they are need not be read again

    def tick() -> int:
        before = counts.stat().st_size
        catalog.refresh()
        return counts.stat().st_size - before

    tick()
    idle = sum(tick() for _ in range(ticks)) / ticks
    with ExperimentTracker({"experiment_name": "live"}, directory, quiet=True) as tracker:
        live = []
        for step in range(ticks):
            tracker.log_metrics(step, train_loss=1 / (step + 1), learning_rate=1e-3)
            time.sleep(1.0)  # in which it is written
            live.append(tick())
    return idle, sum(live[1:]) / len(live[1:]) - idle


def parquet_costs(one: Path, many: Path, dataset: Path) -> tuple[float, float, float]:
    """Bytes of a run's row and of a record, and seconds of two questions about 1,000,000 runs."""
    import duckdb
    import pyarrow as arrow
    from pyarrow import parquet

    from traintop import open_runs
    from traintop.analysis.parquet import RECORDS_FOLDER, RUNS_FILE, write_dataset

    write_dataset(open_runs(one), dataset / "one")
    write_dataset(open_runs(many), dataset / "many")
    record = size_of(dataset / "one" / RECORDS_FOLDER) / _RECORDS
    row = (dataset / "many" / RUNS_FILE).stat().st_size / _RUNS
    table = parquet.read_table(dataset / "many" / RUNS_FILE)
    million = dataset / "million.parquet"
    parquet.write_table(arrow.concat_tables([table] * (1_000_000 // _RUNS)), million)
    questions = (
        "SELECT run, best_val_loss FROM '{0}' ORDER BY best_val_loss LIMIT 10",
        "SELECT \"config.seed\" AS seed, avg(best_val_loss) FROM '{0}' GROUP BY seed ORDER BY 2",
    )
    started = time.process_time()
    for question in questions:
        duckdb.sql(question.format(million)).fetchall()
    return row, record, (time.process_time() - started) / len(questions)


# ------------------------------------------------------------------------------------------- page

TEMPLATE = """\
# A large lab, on paper

What {gpus:,} GPUs and {runs:,} runs ask of traintop: which parts carry how much, where each of them ends, and which system that exists
already takes over there. It is arithmetic with measured figures, made by `python docs/make_scale.py`, which holds all assumptions and prices:
change them there. A simulation of a day, run by run, checks the formulas.

## The lab

{gpus:,} GPUs in {hosts} machines that are never idle, and {runs:,} runs in {years:g} years. That is {runs_per_day:,.0f} runs a day, {gpus:,} of them going on at any time; a run takes
{hours:.1f} hours on one GPU. Each logs {records_per_second:g} record a second of five metrics: {records:,.0f} records and {run_megabytes:.1f} MB. All together, {terabytes:,.0f} TB.

| measured ({machine}) | |
| --- | ---: |
| a record of five metrics | {record_bytes:.0f} bytes |
| head and tail of a run | {ends_bytes:,.0f} bytes |
| the first look at a run, CPU time | {first_read:.2f} ms |
| another look, where nothing changed, CPU time | {look:.1f} µs |
| memory of a listed run | {listed:.1f} kB |
| a tick over ssh without a change, both ways | {ssh_idle:.0f} bytes |
| a run that changed, over ssh | {ssh_change:,.0f} bytes |
| a record in Parquet | {parquet_record:.1f} bytes |
| a run's row in Parquet | {parquet_run:.0f} bytes |
| DuckDB, a question about 1,000,000 runs, CPU time | {query:.2f} s |

## A directory for each machine and year

A machine leaves {host_runs:,.0f} runs a year. Listed, they take {host_memory:.0f} MB of memory; the first look takes {host_first:.0f} s, and one where nothing changed {host_look:.2f} s, after which the next
waits for {scanning} times as long. So a directory for a year is well within what one screen is built for: {budget:,} runs. All {runs:,} runs in one directory are not: {all_memory:,.0f} GB of memory, and
{all_look:.0f} s for each look at nothing new. On one network filesystem, whose server answers a question in some 0.2 ms, that look is {nfs_look:.0f} minutes.

**It ends** at about {budget:,} runs below the roots of one screen. Make a directory for each project, machine, or month, and name the ones that you look at.

## One screen over machines

`traintop ssh://gpu001/runs ssh://gpu002/runs …` keeps a connection to each. All {hosts} of them cost {fleet_idle:.1f} kB/s without a change, and {fleet_live:,.0f} kB/s while {gpus:,} runs change every second: {fleet_hour:.1f} GB in
an hour, so name the machines that your runs are on: for eight of them it is {eight_live:.0f} kB/s. Nothing runs there between two screens, and nothing is counted centrally.

**It ends** with the connections of one person, some dozens. Which job runs where is what Slurm or Kubernetes know; alerts on {gpus:,} GPUs at once are what Prometheus is for, which reads what
`traintop watch --events --prometheus` writes on each machine.

## A bucket for what is over

`traintop run --push` puts a run that changed as a whole, every {push_every:g} s and at its end. A day of the lab is {puts:,.0f} requests and {gigabytes_put:,.0f} GB into the bucket: {puts_dollars:.2f} $ a day. `traintop push --every 10m` instead is {rare_puts:,.0f} requests,
{rare_gigabytes:,.0f} GB and {rare_dollars:.2f} $.

| one screen over the bucket, {tick:g} s a tick | requests a day | $ a day |
| --- | ---: | ---: |
| a prefix for each day, of which today's is looked at | {lists:,.0f} LIST, {gets:,.0f} GET | {day_dollars:.2f} |
| one prefix with all {runs:,} runs | {all_lists:,.0f} LIST, {gets:,.0f} GET | {all_dollars:,.2f} |

With {viewers} screens open all day, the first is {viewers_dollars:,.0f} $ a month and the second {viewers_all_dollars:,.0f} $. A LIST has {keys_of_page:,} keys, so cost grows with the keys below a root, whether they change or not.

**It ends** at some ten thousand keys below a root. Keep `s3://lab/runs/2026-11-30/` or a prefix for each project. What goes on is better watched over ssh, which costs no request.

## Parquet and an engine for everything

`traintop export --parquet`, once a day for what ended. Rows of {runs:,} runs are {rows_gigabytes:.1f} GB: a question about all of them takes some {all_query:.1f} s in DuckDB on one machine. Their records are {records_terabytes:.1f} TB of Parquet
instead of {terabytes:,.0f} TB of logs; {storage_dollars:,.0f} $ a month of storage instead of {log_storage_dollars:,.0f} $. Keep a dataset for each month, so that an export looks at one of them;
and let the engine write the records of a month together (`COPY … TO`), for {runs:,} small files take longer to open than to read.

**It ends** where one machine does. Spark, Trino, Athena or ClickHouse read the same files; see [engines](engines.md).

## Where each part ends

| part | carries | ends for the reason that | then |
| --- | --- | --- | --- |
| a tracker | one process | each run has one writer | one run for each rank that logs, or rank 0 alone |
| a log | {long_run:.0f} days of a record a second, in 1 GB | a chart of all its records is read whole, once | log more rarely; a sample is shown meanwhile |
| a directory | {budget:,} runs | memory, and one question to the filesystem for each file and look | a directory for each project or month |
| a screen over ssh | some dozens of machines | a connection and a process for each | roots by name, `traintop @mine` |
| a bucket | some 10,000 keys below a root | a LIST costs by the key | a prefix for each day or project |
| a Parquet dataset | {runs:,} rows, {records_terabytes:.1f} TB of records | DuckDB works on one machine | Spark, Trino, Athena, ClickHouse |
| alerts | the runs of one `traintop watch --events` | one process sees what it lists | Prometheus and Alertmanager |

## Checked by simulation

A day of the lab, run by run: lengths differ by a factor of ten, each run is put when it is due, and a screen looks every {tick:g} s. The formulas take what is to be expected of each run.

| | formula | simulation | |
| --- | ---: | ---: | ---: |
{checks}
"""


def page(lab: Lab, figures: Figures, bucket: Bucket, prices: Prices) -> str:
    """The whole page."""
    day = computed_day(lab, figures, bucket)
    simulated = simulated_day(lab, figures, bucket)
    rare = computed_day(lab, figures, bucket._replace(push_every=600.0))
    size = run_bytes(lab, figures)
    host_runs = lab.runs / lab.years / lab.hosts
    per_tick = lab.hosts * figures.ssh_idle_bytes
    all_lists = DAY / bucket.tick * lab.runs / bucket.keys_of_page
    gets_dollars = day.gets * prices.get
    day_dollars = day.list_pages * prices.list_or_put + gets_dollars
    all_dollars = all_lists * prices.list_or_put + gets_dollars
    records_bytes = lab.runs * lab.records_per_run * figures.parquet_record_bytes
    logs_bytes = lab.runs * size
    checks = "\n".join(
        f"| {name.replace('_', ' ')} | {computed:,.0f} | {found:,.0f} | {found / computed:.2f} x |"
        for name, computed, found in zip(Day._fields, day, simulated, strict=True)
    )
    return TEMPLATE.format(
        **lab._asdict(),
        hosts=lab.hosts,
        runs_per_day=lab.runs_per_day,
        hours=lab.seconds_per_run / 3600,
        records=lab.records_per_run,
        run_megabytes=size / 1e6,
        terabytes=logs_bytes / 1e12,
        machine=figures.machine,
        record_bytes=figures.record_bytes,
        ends_bytes=figures.ends_bytes,
        first_read=figures.first_read_seconds * 1e3,
        look=figures.look_seconds * 1e6,
        listed=figures.listed_bytes / 1e3,
        ssh_idle=figures.ssh_idle_bytes,
        ssh_change=figures.ssh_change_bytes,
        parquet_record=figures.parquet_record_bytes,
        parquet_run=figures.parquet_run_bytes,
        query=figures.query_seconds,
        host_runs=host_runs,
        host_memory=host_runs * figures.listed_bytes / 1e6,
        host_first=host_runs * figures.first_read_seconds,
        host_look=host_runs * figures.look_seconds,
        scanning=SCANNING,
        budget=BUDGET,
        all_memory=lab.runs * figures.listed_bytes / 1e9,
        all_look=lab.runs * figures.look_seconds,
        nfs_look=lab.runs * 0.2e-3 / 60,
        fleet_idle=per_tick / 1e3,
        fleet_live=(per_tick + lab.gpus * figures.ssh_change_bytes) / 1e3,
        fleet_hour=(per_tick + lab.gpus * figures.ssh_change_bytes) * 3600 / 1e9,
        eight_live=8 * (figures.ssh_idle_bytes + lab.gpus_of_host * figures.ssh_change_bytes) / 1e3,
        puts=day.puts,
        gigabytes_put=day.bytes_put / 1e9,
        puts_dollars=day.puts * prices.list_or_put,
        push_every=bucket.push_every,
        rare_puts=rare.puts,
        rare_gigabytes=rare.bytes_put / 1e9,
        rare_dollars=rare.puts * prices.list_or_put,
        tick=bucket.tick,
        keys_of_page=bucket.keys_of_page,
        lists=day.list_pages,
        gets=day.gets,
        day_dollars=day_dollars,
        all_lists=all_lists,
        all_dollars=all_dollars,
        viewers_dollars=lab.viewers * 30.4 * day_dollars,
        viewers_all_dollars=lab.viewers * 30.4 * all_dollars,
        rows_gigabytes=lab.runs * figures.parquet_run_bytes / 1e9,
        all_query=lab.runs / 1e6 * figures.query_seconds,
        records_terabytes=records_bytes / 1e12,
        storage_dollars=records_bytes / 1e9 * prices.gigabyte_month,
        log_storage_dollars=logs_bytes / 1e9 * prices.gigabyte_month,
        long_run=1e9 / figures.record_bytes / lab.records_per_second / DAY,
        checks=checks,
    )


def known_figures() -> Figures:
    """Those that were measured last."""
    return Figures(**json.loads(FIGURES.read_text(encoding="utf-8")))


if __name__ == "__main__":
    if "--measure" in sys.argv:
        with tempfile.TemporaryDirectory() as folder:
            figures = measured(Path(folder))
        FIGURES.write_text(json.dumps(figures._asdict(), indent=1) + "\n", encoding="utf-8")
    text = page(Lab(), known_figures(), Bucket(), Prices())
    PAGE.write_text(text, encoding="utf-8")
