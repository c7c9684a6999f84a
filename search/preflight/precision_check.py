"""Checks mixed precision: on a processor that cannot multiply it, a training takes far longer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import torch

from paretune.search.building.pipeline import resolve_device
from paretune.search.preflight.finding import Finding
from paretune.search.preflight.rehearsal import Rehearsal
from paretune.search.preflight.training_check import RECIPES
from paretune.search.preflight.variants import variants
from paretune.spaces.training.precision import Precision

SLOWER = 2.0
"""A precision is reported from this many times the time of float32."""

STEPS = 5
"""Timed steps of a small convolution; the quickest one counts."""


def check_precision(rehearsal: Rehearsal) -> Iterator[Finding]:
    """Yields a note for each reduced precision that is slower than float32 on the processor.

    A small convolution is timed, forward and backward. The precision stays as the study has it.
    """
    if resolve_device(rehearsal.spec.device) != "cpu":
        return
    kinds = sorted(_kinds(rehearsal))
    usual = _step_seconds("off") if kinds else 0.0
    for kind in kinds:
        ratio = _step_seconds(kind) / usual
        if ratio >= SLOWER:
            text = (
                f"a convolution takes {ratio:.1f} times as long in {kind} as in float32 on this "
                "processor; take amp: off"
            )
            yield Finding(f"amp {kind}", "note", text)


def _kinds(rehearsal: Rehearsal) -> set[str]:
    """Returns the precisions other than float32 that a recipe of the study may have."""
    spec = rehearsal.spec
    recipes: list[Any] = [spec.baseline.pretrain]
    for section in RECIPES:
        chosen = variants(spec.space, section, lambda name: False)
        recipes += [rehearsal.choices(variant)[section] for variant in chosen]
    return {recipe["amp"] for recipe in recipes if recipe} - {"auto", "off"}


def _step_seconds(kind: str) -> float:
    """Returns the processor time of a training step of one convolution, in seconds."""
    layer = torch.nn.Conv2d(64, 64, 3, padding=1).to(memory_format=torch.channels_last)
    inputs = torch.ones(16, 64, 32, 32).to(memory_format=torch.channels_last)
    precision = Precision(kind, "cpu")
    seconds = []
    for _ in range(1 + STEPS):  # the first one compiles kernels
        begun = time.process_time()
        with precision.autocast:
            loss = layer(inputs).float().sum()
        torch.autograd.backward(loss)
        seconds.append(time.process_time() - begun)
    return min(seconds[1:])
