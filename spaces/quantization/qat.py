"""Quantization-aware training: the network is trained with the rounding of its deployment."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from paretune.inputs import Shape, call
from paretune.nests import Nest, batch_size, mapped
from paretune.spaces.base import Candidate, Context, InfeasibleCandidate, Step
from paretune.spaces.keeping import is_within
from paretune.spaces.quantization.request import (
    OUTLINE_IMAGES,
    Int8Params,
    check_finite,
    kept_request,
)
from paretune.spaces.table import Option, Slot
from paretune.spaces.training import OPTIMIZERS, SCHEDULES
from paretune.spaces.training.cosine import CosineParams
from paretune.spaces.training.recipe import Recipe
from paretune.spaces.training.sgd import Sgd

if TYPE_CHECKING:
    import torch

BATCH = 64
"""Training images in a batch for the first ranges."""


class Qat:
    """Trains the network with the int8 rounding that the runtime deploys."""

    name = "qat"
    version = 1

    class Params(Int8Params, Recipe):
        """Options of qat: a recipe, and the rounding of activations and weights."""

        epochs: int = Field(2, ge=1, le=100_000, description="passes over the training part")
        optimizer: Annotated[Option, Slot(OPTIMIZERS)] = Option("sgd", Sgd.Params(lr=1e-4))
        schedule: Annotated[Option, Slot(SCHEDULES)] = Option("cosine", CosineParams())
        reduce_range: bool = Field(
            True, description="train 7-bit weights, so that no sum saturates on x86 without VNNI"
        )
        per_channel: bool = Field(
            True, description="use one scale for each output channel of a weight"
        )
        images: int = Field(
            256,
            ge=1,
            le=100_000,
            description="training images for the ranges of activations at the start",
        )
        momentum: float = Field(
            0.01,
            gt=0,
            le=1,
            description="weight of a new batch in the moving average of an activation's range",
        )

    @staticmethod
    def trains(params: Params) -> bool:
        """Returns True: qat always trains."""
        return True

    @staticmethod
    def epochs(params: Params) -> int:
        """Returns the epochs of the training."""
        return params.epochs

    @staticmethod
    def apply(candidate: Candidate, params: Params, context: Context) -> Candidate:
        """Returns the candidate, trained with fake quantization where the runtime quantizes.

        The runtime's own quantizer reports the tensors that it rounds, on a copy of the network
        with a mark at every activation. The trained network keeps its ranges as fake-quantization
        nodes; the export writes them and the runtime's quantizer uses them.

        In transformers every matrix product runs in int8, including the products of two activations
        in attention. Only the softmax stays in float, and only where padding is masked. Some
        tensors are not in the graph of torch modules: products before their bias, the inside of
        attention and of GELU. They are not rounded in training; their ranges are calibrated when
        the file is written, and info["hidden"] lists them.

        Raises:
            InfeasibleCandidate: torch.fx cannot trace the network, the runtime has no int8 to train
                for, `keep_float` leaves nothing to quantize, or the training fails.
        """
        from paretune.spaces.training.loop import train

        model, info = _rounded(candidate, params, context)
        recipe = Recipe.model_validate(
            {name: getattr(params, name) for name in Recipe.model_fields}
        )
        trained = train(replace(candidate, model=model), recipe, context, stage="quantize")
        info["loss"] = trained.history[-1].info["loss"]
        return _with_request(candidate, trained.model, params, info)

    @staticmethod
    def outline(candidate: Candidate, params: Params, context: Context) -> Candidate | None:
        """Returns the result of `apply` without its training.

        Returns None if some layers stay in float, because trained weights decide which.

        Raises:
            InfeasibleCandidate: As for `apply`.
        """
        from paretune.spaces.quantization.graph import traced

        if params.keep_float:
            traced(candidate.model, candidate.shape)  # refuses before any training
            return None
        quick = params.model_copy(update={"images": OUTLINE_IMAGES})
        model, info = _rounded(candidate, quick, context)
        return _with_request(candidate, model, quick, info)

    @staticmethod
    def rebuild(
        model: torch.nn.Module, params: Params, info: Mapping[str, Any], shape: Shape
    ) -> torch.nn.Module:
        """Returns a copy of the network as a graph with the same fake quantization as `apply`.

        Raises:
            InfeasibleCandidate: torch.fx cannot trace the network.
        """
        from paretune.spaces.quantization.graph import round_weights, traced, with_fake_quantization

        graph = traced(model, shape)
        round_weights(graph, info["layers"], params)
        return with_fake_quantization(graph, info["groups"], params.momentum).eval()


def _rounded(
    candidate: Candidate, params: Qat.Params, context: Context
) -> tuple[torch.nn.Module, dict[str, Any]]:
    """Returns the network with fake quantization and first ranges, and the step's `info`."""
    from paretune.spaces.quantization.sensitivity import kept_layers

    check_finite(candidate, "qat")
    kept, ratios = kept_layers(candidate, params.keep_float, context, params)
    rounding = {
        "per_channel": params.per_channel,
        "reduce_range": params.reduce_range,
        "kept": kept,
        **kept_request(candidate),
    }
    info = {
        "kept": kept,
        **kept_request(candidate),
        "sensitivity_db": ratios,
        **_rounded_tensors(candidate, rounding, context),
    }
    model = Qat.rebuild(candidate.model, params, info, candidate.shape)
    _set_first_ranges(model, params.images, context)
    return model, info


