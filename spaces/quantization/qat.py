"""Quantization-aware training: the network learns with the rounding it will be deployed with."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate, Step
from paretune.spaces.inputs import Shape
from paretune.spaces.quantization.request import OUTLINED, Int8Params, check_finite
from paretune.spaces.table import Option, Slot
from paretune.spaces.training import OPTIMIZERS, SCHEDULES
from paretune.spaces.training.cosine import CosineParams
from paretune.spaces.training.recipe import Recipe
from paretune.spaces.training.sgd import Sgd

if TYPE_CHECKING:
    import torch

BATCH = 64
"""Training images at a time when ranges are first looked at."""


class Qat:
    """int8 trained in: weights learn beside the rounding that the runtime deploys."""

    name = "qat"
    version = 1

    class Params(Int8Params, Recipe):
        """Options of qat: a recipe, and how activations and weights are rounded."""

        epochs: int = Field(2, ge=1, le=100_000, description="passes over the training part")
        optimizer: Annotated[Option, Slot(OPTIMIZERS)] = Option("sgd", Sgd.Params(lr=1e-4))
        schedule: Annotated[Option, Slot(SCHEDULES)] = Option("cosine", CosineParams())
        reduce_range: bool = Field(
            True, description="7-bit weights: no sum saturates on x86 without VNNI"
        )
        per_channel: bool = Field(True, description="a scale for each output channel of a weight")
        images: int = Field(256, ge=1, le=100_000, description="training images for first ranges")
        momentum: float = Field(
            0.01, gt=0, le=1, description="share of a new batch in an activation's range"
        )

    @staticmethod
    def trains(params: Params) -> bool:
        """Always: the result is worth keeping."""
        return True

    @staticmethod
    def epochs(params: Params) -> int:
        """Of its training."""
        return params.epochs

    @staticmethod
    def apply(candidate: Candidate, params: Params, context: Context) -> Candidate:
        """The candidate, trained with fake quantization where the runtime quantizes.

        The runtime's own quantizer is asked where that is, on a network whose activations are all
        marked. The trained network carries its ranges as fake-quantization nodes, which its export
        writes and the runtime's quantizer takes over.

        In transformers every product runs in int8, those of two activations in attention too (the
        softmax alone stays float where padding is masked). What the graph of torch modules does not
        show (products before their bias, the inside of attention and GELU) is not rounded in
        training: its ranges are calibrated when the file is made, and info["hidden"] names it.

        Raises:
            InfeasibleCandidate: torch.fx cannot trace the network, the runtime has no int8 to train
                for, `keep_float` leaves nothing to quantize, or the training fails.
        """
        from paretune.spaces.training.loop import train

        model, info = _rounded(candidate, params, context)
        recipe = Recipe.model_validate(
            {name: getattr(params, name) for name in Recipe.model_fields}
        )
        taught = train(replace(candidate, model=model), recipe, context, stage="quantize")
        info["loss"] = taught.history[-1].info["loss"]
        return _marked(candidate, taught.model, params, info)

    @staticmethod
    def outline(candidate: Candidate, params: Params, context: Context) -> Candidate | None:
        """As `apply` without the training; None where some layers stay float.

        Which those are the trained weights say.

        Raises:
            InfeasibleCandidate: As `apply`.
        """
        if params.keep_float:
            return None
        quick = params.model_copy(update={"images": OUTLINED})
        model, info = _rounded(candidate, quick, context)
        return _marked(candidate, model, quick, info)

    @staticmethod
    def rebuild(
        model: torch.nn.Module, params: Params, info: Mapping[str, Any], shape: Shape
    ) -> torch.nn.Module:
        """A copy of the network as a graph with fake quantization in its places.

        Raises:
            InfeasibleCandidate: torch.fx cannot trace the network.
        """
        from paretune.spaces.quantization.graph import round_weights, traced, with_fake_quantization

        graph = traced(model)
        round_weights(graph, info["layers"], params)
        return with_fake_quantization(graph, info["groups"], params.momentum).eval()


def _rounded(
    candidate: Candidate, params: Qat.Params, context: Context
) -> tuple[torch.nn.Module, dict[str, Any]]:
    """The network with fake quantization and first ranges, and the step's info."""
    from paretune.spaces.quantization.sensitivity import kept_layers

    check_finite(candidate, "qat")
    kept, ratios = kept_layers(candidate, params.keep_float, context, params)
    rounding = {
        "per_channel": params.per_channel,
        "reduce_range": params.reduce_range,
        "kept": kept,
    }
    info = {"kept": kept, "sensitivity_db": ratios, **_places(candidate, rounding, context)}
    model = Qat.rebuild(candidate.model, params, info, candidate.shape)
    _look(model, params.images, context)
    return model, info


def _marked(
    candidate: Candidate, model: torch.nn.Module, params: Qat.Params, info: Mapping[str, Any]
) -> Candidate:
    """The candidate with this model, for the runtime's quantizer."""
    options = params.model_dump()
    made = candidate.with_step(model, Step("qat", options, info))
    return replace(made, quantization={"qat": {**options, "kept": info["kept"]}})


def _places(
    candidate: Candidate, rounding: Mapping[str, Any], context: Context
) -> dict[str, list[Any]]:
    """Where the runtime's quantizer rounds.

    Returns:
        groups: Names of the graph's nodes, those that share a range together.
        layers: Modules whose weights are rounded.
        hidden: Tensors that the runtime rounds and the graph does not show; they are calibrated.

    Raises:
        InfeasibleCandidate: The runtime cannot say, or quantizes nothing.
    """
    from paretune.spaces.quantization.graph import activations, layers_fed_by, traced, with_marks

    if context.placement is None:
        raise InfeasibleCandidate("qat: this runtime has no int8 to train for")
    graph = traced(candidate.model)
    names = activations(graph, candidate.shape)
    found = context.placement(with_marks(copy.deepcopy(graph), names), candidate.shape, rounding)
    groups: list[Sequence[str]] = [
        [names[number - 1] for number in sorted(group)] for group in found["groups"]
    ]
    fed = layers_fed_by(graph, (name for group in groups for name in group))
    layers = [layer for layer in fed if layer not in rounding["kept"]]
    if not layers:
        raise InfeasibleCandidate("qat: the runtime quantizes no layer of this network")
    return {"groups": groups, "layers": layers, "hidden": found["hidden"]}


def _look(model: torch.nn.Module, images: int, context: Context) -> None:
    """First ranges: wide enough for every value of some training images."""
    import torch

    from paretune.spaces.quantization.fake_quantization import FakeActivation

    fakes = [m for m in model.modules() if isinstance(m, FakeActivation)]
    for fake in fakes:
        fake.widening = True
    model.to(context.device)
    with torch.inference_mode():
        for inputs, _ in context.data.batches("train", BATCH, device=context.device):
            model(inputs[:images])
            images -= len(inputs)
            if images <= 0:
                break
    model.cpu()
    for fake in fakes:
        fake.widening = False
