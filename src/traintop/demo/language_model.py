"""A small transformer language model in numpy, with its gradients written out by hand.

The architecture is that of current models, only smaller: pre-norm blocks with RMSNorm (Zhang and
Sennrich 2019), causal multi-head attention with rotary positions (Su et al. 2021) and a SwiGLU
feed-forward layer (Shazeer 2020), trained by AdamW (Loshchilov and Hutter 2019).

Every layer is a function that returns its output together with its backward pass: a function
from the gradient of the output to the gradients of the inputs. Between layers the activations
are rows, one for each token of the batch: shaped (batch * time, d_model).
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

_NORM_EPSILON = 1e-5


class LanguageModel:
    """Predicts the next token of a text; its sizes and its seed are the configuration's.

    ``d_model`` must be divisible by ``num_heads``, and ``d_model / num_heads`` by 2, or
    ``ValueError`` is raised. ``parameters`` is updated in place by the optimizer.
    """

    def __init__(self, config: ExperimentConfig, dtype: DTypeLike = np.float32) -> None:
        if config.d_model % (2 * config.num_heads):
            raise ValueError("d_model must be divisible by twice num_heads")
        self.config = config
        self.parameters = initial_parameters(config, dtype)
        self._cos, self._sin = rotary_tables(config, dtype)
        self._mask = np.triu(np.full((config.context_length,) * 2, -np.inf, dtype), k=1)

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
        batch_and_time = (tokens.shape[0], tokens.shape[1])
        x = weights["token_embedding"][tokens.ravel()]
        blocks = []
        for layer in range(self.config.num_layers):
            x, block_backward = self._block(x, f"layer_{layer}", batch_and_time)
            blocks.append(block_backward)
        normalized, norm_backward = rms_norm(x, weights["final_norm"])
        logits, head_backward = linear(normalized, weights["head"])

        def backward(d_logits: Array) -> Parameters:
            gradients: Parameters = {}
            d_normalized, gradients["head"] = head_backward(d_logits)
            d_x, gradients["final_norm"] = norm_backward(d_normalized)
            for block_backward in reversed(blocks):
                d_x = block_backward(d_x, gradients)
            one_hot = np.eye(self.config.vocab_size, dtype=d_x.dtype)[tokens.ravel()]
            gradients["token_embedding"] = one_hot.T @ d_x
            return gradients

        return logits, backward

    def _block(
        self, x: Array, layer: str, batch_and_time: tuple[int, int]
    ) -> tuple[Array, Callable[[Array, Parameters], Array]]:
        """Attention, then the feed-forward layer, each added to what came in."""
        weights = self.parameters
        normalized, attention_norm_backward = rms_norm(x, weights[f"{layer}.attention_norm"])
        qkv, qkv_backward = linear(normalized, weights[f"{layer}.qkv"])
        attended, attention_backward = self._attention(qkv, batch_and_time)
        mixed, output_backward = linear(attended, weights[f"{layer}.attention_output"])
        x = x + mixed
        normalized, ffn_norm_backward = rms_norm(x, weights[f"{layer}.ffn_norm"])
        gate_and_up, gate_and_up_backward = linear(normalized, weights[f"{layer}.gate_and_up"])
        hidden, swiglu_backward = swiglu(gate_and_up)
        update, down_backward = linear(hidden, weights[f"{layer}.down"])

        def backward(d_x: Array, gradients: Parameters) -> Array:
            d_hidden, gradients[f"{layer}.down"] = down_backward(d_x)
            d_normalized, gradients[f"{layer}.gate_and_up"] = gate_and_up_backward(
                swiglu_backward(d_hidden)
            )
            d_input, gradients[f"{layer}.ffn_norm"] = ffn_norm_backward(d_normalized)
            d_x = d_x + d_input
            d_attended, gradients[f"{layer}.attention_output"] = output_backward(d_x)
            d_normalized, gradients[f"{layer}.qkv"] = qkv_backward(attention_backward(d_attended))
            d_input, gradients[f"{layer}.attention_norm"] = attention_norm_backward(d_normalized)
            return d_x + d_input

        return x + update, backward

    def _attention(
        self, qkv: Array, batch_and_time: tuple[int, int]
    ) -> tuple[Array, Callable[[Array], Array]]:
        """Rotary causal attention of all heads; queries, keys and values side by side."""
        batch, time = batch_and_time
        heads, d_model = self.config.num_heads, self.config.d_model
        cos, sin = self._cos[:time], self._sin[:time]
        # (batch * time, 3 * d_model) -> 3 arrays of (batch, heads, time, d_model / heads)
        split = qkv.reshape(batch, time, 3, heads, d_model // heads).transpose(2, 0, 3, 1, 4)
        query, key, value = rotate(split[0], cos, sin), rotate(split[1], cos, sin), split[2]
        attended, backward_heads = attention(query, key, value, self._mask[:time, :time])

        def backward(d_out: Array) -> Array:
            d_attended = d_out.reshape(batch, time, heads, -1).transpose(0, 2, 1, 3)
            d_query, d_key, d_value = backward_heads(d_attended)
            # A rotation's transpose is the rotation back.
            d_split = np.stack([rotate(d_query, cos, -sin), rotate(d_key, cos, -sin), d_value])
            return d_split.transpose(1, 3, 0, 2, 4).reshape(batch * time, 3 * d_model)

        return attended.transpose(0, 2, 1, 3).reshape(batch * time, d_model), backward


def initial_parameters(config: ExperimentConfig, dtype: DTypeLike = np.float32) -> Parameters:
    """Normally distributed with variance 1 / fan-in. The head is smaller, so that training starts
    with nearly uniform predictions, at a loss of about log(vocab_size)."""
    generator = np.random.default_rng(config.seed)

    def normal(*shape: int, std: float) -> Array:
        return (generator.standard_normal(shape) * std).astype(dtype)

    width, hidden = config.d_model, config.d_ff
    parameters: Parameters = {"token_embedding": normal(config.vocab_size, width, std=1.0)}
    for layer in range(config.num_layers):
        parameters |= {
            f"layer_{layer}.attention_norm": np.ones(width, dtype),
            f"layer_{layer}.qkv": normal(width, 3 * width, std=width**-0.5),
            f"layer_{layer}.attention_output": normal(width, width, std=width**-0.5),
            f"layer_{layer}.ffn_norm": np.ones(width, dtype),
            f"layer_{layer}.gate_and_up": normal(width, 2 * hidden, std=width**-0.5),
            f"layer_{layer}.down": normal(hidden, width, std=hidden**-0.5),
        }
    parameters["final_norm"] = np.ones(width, dtype)
    parameters["head"] = normal(width, config.vocab_size, std=0.1 * width**-0.5)
    return parameters


def linear(x: Array, weight: Array) -> tuple[Array, Callable[[Array], tuple[Array, Array]]]:
    """Rows times a matrix; backward gives the gradients of both."""

    def backward(d_out: Array) -> tuple[Array, Array]:
        return d_out @ weight.T, x.T @ d_out

    return x @ weight, backward


def rms_norm(x: Array, gain: Array) -> tuple[Array, Callable[[Array], tuple[Array, Array]]]:
    """Rows divided by their root mean square, times the gain."""
    inverse_rms = 1 / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + _NORM_EPSILON)
    normalized = x * inverse_rms

    def backward(d_out: Array) -> tuple[Array, Array]:
        d_normalized = d_out * gain
        along = np.mean(d_normalized * normalized, axis=-1, keepdims=True)
        d_x = inverse_rms * (d_normalized - normalized * along)
        return d_x, np.sum(d_out * normalized, axis=0)

    return normalized * gain, backward


def swiglu(gate_and_up: Array) -> tuple[Array, Callable[[Array], Array]]:
    """``silu(gate) * up``, where each row holds the gates, then as many values to be gated."""
    gate, up = np.split(gate_and_up, 2, axis=-1)
    sigmoid = 1 / (1 + np.exp(-gate))
    silu = gate * sigmoid

    def backward(d_out: Array) -> Array:
        d_gate = d_out * up * (sigmoid + silu * (1 - sigmoid))
        return np.concatenate([d_gate, d_out * silu], axis=-1)

    return silu * up, backward


def attention(
    query: Array, key: Array, value: Array, mask: Array
) -> tuple[Array, Callable[[Array], tuple[Array, Array, Array]]]:
    """Scaled dot-product attention; the mask is added to the scores.

    Query, key and value are shaped (batch, heads, time, width of a head).
    """
    scale = 1 / math.sqrt(query.shape[-1])
    scores = query @ key.swapaxes(-1, -2) * scale + mask
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)

    def backward(d_out: Array) -> tuple[Array, Array, Array]:
        d_weights = d_out @ value.swapaxes(-1, -2)
        along = np.sum(d_weights * weights, axis=-1, keepdims=True)
        d_scores = weights * (d_weights - along) * scale
        return d_scores @ key, d_scores.swapaxes(-1, -2) @ query, weights.swapaxes(-1, -2) @ d_out

    return weights @ value, backward


def rotary_tables(config: ExperimentConfig, dtype: DTypeLike) -> tuple[Array, Array]:
    """Cosines and sines of the rotary angles, shaped (context_length, half a head's width)."""
    half = config.d_model // config.num_heads // 2
    frequencies = config.rope_theta ** (-np.arange(half) / half)
    angles = np.arange(config.context_length)[:, None] * frequencies
    return np.cos(angles).astype(dtype), np.sin(angles).astype(dtype)


def rotate(x: Array, cos: Array, sin: Array) -> Array:
    """Turns each pair (first half, second half) of the last axis by its position's angle."""
    first, second = np.split(x, 2, axis=-1)
    return np.concatenate([first * cos - second * sin, first * sin + second * cos], axis=-1)


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
