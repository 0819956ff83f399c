"""The training loop of the demo: an ordinary one, with a tracker in it."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np

from traintop import ExperimentConfig, ExperimentTracker
from traintop.demo.corpus import load_corpus, sample_batch
from traintop.demo.language_model import (
    AdamW,
    LanguageModel,
    clip_gradients,
    cosine_learning_rate,
)

EVALUATION_INTERVAL = 100
"""Iterations from one validation to the next."""

_VALIDATION_EXCERPTS = 64
_VALIDATION_SEED = 0  # the same excerpts for every run, so that runs can be compared
_ITERATIONS_AFTER_DIVERGENCE = 5


def train(config: ExperimentConfig, log_dir: Path) -> Path:
    """Train a language model on the standard library's text and log it; returns the log file.

    All settings of the configuration except ``device`` are used. A run whose loss is no longer
    finite cannot recover: it stops a few iterations later and says so in its notes. Raises
    ``FileNotFoundError`` when there is no text to learn from.
    """
    corpus = load_corpus()
    validation_generator = np.random.default_rng(_VALIDATION_SEED)
    validation = sample_batch(
        corpus.validation, _VALIDATION_EXCERPTS, config.context_length, validation_generator
    )
    model = LanguageModel(config)
    optimizer = AdamW(model.parameters, config)
    generator = np.random.default_rng(config.seed)
    loss, val_loss = math.nan, None
    diverged_at, notes = None, ""
    # A diverging run overflows: that belongs in its log, not in warnings.
    with (
        np.errstate(all="ignore"),
        ExperimentTracker(config, log_dir=log_dir, quiet=True) as tracker,
    ):
        for iteration in range(config.max_iters):
            started = time.perf_counter()
            learning_rate = cosine_learning_rate(iteration, config)
            tokens, targets = sample_batch(
                corpus.train, config.batch_size, config.context_length, generator
            )
            loss, gradients = model.loss_and_gradients(tokens, targets)
            grad_norm = clip_gradients(gradients, config.grad_clip)
            optimizer.step(gradients, learning_rate)
            tracker.increment_gradient_step()
            seconds = time.perf_counter() - started

            tracker.log_metrics(
                iteration=iteration,
                train_loss=loss,
                learning_rate=learning_rate,
                tokens_per_sec=tokens.size / seconds,
                iter_time_ms=seconds * 1000,
                grad_norm=grad_norm,
            )
            if diverged_at is None and not math.isfinite(loss):
                diverged_at = iteration
            if diverged_at is not None and iteration >= diverged_at + _ITERATIONS_AFTER_DIVERGENCE:
                break
            if (iteration + 1) % EVALUATION_INTERVAL == 0 or iteration + 1 == config.max_iters:
                val_loss = model.loss(*validation)
                tracker.log_eval(iteration=iteration, train_loss=loss, val_loss=val_loss)
        if diverged_at is not None:
            notes = f"Diverged: loss {loss} since iteration {diverged_at}."
        tracker.finish(train_loss=loss, val_loss=val_loss, notes=notes)
        return tracker.save()
