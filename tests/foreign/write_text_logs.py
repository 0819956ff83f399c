"""Lines as well-known training loops print them, around a real training; see the README.

The loops themselves need GPUs and data. Each function below makes the lines of one of them from the
numbers of a tiny training, in the format that its public source has. What a log says is what its
lines show: a value that was printed with four digits is expected with four.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import expected
from tiny_training import training

STEPS = 60
TOKENS_PER_STEP = 4096
STARTED = datetime.fromisoformat("2026-01-02T03:04:05")


class Line(NamedTuple):
    """A line of a log, and the numbers in it under the names that the loop gives them."""

    text: str
    step: float = 0
    """Or the epoch, where lines name no step."""

    numbers: Mapping[str, str] = MappingProxyType({})


def nanogpt() -> Iterator[Line]:
    """karpathy/nanoGPT, train.py."""
    yield Line("tokens per iteration will be: 4,096")
    yield Line("number of parameters: 0.00M")
    yield Line("num decayed parameter tensors: 1, with 3 parameters")
    for step in training(STEPS + 1, eval_every=20):
        if step.val_loss is not None:
            shown = {"train loss": f"{step.loss:.4f}", "val loss": f"{step.val_loss:.4f}"}
            yield Line(
                f"step {step.step}: train loss {shown['train loss']}, val loss {shown['val loss']}",
                step.step,
                shown,
            )
            if step.step:
                yield Line("saving checkpoint to out")
        if step.step % 5 == 0:
            mfu = -100 if step.step < 5 else 17.3 + math.sin(step.step)
            shown = {
                "loss": f"{step.loss:.4f}",
                "time": f"{_milliseconds(step.step):.2f}",
                "mfu": f"{mfu:.2f}",
            }
            yield Line(
                f"iter {step.step}: loss {shown['loss']}, time {shown['time']}ms, "
                f"mfu {shown['mfu']}%",
                step.step,
                shown,
            )


def modded_nanogpt() -> Iterator[Line]:
    """KellerJordan/modded-nanogpt, train_gpt.py: its own source comes first, then the lines."""
    for text in Path(__file__).read_text().splitlines():
        yield Line(text)
    yield Line("=" * 100)
    yield Line("Running Python 3.12.9 (main, Feb  5 2025, 08:49:00) [GCC 11.4.0]")
    yield Line("=" * 100)
    elapsed = 0.0
    for step in training(STEPS + 1, eval_every=20):
        timed = step.step - 10 if step.step > 11 else math.nan
        if step.val_loss is not None:
            shown = {
                "val_loss": f"{step.val_loss:.4f}",
                "train_time": f"{elapsed:.0f}",
                "step_avg": f"{elapsed / timed:.2f}",
            }
            yield Line(
                f"step:{step.step}/{STEPS} val_loss:{shown['val_loss']}"
                f" train_time:{shown['train_time']}ms step_avg:{shown['step_avg']}ms",
                step.step,
                shown,
            )
        if step.step < STEPS:
            elapsed = 0 if step.step == 10 else elapsed + _milliseconds(step.step)
            timed = step.step - 9 if step.step > 11 else math.nan
            shown = {"train_time": f"{elapsed:.0f}", "step_avg": f"{elapsed / timed:.2f}"}
            yield Line(
                f"step:{step.step + 1}/{STEPS}"
                f" train_time:{shown['train_time']}ms step_avg:{shown['step_avg']}ms",
                step.step + 1,
                shown,
            )
    yield Line("peak memory allocated: 31636 MiB reserved: 31814 MiB")


def llm_c() -> Iterator[Line]:
    """karpathy/llm.c, train_gpt2.cu, what it prints."""
    yield Line("+-----------------------+----------------------------------------------------+")
    yield Line("| learning rate (LR)    | 6.000000e-04                                       |")
    yield Line("+-----------------------+----------------------------------------------------+")
    for step in training(STEPS, eval_every=20):
        if step.val_loss is not None:
            value = f"{step.val_loss:.6f}"
            yield Line(f"val loss {value}", step.step, {"val loss": value})
        odd = "nanz" if step.step < 5 else f"{math.sin(step.step):+.2f}z"
        shown = {
            "loss": f"{step.loss:7.6f}",
            "norm": f"{step.grad_norm:6.4f}",
            "lr": f"{step.learning_rate:.2e}",
            "ms": f"{_milliseconds(step.step):.2f}",
            "bf16 MFU": "39.9",
            "tok/s": f"{1000 * TOKENS_PER_STEP / _milliseconds(step.step):.0f}",
        }
        yield Line(
            f"step {step.step + 1:4d}/{STEPS} | loss {shown['loss']} ({odd})"
            f"| norm {shown['norm']} ({odd})| lr {shown['lr']} | {shown['ms']} ms"
            f" | {shown['bf16 MFU']}% bf16 MFU | {shown['tok/s']} tok/s",
            step.step + 1,
            shown,
        )


def llm_c_main() -> Iterator[Line]:
    """karpathy/llm.c, llmc/logger.h: ``main.log``."""
    for step in training(STEPS, eval_every=20):
        if step.val_loss is not None:
            value = f"{step.val_loss:.4f}"
            yield Line(f"s:{step.step} tel:{value}", step.step, {"tel": value})
        shown = {
            "trl": f"{step.loss:.4f}",
            "lr": f"{step.learning_rate:.6f}",
            "norm": f"{step.grad_norm:.2f}",
        }
        yield Line(
            f"s:{step.step} trl:{shown['trl']} lr:{shown['lr']} norm:{shown['norm']}",
            step.step,
            shown,
        )


def torchtitan() -> Iterator[Line]:
    """pytorch/torchtitan, components/metrics.py, in colours, as rank 0 of torchrun."""
    red, green, yellow, blue = "\033[31m", "\033[32m", "\033[33m", "\033[34m"
    magenta, cyan, reset = "\033[35m", "\033[36m", "\033[39m"
    orange, turquoise = "\033[38;2;180;60;0m", "\033[38;2;54;234;195m"
    memory = f"{turquoise}memory:  9.46GiB(64.99%)  "
    shown_memory = {"memory": "9.46"}

    def line(text: str, step: int = 0, shown: dict[str, str] | None = None) -> Line:
        moment = STARTED + timedelta(seconds=step)
        return Line(
            f"[rank0]:[titan] {moment:%Y-%m-%d %H:%M:%S},338 - root - INFO - {text}",
            step,
            shown or {},
        )

    yield line("Training starts at step 1")
    for step in training(STEPS, eval_every=20):
        done = step.step + 1
        tps = f"{round(1000 * TOKENS_PER_STEP / _milliseconds(step.step)):,}"
        if done == 1 or done % 5 == 0:
            shown = {
                "loss": f"{step.loss:8.5f}",
                "grad_norm": f"{step.grad_norm:7.4f}",
                **shown_memory,
            }
            shown |= {"tps": tps, "tflops": "0.52", "mfu": "0.17"}
            yield line(
                f"{red}step: {done:2}  {green}loss: {shown['loss']}  "
                f"{orange}grad_norm: {shown['grad_norm']}  {memory}{blue}tps: {tps}  "
                f"{cyan}tflops: {shown['tflops']}  {magenta}mfu: {shown['mfu']}%{reset}",
                done,
                shown,
            )
        if step.step and step.val_loss is not None:
            shown = {"validate loss": f"{step.val_loss:8.5f}"}
            yield line(
                f"{yellow}validate step: {done:2}  {green}loss: {shown['validate loss']}  "
                f"{memory}{blue}tps: {tps}{reset}",
                done,
                shown,
            )
    yield line("Training completed", STEPS)


def megatron() -> Iterator[Line]:
    """NVIDIA/Megatron-LM, megatron/training/training.py."""
    yield Line("[before the start of training step] datetime: 2026-01-02 03:04:05 ")
    for step in training(STEPS + 1, eval_every=20):
        if step.step and step.step % 5 == 0:
            shown = {
                "consumed samples": f"{8 * step.step:12d}",
                "elapsed time per iteration (ms)": f"{_milliseconds(step.step):.1f}",
                "learning rate": f"{step.learning_rate:.6E}",
                "global batch size": f"{8:5d}",
                "lm loss": f"{step.loss:.6E}",
                "loss scale": "1.0",
                "grad norm": f"{step.grad_norm:.3f}",
                "number of skipped iterations": f"{0:3d}",
                "number of nan iterations": f"{0:3d}",
            }
            moment = STARTED + timedelta(seconds=step.step)
            fields = "".join(f" {name}: {value} |" for name, value in shown.items())
            yield Line(
                f" [{moment:%Y-%m-%d %H:%M:%S}] iteration {step.step:8d}/{STEPS:8d} |{fields}",
                step.step,
                shown,
            )
        if step.step and step.val_loss is not None:
            shown = {
                "lm loss value": f"{step.val_loss:.6E}",
                "lm loss PPL": f"{math.exp(min(20, step.val_loss)):.6E}",
            }
            fields = "".join(f"{name}: {value} | " for name, value in shown.items())
            text = f" validation loss at iteration {step.step} on validation set | {fields}"
            yield Line("-" * len(text))
            yield Line(text, step.step, shown)
            yield Line("-" * len(text))


def fairseq(line_format: str) -> Iterator[Line]:
    """facebookresearch/fairseq, fairseq/logging/progress_bar.py, its formats simple and json."""
    updates_per_epoch = 20

    def line(part: str, text: str, step: int = 0, shown: dict[str, str] | None = None) -> Line:
        moment = STARTED + timedelta(seconds=step)
        return Line(f"{moment:%Y-%m-%d %H:%M:%S} | INFO | {part} | {text}", step, shown or {})

    yield line("fairseq_cli.train", "training on 1 devices (GPUs/TPUs)")
    for step in training(STEPS, eval_every=updates_per_epoch):
        done = step.step + 1
        epoch, within = divmod(step.step, updates_per_epoch)
        if done % 5 == 0:
            shown = {
                "loss": f"{step.loss:.3f}",
                "ppl": f"{2**step.loss:.2f}",
                "num_updates": str(done),
                "lr": f"{step.learning_rate:g}",
                "gnorm": f"{step.grad_norm:.3f}",
                "wall": str(done // 10),
            }
            if line_format == "json":
                update = round(epoch + (within + 1) / updates_per_epoch, 3)
                text = json.dumps({"epoch": epoch + 1, "update": update, **shown})
                shown = {"epoch": str(epoch + 1), "update": str(update), **shown}
            else:
                pairs = ", ".join(f"{name}={value}" for name, value in shown.items())
                text = f"epoch {epoch + 1:03d}:  {within + 1:5d} / {updates_per_epoch:d} {pairs}"
            yield line("train_inner", text, done, shown)
        if step.step and step.val_loss is not None:
            shown = {"loss": f"{step.val_loss:.3f}", "ppl": f"{2**step.val_loss:.2f}"}
            shown |= {"num_updates": str(step.step), "best_loss": shown["loss"]}
            if line_format == "json":
                shown = {f"valid_{name}": value for name, value in shown.items()}
                text = json.dumps({"epoch": epoch, **shown})
            else:
                pairs = " | ".join(f"{name} {value}" for name, value in shown.items())
                text = f"epoch {epoch:03d} | valid on 'valid' subset | {pairs}"
                shown = {f"valid {name}": value for name, value in shown.items()}
            yield line("valid", text, step.step, shown)
    yield line("fairseq_cli.train", "done training in 6.1 seconds", STEPS)


def trainer() -> Iterator[Line]:
    """huggingface/transformers before version 5: numbers, where it now prints them as strings."""
    for step in training(STEPS + 1, eval_every=20):
        epoch = round(step.step / 20, 2)
        if step.step and step.step % 5 == 0:
            values = {
                "loss": round(step.loss, 4),
                "grad_norm": step.grad_norm,
                "learning_rate": step.learning_rate,
            }
            yield Line(
                str(values | {"epoch": epoch}), epoch, {n: str(v) for n, v in values.items()}
            )
        if step.step and step.val_loss is not None:
            values = {"eval_loss": step.val_loss, "eval_runtime": 0.0025}
            yield Line(
                str(values | {"epoch": epoch}), epoch, {n: str(v) for n, v in values.items()}
            )


def _milliseconds(step: int) -> float:
    return 120 + 5 * math.sin(step)


def write(path: str, lines: Iterator[Line]) -> dict:
    metrics: dict[str, list[tuple[float, float]]] = {}
    Path(path).parent.mkdir(exist_ok=True)
    with Path(path).open("w", encoding="utf-8") as log:
        for line in lines:
            log.write(line.text + "\n")
            for name, shown in line.numbers.items():
                metrics.setdefault(name, []).append((line.step, float(shown.replace(",", ""))))
    return expected.run(metrics)


if __name__ == "__main__":
    expected.write(
        {
            path: write(path, lines)
            for path, lines in (
                ("nanogpt.log", nanogpt()),
                ("modded_nanogpt.txt", modded_nanogpt()),
                ("llm_c.log", llm_c()),
                ("llm_c/main.log", llm_c_main()),
                ("torchtitan.log", torchtitan()),
                ("megatron.log", megatron()),
                ("fairseq.log", fairseq("simple")),
                ("fairseq_json.log", fairseq("json")),
                ("trainer_4.log", trainer()),
            )
        }
    )
