"""Texts in train, validation and test parts, as token ids in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from paretune.search.data.dataset import PARTS, Dataset
from paretune.search.data.image_dataset import with_all_parts
from paretune.search.data.raw_data import RawData, RawPart
from paretune.search.data.text import DEFAULT_VOCABULARY, TextData
from paretune.search.data.tokenizer import as_text, encoded, fitted, loaded, trained, vocabulary_of

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER_FILE = "tokenizer.json"


def make_text_dataset(raw: RawData, params: TextData.Params, base: Path, seed: int) -> TextDataset:
    """Splits off what is missing and trains (or reads) the tokenizer.

    Raises:
        UserError: A class has too few examples to split, or the tokenizer cannot be used.
    """
    parts = with_all_parts(raw, params, seed)
    if params.tokenizer.endswith(".json"):
        tokenizer = loaded((base / params.tokenizer).resolve())
    else:
        tokenizer = trained(
            params.tokenizer,
            parts["train"].texts,
            params.vocabulary or DEFAULT_VOCABULARY,
            params.lowercase,
        )
    length = fitted(tokenizer, parts["train"].texts, params.length)
    return TextDataset(raw, parts, tokenizer, length, (params.text, params.label))


class TextDataset(Dataset):
    """Labelled texts in three parts.

    Args:
        raw: Where they come from.
        parts: "train", "validation" and "test".
        tokenizer: Gives each text `length` tokens.
        length: Tokens of a text.
        columns: Names of the columns of texts and labels, where they come from a table.
    """

    def __init__(
        self,
        raw: RawData,
        parts: Mapping[str, RawPart],
        tokenizer: Tokenizer,
        length: int,
        columns: tuple[str, str],
    ) -> None:
        super().__init__(raw, parts)
        self._shape = (length, vocabulary_of(tokenizer))
        self._columns = columns
        self._tokenizer = as_text(tokenizer)
        # Half the memory of int64; a batch is widened when it is asked for.
        self._tokens = {
            name: torch.from_numpy(encoded(tokenizer, part.texts)) for name, part in parts.items()
        }
        self._moved: dict[tuple[str, str], tuple[torch.Tensor, torch.Tensor]] = {}
        self._fingerprint = self._digest()

    @property
    def shape(self) -> tuple[int, int]:
        """(length, vocabulary)."""
        return self._shape

    @property
    def fingerprint(self) -> str:
        """Digest of texts, labels, split and tokenizer."""
        return self._fingerprint

    def preprocessing(self) -> dict[str, Any]:
        """How a text becomes the model's input, as JSON for the export's manifest."""
        length, vocabulary = self.shape
        return {
            "input": "int64 [B, length]",
            "shape": [length, vocabulary],
            "tokenizer": TOKENIZER_FILE,
            "length": length,
            "vocabulary": vocabulary,
            "padding": 0,
            "formula": "Tokenizer.from_file(tokenizer).encode_batch(texts), the ids of each "
            "(library tokenizers; it cuts and pads by itself)",
            "columns": list(self._columns),
            "class_names": self.class_names,
        }

    def input_json(self) -> dict[str, Any]:
        """The model's input as the export's manifest gives it."""
        return {"dtype": "int64", "shape": ["batch", self.shape[0]]}

    def assets(self) -> dict[str, str]:
        """The tokenizer, with its cutting and padding."""
        return {TOKENIZER_FILE: self._tokenizer}

    def batches(
        self, part: str, batch_size: int, *, seed: int | None = None, device: str = "cpu"
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """One pass as (token ids int64 [B, length], labels int64 [B])."""
        tokens, labels = self._held(part, device)
        order = self.order(part, seed).to(device)
        for rows in order.split(batch_size):  # type: ignore[no-untyped-call]
            yield tokens[rows].long(), labels[rows]

    def examples(self, part: str, batch_size: int) -> Iterator[tuple[list[str], np.ndarray]]:
        """One pass in order as (texts, labels int64 [B])."""
        texts, labels = self._parts[part].texts, self._labels[part].numpy()
        for start in range(0, len(labels), batch_size):
            rows = slice(start, start + batch_size)
            yield list(texts[rows]), labels[rows]

    def calibration(self, images: int, batch_size: int) -> Iterator[np.ndarray]:
        """Token ids int64 [B, length] of so many training texts, the same ones each time."""
        for rows in self.order("train", 0)[:images].split(batch_size):  # type: ignore[no-untyped-call]
            yield self._tokens["train"][rows].long().numpy()

    def _held(self, part: str, device: str) -> tuple[torch.Tensor, torch.Tensor]:
        """A part in the device's memory; moved there once."""
        if device == "cpu":
            return self._tokens[part], self._labels[part]
        if (part, device) not in self._moved:
            self._moved[part, device] = (
                self._tokens[part].to(device),
                self._labels[part].to(device),
            )
        return self._moved[part, device]

    def _digest(self) -> str:
        digest = hashlib.sha256(self._tokenizer.encode())
        for name in PARTS:
            part = self._parts[name]
            digest.update(name.encode())
            digest.update(part.labels.tobytes())
            for text in part.texts:
                content = text.encode(errors="surrogatepass")
                digest.update(len(content).to_bytes(8, "little"))
                digest.update(content)
        return digest.hexdigest()
