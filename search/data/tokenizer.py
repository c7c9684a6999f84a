"""Tokenizers: trained on the training part, or read from a file. Token 0 is always padding."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paretune.search.errors import UserError
from paretune.spaces.inputs import PADDING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
"""Tokens 0 to 3 of a tokenizer trained here: [CLS] begins a text, [SEP] ends it."""

PADDING_NAMES = ("[PAD]", "<pad>", "<|pad|>", "[pad]", "<PAD>")

SHARE = 0.99
"""Of the training texts, that are not cut where no length is given."""

MOST = 512


def trained(kind: str, texts: Sequence[str], vocabulary: int, lowercase: bool) -> Tokenizer:
    """A tokenizer for these texts.

    Args:
        kind: "bpe" (byte-pair encoding, Sennrich et al. 2016, https://arxiv.org/abs/1508.07909),
            "words" or "characters".
        texts: The training part's.
        vocabulary: Most tokens, the special ones included; single characters are always kept by
            bpe, so that there may be more.
        lowercase: Whether capital letters are made small.
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
        # The mark before a word tells its beginning from the same letters inside another word.
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


def loaded(file: Path) -> Tokenizer:
    """The tokenizer of a tokenizer.json file.

    Raises:
        UserError: There is no such file, it is no tokenizer, or its token 0 is not padding.
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
            f"{', '.join(PADDING_NAMES)}, as networks find padding by it"
        )
    return tokenizer


def fitted(tokenizer: Tokenizer, texts: Sequence[str], length: int | None) -> int:
    """Makes a tokenizer give every text the same number of tokens, and gives that number.

    Args:
        tokenizer: Changed in place.
        texts: The training part's.
        length: Tokens of a text; None for what SHARE of the texts need, in steps of 8, at most
            MOST.
    """
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if length is None:
        counts = sorted(len(found.ids) for found in tokenizer.encode_batch(list(texts)))
        needed = counts[math.ceil(SHARE * len(counts)) - 1]
        length = min(MOST, max(8, math.ceil(needed / 8) * 8))
    name = tokenizer.id_to_token(PADDING) or SPECIAL[0]
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(length=length, pad_id=PADDING, pad_token=name)
    return length


def encoded(tokenizer: Tokenizer, texts: Sequence[str]) -> np.ndarray:
    """Token ids int32 [N, length] of a fitted tokenizer."""
    return np.array([found.ids for found in tokenizer.encode_batch(list(texts))], dtype=np.int32)


def vocabulary_of(tokenizer: Tokenizer) -> int:
    """One more than the greatest token id."""
    return int(max(tokenizer.get_vocab(with_added_tokens=True).values())) + 1


def as_text(tokenizer: Tokenizer) -> str:
    """The tokenizer as the JSON of a tokenizer.json, the same text for the same tokenizer."""
    return json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, indent=1) + "\n"
