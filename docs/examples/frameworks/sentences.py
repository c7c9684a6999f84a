"""A Trainer's ingredients: data sets of dict examples, a collator, and compute_metrics.

python sentences.py     writes the folder tiny-bert, a BERT with random weights
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification, EvalPrediction

WORDS, PADDING = 60, 0


def datasets() -> dict[str, list[dict[str, Any]]]:
    """Returns sentences of 5 to 16 words; the class is how many words are below 20, up to 2."""
    chance = random.Random(0)

    def sentence() -> dict[str, Any]:
        label, length = chance.randrange(3), chance.randint(5, 16)
        words = [chance.randint(20, WORDS - 1) for _ in range(length)]
        for place in chance.sample(range(length), label):
            words[place] = chance.randint(1, 19)
        return {"input_ids": words, "labels": label}

    sizes = {"train": 600, "validation": 200, "test": 200}
    return {part: [sentence() for _ in range(size)] for part, size in sizes.items()}


def collate(examples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Returns a batch, padded to its longest sentence."""
    rows = [torch.tensor(each["input_ids"]) for each in examples]
    words = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING)
    labels = torch.tensor([each["labels"] for each in examples])
    return {"input_ids": words, "attention_mask": (words != PADDING).long(), "labels": labels}


def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """Returns the share of correct sentences, and the mean distance to the class."""
    guesses = np.asarray(prediction.predictions).argmax(-1)
    return {
        "correct": float((guesses == prediction.label_ids).mean()),
        "distance": float(np.abs(guesses - prediction.label_ids).mean()),
    }


if __name__ == "__main__":
    config = BertConfig(
        vocab_size=WORDS,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=32,
        num_labels=3,
    )
    BertForSequenceClassification(config).save_pretrained("tiny-bert")
