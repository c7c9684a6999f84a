"""Texts in train, validation and test parts, as token ids in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from paretune.inputs import Tokens
from paretune.search.data.dataset import PARTS, row_order
from paretune.search.data.held_dataset import HeldDataset
from paretune.search.data.raw_data import RawData
from paretune.search.data.split import Split, complete_parts
from paretune.search.data.target_rows import TargetRows
from paretune.search.data.text import DEFAULT_VOCABULARY, TextData
from paretune.search.data.tokenizer import (
    encode,
    fix_length,
    load_tokenizer,
    tokenizer_json,
    train_tokenizer,
    vocabulary_size,
)
from paretune.task import Task

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER_FILE = "tokenizer.json"

OTHER_TOKENIZER = (
    "The tokenizer is trained on the training part, but trained weights need the tokenizer that "
    "they were trained with. Type data: {..., tokenizer: FILE}, with its tokenizer.json."
)
"""A note for studies that start from trained weights: other token ids give other words."""


def make_text_dataset(
    raw: RawData,
    params: TextData.Params,
    base: Path,
    seed: int,
    seen: bool = False,
    task: Task | None = None,
) -> TextDataset:
    """Splits off missing parts, and trains or loads the tokenizer.

    Args:
        raw: Data as its source gives it.
        params: Options of the data set.
        base: Folder that the path of a tokenizer is relative to.
        seed: Seed of the split.
        seen: Whether the study starts from weights that may have seen the training part.
        task: What the outputs of a network mean; None for classification without options.

    Raises:
        UserError: A class has too few examples to split, or the tokenizer cannot be used.
    """
    split = complete_parts(raw, params, seed, seen)
    if seen and not params.tokenizer.endswith(".json"):
        split = replace(split, notes=(*split.notes, OTHER_TOKENIZER))
    texts = split.parts["train"].texts
    if params.tokenizer.endswith(".json"):
        tokenizer = load_tokenizer((base / params.tokenizer).resolve())
    else:
        tokenizer = train_tokenizer(
            params.tokenizer,
            texts,
            params.vocabulary or DEFAULT_VOCABULARY,
            params.lowercase,
        )
    length = fix_length(tokenizer, texts, params.length)
    return TextDataset(raw, split, tokenizer, length, (params.text, params.label), task)


class TextDataset(HeldDataset):
    """Labelled texts in three parts.

    Args:
        raw: Data as its source gives it.
        split: Its three parts.
        tokenizer: Tokenizer that gives each text `length` tokens.
        length: Tokens of a text.
        columns: Names of the columns of texts and labels in a table.
        task: What the outputs of a network mean; None for classification without options.
    """

    def __init__(
        self,
        raw: RawData,
        split: Split,
        tokenizer: Tokenizer,
        length: int,
        columns: tuple[str, str],
        task: Task | None = None,
    ) -> None:
        super().__init__(raw, split, task)
        self._shape = Tokens(length, vocabulary_size(tokenizer))
        self._columns = columns
        self._tokenizer = tokenizer_json(tokenizer)
        # int32 takes half the memory of int64; batches are widened when they are read.
        self._tokens = {
            name: torch.from_numpy(encode(tokenizer, part.texts))
            for name, part in split.parts.items()
        }
        self._moved: dict[tuple[str, str], tuple[torch.Tensor, TargetRows]] = {}
        self._fingerprint = self._digest()

    @property
    def shape(self) -> Tokens:
        """(length, vocabulary) of a text."""
        return self._shape

    @property
    def fingerprint(self) -> str:
        """Digest of texts, labels, split and tokenizer; it changes with the content."""
        return self._fingerprint

    def preprocessing(self) -> dict[str, Any]:
        """Returns how a text becomes the model's input, as JSON for an export's manifest."""
        length, vocabulary = self.shape
        return {
            "input": "int64 [B, length]",
            "shape": [length, vocabulary],
            "tokenizer": TOKENIZER_FILE,
            "length": length,
            "vocabulary": vocabulary,
            "padding": 0,
            "formula": "the ids of Tokenizer.from_file(tokenizer).encode_batch(texts), of the "
            "library tokenizers; the tokenizer cuts and pads the texts",
            "columns": list(self._columns),
            "class_names": self.class_names,
        }

    def input_json(self) -> dict[str, Any]:
        """Returns dtype and shape of the model's input, as JSON for an export's manifest."""
        return {"dtype": "int64", "shape": ["batch", self.shape[0]]}

    def assets(self) -> dict[str, str]:
        """Returns the tokenizer file; the tokenizer cuts and pads to the length."""
        return {TOKENIZER_FILE: self._tokenizer}

    def batches(
        self, part: str, batch_size: int, *, seed: int | None = None, device: str = "cpu"
    ) -> Iterator[tuple[torch.Tensor, Any]]:
        """Yields one pass as (token ids int64 [B, length], labels int64 [B])."""
        if not self.size(part):
            return
        tokens, labels = self._on_device(part, device)
        order = row_order(self.size(part), seed).to(device)
        for rows in order.split(batch_size):  # type: ignore[no-untyped-call]
            yield tokens[rows].long(), labels[rows]

    def examples(self, part: str, batch_size: int) -> Iterator[tuple[list[str], np.ndarray]]:
        """Yields one ordered pass as (texts, labels int64 [B])."""
        texts, labels = self._parts[part].texts, self._parts[part].labels
        for start in range(0, len(labels), batch_size):
            rows = slice(start, start + batch_size)
            yield list(texts[rows]), labels[rows]

    def calibration(self, count: int, batch_size: int) -> Iterator[np.ndarray]:
        """Yields token ids int64 [B, length] of training texts, the same ones each time."""
        for rows in row_order(self.size("train"), 0)[:count].split(batch_size):  # type: ignore[no-untyped-call]
            yield self._tokens["train"][rows].long().numpy()

    def _on_device(self, part: str, device: str) -> tuple[torch.Tensor, TargetRows]:
        """Returns a part in the memory of a device; it is moved there once."""
        if device == "cpu":
            return self._tokens[part], self._targets[part]
        if (part, device) not in self._moved:
            self._moved[part, device] = (
                self._tokens[part].to(device),
                self._targets[part].to(device),
            )
        return self._moved[part, device]

    def _digest(self) -> str:
        digest = hashlib.sha256(self._tokenizer.encode())
        for name in PARTS:
            part = self._parts[name]
            digest.update(name.encode())
            self._add_targets(digest, name)
            for text in part.texts:
                content = text.encode(errors="surrogatepass")
                digest.update(len(content).to_bytes(8, "little"))
                digest.update(content)
        return digest.hexdigest()
