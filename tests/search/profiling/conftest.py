"""A made-up profile."""

from __future__ import annotations

import pytest

from paretune.objectives.base import Measurement
from paretune.objectives.profiling.base import LayerCosts, NetworkPart, Times
from paretune.search.profiling.advice.advice import Advice
from paretune.search.profiling.advice.change import Change, EstimatedChange
from paretune.search.profiling.advice.estimates import ChangeEstimate
from paretune.search.profiling.profile import Profile


@pytest.fixture
def profile() -> Profile:
    """Texts with HTML in them, a long path, a fused layer, and the network's own code."""
    name = "encoder.layers.encoder_layer_11.self_attention.out_proj"
    layers = (
        LayerCosts(name, "NonDynamicallyQuantizableLinear", 900, 9000, 64, 4000, (64,)),
        LayerCosts("act", "ReLU", 0, 0, 64, 512, (64,)),
        LayerCosts("", "Network", 0, 0, 32, 256, (64,)),
    )
    parts = (NetworkPart(name, "FusedMatMul", 3.0), NetworkPart("", "Add", 1.0))
    estimate = ChangeEstimate(0.6, 0.5, 0.5, 0.51, 0.5)
    change = EstimatedChange(name, Change.HALVE, estimate, "pruning: {}")
    changes = (("pruned by half: </script>", change),)
    return Profile(
        subject="<b>mine</b>",
        runtime="onnxruntime",
        options={"threads": 1},
        shape=(3, 32, 32),
        classes=10,
        numbers=(Measurement("size", 4e6, "bytes", "lower", 4e6, 4e6),),
        layers=layers,
        times=Times("onnxruntime", parts, 0.5, 4.4, 4.6, 12),
        note=None,
        advice=(Advice(name, "it takes 75 % of the time", changes), Advice("", "the whole", ())),
        host={"cpu": "a processor"},
    )
