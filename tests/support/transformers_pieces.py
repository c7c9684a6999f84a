"""What a user of a Trainer has: data sets, a collator, metrics, and a tiny BERT in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

CLASSES, VOCABULARY, LONGEST = 3, 40, 12


class Sentences(Dataset):
    """Token ids of several lengths; one token names the class."""

    def __init__(self, count: int, seed: int, fixed: bool = False) -> None:
        rng = np.random.default_rng(seed)
        self.examples = []
        for _ in range(count):
            length = LONGEST if fixed else int(rng.integers(5, LONGEST + 1))
            label = int(rng.integers(CLASSES))
            ids = rng.integers(10, VOCABULARY, length)
            ids[rng.integers(length)] = 3 + label
            self.examples.append({"input_ids": ids.tolist(), "labels": label, "text": "unused"})

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, row: int) -> dict[str, Any]:
        return self.examples[row]


def datasets(count: int = 40, fixed: bool = False, test: bool = True) -> dict[str, Sentences]:
    sets = {"train": Sentences(3 * count, 0, fixed), "validation": Sentences(count, 1, fixed)}
    return sets | ({"test": Sentences(count, 2, fixed)} if test else {})


def collate(examples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    longest = max(len(each["input_ids"]) for each in examples)
    ids = torch.zeros(len(examples), longest, dtype=torch.int64)
    for row, each in enumerate(examples):
        ids[row, : len(each["input_ids"])] = torch.tensor(each["input_ids"])
    labels = torch.tensor([each["labels"] for each in examples])
    return {"input_ids": ids, "attention_mask": (ids != 0).long(), "labels": labels}


def tag(examples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Labels each token: whether it names a class; padding has -100, which the loss ignores."""
    batch = collate(examples)
    ids = batch["input_ids"]
    batch["labels"] = torch.where(ids == 0, -100, ((ids >= 3) & (ids < 3 + CLASSES)).long())
    return batch


def compute_metrics(prediction: Any) -> dict[str, Any]:
    guesses, labels = prediction.predictions.argmax(-1), prediction.label_ids
    used = labels != -100
    hits = (guesses == labels)[used]
    return {"share": float(hits.mean()), "squared": float(hits.mean() ** 2), "name": "no number"}


def no_number(prediction: Any) -> dict[str, str]:
    return {"report": "fine"}


def half_loss(outputs: Any, labels: Any) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(outputs["logits"], labels) / 2


def lists(count: int = 4) -> dict[str, Any]:
    return {"train": [[1, 2]] * count, "validation": [[1, 2]] * count}


def unlabelled() -> dict[str, Any]:
    sets = [{"input_ids": [1, 2, 3]}] * 4
    return {"train": sets, "validation": sets}


def save_bert(folder: Path, kind: str = "BertForSequenceClassification", **values: Any) -> Path:
    """Writes a BERT with random weights, as save_pretrained does, and returns its folder."""
    import transformers

    config = transformers.BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=LONGEST + 4,
        **{"num_labels": CLASSES, **values},
    )
    torch.manual_seed(0)
    getattr(transformers, kind)(config).save_pretrained(folder)
    return folder
