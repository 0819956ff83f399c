"""Text logs of training loops: what is read, followed, claimed, and survived."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.event_files import write_events
from tests.line_files import history_of, read_in_parts, reader_of, run_of, values

from traintop.metrics import last_value
from traintop.model import RunStatus
from traintop.progress import counts_epochs, eta_seconds, planned_steps
from traintop.store.catalog import RunCatalog
from traintop.store.formats.text_log import LOG_PATTERNS, TextLogFormat
from traintop.store.formats.text_log_lines import LogPattern
from traintop.store.formats.text_log_reader import LineReader
from traintop.times import posix_time

FOREIGN = Path(__file__).parents[1] / "foreign"

# What is read of the example of each kind of line, by its beginning, or by what only it has.
READ: dict[str, dict[str, float]] = {
    "step:1/1750 train_loss": {
        "iteration": 1,
        "train_loss": 10.8258,
        "wallclock_time": 24.389,
        "step_avg": math.nan,
    },
    "iter 350: loss": {"iteration": 350, "loss": 0.023, "iter_time_ms": 347.86, "mfu": 12.26},
    "step 0: train loss": {"iteration": 0, "eval_train_loss": 4.2874, "val_loss": 4.2823},
    "step 500: train loss": {"iteration": 500, "train_loss": 1.759, "val_loss": 1.9116},
    "step    2/21479 | loss": {
        "iteration": 2,
        "loss": 10.829729,
        "grad_norm": 15.0011,
        "lr": 5.71e-06,
        "iter_time_ms": 2391.52,
        "bf16 MFU": -100,
        "tokens_per_sec": 191824,
    },
    "val loss 11": {"iteration": 2, "val_loss": 11.006021},
    "s:1 trl": {"iteration": 1, "train_loss": 10.8281, "lr": 3e-06, "grad_norm": 14.9},
    "step     0 | loss": {
        "iteration": 0,
        "loss": 10.955029,
        "lr": 8.3916e-07,
        "grad_norm": 15.3669,
        "iter_time_ms": 27090.4,
        "tok/sec": 19353.34,
    },
    "validation loss: 10": {"val_loss": 10.9511},
    "HellaSwag accuracy": {"HellaSwag accuracy": 0.2453},
    "250 train": {"iteration": 250, "train_loss": 5.961714},
    "step 00010/21400": {
        "iteration": 10,
        "loss": 8.952301,
        "lrm": 1,
        "iter_time_ms": 480.12,
        "tok/sec": 1091990,
        "bf16_mfu": 49.78,
        "epoch": 1,
        "wallclock_time": 0,
    },
    "Step 00250 | Validation": {"iteration": 250, "val_bpb": 1.093412},
    "INFO - step:  2  loss": {
        "iteration": 2,
        "loss": 6.1098,
        "grad_norm": 4.6416,
        "memory": 2.49,
        "tps": 177138,
        "tflops": 96.17,
        "mfu": 9.72,
    },
    "validate step: 21": {
        "iteration": 21,
        "val/loss": 0.24183,
        "val/memory": 9.46,
        "val/tps": 35245,
    },
    " iteration      201/": {
        "iteration": 201,
        "consumed samples": 205824,
        "iter_time_ms": 139113.4,
        "learning rate": 1.507e-05,
        "global batch size": 1024,
        "lm loss": 2.373574,
        "loss scale": 1,
        "grad norm": 0.811,
        "number of skipped iterations": 0,
        "number of nan iterations": 0,
    },
    " validation loss at iteration": {
        "iteration": 1000,
        "validation/loss": 2.724416,
        "validation/ppl": 15.24748,
    },
    "train_inner | epoch 143": {
        "iteration": 40100,
        "loss": 3.147,
        "nll_loss": 1.236,
        "ppl": 8.86,
        "wps": 72384.3,
        "ups": 1.21,
        "wpb": 59997.9,
        "bsz": 2186.3,
        "lr": 0.000157917,
        "grad_norm": 0.489,
        "clip": 0,
        "loss_scale": 32768,
        "train_wall": 48,
    },
    "valid | epoch 143": {
        "iteration": 40297,
        "valid/loss": 12.677,
        "valid/nll_loss": 11.546,
        "valid/ppl": 6550.94,
        "valid/bleu": 29.52,
        "valid/wps": 88225,
        "valid/bsz": 666.3,
        "valid/best_bleu": 30.53,
    },
    'train_inner | {"epoch"': {
        "iteration": 5,
        "epoch": 1,
        "update": 0.25,
        "loss": 3.222,
        "ppl": 9.33,
        "lr": 0.0494537,
        "grad_norm": 3.636,
    },
    'valid | {"epoch"': {
        "iteration": 20,
        "valid/loss": 0.242,
        "valid/ppl": 1.18,
        "valid/best_loss": 0.242,
    },
    "    train/CrossEntropyLoss": {"iteration": 1, "train/CrossEntropyLoss": 11.41},
    "[step=1/739328,epoch=0]": {},
    "iteration: 211364": {
        "iteration": 211364,
        "consumed_tokens": 480e9,
        "iter_time_ms": 8790,
        "tokens_per_sec": 182000,
        "tokens_per_sec_per_gpu": 699,
        "global_batch_size": 1.6e6,
        "grad_norm": 0.112,
        "lm_loss": 2.04,
        "lr": 0.0001,
        "model_tflops_per_gpu": 15.4,
    },
    "Epoch 1 | iter 16": {"iteration": 16, "train_loss": 9.884, "iter_time_ms": 28.05},
    "iter 600: val loss": {"iteration": 600, "val_loss": 3.7062},
    "{'loss'": {"iteration": 0.02, "loss": 1.6847, "grad_norm": 0.8, "learning_rate": 4.9e-05},
    "263/263": {
        "iteration": 3,
        "loss": 0.5941,
        "acc": 0.827,
        "val_loss": 0.0751,
        "val_acc": 0.9799,
        "iter_time_ms": 966,
    },
    "Epoch 3/10": {},
    "Epoch(train)  [1]": {
        "iteration": 50,
        "base_lr": 0.0002,
        "lr": 2.1648e-06,
        "time": 0.2526,
        "data_time": 0.0334,
        "memory": 9182,
        "grad_norm": math.nan,
        "loss": 59.1782,
        "loss_cls": 21.0711,
    },
    "Epoch(val)": {
        "iteration": 50,
        "val/coco/bbox_mAP": 0.312,
        "val/coco/bbox_mAP_50": 0.479,
        "val/data_time": 0.0012,
        "val/time": 0.041,
    },
    "Iter(train)": {
        "iteration": 50,
        "lr": 0.0099945,
        "time": 0.3645,
        "data_time": 0.0068,
        "memory": 5463,
        "loss": 2.2349,
        "decode.acc_seg": 23.5813,
    },
    "d2.utils.events": {
        "iteration": 19,
        "total_loss": 5.922,
        "loss_cls": 1.709,
        "time": 0.8241,
        "data_time": 0.8461,
        "lr": 3.9962e-05,
        "max_mem": 1966,
    },
    "Epoch: [0]  [1/6]": {
        "iteration": 1,
        "lr": 0.002003,
        "loss": 7.5953,
        "loss_mask": 1.8035,
        "time": 2.2824,
        "data": 0.6244,
        "mem": 2648,
    },
    "* Acc@1 76": {"iteration": 1, "val/Acc@1": 76.13, "val/Acc@5": 92.862, "val/loss": 0.961},
    "Epoch: [0][  10/1307]": {
        "iteration": 10,
        "Time": 0.779,
        "Data": 0,
        "Loss": 23.915,
        "Acc@1": 0,
        "Acc@5": 12.5,
    },
    " * Acc@1": {"iteration": 10, "val/Acc@1": 69.758, "val/Acc@5": 89.078},
    "| epoch   1 |": {
        "iteration": 200,
        "lr": 20,
        "iter_time_ms": 15.5,
        "loss": 7.63,
        "ppl": 2050.28,
    },
    "| end of epoch": {"iteration": 200, "valid loss": 5.73, "valid ppl": 308.44},
    "Train Epoch: 1": {"iteration": 640 / 60000, "Loss": 2.300825},
    "Test set": {"iteration": 640 / 60000, "test/loss": 0.0287, "test/accuracy": 99},
    "Epoch 0:   1%": {"iteration": 1 / 115, "train/loss_step": 12.9},
    "Epoch 2/10:  45%": {"iteration": 1.45, "loss": 2.31},
    "Epoch [1/5]": {"iteration": 100, "Loss": 0.4567},
    "Step 100/1000": {"iteration": 100, "loss": 2.3456, "lr": 0.0003},
    "Epoch 3/10 | Train": {
        "iteration": 3,
        "Train Loss": 0.5213,
        "Val Loss": 0.6012,
        "Val Acc": 81.25,
    },
}

EXAMPLES = [(pattern, line.example) for pattern in LOG_PATTERNS for line in pattern.lines]


@pytest.mark.parametrize(
    ("pattern", "example"), EXAMPLES, ids=[f"{each.name}: {line[:20]}" for each, line in EXAMPLES]
)
def test_every_number_in_the_lines_of_a_loop_is_read(pattern: LogPattern, example: str) -> None:
    wanted = READ[max((key for key in READ if key in example), key=len)]
    places = [line.example for line in pattern.lines if line.place is not None][:1]
    reader = LineReader(pattern)
    reader.has_times = False
    rows = [reader.row(text.encode(), is_line=True) for text in (*places, example, *places)]
    row = rows[len(places)]
    if row is None and wanted:  # it is of the next place
        row = {name: value for name, value in (rows[-1] or {}).items() if name in wanted}
    assert (row or {}) == pytest.approx(wanted, nan_ok=True)


def test_a_line_like_the_one_before_is_read_alike() -> None:
    for pattern, example in EXAMPLES:
        reader = LineReader(pattern)
        first, second = (reader.row(example.encode(), is_line=False) for _ in range(2))
        assert (first or {}) == pytest.approx(second or {}, nan_ok=True)


def write_log(path: Path, lines: Iterable[str], end: str = "\n") -> Path:
    path.write_text("".join(f"{line}{end}" for line in lines), newline="")
    return path


def nanogpt(steps: Iterable[int]) -> list[str]:
    return [f"iter {step}: loss {5 - step / 100:.4f}, time 100.00ms, mfu 12.26%" for step in steps]


@pytest.mark.parametrize("name", ["train.log", "out.txt", "slurm-123.out"])
def test_a_run_is_a_file_of_lines(tmp_path: Path, name: str) -> None:
    preamble = ["tokens per iteration will be: 4,096", "number of parameters: 0.00M", ""]
    write_log(tmp_path / name, [*preamble, *nanogpt([0, 10, 20])])
    [run] = RunCatalog([tmp_path]).refresh().runs
    assert (run.count, run.iteration, run.problem) == (3, 20, "")
    assert (last_value(run, "train_loss"), last_value(run, "iter_time_ms")) == (4.8, 100.0)
    assert run.environment["written_by"] == "nanoGPT"


@pytest.mark.parametrize("name", sorted(path.name for path in (FOREIGN / "text_logs").glob("*.*")))
def test_logs_of_the_loops_are_told_apart(name: str) -> None:
    tools = {
        "fairseq.log": "fairseq",
        "fairseq_json.log": "fairseq",
        "llm_c.log": "llm.c",
        "megatron.log": "Megatron-LM",
        "modded_nanogpt.txt": "modded-nanogpt",
        "nanogpt.log": "nanoGPT",
        "torchtitan.log": "torchtitan",
        "trainer_4.log": "Transformers",
    }
    if name in tools:
        assert run_of(FOREIGN / "text_logs" / name).environment["written_by"] == tools[name]


def test_planned_steps_are_those_of_the_log(tmp_path: Path) -> None:
    run = run_of(FOREIGN / "text_logs" / "modded_nanogpt.txt")
    assert (planned_steps(run), run.iteration, run.status) == (60, 60, RunStatus.FINISHED)
    assert planned_steps(run_of(FOREIGN / "text_logs" / "nanogpt.log")) is None


def test_the_time_that_is_left_goes_by_that_of_a_step(tmp_path: Path) -> None:
    step = "step {:4d}/100 | loss 9.5 (nanz)| norm 3.5 (nanz)| lr 1e-2 | 500.00 ms | 9% bf16 MFU"
    path = write_log(tmp_path / "a.log", (f"{step.format(i)} | 34133 tok/s" for i in (1, 2)))
    assert eta_seconds(run_of(path)) == pytest.approx(49)


def test_a_log_may_begin_with_its_program(tmp_path: Path) -> None:
    line = '    print0(f"step:{step}/{train_steps} val_loss:{val_loss:.4f}"); return 1'
    source = ["import os", "import torch", "def train():", *[line] * 1500]
    lines = [f"step:{step}/9 val_loss:{9 - step}.5 train_time:{step}00ms" for step in range(5)]
    path = write_log(tmp_path / "log.txt", source)
    assert run_of(path).count == 0
    write_log(path, [*source, *lines])
    run = run_of(path)
    assert (run.count, planned_steps(run), last_value(run, "val_loss")) == (5, 9, 5.5)


def test_times_of_the_lines_are_since_the_first(tmp_path: Path) -> None:
    path = FOREIGN / "text_logs" / "torchtitan.log"
    times = history_of(path).columns["wallclock_time"]
    assert times[:3].tolist() == pytest.approx([0, 4, 9])
    run = run_of(path)
    started, updated = posix_time(run.start_time), posix_time(run.updated_at)
    assert (updated or 0) - (started or 0) == pytest.approx(59)
    assert run.status is RunStatus.FINISHED


def test_colours_and_ends_of_lines_make_no_difference(tmp_path: Path) -> None:
    plain = write_log(tmp_path / "a.log", nanogpt(range(5)))
    coloured = [
        f"\x1b[31m{line[:7]}\x1b[0m\x1b[38;2;1;2;3m{line[7:]}" for line in nanogpt(range(5))
    ]
    windows = write_log(tmp_path / "b.log", coloured, "\r\n")
    assert values(history_of(plain), "loss") == values(history_of(windows), "loss")
    assert len(values(history_of(windows), "loss")) == 5


# ------------------------------------------------------------------------------- progress bars


def trainer_line(epoch: float, loss: float, evaluation: bool = False) -> str:
    if evaluation:
        return f"{{'eval_loss': {loss}, 'eval_runtime': 0.5, 'epoch': {epoch}}}"
    return f"{{'loss': {loss}, 'grad_norm': nan, 'learning_rate': 1e-05, 'epoch': {epoch}}}"


def bar(step: int, total: int) -> str:
    return f"\r {100 * step // total}%|█▋   | {step}/{total} [00:00<00:00, 87.23it/s]"


def test_a_trainer_says_epochs(tmp_path: Path) -> None:
    lines = [trainer_line(epoch / 4, 5 - epoch) for epoch in range(1, 4)]
    lines += [trainer_line(0.75, 1.5, evaluation=True)]
    path = write_log(tmp_path / "a.log", lines)
    run = run_of(path)
    assert counts_epochs(run)
    assert values(history_of(path), "loss") == {0.25: 4.0, 0.5: 3.0, 0.75: 2.0}
    assert (last_value(run, "val_loss"), run.status) == (1.5, RunStatus.RUNNING)
    write_log(path, [*lines, "{'train_runtime': 9.5, 'train_loss': 2.5, 'epoch': 0.75}"])
    run = run_of(path)
    assert (run.status, last_value(run, "train_loss")) == (RunStatus.FINISHED, 2.0)


def test_the_bar_behind_the_line_of_a_trainer_says_the_step(tmp_path: Path) -> None:
    text = bar(0, 60)
    for step in (5, 10, 15):
        text += (
            f"{bar(step - 1, 60)}\r     \r{trainer_line(step / 20, 5 - step / 10)}\n{bar(step, 60)}"
        )
        if step == 10:
            text += f"\r{trainer_line(0.5, 3.0, evaluation=True)}\n{bar(1, 1)}\x1b[A{bar(10, 60)}"
    path = tmp_path / "slurm-1.out"
    path.write_text(f"Map: 100%|███| 7/7 [00:00<00:00]\n{text}\n", newline="")
    run = run_of(path)
    assert values(history_of(path), "loss") == {5: 4.5, 10: 4.0, 15: 3.5}
    assert values(history_of(path), "eval_loss") == {10: 3.0}
    assert (planned_steps(run), counts_epochs(run)) == (60, False)


def test_bars_that_come_late_say_no_step(tmp_path: Path) -> None:
    burst = [trainer_line(epoch / 4, 4.0) for epoch in range(1, 9)]
    path = write_log(tmp_path / "slurm-1.out", [*burst, bar(50, 60)])
    assert [*values(history_of(path), "loss")] == [epoch / 4 for epoch in range(1, 9)]


def test_an_epoch_of_keras_counts_with_its_last_line(tmp_path: Path) -> None:
    path = tmp_path / "fit.log"
    text = "Epoch 1/3\n"
    for batch, loss in ((1, 9.0), (2, 8.0)):
        text += "\b" * 40 + f"\r{batch}/2 [===>..] - ETA: 1s - loss: {loss:.4f}"
    text += "\b" * 40 + "\r2/2 [======] - 1s 5ms/step - loss: 7.5000 - val_loss: 6.5000\n"
    text += "Epoch 2/3\n2/2 - 1s - 7ms/step - loss: 6.0000 - val_loss: 5.5000\n"
    path.write_text(text + "2/2 [=====] - 0s 2ms/step - loss: 99.0000\n", newline="")
    run, history = run_of(path), history_of(path)
    assert values(history, "loss") == {1: 7.5, 2: 6.0}
    assert values(history, "val_loss") == {1: 6.5, 2: 5.5}
    assert values(history, "iter_time_ms") == {1: 5.0, 2: 7.0}
    assert (planned_steps(run), counts_epochs(run)) == (3, True)


def test_an_end_of_a_line_may_come_in_halves() -> None:
    epochs = "".join(f"Epoch {i}/3\r\n2/2 - 1s - 7ms/step - loss: 6.0000\r\n" for i in (1, 2))
    parts = [epochs.encode()[:-1], epochs.encode() + b"2/2 - 0s - 2ms/step - loss: 99.0000\r\n"]
    followed = read_in_parts(TextLogFormat(), parts)
    assert followed == read_in_parts(TextLogFormat(), [epochs.encode()])
    assert "99.0" not in str(followed)


def test_what_is_printed_before_a_step_is_of_that_step(tmp_path: Path) -> None:
    step = "step {:5d} | loss: 9.5 | lr 8e-07 | norm: 1.5 | dt: 90.40ms | tok/sec: 1953.34"
    lines = ["validation loss: 10.5", step.format(0), step.format(1), "validation loss: 9.5"]
    path = write_log(tmp_path / "a.log", lines)
    assert values(history_of(path), "val_loss") == {0: 10.5}
    write_log(path, [*lines, step.format(2)])
    assert values(history_of(path), "val_loss") == {0: 10.5, 2: 9.5}


# --------------------------------------------------------------------------- as the file grows


def test_a_log_is_followed_from_where_it_was(tmp_path: Path) -> None:
    path = write_log(tmp_path / "a.log", nanogpt([0, 1]))
    reader = reader_of(path)
    assert len(reader.history()) == 2
    with path.open("a") as file:
        for part in ("iter 2: loss 4.5", ", time 1.00ms, mfu 1.00%\niter 3", ": loss 4.25, time"):
            file.write(part)
            file.flush()
            reader.follow()
    assert values(reader.history(), "loss") == {0: 5.0, 1: 4.99, 2: 4.5}


def test_steps_that_each_epoch_counts_anew_go_on(tmp_path: Path) -> None:
    lines = [f"Epoch:  {epoch} step:  {step} loss: 5.5" for epoch in range(3) for step in range(9)]
    assert [*values(history_of(write_log(tmp_path / "a.log", lines)), "loss")] == [*range(27)]


def test_a_job_that_is_queued_again_goes_on_in_its_log(tmp_path: Path) -> None:
    lines = [*nanogpt(range(10)), "Resuming training from out", *nanogpt(range(6, 8))]
    path = write_log(tmp_path / "slurm-1.out", lines)
    assert [*values(history_of(path), "loss")] == [*range(8)]


@pytest.mark.parametrize(
    "path",
    [*(FOREIGN / "text_logs").glob("*.*o*"), FOREIGN / "transformers" / "train.log"],
    ids=lambda path: path.stem,
)
def test_following_gives_what_a_fresh_read_gives(path: Path) -> None:
    if path.suffix == ".json":
        return
    data = path.read_bytes()
    fresh = read_in_parts(TextLogFormat(), [data])
    chosen = random.Random(1)
    for _ in range(10):
        cuts = sorted(chosen.randrange(len(data)) for _ in range(4))
        assert read_in_parts(TextLogFormat(), [*(data[:cut] for cut in cuts), data]) == fresh


_TEXT = st.text(st.sampled_from("step iter 123/: loss,|={}'\"epoch.\r\n\b\x1b[m%-\0"), max_size=300)


@given(_TEXT, st.integers(0, 600))
def test_any_text_is_read_in_one_way(text: str, cut: int) -> None:
    data = "\n".join([*nanogpt(range(3)), text, *nanogpt([5, 6]), ""]).encode()
    fresh = read_in_parts(TextLogFormat(), [data])
    assert read_in_parts(TextLogFormat(), [data[:cut], data]) == fresh


# ----------------------------------------------------------------- what is no run, and what is odd


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("requirements.txt", "numpy==2.0\ntorch>=2.4\nstep:1/2\n"),
        ("README.txt", "Run it:\n\n    step 0: train loss 4.28, val loss 4.28\n" + "More.\n" * 40),
        ("notes.txt", "Step 1: load the data\nStep 2: train\nStep 3: look at the loss\n"),
        ("one.log", nanogpt([5])[0] + "\n"),
        ("same.log", (nanogpt([5])[0] + "\n") * 5),
        ("server.log", "2026-01-02 03:04:05,678 - root - INFO - request: 12 time: 0.5\n" * 9),
        ("pip.out", "\r  5%|██   | 5/60 [00:00<00:09, 7.1MB/s]" * 9 + "\n"),
        ("dataset.txt", "".join(f"Step {i}: the loss = 5\n" for i in (1, 2, 3)) * 20),
        ("solution.txt", "What is the loss?\n" + "".join(f"Step {i}: x = 5\n" for i in range(9))),
        ("paper.txt", "\n".join(nanogpt(range(3))) + "\n" + "In prose.\n" * 200),
        ("labels.txt", "0 0.5 0.5 0.25 0.25\n" * 50),
        ("empty.log", ""),
        ("binary.out", "\0\1\2step 1/2\n\377" * 100),
        ("llms-full.txt", "# Docs\n\nimport torch\ndef train():\n    return 1\n\nProse.\n" * 2000),
        ("config.txt", "epochs: 10\nbatch_size: 4\nloss: mse\niter: 100\n"),
    ],
)
def test_texts_that_are_no_runs_are_not_claimed(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, newline="")
    assert RunCatalog([tmp_path]).refresh().runs == ()


def test_a_file_that_a_person_names_says_what_is_wrong(tmp_path: Path) -> None:
    path = write_log(tmp_path / "a.out", ["hello"])
    assert run_of(path).problem.startswith("has no lines of a training loop")


def test_flipped_bits_leave_the_rest_readable(tmp_path: Path) -> None:
    whole = "".join(f"{line}\n" for line in nanogpt(range(60))).encode()
    chosen = random.Random(1)
    for number in range(100):
        data = bytearray(whole)
        for _ in range(3):
            data[chosen.randrange(len(data))] ^= 1 << chosen.randrange(8)
        path = tmp_path / f"{number}.log"
        path.write_bytes(data)
        assert (run_of(path).count or 0) >= 40


@pytest.mark.parametrize(
    "line",
    [
        "iter " + "9" * 5000 + ": loss 1.0, time 1.00ms, mfu 1.00%",
        "iter 5: loss " + "9" * 5000 + ", time 1.00ms, mfu 1.00%",
        "iter 5: loss 1.0" + ", a 1" * 3000,
        "iter 5: " * 5000,
        "\x1b[" * 50_000,
        "x" * 200_000,
        "iter 5: loss nan, time infms, mfu -inf%",
        "step:5/" + "9" * 400 + " val_loss:1",
    ],
)
def test_odd_lines_harm_no_other(tmp_path: Path, line: str) -> None:
    path = write_log(tmp_path / "a.log", [*nanogpt(range(4)), line, *nanogpt(range(8, 10))])
    found = values(history_of(path), "loss")
    assert {0.0, 1.0, 2.0, 3.0} <= found.keys()
    assert math.isfinite(max(found))


def test_a_large_log_is_sampled(tmp_path: Path) -> None:
    reader = reader_of(write_log(tmp_path / "a.log", nanogpt(range(20_000))))
    sample = reader.sample(50)
    assert 50 < len(sample) < 5000
    found = values(sample, "loss")
    assert {min(found), max(found)} == {0, 19_999}


def test_a_log_beside_what_says_more_of_the_run_is_not_listed(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    write_log(run / "train.log", nanogpt(range(3)))
    write_log(run / "other.log", nanogpt(range(4)))
    found = {run.title: run for run in RunCatalog([tmp_path]).refresh().runs}
    assert found.keys() == {"run", "run/other"}
    write_log(run / "metrics.jsonl", ('{"step": 5, "loss": 1.0}', '{"step": 6, "loss": 2.0}'))
    found = {run.title: run for run in RunCatalog([tmp_path]).refresh().runs}
    assert (found.keys(), found["run"].iteration) == ({"run", "run/other"}, 6)
    write_events(run, {"loss": [(9, 1.0)]})
    found = {run.title: run for run in RunCatalog([tmp_path]).refresh().runs}
    assert (found.keys(), found["run"].iteration) == ({"run", "run/other"}, 9)


def test_the_files_of_mmengine_are_one_run(tmp_path: Path) -> None:
    line = "2024/06/19 01:2{}:51 - mmengine - INFO - Epoch(train)  [1][{}/90]  lr: 1e-3  loss: 2.5"
    run = tmp_path / "20240619_012100"
    (run / "vis_data").mkdir(parents=True)
    write_log(run / f"{run.name}.log", (line.format(i, i) for i in range(3)))
    for name in (f"{run.name}.json", "scalars.json"):
        rows = (f'{{"lr": 0.5, "loss": 2.5, "time": 0.25, "step": {i}}}' for i in range(3))
        write_log(run / "vis_data" / name, rows)
    [found] = RunCatalog([tmp_path]).refresh().runs
    assert (found.title, found.count, found.problem) == (run.name, 3, "")
