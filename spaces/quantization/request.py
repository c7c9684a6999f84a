"""Marks a candidate for the runtime's quantizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate, Step
from paretune.spaces.params import Params

OUTLINED = 8
"""Images that do where only the layout of a file counts."""


class Int8Params(Params):
    """What every int8 mode takes."""

    keep_float: int = Field(
        0, ge=0, le=1000, description="so many layers stay float: the most sensitive, as measured"
    )


def with_request(
    candidate: Candidate,
    name: str,
    params: Params,
    info: Mapping[str, Any] | None = None,
    **more: Any,
) -> Candidate:
    """The candidate with the mode that its runtime shall quantize it in.

    Args:
        candidate: What to mark; left as it was.
        name: Of the technique, and of the runtime's mode.
        params: Of the technique; the runtime gets them all.
        info: Of the history's step.
        more: What else the runtime needs to know, as JSON.

    Raises:
        InfeasibleCandidate: A weight is not finite; no quantizer can find a scale for it.
    """
    check_finite(candidate, name)
    options = params.model_dump()
    step = Step(name, options, dict(info or {}))
    return replace(
        candidate.with_step(candidate.model, step), quantization={name: {**options, **more}}
    )


def with_int8_request(candidate: Candidate, name: str, params: Any, context: Context) -> Candidate:
    """As `marked`, with the layers named that stay in float: `kept` in the step's info too.

    Raises:
        InfeasibleCandidate: A weight is not finite, or `keep_float` leaves nothing to quantize.
    """
    from paretune.spaces.quantization.sensitivity import kept_layers

    check_finite(candidate, name)
    kept, ratios = kept_layers(candidate, params.keep_float, context, params)
    info = {"kept": kept, "sensitivity_db": ratios}
    return with_request(candidate, name, params, info, kept=kept)


def check_finite(candidate: Candidate, name: str) -> None:
    """Refuses a network with NaN or infinity among its weights.

    Raises:
        InfeasibleCandidate: With the weight's name.
    """
    for weight, tensor in candidate.model.state_dict().items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise InfeasibleCandidate(f"{name} quantization: {weight} is not finite")
