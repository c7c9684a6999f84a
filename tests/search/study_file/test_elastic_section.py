"""An elastic architecture in a study file: its parameters and its mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretune.search.study_file.check import check_info
from paretune.search.study_file.loading import load_study
from paretune.spaces.domains import Choice, Float, parameters
from support.studies import problems

STUDY = """\
data: digits
baseline: {architecture: simple_cnn, pretrain: {epochs: 3}}
space:
  architecture:
    elastic: {of: baseline, width: [0.25, 1], epochs: 5}
  finetune: {epochs: 1}
objectives: {accuracy: maximize, size: minimize}
"""
ELASTIC = "space.architecture.elastic"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    file = tmp_path / "s.yaml"
    file.write_text(STUDY)
    return file


def domains(file: Path, *overrides: str) -> dict[str, object]:
    space = load_study(file, overrides).space
    return {p.name.removeprefix("architecture.elastic."): p.domain for p in parameters(space)}


def test_width_of_two_values_is_a_range_in_eighths(study: Path) -> None:
    assert domains(study) == {"width": Float(0.25, 1.0, step=0.125)}


def test_values_without_equal_steps_are_a_choice(study: Path) -> None:
    [domain] = domains(study, f"{ELASTIC}.width=[0.3, 0.5, 1]").values()
    assert isinstance(domain, Choice)
    assert domain.labels == ["0.3", "0.5", "1"]


def test_depth_and_resolution_are_parameters_of_their_own(study: Path) -> None:
    by_name = domains(
        study, f"{ELASTIC}.width=null", f"{ELASTIC}.depth=[0.5, 1]", f"{ELASTIC}.resolution=[5, 6]"
    )
    assert by_name["depth"] == Float(0.5, 1.0, step=0.25)
    assert isinstance(by_name["resolution"], Choice)
    assert by_name["resolution"].labels == ["5", "6", "full"]
    assert "width" not in by_name


def test_groups_have_widths_of_their_own(study: Path) -> None:
    assert list(domains(study, f"{ELASTIC}.groups=3")) == ["width.1", "width.2", "width.3"]


def test_options_of_the_depth_may_be_a_mapping(study: Path) -> None:
    depth = f"{ELASTIC}.depth={{least: 0.5, criterion: last}}"
    assert domains(study, depth)["depth"] == Float(0.5, 1.0, step=0.25)


def test_elastic_may_be_one_of_several_architectures(study: Path) -> None:
    spec = load_study(
        study,
        [
            "space.architecture={choice: {elastic: {of: baseline, epochs: 5}, "
            "resnet: {width: {choice: [8, 16]}}}}",
            "space.pretrain={epochs: {choice: [2, 3]}}",
        ],
    )
    names = {p.name: p.condition for p in parameters(spec.space)}
    assert names["architecture.elastic.width"] == (("architecture", "elastic"),)
    assert names["architecture.resnet.width"] == (("architecture", "resnet"),)


def test_check_shows_that_one_training_serves_all_subnets(study: Path) -> None:
    assert check_info(load_study(study)).stages[:4] == (
        "pretrain (3 epochs)",
        "elastic (5 epochs), once for all subnets",
        "subnet",
        "finetune (1 epoch)",
    )


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        ([f"{ELASTIC}.of=null"], "elastic.of: is missing; give the network: of: baseline"),
        ([f"{ELASTIC}.of=basline"], 'elastic.of: unknown architecture "basline"'),
        ([f"{ELASTIC}.of={{resnet: {{width: {{choice: [8, 16]}}}}}}"], "of: takes fixed values"),
        ([f"{ELASTIC}.epochs=0"], "elastic.epochs: must be at least 1"),
        ([f"{ELASTIC}.epochs={{choice: [1, 2]}}"], "elastic.epochs: takes a fixed value"),
        (
            [f"{ELASTIC}.wdth=[0.5, 1]"],
            'elastic.wdth: unknown key for elastic; did you mean "width"',
        ),
        ([f"{ELASTIC}.width=[0.5, 0.75]"], "elastic: width must end with 1"),
        ([f"{ELASTIC}.width={{float: [0.5, 1]}}"], "elastic.width: give the list of its values"),
        ([f"{ELASTIC}.depth=[0.5, 0.75]"], "elastic.depth: give ascending shares of the blocks"),
        ([f"{ELASTIC}.width=null"], "needs something that its subnets differ in"),
        ([f"{ELASTIC}.estimates=-1"], "elastic.estimates: must be greater than or equal to 0"),
        ([f"{ELASTIC}.label_smoothing=2"], "elastic.label_smoothing: must be less than 1"),
        (["space.architecture=elastic"], 'architecture: unknown architecture "elastic"'),
        (["space.architecture={elastic: 3}"], "elastic: give its options: elastic: {of: baseline"),
        (["space.pretrain={epochs: 2}"], "space.pretrain: has no effect: the elastic training"),
        (
            ["space.finetune=null", "search.racing={}"],
            "search.racing: compares trials while they train, and subnets of one elastic",
        ),
        (
            ["space.distillation={logits: {teacher: elastik}}"],
            'unknown teacher "elastik"; did you mean "elastic"?',
        ),
        (
            ["baseline.architecture={elastic: {of: baseline}}"],
            'baseline.architecture: unknown architecture "elastic"',
        ),
    ],
)
def test_mistake_is_refused(study: Path, overrides: list[str], text: str) -> None:
    assert text in "\n".join(problems(study, *overrides))


def test_pretraining_with_parameters_needs_a_recipe_of_its_own(study: Path) -> None:
    overrides = [f"{ELASTIC}.of=resnet", "space.pretrain={epochs: {choice: [1, 2]}}"]
    assert "elastic.pretrain: is missing" in "\n".join(problems(study, *overrides))
    load_study(study, [*overrides, f"{ELASTIC}.pretrain={{epochs: 2}}"])
