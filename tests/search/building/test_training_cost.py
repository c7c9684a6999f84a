"""The cost of a plan counts the training that is left; cached stages cost nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paretune.objectives.forward_counts import count_forward
from paretune.search.building.training_cost import ACTIVATION, EXAMPLE, SPEED, TrainingCosts
from paretune.search.building.watch import Watch
from paretune.search.measuring.targets import DEPLOYING, TIMED
from paretune.search.study_file.loading import load_study
from paretune.search.trial.stage_study import StageStudy
from paretune.spaces.rebuild import initial_candidate

SMALL = {"simple_cnn": {"width": 0.0625}}


@pytest.fixture
def study(tiny: Path) -> Iterator[StageStudy]:
    stage_study = StageStudy(load_study(tiny))
    yield stage_study
    stage_study.close()


def choices(study: StageStudy, architecture: Any = SMALL, **more: Any) -> dict[str, Any]:
    recipe = study.spec.baseline.pretrain or {}
    finetune = {**recipe, "epochs": 2}
    return {"architecture": architecture, "pretrain": recipe, "finetune": finetune, **more}


def example(architecture: Any = SMALL) -> float:
    """Returns the expected cost, by the formula."""
    forward = count_forward(initial_candidate(architecture, (1, 8, 8), 10, seed=0).model, (1, 8, 8))
    return forward.macs + ACTIVATION * forward.activations + EXAMPLE


def price(study: StageStudy, options: Any) -> float:
    """Returns the cost of training that is left now."""
    assert study.cost is not None
    return study.cost(options)()


def test_all_epochs_count_while_nothing_is_trained(study: StageStudy) -> None:
    assert price(study, choices(study)) == 3 * example()
    wide = {"simple_cnn": {"width": 0.125}}
    assert price(study, choices(study, wide)) == 3 * example(wide) > 3 * example()


def test_stage_in_the_cache_costs_nothing(study: StageStudy) -> None:
    options = choices(study)
    assert study.cost is not None
    left = study.cost(options)
    pretrained = {k: v for k, v in options.items() if k != "finetune"}
    study.workbench.pipeline.candidate(study.plan(pretrained), Watch())
    assert price(study, options) == left() == 2 * example()
    study.workbench.pipeline.candidate(study.plan(options), Watch())
    assert price(study, options) == left() == 0.0


def test_pruning_and_format_cost_no_training(study: StageStudy) -> None:
    more = {"pruning": {"structured": {"ratio": 0.5}}, "quantization": {"dynamic": {}}}
    assert price(study, choices(study, **more)) == price(study, choices(study))


def test_techniques_that_train_report_their_epochs(study: StageStudy) -> None:
    recipe = {**(study.spec.baseline.pretrain or {}), "epochs": 3}
    steps = {"structured": {"ratio": 0.5, "steps": 3, "between": recipe}}
    assert price(study, choices(study, pruning=steps)) == (3 + 2 * 3) * example()
    qat = {"qat": {"epochs": 5}}
    assert price(study, choices(study, quantization=qat)) == (3 + 5) * example()


def test_impossible_network_has_infinite_cost(study: StageStudy) -> None:
    shrunk = {"resnet": {"stages": 9, "blocks": 1, "width": 8, "shortcut": "nonsense"}}
    assert price(study, choices(study, shrunk)) == math.inf


def test_overhead_is_as_much_training_as_a_trial_takes_besides(tiny: Path) -> None:
    objectives = "objectives={accuracy: maximize, latency: {minimize: p50, seconds: 3}}"
    for timed, changes in ((0.0, ["objectives={accuracy: maximize}"]), (3.0, [objectives])):
        study = StageStudy(load_study(tiny, [*changes, "constraints=[]", "goals=[]"]))
        seconds = study.overhead * study.workbench.data.size("train") / SPEED
        assert seconds == pytest.approx(DEPLOYING + TIMED * timed)
        study.close()


def test_network_is_counted_once_for_all_runs_and_without_published_weights(
    study: StageStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Any] = []

    def built_(architecture: Any, *options: Any, **named: Any) -> Any:
        built.append(architecture)
        return initial_candidate(SMALL, *options, **named)

    monkeypatch.setattr("paretune.search.building.training_cost.initial_candidate", built_)
    loaded = {"timm": {"name": "resnet18", "pretrained": True}}
    for _ in range(2):
        costs = TrainingCosts(study.workbench.pipeline, study.workbench.cache, study.workbench.data)
        assert costs.of(study.plan(choices(study, loaded))) == 3 * example()
    assert built == [{"timm": {"name": "resnet18", "pretrained": False}}]
