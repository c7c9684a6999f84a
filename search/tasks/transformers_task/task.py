"""The task that a model folder and the ingredients of a Trainer make."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from paretune.nests import Nest, batch_size, mapped
from paretune.raised import raised_text
from paretune.search.tasks.resampled_scores import ResampledScores
from paretune.search.tasks.transformers_task.datasets import (
    Batch,
    Datasets,
    default_collator,
    dynamic_axes,
)
from paretune.search.tasks.transformers_task.errors import TransformersError
from paretune.search.tasks.transformers_task.loss import check_loss, outputs_by_name, own_loss
from paretune.search.tasks.transformers_task.model_folder import ModelFolder
from paretune.search.user_code import file_digest, resolve

if TYPE_CHECKING:
    from paretune.search.tasks.transformers_task.options import TransformersParams
    from paretune.task import Predict

PADDING = -100
"""Fills predictions and labels of shorter batches, as a Trainer does; metrics ignore it."""


class TransformersTask:
    """A task of the user's (docs/own-code.md) for a model of Hugging Face.

    Args:
        params: The options.

    Raises:
        TransformersError: The folder or the data cannot be used.
    """

    def __init__(self, params: TransformersParams) -> None:
        self.keep = list(params.keep)
        self._folder = ModelFolder(params.model, params.architecture)
        self.version = [1, file_digest(self._folder.path)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = self._folder.network()
            collator = _function("collator", params.collator) or default_collator(self._folder)
            sets = _called("data", params.data, params.data_args)
            self._datasets = Datasets(sets, network, collator, params.batch)
            self._metric = _function("metric", params.metric)
            self._loss = _function("loss", params.loss)
            inputs, labels = next(self._datasets.batches("validation"), (None, None))
            if inputs is None:
                raise TransformersError("the validation part has no examples")
            if self._loss is None:
                self._loss = own_loss(network)
                check_loss(network, self._loss, inputs, labels)
            self.dynamic = dynamic_axes(self._datasets)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that the data has."""
        return self._datasets.parts

    def model(self) -> torch.nn.Module:
        """Returns the model, which takes tensors by name and gives its logits."""
        return self._folder.network()

    def batches(self, part: str) -> Iterator[Batch] | None:
        """Returns batches of (inputs by name, labels); None if there is no such part."""
        return self._datasets.batches(part) if part in self.parts else None

    def loss(self, outputs: Nest, targets: Nest) -> torch.Tensor:
        """Returns the model's own loss, or the user's."""
        loss: torch.Tensor = self._loss(outputs_by_name(outputs), targets)
        return loss

    def score(self, predict: Predict, part: str) -> dict[str, Any]:
        """Returns the loss, and what compute_metrics gives for the deployed file's outputs."""
        predictions, labels, losses, counts = [], [], [], []
        for inputs, targets in self._datasets.batches(part):
            outputs = predict(mapped(inputs, lambda each: each.numpy()))
            predictions.append(outputs)
            labels.append(mapped(targets, lambda each: each.numpy()))
            tensors = mapped(outputs, lambda each: torch.from_numpy(np.array(each)))
            losses.append(float(self.loss(tensors, targets)))
            counts.append(batch_size(targets))
        scores: dict[str, Any] = {"loss": float(np.average(losses, weights=counts))}
        if self._metric is None:
            return scores
        metrics = _Metrics(self._metric, _joined(predictions), _joined(labels))
        count = sum(counts)
        names = list(metrics(np.arange(count)))
        return scores | ResampledScores(metrics, count).pairs(names)


class _Metrics:
    """The user's compute_metrics on a sample of the examples."""

    def __init__(self, metric: Callable[..., Any], predictions: Nest, labels: Nest) -> None:
        self._metric, self._predictions, self._labels = metric, predictions, labels

    def __call__(self, rows: np.ndarray) -> Mapping[str, float]:
        from transformers import EvalPrediction

        predictions = _as_trainer(mapped(self._predictions, lambda each: each[rows]))
        labels = _as_trainer(mapped(self._labels, lambda each: each[rows]))
        values = self._metric(EvalPrediction(predictions=predictions, label_ids=labels))
        if not isinstance(values, Mapping):
            raise TransformersError(
                f"metric returned a {type(values).__name__}; return {{name: number}}"
            )
        numbers = {k: float(v) for k, v in values.items() if np.ndim(v) == 0 and _is_number(v)}
        if not numbers:
            raise TransformersError(f"metric returned no number, but {', '.join(values) or '{}'}")
        return numbers


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool | str) and value is not None and np.isreal(value)


def _as_trainer(nest: Nest) -> Any:
    """Returns arrays as a Trainer passes them: one array, or a tuple."""
    return tuple(nest.values()) if isinstance(nest, Mapping) else nest


def _joined(batches: list[Nest]) -> Nest:
    """Returns the batches of a part as one, with shorter ones filled up by `PADDING`."""
    first = batches[0]
    if isinstance(first, Mapping):
        return {key: _joined([each[key] for each in batches]) for key in first}
    if isinstance(first, tuple | list):
        return tuple(_joined([each[i] for each in batches]) for i in range(len(first)))
    arrays = [np.asarray(each) for each in batches]
    rest = np.max([each.shape[1:] for each in arrays], axis=0).astype(int)
    joined = np.full((sum(map(len, arrays)), *rest), PADDING, arrays[0].dtype)
    begin = 0
    for each in arrays:
        joined[(slice(begin, begin + len(each)), *map(slice, each.shape[1:]))] = each
        begin += len(each)
    return joined


def _function(role: str, path: str | None) -> Any:
    """Returns the object of a dotted path; None without one.

    Raises:
        TransformersError: It cannot be imported, or is no function.
    """
    if path is None:
        return None
    try:
        function = resolve(path)
    except (ImportError, AttributeError) as error:
        raise TransformersError(
            f"{role}: {path}: {error}; is it installed, or in the folder of the study file?"
        ) from error
    except Exception as error:  # importing runs the user's module
        raise TransformersError(f"{role}: {path}: {raised_text(error)}") from error
    if not callable(function):
        raise TransformersError(f"{role}: {path} is a {type(function).__name__}, not a function")
    return function


def _called(role: str, path: str, args: Mapping[str, Any]) -> Any:
    try:
        return _function(role, path)(**args)
    except TransformersError:
        raise
    except Exception as error:
        raise TransformersError(f"{role}: {path} raised {raised_text(error)}") from error
