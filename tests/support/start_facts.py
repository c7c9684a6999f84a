"""Made-up facts about a model, as `paretune init` measures them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from paretune.search.starting.facts import ScoreFact, StartFacts, TriedOption, TriedRate


def tried(section: str, option: str, **fields: Any) -> TriedOption:
    """Returns an option that was tried: 2x faster and 4x smaller, unless `fields` say another."""
    return TriedOption(
        section, option, **{"time": 0.5, "low": 0.49, "high": 0.51, "size": 0.25, **fields}
    )


def structured(ratio: float, macs: float, criterion: str = "magnitude") -> TriedOption:
    """Returns structured pruning with this ratio."""
    params = {"ratio": ratio, "criterion": criterion, "round_to": 8}
    return tried("pruning", "structured", params=params, macs=macs)


PRUNINGS = (
    structured(0.5, 0.3),
    structured(0.1, 0.85),
    structured(0.8, 0.05),
    structured(0.5, 0.3, "taylor"),
)

SLOWER: dict[str, Any] = {"time": 1.5, "low": 1.45, "high": 1.55, "size": 0.25}

FACTS = StartFacts(
    subject="net:Net",
    weights="checkpoint",
    family="python",
    architecture={"python": "net:Net"},
    defaults={"factory": "net:Net", "args": {}},
    task="classification",
    own_task=False,
    score=ScoreFact("accuracy", "higher", "fraction", 0.97, "97.0 ±1.0 %", 0.97),
    inputs="images",
    targets="class",
    per="example",
    shape="3 classes, input (3, 64, 64)",
    elements=3 * 64 * 64,
    pixels=True,
    channels=3,
    side=64,
    data="images",
    data_name="",
    class_names=("apple", "leaf", "sky"),
    sizes={"train": 1000, "validation": 200, "test": 200},
    loader_batch=None,
    notes=(),
    host="a processor, 2 cores",
    runtimes={"": "onnxruntime"},
    alignment=8,
    formats=("static", "dynamic", "qat", "float16", "bfloat16", "weight_only"),
    parameters=100_000,
    macs=25e6,
    size=400_000,
    latency=0.2,
    latency_batch=1,
    epoch=2.0,
    batch=32,
    measure=1.0,
    deploy=0.5,
    layers={"a": 32, "b": 64},
    rates=(TriedRate(1e-3, 0.5), TriedRate(3e-3, 0.3), TriedRate(1e-2, None)),
    tried=(
        *PRUNINGS,
        tried("quantization", "static", score=0.968),
        tried("quantization", "dynamic", **SLOWER),
        tried("distillation", "logits", time=0.0),
    ),
)
"""A trained convolutional network: pruning and static int8 pay, dynamic int8 does not."""


def facts(**fields: Any) -> StartFacts:
    """Returns the facts with other fields."""
    return replace(FACTS, **fields)


def untrained(**fields: Any) -> StartFacts:
    """Returns the facts of `simple_cnn`, which has no weights yet."""
    widths = (
        tried("architecture", "simple_cnn", params={"width": 0.25}),
        tried("architecture", "simple_cnn", params={"width": 0.5}),
    )
    return facts(
        **{
            "subject": "simple_cnn",
            "weights": "random",
            "family": "simple_cnn",
            "architecture": {"simple_cnn": {}},
            "defaults": {"width": 1.0},
            "score": ScoreFact("accuracy", "higher", "fraction"),
            "tried": (*FACTS.tried, *widths),
            **fields,
        }
    )
