"""The text that the demo learns: the source code of the installed Python's standard library.

Every machine that runs Python has it, so nothing has to be downloaded.
"""

from __future__ import annotations

import sysconfig
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

VOCABULARY = "\n" + "".join(map(chr, range(ord(" "), ord("~") + 1)))
"""The characters of the model, by token: newline and printable ASCII."""

_MAX_CHARACTERS = 2_000_000
_VALIDATION_SHARE = 0.1

Tokens = NDArray[np.uint8]


@dataclass(frozen=True)
class Corpus:
    """Text as tokens, indices into :data:`VOCABULARY`."""

    train: Tokens
    validation: Tokens


def load_corpus(directory: Path | None = None) -> Corpus:
    """The Python files of ``directory`` in order of their names, two million characters at most.

    The default is the directory of the standard library. The last tenth of every file is for
    validation. Raises ``FileNotFoundError`` when there is no Python file in it, as where the
    standard library is a zip archive.
    """
    directory = directory or Path(sysconfig.get_path("stdlib"))
    train: list[Tokens] = []
    validation: list[Tokens] = []
    characters = 0
    for path in sorted(directory.glob("*.py")):
        tokens = encode(path.read_text(encoding="utf-8", errors="replace"))
        split = round(len(tokens) * (1 - _VALIDATION_SHARE))
        train.append(tokens[:split])
        validation.append(tokens[split:])
        characters += len(tokens)
        if characters >= _MAX_CHARACTERS:
            break
    if not characters:
        raise FileNotFoundError(f"no Python source files in {directory} to learn from")
    return Corpus(np.concatenate(train), np.concatenate(validation))


def encode(text: str) -> Tokens:
    """One token per character: other white space becomes a space, unknown characters a ``?``."""
    codes = np.frombuffer(text.encode("ascii", errors="replace"), dtype=np.uint8)
    return _TOKEN_OF_CODE[codes]


def sample_batch(
    tokens: Tokens, batch_size: int, context_length: int, generator: np.random.Generator
) -> tuple[Tokens, Tokens]:
    """Random excerpts and, as targets, the same excerpts one character later.

    Both are shaped (batch_size, context_length).
    """
    starts = generator.integers(len(tokens) - context_length, size=(batch_size, 1))
    positions = starts + np.arange(context_length)
    return tokens[positions], tokens[positions + 1]


_TOKEN_OF_CODE = np.full(128, VOCABULARY.index(" "), dtype=np.uint8)
_TOKEN_OF_CODE[[ord(character) for character in VOCABULARY]] = range(len(VOCABULARY))
