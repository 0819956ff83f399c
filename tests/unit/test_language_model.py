"""The demo's model: its gradients are right, it learns, and it does so reproducibly."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from traintop import ExperimentConfig
from traintop.demo.corpus import VOCABULARY, encode, load_corpus, sample_batch
from traintop.demo.language_model import (
    AdamW,
    LanguageModel,
    clip_gradients,
    cosine_learning_rate,
)

TINY = ExperimentConfig(
    "tiny",
    d_model=16,
    num_layers=2,
    d_ff=24,
    vocab_size=len(VOCABULARY),
    context_length=12,
    batch_size=8,
    max_iters=60,
    max_learning_rate=1e-2,
    min_learning_rate=1e-3,
    warmup_iters=6,
)


def decode(tokens: np.ndarray) -> str:
    return "".join(VOCABULARY[token] for token in tokens)


def random_batch(config: ExperimentConfig, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    shape = (2, config.batch_size, config.context_length)
    tokens, targets = generator.integers(config.vocab_size, size=shape)
    return tokens, targets


def train(config: ExperimentConfig) -> tuple[list[float], LanguageModel]:
    corpus = load_corpus()
    model = LanguageModel(config)
    optimizer = AdamW(model.parameters, config)
    generator = np.random.default_rng(config.seed)
    losses = []
    for iteration in range(config.max_iters):
        batch = sample_batch(corpus.train, config.batch_size, config.context_length, generator)
        loss, gradients = model.loss_and_gradients(*batch)
        clip_gradients(gradients, config.grad_clip)
        optimizer.step(gradients, cosine_learning_rate(iteration, config))
        losses.append(loss)
    return losses, model


@pytest.mark.parametrize("name", LanguageModel(TINY).parameters)
def test_gradients_agree_with_finite_differences(name: str) -> None:
    model = LanguageModel(TINY, dtype=np.float64)
    # A small head would hide errors in its neighbours' gradients.
    generator = np.random.default_rng(1)
    for parameter in model.parameters.values():
        parameter += 0.3 * generator.standard_normal(parameter.shape)
    tokens, targets = random_batch(TINY)
    _, gradients = model.loss_and_gradients(tokens, targets)
    parameter = model.parameters[name].reshape(-1)
    step = 1e-5
    for index in generator.choice(parameter.size, size=5, replace=False):
        value = parameter[index]
        parameter[index] = value + step
        above = model.loss(tokens, targets)
        parameter[index] = value - step
        below = model.loss(tokens, targets)
        parameter[index] = value
        numeric = (above - below) / (2 * step)
        assert gradients[name].reshape(-1)[index] == pytest.approx(numeric, rel=1e-5, abs=1e-9)


def test_a_character_does_not_see_the_future() -> None:
    model = LanguageModel(TINY, dtype=np.float64)
    tokens, _ = random_batch(TINY._replace(batch_size=1))
    before = model.logits(tokens)
    changed = tokens.copy()
    changed[0, 7] = (changed[0, 7] + 1) % TINY.vocab_size
    after = model.logits(changed)
    np.testing.assert_array_equal(before[:7], after[:7])
    assert (before[7:] != after[7:]).any(axis=1).all()


def test_order_matters() -> None:
    model = LanguageModel(TINY, dtype=np.float64)
    tokens = np.arange(TINY.context_length)[None, :]
    swapped = tokens.copy()
    swapped[0, [8, 9]] = swapped[0, [9, 8]]
    assert not np.allclose(model.logits(tokens)[-1], model.logits(swapped)[-1])


def test_training_starts_at_uniform_predictions_and_learns() -> None:
    losses, model = train(TINY)
    assert losses[0] == pytest.approx(math.log(TINY.vocab_size), abs=0.1)
    assert np.mean(losses[-5:]) < losses[0] - 1
    validation = sample_batch(load_corpus().validation, 64, 12, np.random.default_rng(0))
    assert model.loss(*validation) < losses[0] - 1


def test_the_seed_decides_the_run() -> None:
    short = TINY._replace(max_iters=5)
    first, model = train(short)
    again, same_model = train(short)
    other, _ = train(short._replace(seed=1))
    assert first == again != other
    for name, parameter in model.parameters.items():
        np.testing.assert_array_equal(parameter, same_model.parameters[name])


def test_parameters_are_single_precision_throughout_training() -> None:
    _, model = train(TINY._replace(max_iters=2))
    assert {parameter.dtype for parameter in model.parameters.values()} == {np.dtype(np.float32)}


def test_a_learning_rate_beyond_weight_decays_limit_diverges() -> None:
    with np.errstate(all="ignore"):
        losses, _ = train(TINY._replace(max_learning_rate=1e2, min_learning_rate=1e1))
    assert math.isfinite(losses[0])
    assert not math.isfinite(losses[-1])


def test_adamw_takes_the_steps_of_its_definition() -> None:
    parameters = {"w": np.array([1.0, -2.0])}
    config = TINY._replace(beta1=0.9, beta2=0.95, eps=1e-8, weight_decay=0.1)
    optimizer = AdamW(parameters, config)
    # With equal gradients the corrected moments are g and g², so each step is the sign of g.
    for _ in range(3):
        expected = parameters["w"] - 0.01 * (np.array([1.0, -1.0]) + 0.1 * parameters["w"])
        optimizer.step({"w": np.array([0.5, -3.0])}, learning_rate=0.01)
        np.testing.assert_allclose(parameters["w"], expected, rtol=1e-6)


def test_clipping_keeps_the_direction_and_reports_the_norm() -> None:
    gradients = {"a": np.array([3.0]), "b": np.array([[4.0]])}
    assert clip_gradients(gradients, max_norm=1.0) == pytest.approx(5.0)
    assert gradients["a"][0] == pytest.approx(0.6)
    assert gradients["b"][0, 0] == pytest.approx(0.8)
    assert clip_gradients(gradients, max_norm=2.0) == pytest.approx(1.0)
    assert gradients["a"][0] == pytest.approx(0.6)


def test_schedule_warms_up_and_decays_to_the_minimum() -> None:
    config = TINY._replace(
        max_iters=110, warmup_iters=10, max_learning_rate=1.0, min_learning_rate=0.1
    )
    rates = [cosine_learning_rate(iteration, config) for iteration in range(130)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == pytest.approx(1.0)
    assert rates[60] == pytest.approx(0.55)
    assert rates[110:] == [pytest.approx(0.1)] * 20
    assert all(earlier > later for earlier, later in itertools.pairwise(rates[10:111]))


def test_schedule_without_warm_up_starts_at_the_maximum() -> None:
    config = TINY._replace(max_iters=0, warmup_iters=0)
    assert cosine_learning_rate(0, config) == pytest.approx(config.max_learning_rate)


def test_text_survives_encoding_except_unknown_characters() -> None:
    source = 'def f(x):\n    return {"a": x}  # ~!\n'
    assert decode(encode(source)) == source
    assert decode(encode("a\tb\fcé€")) == "a b c??"


def test_corpus_splits_every_file(tmp_path: Path) -> None:
    (tmp_path / "b.py").write_text("B" * 20)
    (tmp_path / "a.py").write_text("A" * 10)
    (tmp_path / "c.txt").write_text("C" * 10)
    corpus = load_corpus(tmp_path)
    assert decode(corpus.train) == "A" * 9 + "B" * 18
    assert decode(corpus.validation) == "ABB"


def test_an_empty_corpus_is_explained(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no Python source files"):
        load_corpus(tmp_path)


def test_batches_are_excerpts_and_what_follows_them() -> None:
    tokens = np.arange(40, dtype=np.uint8)
    excerpts, targets = sample_batch(tokens, 100, 8, np.random.default_rng(0))
    assert excerpts.shape == targets.shape == (100, 8)
    np.testing.assert_array_equal(targets, excerpts + 1)
    assert (np.diff(excerpts.astype(int)) == 1).all()
    assert targets.max() == 39  # the last character can be a target
