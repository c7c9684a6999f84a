"""Trains tokenizers for language models: they keep spaces, new lines and the case of letters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paretune.search.data.tokenizer import SPECIAL

if TYPE_CHECKING:
    from tokenizers import Tokenizer

END = SPECIAL[3]
"""The token between two texts."""

UNKNOWN = SPECIAL[1]

PIECE = 1 << 16
"""Characters that are encoded at once; a long text is cut at the ends of its lines."""


def train_language_tokenizer(
    kind: str, texts: Sequence[str], vocabulary: int, lowercase: bool
) -> Tokenizer:
    """Trains a tokenizer on texts.

    Args:
        kind: "bpe" (byte-pair encoding of bytes, as GPT-2's: no text is unknown), "words" (spaces
            are left out) or "characters".
        texts: Texts of the training part.
        vocabulary: Most tokens, special ones included; bpe keeps all 256 bytes.
        lowercase: Whether to lower the case of all texts.
    """
    from tokenizers import (
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        trainers,
    )

    settings: dict[str, Any] = {
        "vocab_size": vocabulary,
        "special_tokens": list(SPECIAL),
        "show_progress": False,
    }
    trainer: trainers.BpeTrainer | trainers.WordLevelTrainer
    if kind == "bpe":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        trainer = trainers.BpeTrainer(**settings, initial_alphabet=alphabet)
    else:
        tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
        trainer = trainers.WordLevelTrainer(**settings)
        if kind == "words":
            tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        else:
            tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
            tokenizer.decoder = decoders.Fuse()
    steps = [normalizers.NFC(), *([normalizers.Lowercase()] if lowercase else [])]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.train_from_iterator((piece for text in texts for piece in pieces(text)), trainer)
    return tokenizer


def encode_stream(tokenizer: Tokenizer, texts: Sequence[str]) -> np.ndarray:
    """Returns the tokens of all texts, one after the other, int32 [tokens].

    A token [SEP] follows each text, if the tokenizer has one.
    """
    end = tokenizer.token_to_id(END)
    streams: list[np.ndarray] = []
    for text in texts:
        encodings = tokenizer.encode_batch(list(pieces(text)), add_special_tokens=False)
        streams += [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]
        if end is not None:
            streams.append(np.array([end], dtype=np.int32))
    return np.concatenate([np.empty(0, np.int32), *streams])


def pieces(text: str) -> Iterator[str]:
    """Yields a text in pieces that end with a line, if their lines are not too long."""
    start = 0
    while len(text) - start > PIECE:
        cut = text.rfind("\n", start, start + PIECE) + 1
        cut = cut if cut > start else start + PIECE
        yield text[start:cut]
        start = cut
    if start < len(text):
        yield text[start:]
