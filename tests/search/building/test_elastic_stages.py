"""The shares of a study become choices of a network's elastic space."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from paretune.search.building.elastic_stages import concrete_choice
from paretune.search.building.network_structure import key_of, outline
from paretune.search.building.training_cost import EXAMPLE, TrainingCosts
from paretune.search.data import DATASETS, load_data
from paretune.search.study.deployment import deployments
from paretune.search.study.elastic import subnets_per_step
from paretune.search.study.plan import Plan
from paretune.search.study.stage import Stage
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.elastic.arranging import arranged
from paretune.spaces.elastic.space import ElasticSpace
from paretune.spaces.elastic.spec import ElasticSpec
from paretune.spaces.training.recipe import Recipe

SPACE = ElasticSpace(
    {
        "width.1": (0.25, 0.5, 0.75, 1.0),
        "width.2": (0.5, 1.0),
        "width.3": (0.25, 1.0),
        "depth.1": (1.0, 2.0, 3.0),
        "resolution": (16.0, 28.0),
    }
)


def test_one_share_is_that_of_all_parts_or_the_nearest_that_they_have() -> None:
    choice = concrete_choice(SPACE, {"width": 0.5, "depth": 2 / 3, "resolution": 16})
    expected = {"width.1": 0.5, "width.2": 0.5, "width.3": 0.25, "depth.1": 2.0, "resolution": 16}
    assert choice == expected


def test_parts_of_the_network_share_the_widths_in_order() -> None:
    choice = concrete_choice(SPACE, {"width": {"1": 0.25, "2": 1.0}})
    assert choice == {"width.1": 0.25, "width.2": 0.5, "width.3": 1.0}


def test_resolution_of_the_data_is_left_out() -> None:
    assert concrete_choice(SPACE, {"resolution": None}) == {}


def test_resolution_is_refused_for_a_network_of_fixed_size() -> None:
    with pytest.raises(InfeasibleCandidate, match="fixed input size"):
        concrete_choice(ElasticSpace({"width.1": (0.5, 1.0)}), {"resolution": 16})


# -- untrained subnets ---------------------------------------------------------------------------


def plan_of(subnet: dict[str, Any], **elastic: Any) -> Plan:
    spec = ElasticSpec.model_validate({"groups": 1, "width": None, **elastic}).model_dump()
    recipe = Recipe(epochs=3).model_dump()
    architecture = {"resnet": {"stages": 2, "blocks": 2, "width": 8}}
    first = {"architecture": architecture, "checkpoint": None, "recipe": recipe}
    return Plan(
        (
            Stage("pretrain", first),
            Stage("elastic", {"elastic": spec, "recipe": recipe}),
            Stage("subnet", {"subnet": subnet}),
            Stage("finetune", {"recipe": Recipe(epochs=2).model_dump(), "distillation": None}),
            Stage("deploy", {"runtime": {"onnxruntime": {}}}),
        )
    )


def weights_of(plan: Plan) -> int | None:
    params = DATASETS.get("digits").Params().model_dump()
    candidate = outline(plan, load_data("digits", params, Path()))
    return None if candidate is None else sum(p.numel() for p in candidate.model.parameters())


def test_outline_of_a_subnet_is_as_narrow_as_the_trained_one() -> None:
    small = weights_of(plan_of({"width": 0.5}, width=[0.5, 1.0]))
    large = weights_of(plan_of({"width": 1.0}, width=[0.5, 1.0]))
    assert small is not None and large is not None and small < 0.35 * large


def test_outline_is_unknown_if_the_weights_decide_which_blocks_go() -> None:
    assert weights_of(plan_of({"depth": 0.5}, depth={"least": 0.5})) is None
    assert weights_of(plan_of({"depth": 1.0}, depth={"least": 0.5})) is not None
    last = plan_of({"depth": 0.5}, depth={"least": 0.5, "criterion": "last"})
    assert weights_of(last) is not None


def test_resolution_is_part_of_the_key_of_a_deployed_structure() -> None:
    plans = [plan_of({"resolution": side}, resolution=[5, 6]) for side in (5, 6, None)]
    keys = {key_of(plan, "same shapes", (1, 8, 8), deployments(plan)[0], None) for plan in plans}
    assert len(keys) == 3


def test_cost_of_a_subnet_is_that_of_its_own_training_once_the_elastic_one_is_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small, large = (plan_of({"width": w}, width=[0.25, 1.0]) for w in (0.25, 1.0))
    stored: set[str] = set()
    pipeline: Any = SimpleNamespace(
        training_links=lambda plan: [
            SimpleNamespace(stage=stage, digest=stage.kind)
            for stage in plan.stages[:4]
            if stage.trains
        ]
    )
    cache: Any = SimpleNamespace(has=stored.__contains__)
    costs = TrainingCosts(pipeline, cache, None)  # type: ignore[arg-type]
    monkeypatch.setattr(costs, "example", lambda architecture: 10 * EXAMPLE)
    first = costs.of(large)
    assert first == 10 * EXAMPLE * (3 + 3 * subnets_per_step(large.stages[1].params["elastic"]) + 2)
    stored |= {"pretrain", "elastic"}
    assert costs.of(large) == 20 * EXAMPLE
    assert costs.of(small) == pytest.approx(2 * EXAMPLE * (1 + 9 / 16))


def test_network_is_arranged_once_for_the_outlines_of_its_subnets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arrange, calls = arranged, []

    def counted(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments[1])
        return arrange(*arguments, **options)

    monkeypatch.setattr("paretune.search.building.elastic_stages.arranged", counted)
    monkeypatch.setattr("paretune.search.building.elastic_stages._arranged", {})
    sizes = [weights_of(plan_of({"width": w}, width=[0.25, 0.5, 1.0])) for w in (0.25, 0.5, 0.25)]
    assert len(calls) == 1
    assert sizes[0] == sizes[2] < sizes[1]  # type: ignore[operator]
    weights_of(plan_of({"width": 0.25}, width=[0.25, 0.5, 1.0], round_to=2))
    assert len(calls) == 2
