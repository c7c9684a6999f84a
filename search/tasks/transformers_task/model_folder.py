"""A local folder of a Hugging Face model."""

from __future__ import annotations

import difflib
import importlib
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from paretune.nests import Nest
from paretune.search.tasks.transformers_task.errors import TransformersError
from paretune.search.user_code import find_file

EAGER = "eager"
"""Attention written as matrix products, which every exporter can trace and int8 can quantize."""

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json")

INTERNAL = ("loss", "past_key_values", "hidden_states", "attentions", "cache")
"""Outputs that are no predictions."""


class ModelFolder:
    """A folder with config.json and, if the model is trained, .safetensors weights.

    Args:
        name: Path of the folder, from the study file's.
        architecture: Class of transformers; None for the one in config.json.

    Raises:
        TransformersError: The package is missing, or the folder holds no such model.
    """

    def __init__(self, name: str, architecture: str | None) -> None:
        folder = find_file(name)
        if folder is None or not (folder / "config.json").is_file():
            raise TransformersError(
                f"model: {name} is no folder with a config.json; save_pretrained makes one, and "
                "nothing is downloaded"
            )
        self.path = folder
        self.trained = any(folder.glob("*.safetensors"))
        if not self.trained and any(folder.glob("*.bin")):
            raise TransformersError(
                f"model: {name} has no .safetensors file, and other weights are not loaded because "
                "they can run code; save_pretrained writes .safetensors"
            )
        self._library = _library()
        self._class = self._class_of(architecture)

    def network(self) -> Network:
        """Returns the model with the folder's weights, or with random ones.

        Raises:
            TransformersError: The weights cannot be loaded.
        """
        with quiet():
            try:
                model = self._loaded() if self.trained else self._fresh()
            except Exception as error:  # json, safetensors and transformers raise different kinds
                raise TransformersError(
                    f"model: {self.path.name}: {type(error).__name__}: "
                    f"{str(error).partition(chr(10))[0]}"
                ) from error
        return Network(model)

    def tokenizer(self) -> Any:
        """Returns the folder's tokenizer; None if it has none."""
        if not any((self.path / name).is_file() for name in TOKENIZER_FILES):
            return None
        with quiet():
            return self._library.AutoTokenizer.from_pretrained(self.path, local_files_only=True)

    def _loaded(self) -> Any:
        return self._class.from_pretrained(
            self.path,
            local_files_only=True,
            use_safetensors=True,
            attn_implementation=EAGER,
            dtype=torch.float32,
        )

    def _fresh(self) -> Any:
        config = self._class.config_class.from_pretrained(self.path, local_files_only=True)
        config._attn_implementation = EAGER
        return self._class(config)

    def _class_of(self, architecture: str | None) -> Any:
        if architecture is None:
            try:
                config = json.loads((self.path / "config.json").read_text(encoding="utf-8"))
            except ValueError as error:
                raise TransformersError(f"model: config.json is not JSON: {error}") from error
            names = config.get("architectures") or []
            if len(names) != 1:
                raise TransformersError(
                    f"model: config.json of {self.path.name} names no class; type architecture: "
                    "BertForSequenceClassification, for instance"
                )
            [architecture] = names
        model_class = getattr(self._library, architecture, None)
        if not (isinstance(model_class, type) and issubclass(model_class, nn.Module)):
            similar = difflib.get_close_matches(architecture, dir(self._library), n=1)
            hint = f"; did you mean {similar[0]}?" if similar else ""
            raise TransformersError(f"transformers has no model class {architecture}{hint}")
        return model_class


class Network(nn.Module):
    """A model without its loss: tensors by name -> its predictions.

    Args:
        network: The model of transformers.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        network.config.use_cache = False
        self.network = network

    def forward(self, **inputs: torch.Tensor) -> Nest:
        """Returns the logits, or a dict if there are several predictions."""
        outputs = self.network(**inputs, return_dict=True)
        kept = {k: v for k, v in outputs.items() if k not in INTERNAL and v is not None}
        return next(iter(kept.values())) if len(kept) == 1 else kept


@contextmanager
def quiet() -> Iterator[None]:
    """Suppresses the messages and progress bars of the library."""
    logger = logging.getLogger("transformers")
    level = logger.level
    with warnings.catch_warnings(), _without_bars():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)


@contextmanager
def _without_bars() -> Iterator[None]:
    try:
        messages: Any = importlib.import_module("transformers.utils.logging")
    except ImportError:  # reported where the package is used
        yield
        return
    shown = messages.is_progress_bar_enabled()
    messages.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            messages.enable_progress_bar()


def _library() -> Any:
    with quiet():
        try:
            import transformers
        except ImportError as error:
            raise TransformersError(
                'the package transformers is missing; type pip install "paretune[transformers]"'
            ) from error
        return transformers
