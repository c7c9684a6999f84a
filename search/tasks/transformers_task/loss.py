"""The loss of a Hugging Face model, computed from outputs instead of inputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch

from paretune.nests import Nest
from paretune.search.tasks.transformers_task.errors import TransformersError
from paretune.search.tasks.transformers_task.model_folder import Network

CLOSE = 1e-3
"""Relative difference up to which two losses count as equal."""

LossFunction = Callable[[Any, Any], torch.Tensor]
"""(outputs by name, labels) -> loss."""


def own_loss(network: Network) -> LossFunction:
    """Returns the loss that transformers has for the class of a model.

    `check_loss` tells whether the model computes the same.
    """
    model = network.network
    function = model.loss_function
    parameters = inspect.signature(function).parameters
    config = model.config

    def loss(outputs: Any, labels: Any) -> torch.Tensor:
        by_name = labels if isinstance(labels, Mapping) else {"labels": labels}
        arguments = {**outputs, **by_name, "config": config}
        arguments["pooled_logits"] = outputs.get("logits")
        arguments["vocab_size"] = getattr(config, "vocab_size", None)
        result: torch.Tensor = function(**{k: arguments[k] for k in parameters if k in arguments})
        return result

    return loss


def check_loss(network: Network, loss: LossFunction, inputs: Nest, labels: Nest) -> None:
    """Refuses a loss that is not the one that the model returns for a batch.

    Raises:
        TransformersError: They differ, or one of them cannot be computed.
    """
    model = network.network.eval()
    by_name = labels if isinstance(labels, Mapping) else {"labels": labels}
    with torch.no_grad():
        try:
            returned = model(**inputs, **by_name, return_dict=True)
        except Exception as error:
            raise TransformersError(
                f"{type(model).__name__} cannot compute a batch of the data: "
                f"{type(error).__name__}: {error}"
            ) from error
        expected = returned.get("loss")
        try:
            computed = loss(outputs_by_name(network(**inputs)), labels)
        except Exception as error:
            raise TransformersError(_other(model, f"{type(error).__name__}: {error}")) from error
    if expected is None:
        raise TransformersError(
            f"{type(model).__name__} returns no loss for the labels {', '.join(by_name)}; type "
            "loss: m:loss with a function (outputs, labels) -> loss"
        )
    difference = abs(float(expected) - float(computed))
    if not difference <= CLOSE * max(1.0, abs(float(expected))):
        raise TransformersError(
            _other(model, f"it returns {float(expected):.6g}, the outputs give {computed:.6g}")
        )


def outputs_by_name(outputs: Nest) -> Mapping[str, Any]:
    """Returns outputs as a model names them: a single tensor is "logits"."""
    return outputs if isinstance(outputs, Mapping) else {"logits": outputs}


def _other(model: Any, reason: str) -> str:
    return (
        f"the loss of {type(model).__name__} cannot be computed from its outputs alone ({reason}); "
        "type loss: m:loss with a function (outputs, labels) -> loss"
    )
