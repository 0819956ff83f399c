"""Transformers' Trainer: with TensorBoard, alone, and as LLaMA-Factory logs it; see the README."""

from __future__ import annotations

import ast
import json
import re
import time
from contextlib import redirect_stderr, redirect_stdout
from datetime import timedelta
from pathlib import Path

import expected
import read_events
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

STATE = "trainer_state.json"


class LlamaFactoryLog(TrainerCallback):
    """Appends to ``trainer_log.jsonl`` what LLaMA-Factory's ``LogCallback`` would: not its code."""

    NAMES = (
        ("loss", "loss"),
        ("eval_loss", "eval_loss"),
        ("lr", "learning_rate"),
        ("epoch", "epoch"),
    )

    def on_train_begin(self, args, state, control, **kwargs):
        self.started = time.time()

    def on_log(self, args, state, control, **kwargs):
        done, total = state.global_step, state.max_steps
        elapsed = time.time() - self.started
        left = (total - done) * elapsed / done
        newest = state.log_history[-1]
        line = {
            "current_steps": done,
            "total_steps": total,
            **{name: newest[key] for name, key in self.NAMES if key in newest},
            "percentage": round(done / total * 100, 2),
            "elapsed_time": str(timedelta(seconds=int(elapsed))),
            "remaining_time": str(timedelta(seconds=int(left))),
            "throughput": round(state.num_input_tokens_seen / elapsed, 2),
            "total_tokens": int(state.num_input_tokens_seen),
        }
        with (Path(args.output_dir) / "trainer_log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")


class OutOfMemory(TrainerCallback):
    """Ends a training in its middle."""

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 45:
            raise MemoryError("CUDA out of memory, or so it seems")


def train(output_dir: str, *callbacks: TrainerCallback, **arguments: object) -> None:
    """Train a tiny language model to count; keep what the Trainer logs, not what it saves."""
    torch.manual_seed(0)
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=32,
            n_positions=16,
            n_embd=16,
            n_layer=1,
            n_head=2,
            bos_token_id=0,
            eos_token_id=0,
        )
    )
    sequences = [(torch.arange(16) + start) % 32 for start in range(32)]
    samples = [{"input_ids": sequence, "labels": sequence} for sequence in sequences]
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir,
            max_steps=60,
            learning_rate=5e-3,
            logging_steps=5,
            eval_strategy="steps",
            eval_steps=10,
            save_steps=20,
            use_cpu=True,
            seed=0,
            **arguments,
        ),
        train_dataset=samples,
        eval_dataset=samples[:8],
        callbacks=list(callbacks),
    )
    try:
        trainer.train()
        trainer.save_state()
    except MemoryError as error:
        print(f"Traceback (most recent call last):\nMemoryError: {error}")
    for path in Path(output_dir).rglob("*"):
        is_log = path.suffix in (".json", ".jsonl") or "tfevents" in path.name
        if path.is_file() and not is_log:
            path.unlink()


def read(directory: Path) -> dict:
    """What the newest state of a training says."""
    states = [json.loads(path.read_text()) for path in directory.rglob(STATE)]
    newest = max(states, key=lambda state: state["global_step"])
    metrics: dict[str, list[tuple[int, float]]] = {}
    for entry in newest["log_history"]:
        for name, value in entry.items():
            if name != "step":
                metrics.setdefault(name, []).append((entry["step"], value))
    state = {
        key: newest[key]
        for key in (
            "global_step",
            "max_steps",
            "best_metric",
            "num_train_epochs",
            "train_batch_size",
        )
    }
    return expected.run(metrics, state=state)


def read_log(directory: Path) -> dict:
    """What ``trainer_log.jsonl`` says."""
    metrics: dict[str, list[tuple[int, float]]] = {}
    for text in (directory / "trainer_log.jsonl").read_text().splitlines():
        line = json.loads(text)
        for name, value in line.items():
            if name not in ("current_steps", "total_steps") and not isinstance(value, str):
                metrics.setdefault(name, []).append((line["current_steps"], value))
    return expected.run(metrics, total_steps=line["total_steps"])


def read_output(path: Path) -> dict:
    """What the dictionaries say that the Trainer prints: they name the epoch, and no step."""
    metrics: dict[str, list[tuple[float, float]]] = {}
    for text in re.findall(r"\{'.*?\}", path.read_text()):
        line = {name: float(value) for name, value in ast.literal_eval(text).items()}
        for name, value in line.items():
            if name != "epoch":
                metrics.setdefault(name, []).append((line["epoch"], value))
    return expected.run(metrics, x="epoch")


if __name__ == "__main__":
    train("with_tensorboard", report_to="tensorboard", run_name="counting")
    with Path("train.log").open("w") as log, redirect_stdout(log), redirect_stderr(log):
        train("interrupted", OutOfMemory(), report_to="none")
    train("llama_factory", LlamaFactoryLog(), report_to="none", include_num_input_tokens_seen="all")
    runs = {name: read(Path(name)) for name in ("with_tensorboard", "interrupted", "llama_factory")}
    runs["llama_factory/trainer_log.jsonl"] = read_log(Path("llama_factory"))
    runs["train.log"] = read_output(Path("train.log"))
    for directory in Path("with_tensorboard/runs").iterdir():
        runs[str(directory)] = read_events.read(directory)
    expected.write(runs)
