"""Experiment tracking by example: copy what you need into your own training script.

Run it with ``python -m cs336_basics.experiment_tracking_example``. It trains a few small
language models on the source code of Python's standard library, which takes some 15 seconds, and
writes their logs into ``experiment_logs/``. Then look at them with ``traintop``.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from pathlib import Path

# So small a model trains faster on one core; numpy reads this when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from cs336_basics.experiment_analysis import ExperimentAnalyzer
from cs336_basics.experiment_log import ExperimentConfig, ExperimentTracker
from traintop.demo.corpus import load_corpus, sample_batch
from traintop.demo.language_model import (
    AdamW,
    LanguageModel,
    clip_gradients,
    cosine_learning_rate,
)
from traintop.demo.training import train

BASELINE = ExperimentConfig(
    experiment_name="baseline",
    d_model=64,
    num_layers=2,
    d_ff=128,
    vocab_size=96,
    context_length=64,
    batch_size=16,
    max_iters=250,
    max_learning_rate=3e-3,
    min_learning_rate=3e-4,
    warmup_iters=25,
    device="cpu",
)


def track_one_run(config: ExperimentConfig, log_dir: Path) -> None:
    """Part 1: a training loop with a tracker in it, call by call."""
    corpus = load_corpus()
    model = LanguageModel(config)
    optimizer = AdamW(model.parameters, config)
    generator = np.random.default_rng(config.seed)

    tracker = ExperimentTracker(config, log_dir=log_dir)
    tracker.start()
    for iter_num in range(config.max_iters):
        started = time.perf_counter()
        lr = cosine_learning_rate(iter_num, config)
        tokens, targets = sample_batch(
            corpus.train, config.batch_size, config.context_length, generator
        )
        loss, gradients = model.loss_and_gradients(tokens, targets)
        grad_norm = clip_gradients(gradients, config.grad_clip)
        optimizer.step(gradients, lr)
        tracker.increment_gradient_step()
        iter_time = time.perf_counter() - started

        tracker.log_metrics(
            iteration=iter_num,
            train_loss=loss,
            learning_rate=lr,
            tokens_per_sec=config.batch_size * config.context_length / iter_time,
            iter_time_ms=iter_time * 1000,
            grad_norm=grad_norm,  # any further metric is a keyword of its own
        )
        if (iter_num + 1) % 50 == 0:
            validation = sample_batch(corpus.validation, 64, config.context_length, generator)
            val_loss = model.loss(*validation)
            tracker.log_eval(iteration=iter_num, train_loss=loss, val_loss=val_loss)

    tracker.finish(train_loss=loss, val_loss=val_loss, notes="The example's first part.")
    tracker.save()
    tracker.print_summary()


def sweep_learning_rates(config: ExperimentConfig, log_dir: Path) -> None:
    """Part 2: several runs, one log file each; ``train`` has the tracker in a ``with`` block."""
    for lr in [1e-4, 6e-4, 1e-3]:
        run_config = config._replace(
            experiment_name=f"lr_{lr:.0e}", max_learning_rate=lr, min_learning_rate=lr / 10
        )
        print(f"training {run_config.experiment_name} ...", flush=True)
        train(run_config, log_dir)


def analyze(log_dir: Path) -> None:
    """Part 3: read the logs back, compare the runs, and export one."""
    analyzer = ExperimentAnalyzer(log_dir=log_dir)
    analyzer.load_all()
    print(analyzer.get_comparison_table())

    best_name, best_loss = analyzer.get_best_experiment("val_loss")
    print(f"Best: {best_name} ({best_loss:.6f})")

    iterations, train_losses, val_losses = analyzer.get_loss_trajectories(best_name)
    print(f"Its training loss went from {train_losses[0]:.3f} to {train_losses[-1]:.3f}", end=" ")
    measured = [loss for loss in val_losses if not math.isnan(loss)]
    print(f"in {len(iterations)} iterations, with {len(measured)} validations on the way.")

    csv_path = Path(f"{best_name}.csv")
    analyzer.export_csv(best_name, csv_path)
    print(f"Its records as a table: {csv_path}")


def main() -> None:
    """Run the three parts one after the other."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--log-dir", type=Path, default=Path("experiment_logs"))
    log_dir = parser.parse_args().log_dir

    track_one_run(BASELINE, log_dir)
    sweep_learning_rates(BASELINE, log_dir)
    analyze(log_dir)


if __name__ == "__main__":
    main()
