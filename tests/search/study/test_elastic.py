"""Elastic choices become stages that trials share, and the subnets that are drawn differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paretune.search.study.elastic import (
    drawn_subnets,
    elastic_node,
    priced_network,
    source_key,
    subnet_of,
    subnet_share,
    subnets_per_step,
)
from paretune.search.study.plan import Plan, make_plan
from paretune.search.study.spec import StudySpec
from paretune.search.study_file.loading import load_study
from paretune.spaces.domains import Choice, Record, assign

STUDY = """\
data: digits
baseline: {architecture: simple_cnn, pretrain: {epochs: 3}}
space:
  architecture: {elastic: {of: baseline, width: [0.25, 1], epochs: 5}}
  finetune: {epochs: 1}
  distillation: {choice: {none: {}, logits: {teacher: {choice: [baseline, elastic]}}}}
objectives: {accuracy: maximize, size: minimize}
"""


def spec_of(folder: Path, *overrides: str) -> StudySpec:
    file = folder / "s.yaml"
    file.write_text(STUDY)
    return load_study(file, overrides)


def plan_of(spec: StudySpec, **params: Any) -> Plan:
    """Returns the plan with these parameters; others have the first value."""

    def choose(name: str, domain: Any) -> Any:
        first = domain.labels[0] if isinstance(domain, Choice) else domain.low
        return params.get(name, first)

    return make_plan(assign(spec.space, choose), spec.runtime, spec.teachers)


def branch_of(spec: StudySpec) -> Record:
    branch = elastic_node(dict(spec.space.fields)["architecture"])  # type: ignore[union-attr]
    assert branch is not None
    return branch


def test_plan_begins_with_the_baselines_stage_and_cuts_a_subnet_out(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    plan = plan_of(spec, **{"architecture.elastic.width": 0.5})

    kinds = [stage.kind for stage in plan.stages]
    assert kinds == ["pretrain", "elastic", "subnet", "finetune", "deploy"]
    assert plan.stages[0].params["recipe"] == spec.baseline.pretrain
    assert subnet_of(plan.to_json()) == {"width": 0.5}
    assert [stage.trains for stage in plan.stages[:4]] == [True, True, False, True]
    assert plan.stages[1].epochs == 5


def test_searched_distillation_changes_no_stage_that_trials_share(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    plain = plan_of(spec).to_json()
    taught = plan_of(spec, distillation="logits").to_json()

    assert taught[:3] == plain[:3]
    assert taught[3]["params"]["distillation"] == {"logits": {"temperature": 4.0, "alpha": 0.5}}
    assert source_key(taught) == source_key(plain)


def test_teacher_elastic_is_the_full_network_after_its_training(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    name = "distillation.logits.teacher"
    plan = plan_of(spec, distillation="logits", **{name: "elastic"}).to_json()

    assert plan[3]["params"]["teacher"] == {"stages": plan[:2]}
    assert spec.teachers == {"elastic": {"stages": plan[:2]}}


def test_source_key_depends_on_the_training_and_not_on_the_subnet(tmp_path: Path) -> None:
    first = plan_of(spec_of(tmp_path), **{"architecture.elastic.width": 0.5}).to_json()
    other = plan_of(spec_of(tmp_path), **{"architecture.elastic.width": 1.0}).to_json()
    longer = spec_of(tmp_path, "space.architecture.elastic.epochs=6")

    assert source_key(first) == source_key(other) != source_key(plan_of(longer).to_json())
    assert source_key(first[:1]) is None


def test_all_subnets_are_drawn_if_there_are_few(tmp_path: Path) -> None:
    drawn = drawn_subnets(branch_of(spec_of(tmp_path)), 100, seed=0)
    assert [subnet["width"] for subnet in drawn] == [0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0]


def test_some_subnets_are_drawn_if_there_are_many(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, "space.architecture.elastic.groups=3")
    drawn = drawn_subnets(branch_of(spec), 20, seed=0)

    widths = [tuple(subnet["width"].values()) for subnet in drawn]
    assert len(set(widths)) == 20
    assert widths[:2] == [(0.25,) * 3, (1.0,) * 3]
    assert (
        drawn
        == drawn_subnets(branch_of(spec), 20, seed=0)
        != drawn_subnets(branch_of(spec), 20, seed=1)
    )


@pytest.mark.parametrize(
    ("subnet", "share"),
    [({}, 1.0), ({"width": 0.5}, 0.25), ({"width": {"1": 0.5, "2": 1.0}, "depth": 0.5}, 0.28125)],
)
def test_work_of_a_subnet_grows_with_width_and_depth(subnet: dict[str, Any], share: float) -> None:
    assert subnet_share(subnet) == pytest.approx(share)


def test_step_of_the_elastic_training_costs_all_its_subnets() -> None:
    options = {"width": [0.5, 1.0], "depth": None, "random": 2}
    assert subnets_per_step(options) == pytest.approx(1 + 0.25 + 2 * 0.625)


def test_subnets_of_one_source_are_priced_alike(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)

    def choices(width: float) -> Any:
        return assign(spec.space, lambda name, d: width if "width" in name else d.labels[0])  # type: ignore[union-attr]

    assert priced_network(choices(0.5)) == priced_network(choices(1.0))
    assert priced_network({"architecture": {"a": {}}}) != priced_network(
        {"architecture": {"b": {}}}
    )
