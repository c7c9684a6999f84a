"""Marks a candidate for the runtime's quantizer."""

from __future__ import annotations

from dataclasses import replace

from spaces.base import Candidate, InfeasibleCandidate, Step
from spaces.params import Params


def marked(candidate: Candidate, name: str, params: Params) -> Candidate:
    """The candidate with the mode that its runtime shall quantize it in.

    Raises:
        InfeasibleCandidate: A weight is not finite; no quantizer can find a scale for it.
    """
    for weight, tensor in candidate.model.state_dict().items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise InfeasibleCandidate(f"{name} quantization: {weight} is not finite")
    options = params.model_dump()
    step = Step(name, options)
    return replace(candidate.then(candidate.model, step), quantization={name: options})
