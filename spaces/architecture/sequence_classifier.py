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

from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.inputs import PADDING, TextShape
from paretune.spaces.table import UnknownName, did_you_mean

PLAIN = "eager"
"""Attention spelled out in matrix products: every exporter follows it, and int8 reaches it."""


MISSPELT = 0.85
"""How alike a key of a configuration must be to be taken for a misspelt one, in [0, 1]."""


class SequenceClassifier(nn.Module):
    """Takes token ids alone; what is padding follows from them.

    Args:
        network: A model of AutoModelForSequenceClassification.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Token ids int64 [B, T] -> logits [B, classes]."""
        mask = (ids != PADDING).long()
        found = self.network(input_ids=ids, attention_mask=mask, return_dict=False)
        return found[0]  # type: ignore[no-any-return]


def from_config(
    kind: str, given: Mapping[str, Any], shape: TextShape, classes: int
) -> SequenceClassifier:
    """A classifier with random weights.

    Args:
        kind: The model type, `albert`.
        given: Values of its configuration. Vocabulary, padding, positions and classes follow from
            the data where they are not given.
        shape: (length, vocabulary).
        classes: Number of logits.

    Raises:
        UnknownName: There is no such model type.
        InfeasibleCandidate: The package is missing, or the configuration does not fit.
    """
    length, vocabulary = shape
    with _quiet():
        auto, classifiers = _library()
        _check_kind(kind, classifiers)
        known = auto.AutoConfig.for_model(kind).to_dict()
        _refuse_misspelt(kind, given, known)
        filled = {"vocab_size": vocabulary, "pad_token_id": PADDING, "num_labels": classes}
        if "max_position_embeddings" in known:
            filled["max_position_embeddings"] = (
                length + 2
            )  # some count from behind the padding's id
        filled |= given
        try:
            config = auto.AutoConfig.for_model(kind, **filled)
            network = auto.AutoModelForSequenceClassification.from_config(
                config, attn_implementation=PLAIN
            )
        except Exception as error:  # the models check their configurations in many ways
            said = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
            raise InfeasibleCandidate(f"transformers {kind}: {said}") from error
    return _fitting(kind, network, vocabulary)


def from_checkpoint(kind: str, place: str, shape: TextShape, classes: int) -> SequenceClassifier:
    """A classifier with the weights of a local folder; a head for other classes starts anew.

    Raises:
        UnknownName: There is no such model type.
        InfeasibleCandidate: The package is missing, or the folder holds no such model.
    """
    folder = Path(place)
    if not (folder / "config.json").is_file():
        raise InfeasibleCandidate(f"transformers checkpoint {folder}: there is no config.json")
    if not any(folder.glob("*.safetensors")):
        raise InfeasibleCandidate(
            f"transformers checkpoint {folder}: there is no .safetensors file, and others are not "
            "loaded because they can run code"
        )
    with _quiet():
        auto, classifiers = _library()
        _check_kind(kind, classifiers)
        try:
            stated = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
            if stated != kind:
                raise InfeasibleCandidate(
                    f"transformers checkpoint {folder} is of {stated}; type transformers: {stated}"
                )
            network = auto.AutoModelForSequenceClassification.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                attn_implementation=PLAIN,
                num_labels=classes,
                ignore_mismatched_sizes=True,
            )
        except InfeasibleCandidate:
            raise
        except Exception as error:  # json, safetensors and transformers raise kinds of their own
            said = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
            raise InfeasibleCandidate(f"transformers checkpoint {folder}: {said}") from error
    return _fitting(kind, network, shape[1])


def _fitting(kind: str, network: Any, vocabulary: int) -> SequenceClassifier:
    has = network.config.vocab_size
    if has < vocabulary:
        raise InfeasibleCandidate(
            f"transformers {kind} knows {has} tokens, the data has {vocabulary}; give the data the "
            "model's tokenizer.json, or leave vocab_size out"
        )
    return SequenceClassifier(network)


def _library() -> tuple[Any, Mapping[str, Any]]:
    """(transformers, its sequence classifiers by model type)."""
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


def _refuse_misspelt(kind: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Refuses a key that nearly is one of the configuration's.

    Others pass: the models read keys that their configurations do not list (DeBERTa-v2's
    position_buckets).
    """
    for name in given:
        near = difflib.get_close_matches(name, list(known), n=1, cutoff=MISSPELT)
        if name not in known and near:
            raise InfeasibleCandidate(
                f'transformers {kind} has no config "{name}"; did you mean "{near[0]}"?'
            )


def _check_kind(kind: str, classifiers: Mapping[str, Any]) -> None:
    if kind not in classifiers:
        hint = did_you_mean(kind, list(classifiers)) or "."
        raise UnknownName(f'transformers has no sequence classifier "{kind}"{hint}')


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the library says while it is imported and builds."""
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
