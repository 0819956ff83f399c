"""A Trainer under our callback: whole, killed and resumed, or failed; see ``try_faces.py``."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

import expected
import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments

import traintop.integrations.transformers  # noqa: F401 - so that report_to knows it


class At(TrainerCallback):
    """Does something when a step is done."""

    def __init__(self, step: int, act: Callable[[], None]) -> None:
        self.step, self.act = step, act

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            self.act()


def fail() -> None:
    raise MemoryError("CUDA out of memory, or so it seems")


def trainer(output_dir: str, *callbacks: TrainerCallback) -> Trainer:
    """Of a tiny language model, which learns to count."""
    torch.manual_seed(0)
    model = GPT2LMHeadModel(
        GPT2Config(vocab_size=32, n_positions=16, n_embd=16, n_layer=1, n_head=2)
    )
    sequences = [(torch.arange(16) + start) % 32 for start in range(32)]
    samples = [{"input_ids": sequence, "labels": sequence} for sequence in sequences]
    arguments = TrainingArguments(
        output_dir,
        max_steps=60,
        learning_rate=5e-3,
        logging_steps=5,
        eval_strategy="steps",
        eval_steps=10,
        save_steps=20,
        use_cpu=True,
        seed=0,
        report_to="traintop",
    )
    return Trainer(
        model,
        arguments,
        train_dataset=samples,
        eval_dataset=samples[:8],
        callbacks=list(callbacks),
    )


def main(how: str) -> None:
    if how == "killed":
        trainer("resumed", At(45, lambda: os.kill(os.getpid(), signal.SIGKILL))).train()
    elif how == "failed":
        trainer("failed", At(45, fail)).train()
    else:
        one = trainer(how)
        one.train(resume_from_checkpoint=how == "resumed")
        one.evaluate()
        metrics: dict[str, list[tuple[int, float]]] = {}
        for entry in one.state.log_history:
            for name in ("loss", "eval_loss", "learning_rate", "epoch"):
                if name in entry:
                    metrics.setdefault(name, []).append((entry["step"], entry[name]))
        expected.write({how: expected.run(metrics)})


if __name__ == "__main__":
    main(sys.argv[1])
