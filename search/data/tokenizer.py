"""Trains or loads tokenizers of the library `tokenizers`. Token 0 is always padding."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paretune.inputs import PADDING
from paretune.search.errors import UserError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
"""Tokens 0 to 3 of a tokenizer trained here: [CLS] begins a text, [SEP] ends it."""

PADDING_NAMES = ("[PAD]", "<pad>", "<|pad|>", "[pad]", "<PAD>")

UNCUT_SHARE = 0.99
"""Share of the training texts that are not cut if the study names no length."""

MOST_TOKENS = 512
"""Greatest length of a text if the study names no length."""


def train_tokenizer(kind: str, texts: Sequence[str], vocabulary: int, lowercase: bool) -> Tokenizer:
    """Trains a tokenizer on texts.

    Args:
        kind: "bpe" (byte-pair encoding, Sennrich et al. 2016, https://arxiv.org/abs/1508.07909),
            "words" or "characters".
        texts: Texts of the training part.
        vocabulary: Most tokens, special ones included. bpe keeps all single characters, so that it
            may have more.
        lowercase: Whether to lower the case of all texts.
    """
    from tokenizers import (
        Regex,
        Tokenizer,
        models,
        normalizers,
        pre_tokenizers,
        processors,
        trainers,
    )

    steps = [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    settings: dict[str, Any] = {
        "vocab_size": vocabulary,
        "special_tokens": list(SPECIAL),
        "show_progress": False,
    }
    trainer: trainers.BpeTrainer | trainers.WordLevelTrainer
    if kind == "bpe":
        tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
        trainer = trainers.BpeTrainer(**settings)
        # Metaspace marks word beginnings: the same letters inside a word are another token.
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation()]
        )
    else:
        tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
        trainer = trainers.WordLevelTrainer(**settings)
        tokenizer.pre_tokenizer = (
            pre_tokenizers.Whitespace()
            if kind == "words"
            else pre_tokenizers.Split(Regex("."), "isolated")
        )
    tokenizer.normalizer = normalizers.Sequence(
        [*steps, normalizers.Lowercase()] if lowercase else steps
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def load_tokenizer(file: Path) -> Tokenizer:
    """Loads the tokenizer of a tokenizer.json file.

    Raises:
        UserError: There is no such file, it is not a tokenizer, or its token 0 is not padding.
    """
    from tokenizers import Tokenizer

    if not file.is_file():
        raise UserError(f"data: tokenizer {file}: there is no such file")
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises Exception itself
        raise UserError(f"data: {file} cannot be read as a tokenizer.json: {error}") from error
    first = tokenizer.id_to_token(PADDING)
    padding = tokenizer.padding
    if (padding["pad_id"] if padding else None) != PADDING and first not in PADDING_NAMES:
        raise UserError(
            f"data: {file}: token 0 is {first!r}; it must be padding, one of "
            f"{', '.join(PADDING_NAMES)}, because networks take token 0 for padding"
        )
    return tokenizer


def fix_length(tokenizer: Tokenizer, texts: Sequence[str], length: int | None) -> int:
    """Makes a tokenizer cut and pad every text to one length, and returns that length.

    Args:
        tokenizer: Tokenizer; it is changed.
        texts: Texts of the training part.
        length: Tokens of a text. None takes what UNCUT_SHARE of the texts need, in steps of 8, at
            most MOST_TOKENS.
    """
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if length is None:
        counts = sorted(len(encoding.ids) for encoding in tokenizer.encode_batch(list(texts)))
        needed = counts[math.ceil(UNCUT_SHARE * len(counts)) - 1]
        length = min(MOST_TOKENS, max(8, math.ceil(needed / 8) * 8))
    name = tokenizer.id_to_token(PADDING) or SPECIAL[0]
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(length=length, pad_id=PADDING, pad_token=name)
    return length


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> np.ndarray:
    """Returns the token ids int32 [N, length]; the tokenizer must have a fixed length."""
    encodings = tokenizer.encode_batch(list(texts))
    return np.array([encoding.ids for encoding in encodings], dtype=np.int32)


def vocabulary_size(tokenizer: Tokenizer) -> int:
    """Returns the greatest token id plus one."""
    return int(max(tokenizer.get_vocab(with_added_tokens=True).values())) + 1


def tokenizer_json(tokenizer: Tokenizer) -> str:
    """Returns the content of a tokenizer.json; equal tokenizers have equal texts."""
    return json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, indent=1) + "\n"
