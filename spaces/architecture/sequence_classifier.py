"""Hugging Face's sequence classifiers as networks from token ids to logits."""

from __future__ import annotations

import difflib
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from paretune.inputs import PADDING, TextShape
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.table import UnknownName, did_you_mean

EAGER = "eager"
"""Attention written as matrix products, which every exporter can trace and int8 can quantize."""

MISSPELT = 0.85
"""Similarity, in [0, 1], from which an unknown configuration key counts as a misspelt one."""


class SequenceClassifier(nn.Module):
    """Takes only token ids, and derives the padding mask from them.

    Args:
        network: A model of AutoModelForSequenceClassification.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Token ids int64 [B, T] -> logits [B, classes]."""
        mask = (ids != PADDING).long()
        outputs = self.network(input_ids=ids, attention_mask=mask, return_dict=False)
        return outputs[0]  # type: ignore[no-any-return]


def from_config(
    kind: str, values: Mapping[str, Any], shape: TextShape, classes: int
) -> SequenceClassifier:
    """Returns a classifier with random weights.

    Args:
        kind: The model type, such as `albert`.
        values: Values of its configuration. Missing values for vocabulary, padding, positions and
            classes follow from the data.
        shape: (length, vocabulary).
        classes: Number of logits.

    Raises:
        UnknownName: transformers has no such model type.
        InfeasibleCandidate: The package is missing, or the configuration does not fit.
    """
    length, vocabulary = shape
    with _quiet():
        auto, classifiers = _library()
        _check_kind(kind, classifiers)
        defaults = auto.AutoConfig.for_model(kind).to_dict()
        _refuse_misspelt(kind, values, defaults)
        settings = {"vocab_size": vocabulary, "pad_token_id": PADDING, "num_labels": classes}
        if "max_position_embeddings" in defaults:  # some models start after the padding's id
            settings["max_position_embeddings"] = length + 2
        settings |= values
        try:
            config = auto.AutoConfig.for_model(kind, **settings)
            network = auto.AutoModelForSequenceClassification.from_config(
                config, attn_implementation=EAGER
            )
        except Exception as error:  # the models check their configurations in many ways
            raise InfeasibleCandidate(f"transformers {kind}: {_reason(error)}") from error
    return _fitting(kind, network, vocabulary)


def from_checkpoint(kind: str, path: str, shape: TextShape, classes: int) -> SequenceClassifier:
    """Returns a classifier with the weights of a local folder.

    A head for another number of classes is replaced by one with random weights.

    Raises:
        UnknownName: transformers has no such model type.
        InfeasibleCandidate: The package is missing, or the folder holds no such model.
    """
    folder = Path(path)
    if not (folder / "config.json").is_file():
        raise InfeasibleCandidate(f"transformers checkpoint {folder}: there is no config.json")
    if not any(folder.glob("*.safetensors")):
        raise InfeasibleCandidate(
            f"transformers checkpoint {folder}: there is no .safetensors file, and other files are "
            "not loaded because they can run code"
        )
    with _quiet():
        auto, classifiers = _library()
        _check_kind(kind, classifiers)
        try:
            saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
            if saved != kind:
                raise InfeasibleCandidate(
                    f"transformers checkpoint {folder} is of {saved}; type transformers: {saved}"
                )
            network = auto.AutoModelForSequenceClassification.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                attn_implementation=EAGER,
                num_labels=classes,
                ignore_mismatched_sizes=True,
            )
        except InfeasibleCandidate:
            raise
        except Exception as error:  # json, safetensors and transformers raise different kinds
            raise InfeasibleCandidate(
                f"transformers checkpoint {folder}: {_reason(error)}"
            ) from error
    return _fitting(kind, network, shape[1])


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def _fitting(kind: str, network: Any, vocabulary: int) -> SequenceClassifier:
    tokens = network.config.vocab_size
    if tokens < vocabulary:
        raise InfeasibleCandidate(
            f"transformers {kind} has {tokens} tokens, the data has {vocabulary}; give the data "
            "the model's tokenizer.json, or omit vocab_size"
        )
    return SequenceClassifier(network)


def _library() -> tuple[Any, Mapping[str, Any]]:
    """Returns the package transformers, and its sequence classifiers by model type."""
    try:
        import transformers
        from transformers.models.auto.modeling_auto import (
            MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as CLASSIFIERS,
        )
    except ImportError as error:
        raise InfeasibleCandidate(
            'the package transformers is missing; type pip install "paretune[transformers]"'
        ) from error
    return transformers, CLASSIFIERS


def _refuse_misspelt(kind: str, values: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Refuses an unknown key that is similar to one of the configuration's.

    Other unknown keys pass: the models read keys that their configurations do not list
    (DeBERTa-v2's position_buckets).
    """
    for name in values:
        similar = difflib.get_close_matches(name, list(defaults), n=1, cutoff=MISSPELT)
        if name not in defaults and similar:
            raise InfeasibleCandidate(
                f'transformers {kind} has no config "{name}"; did you mean "{similar[0]}"?'
            )


def _check_kind(kind: str, classifiers: Mapping[str, Any]) -> None:
    if kind not in classifiers:
        hint = did_you_mean(kind, list(classifiers)) or "."
        raise UnknownName(f'transformers has no sequence classifier "{kind}"{hint}')


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppresses the library's messages while it is imported and builds a network."""
    import logging

    logger = logging.getLogger("transformers")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)
