"""How far a run is: its start, the steps done, those planned, and the time that is left."""

from __future__ import annotations

from traintop.model import LOGGED_WITH, RunStatus, RunSummary
from traintop.text import duration, number, si
from traintop.times import posix_time
from traintop.values import flat_settings

PLANNED_STEPS = (
    *("max_iters", "max_steps", "total_steps", "num_training_steps", "max_train_steps"),
    *("total_training_steps", "training_steps", "train_steps", "num_train_steps", "num_steps"),
    *("max_iterations", "num_iterations", "total_iterations", "train_iters", "num_iters"),
    *("total_iters", "n_iters", "max_updates", "max_update"),
)
"""The settings that say how many steps were planned, as tools call them, the likeliest first."""

PLANNED_EPOCHS = (
    *("epochs", "num_epochs", "max_epochs", "n_epochs", "num_train_epochs", "total_epochs"),
    "train_epochs",
)
"""The same of epochs."""

POSITIONS = (
    *("iteration", "step", "global_step", "iter", "steps", "_step", "trainer/global_step"),
    *("train_step", "training_step", "current_step", "num_updates", "batch_idx", "epoch"),
    *("training_iteration", "time/total_timesteps", "total_timesteps", "timesteps_total"),
)
"""What programs call the place of a record in a run, the likeliest first."""

_OWN_COUNTS = tuple(
    name for name in POSITIONS if name not in ("iteration", "_step", "batch_idx", "epoch")
)
"""What a program that leaves it to its log call to count may call its own count."""

COUNTED_BY = "counted_by"
"""Of the facts about a run: what its records count where these are no iterations."""

STEPS_DONE = "gradient step"
"""What they count where the place of a record is how many steps were done."""

_TRAINING_GROUPS = frozenset(
    {"trainer", "training", "train", "training_args", "args", "hparams", "config"}
    | {"optim", "optimizer", "scheduler", "lr_scheduler", "schedule"}
)
"""Where such a setting is that of the training, and not of its evaluation or warm-up."""


def planned_steps(run: RunSummary) -> int | None:
    """The planned number of iterations, ``None`` when no setting that a person gave says it."""
    given = run.given
    names = PLANNED_EPOCHS if counts_epochs(run) else PLANNED_STEPS
    for name in names:
        if name in given and (steps := _positive(given[name])):
            return steps
    nested: dict[str, object] = {}
    for path, setting in flat_settings(given).items():
        if "." in path or "/" in path:
            group, _, name = path.replace("/", ".").rpartition(".")
            if group.rpartition(".")[2].lower() in _TRAINING_GROUPS:
                nested[name] = setting
    stated = (_positive(nested[name]) for name in names if name in nested)
    return next((steps for steps in stated if steps), None)


def start_order(run: RunSummary) -> tuple[float, str]:
    """By it, runs are in the order of their starts, whatever the zones of their writers.

    One that does not say when it began stands where it changed last.
    """
    return posix_time(run.start_time) or posix_time(run.updated_at) or 0.0, run.id


def counts_epochs(run: RunSummary) -> bool:
    """Whether the records of a run of another program count epochs, and say no iteration.

    Where that shows while the run goes on, as in what `traintop run` reads, it is a setting.
    """
    return "epoch" in (run.environment.get(COUNTED_BY), run.config.get(COUNTED_BY))


def _positive(setting: object) -> int | None:
    if isinstance(setting, float) and setting.is_integer():
        setting = int(setting)
    if isinstance(setting, bool) or not isinstance(setting, int):
        return None
    return setting if setting > 0 else None


def steps_done(run: RunSummary) -> float | None:
    """The iterations done: one more than the highest index, unless the loop counts from 1.

    A finished run whose plan ends before its next record would have come has done all of it.
    """
    return _steps(run)[0]


def _steps(run: RunSummary) -> tuple[float | None, int | None]:
    """The iterations done, and those planned."""
    planned = planned_steps(run)
    last = _last_step(run, planned)
    if last is None or not isinstance(last, int):
        return last, planned
    done = last if last == planned or _counts_from_1(run, last) else last + 1
    if planned is not None and run.status is RunStatus.FINISHED and done < planned:
        done = planned if planned - done < _logging_interval(run, last) else done
    return done, planned


def _last_step(run: RunSummary, planned: int | None) -> float | None:
    """The step of the last record: its iteration, or what the program itself counted by then.

    A program that logs each hundredth step without saying which is at iteration 2 after 200 steps.
    """
    last = run.iteration
    if last is None or planned is None or LOGGED_WITH not in run.environment:
        return last
    counts = (run.stats[name].last for name in _OWN_COUNTS if name in run.stats)
    own = [int(count) for count in counts if count is not None and last < count <= planned]
    return max(own, default=last)


def _counts_from_1(run: RunSummary, last: int) -> bool:
    """Whether the indices are 1, 2, 3, … or 10, 20, 30, … by their number, and none is 0."""
    if run.environment.get(COUNTED_BY) == STEPS_DONE:
        return True
    count = run.count or 0
    if last < 1 or (last != count and (count < 2 or last % count)):
        return False
    return all(0 not in (one.min_iteration, one.max_iteration) for one in run.stats.values())


def _logging_interval(run: RunSummary, last: int) -> float:
    """How many iterations lie between two records of the metric that is logged most often."""
    logged = [stats.count + stats.nonfinite for stats in run.stats.values()] or [run.count or 0]
    return last / (max(logged) - 1) if max(logged) > 1 else 0.0


def steps_text(run: RunSummary) -> str:
    """The iterations done, of those planned where that is known: "42k/100k"."""
    done, planned = _steps(run)
    if planned is None:
        return si(done)
    return f"{si(done or 0)}/{si(planned)}"


def progress(run: RunSummary) -> float | None:
    """Share of the planned iterations that is done, 0 to 1; ``None`` when unknown."""
    done, planned = _steps(run)
    if done is None or planned is None:
        return None
    return min(max(done / planned, 0.0), 1.0)


def stall_text(run: RunSummary) -> str:
    """Why a run counts as stalled: "no iteration for 4m00s (usually 0.05 s)"."""
    pauses = run.pauses
    if pauses is None or not pauses.is_stall:
        return "no sign of life for longer than usual"
    text = f"no iteration for {duration(pauses.current)}"
    if pauses.usual is None:
        return text
    usual = duration(pauses.usual) if pauses.usual >= 10 else f"{number(pauses.usual, 2)} s"
    return f"{text} (usually {usual})"


def eta_seconds(run: RunSummary) -> float | None:
    """Seconds to the last planned iteration at the recent pace; ``None`` unless running."""
    if run.status is not RunStatus.RUNNING or not run.iterations_per_second:
        return None
    done, planned = _steps(run)
    if done is None or planned is None:
        return None
    last = _last_step(run, planned)
    steps_per_iteration = last / run.iteration if last and run.iteration else 1.0
    return max(planned - done, 0) / (run.iterations_per_second * steps_per_iteration)
