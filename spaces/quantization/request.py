"""The request to the runtime's quantizer that a candidate carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate, Step
from paretune.spaces.finite import broken_weight
from paretune.spaces.keeping import kept_modules
from paretune.spaces.params import Params

OUTLINE_IMAGES = 8
"""Calibration images for an outline, where only the layout of the file matters."""


class Int8Params(Params):
    """Options of every int8 mode."""

    keep_float: int = Field(
        0,
        ge=0,
        le=1000,
        description="number of layers that stay in float: those most sensitive to int8, measured",
    )


def with_request(
    candidate: Candidate,
    name: str,
    params: Params,
    info: Mapping[str, Any] | None = None,
    **more: Any,
) -> Candidate:
    """Returns the candidate with a request to quantize it in this mode.

    Args:
        candidate: The candidate to quantize; not changed.
        name: Name of the technique, which is also the runtime's mode.
        params: Parameters of the technique; all are passed to the runtime.
        info: `info` of the history's step.
        more: Further values for the runtime, as JSON.

    Raises:
        InfeasibleCandidate: A weight is not finite, so no quantizer can compute its scale.
    """
    check_finite(candidate, name)
    options = params.model_dump()
    step = Step(name, options, dict(info or {}))
    return replace(
        candidate.with_step(candidate.model, step), quantization={name: {**options, **more}}
    )


def with_int8_request(candidate: Candidate, name: str, params: Any, context: Context) -> Candidate:
    """Returns the candidate with a request for int8, which lists the layers that stay in float.

    The list is `kept` in the request and in the step's `info`.

    Raises:
        InfeasibleCandidate: A weight is not finite, or `keep_float` leaves nothing to quantize.
    """
    from paretune.spaces.quantization.sensitivity import kept_layers

    check_finite(candidate, name)
    kept, ratios = kept_layers(candidate, params.keep_float, context, params)
    keep_options = kept_request(candidate)
    info = {"kept": kept, **keep_options, "sensitivity_db": ratios}
    return with_request(candidate, name, params, info, kept=kept, **keep_options)


def kept_request(candidate: Candidate) -> dict[str, list[str]]:
    """Returns `{"keep": [modules]}`, all of which the runtime computes in float; or nothing.

    Raises:
        InfeasibleCandidate: A pattern of the task names no module.
    """
    kept = kept_modules(candidate.model, candidate.keep)
    return {"keep": kept} if kept else {}


def check_finite(candidate: Candidate, name: str) -> None:
    """Refuses a network with a NaN or infinite weight. A buffer may hold infinity, as masks do.

    Raises:
        InfeasibleCandidate: A weight is not finite; the text has its name.
    """
    broken = broken_weight(candidate.model)
    if broken:
        tensor, values = broken
        raise InfeasibleCandidate(f"{name} quantization: {tensor} is not finite ({values})")
