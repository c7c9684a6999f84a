"""Plans: content, key and JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretune.search.study.plan import Plan, baseline_plan, make_plan
from paretune.search.study.spec import BaselineSpec, Selection, digest
from paretune.search.study.stage import Stage

RUNTIME = Selection("onnxruntime", {"provider": "cpu", "threads": 1})
DEPLOY = Stage("deploy", {"runtime": {"onnxruntime": {"provider": "cpu", "threads": 1}}})
RECIPE = {"epochs": 2, "optimizer": {"adam": {"lr": 0.001}}}

CHOICES: dict[str, Any] = {
    "architecture": {"simple_cnn": {"width": 0.5}},
    "checkpoint": None,
    "pretrain": RECIPE,
    "pruning": {"structured": {"ratio": 0.4}},
    "distillation": {"logits": {"alpha": 0.5}},
    "finetune": {**RECIPE, "epochs": 1},
    "quantization": {"static": {"images": 64}},
}


def test_plan_has_every_stage_in_order() -> None:
    plan = make_plan(CHOICES, RUNTIME)

    assert plan.stages == (
        Stage(
            "pretrain",
            {
                "architecture": {"simple_cnn": {"width": 0.5}},
                "checkpoint": None,
                "recipe": RECIPE,
            },
        ),
        Stage("prune", {"pruning": {"structured": {"ratio": 0.4}}}),
        Stage(
            "finetune",
            {"recipe": {**RECIPE, "epochs": 1}, "distillation": {"logits": {"alpha": 0.5}}},
        ),
        Stage("quantize", {"quantization": {"static": {"images": 64}}}),
        DEPLOY,
    )


@pytest.mark.parametrize("off", [None, {"none": {}}, {}])
@pytest.mark.parametrize(("name", "kind"), [("pruning", "prune"), ("quantization", "quantize")])
def test_stage_is_left_out_when_its_technique_is_none(name: str, kind: str, off: Any) -> None:
    plan = make_plan({**CHOICES, name: off}, RUNTIME)

    assert plan.stage(kind) is None
    assert len(plan.stages) == 4


@pytest.mark.parametrize("off", [None, {**RECIPE, "epochs": 0}])
def test_finetune_is_left_out_when_it_trains_nothing(off: Any) -> None:
    assert make_plan({**CHOICES, "finetune": off}, RUNTIME).stage("finetune") is None


@pytest.mark.parametrize("off", [None, {"none": {}}])
def test_finetune_has_no_teacher_when_distillation_is_none(off: Any) -> None:
    stage = make_plan({**CHOICES, "distillation": off}, RUNTIME).stage("finetune")

    assert stage is not None
    assert stage.params["distillation"] is None


def test_baseline_plan_deploys_the_unchanged_model() -> None:
    baseline = BaselineSpec({"simple_cnn": {"width": 1.0}}, "/a/weights.pt", None)

    assert baseline_plan(baseline, RUNTIME).stages == (
        Stage(
            "pretrain",
            {
                "architecture": {"simple_cnn": {"width": 1.0}},
                "checkpoint": "/a/weights.pt",
                "recipe": None,
            },
        ),
        DEPLOY,
    )


def test_key_does_not_change_between_versions() -> None:
    # Databases and stage caches hold these keys: after a change nothing in them is found again.
    assert (
        make_plan(CHOICES, RUNTIME).key
        == "aa8039c8e3cb85172dd84693ca6548e17da9d7b78e3becbdd98d05bb23df1b9c"
    )


def test_equal_choices_give_equal_plans() -> None:
    other = {name: json.loads(json.dumps(value)) for name, value in reversed(CHOICES.items())}
    other["pretrain"] = dict(reversed(other["pretrain"].items()))

    first, second = make_plan(CHOICES, RUNTIME), make_plan(other, RUNTIME)

    assert first == second
    assert first.key == second.key
    assert hash(first) == hash(second)
    assert len({first, second}) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("architecture", {"simple_cnn": {"width": 0.25}}),
        ("architecture", {"separable_cnn": {"width": 0.5}}),
        ("pretrain", {**RECIPE, "epochs": 3}),
        ("pruning", {"structured": {"ratio": 0.41}}),
        ("pruning", None),
        ("distillation", None),
        ("finetune", {**RECIPE, "epochs": 2}),
        ("quantization", {"dynamic": {}}),
        ("checkpoint", "/a/weights.pt"),
    ],
)
def test_other_choice_gives_another_key(name: str, value: Any) -> None:
    first, second = make_plan(CHOICES, RUNTIME), make_plan({**CHOICES, name: value}, RUNTIME)

    assert first != second
    assert first.key != second.key


def test_other_runtime_gives_another_key() -> None:
    other = Selection("onnxruntime", {"provider": "cpu", "threads": 2})

    assert make_plan(CHOICES, RUNTIME).key != make_plan(CHOICES, other).key


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
any_stage = st.builds(
    Stage,
    st.sampled_from(["pretrain", "prune", "finetune", "quantize", "deploy"]),
    st.dictionaries(st.text(max_size=4), plain, max_size=3),
)


@given(st.lists(any_stage, max_size=4))
def test_plan_is_restored_from_json(stages: list[Stage]) -> None:
    plan = Plan(tuple(stages))

    again = Plan.from_json(json.loads(json.dumps(plan.to_json())))

    assert again == plan
    assert again.key == plan.key == digest(plan.to_json())
