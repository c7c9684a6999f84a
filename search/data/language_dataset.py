"""Texts for a language model: windows of tokens, and the token after each of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paretune.search.data.language_tokenizer import (
    UNKNOWN,
    encode_stream,
    train_language_tokenizer,
)
from paretune.search.data.raw_data import RawData, RawPart
from paretune.search.data.split import Split, complete_parts
from paretune.search.data.tensor_dataset import TensorDataset
from paretune.search.data.text import DEFAULT_VOCABULARY, TextData
from paretune.search.data.text_dataset import OTHER_TOKENIZER, TOKENIZER_FILE
from paretune.search.data.tokenizer import load_tokenizer, tokenizer_json, vocabulary_size
from paretune.search.errors import UserError
from paretune.search.tasks.target_facts import TargetFacts
from paretune.task import Task

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from paretune.search.data.load_context import LoadContext

DEFAULT_LENGTH = 128
"""Tokens of a window if the study names no length."""

MOST_UNKNOWN = 0.001
"""Share of unknown tokens above which the user is told."""


def make_language_dataset(
    raw: RawData, params: TextData.Params, base: Path, loading: LoadContext
) -> LanguageDataset:
    """Splits off missing parts, trains or loads the tokenizer, and cuts the tokens into windows.

    Args:
        raw: Texts as their source gives them.
        params: Options of the data set.
        base: Folder that the path of a tokenizer is relative to.
        loading: Seed of the split, and the task.

    Raises:
        UserError: A part is shorter than a window, or the tokenizer cannot be used.
    """
    split = complete_parts(raw, params, loading.seed, loading.seen)
    trained = not params.tokenizer.endswith(".json")
    tokenizer = (
        train_language_tokenizer(
            params.tokenizer,
            split.parts["train"].texts,
            params.vocabulary or DEFAULT_VOCABULARY,
            params.lowercase,
        )
        if trained
        else _loaded(base / params.tokenizer)
    )
    streams = {name: encode_stream(tokenizer, part.texts) for name, part in split.parts.items()}
    length = params.length or DEFAULT_LENGTH
    parts = {name: _windows(raw, name, stream, length) for name, stream in streams.items()}
    notes = [*split.notes, *_unknown_notes(tokenizer, streams)]
    if loading.seen and trained:
        notes.append(OTHER_TOKENIZER)
    facts = TargetFacts("next", vocabulary_size(tokenizer))
    return LanguageDataset(
        replace(raw, facts=facts),
        replace(split, parts=parts, notes=tuple(notes)),
        loading.task(facts),
        tokenizer,
    )


class LanguageDataset(TensorDataset):
    """Windows of tokens in three parts.

    Args:
        raw: Data as its source gives it.
        split: Its three parts, as windows.
        task: What the outputs of a network mean.
        tokenizer: Tokenizer that gave the tokens.
    """

    def __init__(self, raw: RawData, split: Split, task: Task, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer_json(tokenizer)
        super().__init__(raw, split, task, vocabulary=raw.facts.size)

    def preprocessing(self) -> dict[str, Any]:
        """Returns how a text becomes the model's input, as JSON for an export's manifest."""
        return {
            **super().preprocessing(),
            "text_tokenizer": TOKENIZER_FILE,
            "formula": f"windows of ids of Tokenizer.from_file({TOKENIZER_FILE!r}).encode(text, "
            "add_special_tokens=False), of the library tokenizers",
        }

    def assets(self) -> dict[str, str]:
        """Returns the tokenizer file."""
        return {TOKENIZER_FILE: self._tokenizer}


def _loaded(file: Path) -> Tokenizer:
    tokenizer = load_tokenizer(file.resolve())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _windows(raw: RawData, part: str, stream: np.ndarray, length: int) -> RawPart:
    """Returns windows of `length` tokens, and the token after each; the rest is left out.

    Raises:
        UserError: There is no full window.
    """
    count = (len(stream) - 1) // length
    if not len(stream) and part == "test":
        empty = np.empty((0, length), dtype=np.int32)
        return RawPart(empty.astype(np.int64), inputs=empty)
    if count < 1:
        raise UserError(
            f"data: {raw.name}: the {part} part has {len(stream)} tokens; a window needs "
            f"{length + 1}; give more text, or a smaller length"
        )
    inputs = np.ascontiguousarray(stream[: count * length].reshape(count, length))
    targets = stream[1 : count * length + 1].reshape(count, length)
    return RawPart(targets.astype(np.int64), inputs=inputs)


def _unknown_notes(tokenizer: Tokenizer, streams: dict[str, np.ndarray]) -> list[str]:
    """Returns a sentence for each part with many tokens that the tokenizer does not know."""
    unknown = tokenizer.token_to_id(UNKNOWN)
    notes = []
    for part in ("validation", "test"):
        share = float((streams[part] == unknown).mean()) if len(streams[part]) else 0.0
        if share > MOST_UNKNOWN:
            notes.append(
                f"{share:.1%} of the {part} part's tokens are unknown to the tokenizer. They count "
                "as one token, so the perplexity is too low for a comparison with other tokenizers."
            )
    return notes
