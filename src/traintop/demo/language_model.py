"""A small language model in numpy, with its gradients written out by hand.

A perceptron with residual layers that predicts a character from the last few (Bengio et al. 2003),
trained by AdamW (Loshchilov and Hutter 2019). Between layers the activations are rows, one for
each token of the batch: shaped (batch * time, d_model).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from traintop import ExperimentConfig

Array: TypeAlias = NDArray[np.floating[Any]]
Tokens: TypeAlias = NDArray[np.integer[Any]]
Parameters: TypeAlias = dict[str, Array]

_SEEN = 8
"""The tokens from which the next one is predicted; before the beginning there are newlines."""


class LanguageModel:
    """Predicts the next token of a text; its sizes and its seed are the configuration's.

    ``parameters`` is updated in place by the optimizer.
    """

    def __init__(self, config: ExperimentConfig, dtype: DTypeLike = np.float32) -> None:
        self.config = config
        self.parameters = initial_parameters(config, dtype)

    def loss(self, tokens: Tokens, targets: Tokens) -> float:
        """Mean cross-entropy in nats; both arguments are shaped (batch, time)."""
        return cross_entropy(self.logits(tokens), targets.ravel())[0]

    def logits(self, tokens: Tokens) -> Array:
        """Scores of the next token after each token, shaped (batch * time, vocab_size)."""
        return self._forward(tokens)[0]

    def loss_and_gradients(self, tokens: Tokens, targets: Tokens) -> tuple[float, Parameters]:
        """The loss, and its derivative by every parameter under the parameter's name."""
        logits, backward = self._forward(tokens)
        loss, d_logits = cross_entropy(logits, targets.ravel())
        return loss, backward(d_logits)

    def _forward(self, tokens: Tokens) -> tuple[Array, Callable[[Array], Parameters]]:
        weights = self.parameters
        before = np.pad(tokens, ((0, 0), (_SEEN - 1, 0)))
        seen = np.lib.stride_tricks.sliding_window_view(before, _SEEN, axis=1)
        one_hot = np.eye(self.config.vocab_size, dtype=weights["embedding"].dtype)[seen]
        inputs = one_hot.reshape(tokens.size, -1)
        x = inputs @ weights["embedding"]
        layers = []
        for layer in range(self.config.num_layers):
            hidden = np.tanh(x @ weights[f"layer_{layer}.up"])
            layers.append((x, hidden))
            x = x + hidden @ weights[f"layer_{layer}.down"]

        def backward(d_logits: Array) -> Parameters:
            gradients: Parameters = {"head": x.T @ d_logits}
            d_x = d_logits @ weights["head"].T
            for layer, (before, hidden) in reversed([*enumerate(layers)]):
                up, down = f"layer_{layer}.up", f"layer_{layer}.down"
                gradients[down] = hidden.T @ d_x
                d_hidden = d_x @ weights[down].T * (1 - hidden * hidden)
                gradients[up] = before.T @ d_hidden
                d_x = d_x + d_hidden @ weights[up].T
            gradients["embedding"] = inputs.T @ d_x
            return gradients

        return x @ weights["head"], backward


def initial_parameters(config: ExperimentConfig, dtype: DTypeLike = np.float32) -> Parameters:
    """Normally distributed with variance 1 / fan-in. The head is smaller, so that training starts
    with nearly uniform predictions, at a loss of about log(vocab_size)."""
    generator = np.random.default_rng(config.seed)

    def normal(*shape: int, std: float) -> Array:
        return (generator.standard_normal(shape) * std).astype(dtype)

    width, hidden = config.d_model, config.d_ff
    parameters = {"embedding": normal(_SEEN * config.vocab_size, width, std=_SEEN**-0.5)}
    for layer in range(config.num_layers):
        parameters[f"layer_{layer}.up"] = normal(width, hidden, std=width**-0.5)
        parameters[f"layer_{layer}.down"] = normal(hidden, width, std=hidden**-0.5)
    parameters["head"] = normal(width, config.vocab_size, std=0.1 * width**-0.5)
    return parameters


def cross_entropy(logits: Array, targets: Tokens) -> tuple[float, Array]:
    """The mean of -log softmax at the targets, and its gradient by the logits."""
    rows = np.arange(len(targets))
    shifted = logits - logits.max(axis=-1, keepdims=True)
    probabilities = np.exp(shifted)
    total = probabilities.sum(axis=-1, keepdims=True)
    loss = float(np.mean(np.log(total[:, 0]) - shifted[rows, targets]))
    d_logits = probabilities / total
    d_logits[rows, targets] -= 1
    return loss, d_logits / len(targets)


class AdamW:
    """Adam with decoupled weight decay, algorithm 2 of Loshchilov and Hutter (2019).

    Betas, epsilon and weight decay are the configuration's.
    """

    def __init__(self, parameters: Parameters, config: ExperimentConfig) -> None:
        self._parameters = parameters
        self._config = config
        self._mean = {name: np.zeros_like(value) for name, value in parameters.items()}
        self._square = {name: np.zeros_like(value) for name, value in parameters.items()}
        self._steps = 0

    def step(self, gradients: Mapping[str, Array], learning_rate: float) -> None:
        """Update the parameters in place."""
        beta1, beta2, eps = self._config.beta1, self._config.beta2, self._config.eps
        self._steps += 1
        mean_correction = 1 - beta1**self._steps
        square_correction = 1 - beta2**self._steps
        for name, parameter in self._parameters.items():
            gradient, mean, square = gradients[name], self._mean[name], self._square[name]
            mean += (1 - beta1) * (gradient - mean)
            square += (1 - beta2) * (gradient * gradient - square)
            direction = mean / mean_correction / (np.sqrt(square / square_correction) + eps)
            direction += self._config.weight_decay * parameter
            parameter -= learning_rate * direction


def clip_gradients(gradients: Mapping[str, Array], max_norm: float) -> float:
    """Scale the gradients in place to a joint norm of ``max_norm`` at most.

    Returns the norm that they had. No clipping when ``max_norm`` is 0.
    """
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients.values()))
    if 0 < max_norm < norm:
        for gradient in gradients.values():
            gradient *= max_norm / norm
    return norm


def cosine_learning_rate(iteration: int, config: ExperimentConfig) -> float:
    """Linear warm-up, then a half cosine down to the minimum (Loshchilov and Hutter 2017).

    ``iteration`` counts from 0. The maximum is reached at the end of ``warmup_iters``, the
    minimum after ``max_iters``, and is kept from there on.
    """
    if iteration < config.warmup_iters:
        return float(config.max_learning_rate * (iteration + 1) / config.warmup_iters)
    decay_iters = max(config.max_iters - config.warmup_iters, 1)
    progress = min((iteration - config.warmup_iters) / decay_iters, 1.0)
    cosine = (1 + math.cos(math.pi * progress)) / 2
    span = config.max_learning_rate - config.min_learning_rate
    return float(config.min_learning_rate + cosine * span)
