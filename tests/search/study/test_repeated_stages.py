"""Which stages of a plan get another seed."""

from __future__ import annotations

from typing import Any

import pytest

from paretune.search.study.plan import Plan
from paretune.search.study.repeated_stages import first_repeated
from paretune.search.study.seed_results import repeat_seed
from paretune.search.study.stage import Stage

DEPLOY = Stage("deploy", {"runtime": {"onnxruntime": {}}})


def pretrain(epochs: int, width: float = 1.0) -> Stage:
    recipe = {"epochs": epochs}
    network = {"architecture": {"simple_cnn": {"width": width}}, "checkpoint": None}
    return Stage("pretrain", {**network, "recipe": recipe})


def finetune(epochs: int) -> Stage:
    return Stage("finetune", {"recipe": {"epochs": epochs}, "distillation": None})


def quantize(**technique: Any) -> Stage:
    return Stage("quantize", {"quantization": technique})


PRUNE = Stage("prune", {"pruning": {"structured": {"ratio": 0.5}}})
ELASTIC = (pretrain(2), Stage("elastic", {"recipe": {"epochs": 4}}), Stage("subnet", {}))
BASELINE = Plan((pretrain(2), DEPLOY))


@pytest.mark.parametrize(
    ("stages", "first"),
    [
        ((pretrain(2, 0.5), PRUNE, finetune(1)), 0),
        ((pretrain(2), PRUNE, finetune(1)), 2),
        ((pretrain(0, 0.5), finetune(1)), 1),
        ((pretrain(2), quantize(qat={"epochs": 1})), 1),
        ((pretrain(2), quantize(static={})), None),
        ((pretrain(0, 0.5), PRUNE), None),
        ((*ELASTIC, finetune(1)), 3),
        (ELASTIC, None),
    ],
)
def test_everything_that_a_trial_trains_of_its_own_is_repeated(
    stages: tuple[Stage, ...], first: int | None
) -> None:
    assert first_repeated(Plan((*stages, DEPLOY)), BASELINE) == first


def test_seeds_of_repeats_differ_from_each_other_and_the_study() -> None:
    seeds = {repeat_seed(study, repeat) for study in (0, 1) for repeat in range(1, 30)}
    assert len(seeds - {0, 1}) == 58 and max(seeds) < 2**32