def _with_request(
    candidate: Candidate, model: torch.nn.Module, params: Qat.Params, info: Mapping[str, Any]
) -> Candidate:
    """Returns the candidate with this model and a request to the runtime's quantizer."""
    options = params.model_dump()
    made = candidate.with_step(model, Step("qat", options, info))
    more = {name: info[name] for name in ("kept", "keep") if name in info}
    return replace(made, quantization={"qat": {**options, **more}})


def _rounded_tensors(
    candidate: Candidate, rounding: Mapping[str, Any], context: Context
) -> dict[str, list[Any]]:
    """Returns the tensors that the runtime's quantizer rounds.

    Returns:
        groups: Names of the graph's nodes; the nodes of a group share a range.
        layers: Names of the modules with rounded weights.
        hidden: Names of tensors that the runtime rounds but the graph does not contain; their
            ranges are calibrated.

    Raises:
        InfeasibleCandidate: The runtime has no int8, or quantizes nothing in this network.
    """
    from paretune.spaces.quantization.graph import activations, layers_fed_by, traced, with_marks

    if context.placement is None:
        raise InfeasibleCandidate("qat: this runtime has no int8 to train for")
    graph = traced(candidate.model, candidate.shape)
    names = activations(graph, candidate.shape)
    marked = with_marks(copy.deepcopy(graph), names)
    placement = context.placement(marked, candidate.shape, rounding)
    groups: list[Sequence[str]] = [
        [names[number - 1] for number in sorted(group)] for group in placement["groups"]
    ]
    fed = layers_fed_by(graph, (name for group in groups for name in group))
    kept = rounding.get("keep", ())
    layers = [n for n in fed if n not in rounding["kept"] and not is_within(n, kept)]
    if not layers:
        raise InfeasibleCandidate("qat: the runtime quantizes no layer of this network")
    return {"groups": groups, "layers": layers, "hidden": placement["hidden"]}


def _set_first_ranges(model: torch.nn.Module, images: int, context: Context) -> None:
    """Sets every range so that it contains all values of some training images."""
    import torch

    from paretune.spaces.quantization.fake_quantization import FakeActivation

    fakes = [m for m in model.modules() if isinstance(m, FakeActivation)]
    for fake in fakes:
        fake.widening = True
    model.to(context.device)
    with torch.inference_mode():
        for inputs, _ in context.data.batches("train", BATCH, device=context.device):
            call(model, _first(inputs, images))
            images -= batch_size(inputs)
            if images <= 0:
                break
    model.cpu()
    for fake in fakes:
        fake.widening = False


def _first(inputs: Nest, count: int) -> Nest:
    return mapped(inputs, lambda x: x[:count])
