"""The sections `baseline` and `teachers`."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretune.search.study.spec import BaselineSpec
from paretune.search.study_file.loading import load_study
from paretune.search.study_file.networks import description, unknown_teacher
from paretune.spaces.domains import Fixed, Record
from paretune.spaces.training.recipe import Recipe
from support.mistakes import assert_override_refused, assert_refused, replace_part
from support.studies import problems

BASELINE = {
    "architecture": {"simple_cnn": {"resolution": None, "width": 0.5}},
    "checkpoint": None,
    "recipe": Recipe(epochs=2).to_json(),
}
BIG = {
    "architecture": {"simple_cnn": {"resolution": None, "width": 2.0}},
    "checkpoint": None,
    "recipe": Recipe(epochs=3).to_json(),
}

# -- the baseline --------------------------------------------------------------------------------


def test_checkpoint_is_relative_to_the_study_file(small: Path) -> None:
    (small.parent / "weights.pt").write_bytes(b"")
    baseline = "baseline={architecture: simple_cnn, checkpoint: weights.pt}"

    spec = load_study(small, [baseline, "space.architecture="])

    assert spec.baseline.checkpoint == "weights.pt"
    assert isinstance(spec.space, Record)
    assert dict(spec.space.fields)["checkpoint"] == Fixed(spec.baseline.checkpoint)


def test_description_is_the_parameters_of_a_pretrain_stage() -> None:
    network = BaselineSpec({"simple_cnn": {}}, "/weights.pt", None)

    assert description(network) == {
        "architecture": {"simple_cnn": {}},
        "checkpoint": "/weights.pt",
        "recipe": None,
    }


MISTAKES = [
    (
        "pretrain: {epochs: 2",
        "pretrain: {epochs: 2, batchsize: 8",
        "baseline.pretrain.batchsize",
        'unknown key for a recipe; did you mean "batch_size"? Known: ...',
    ),
    (
        "architecture: simple_cnn",
        "architecture: simple_cn",
        "baseline.architecture",
        'unknown architecture "simple_cn"; did you mean "simple_cnn"? Known: ...',
    ),
    (
        "{adam: ",
        "{adm: ",
        "baseline.pretrain.optimizer",
        'unknown optimizer "adm"; did you mean "adam"? Known: ...',
    ),
    ("epochs: 2", "epochs: two", "baseline.pretrain.epochs", "must be a valid integer, got 'two'"),
    ("epochs: 2", "epochs: 2.5", "baseline.pretrain.epochs", "must be a valid integer, got 2.5"),
    ("epochs: 2", "epochs: true", "baseline.pretrain.epochs", "must be a valid integer, got True"),
    (
        "epochs: 2",
        "epochs: 2, augment: {flip: yes}",
        "baseline.pretrain.augment.flip",
        "must be a valid boolean, got 'yes'",
    ),
    (
        "epochs: 2",
        "epochs: 2, augment: 3",
        "baseline.pretrain.augment",
        "give a mapping of parameters, not 3",
    ),
    (
        "{lr: 1e-3}",
        "{lr: '1e-3'}",
        "baseline.pretrain.optimizer.adam.lr",
        "must be a valid number, got '1e-3'",
    ),
    ("{lr: 1e-3}", "3", "baseline.pretrain.optimizer", "adam takes a mapping of parameters, not 3"),
    (
        "  pretrain: {epochs: 2, optimizer: {adam: {lr: 1e-3}}}",
        "  pretrain: {optimizer: {adam: {lr: 1e-3}}}",
        "baseline.pretrain",
        '"epochs" is missing for a recipe',
    ),
    (
        "{lr: 1e-3}",
        "{lr: 0}",
        "baseline.pretrain.optimizer.adam.lr",
        "must be greater than 0, got 0",
    ),
    (
        "epochs: 2",
        "epochs: {int: [1, 2]}",
        "baseline.pretrain",
        "takes fixed values; search in space.pretrain",
    ),
]

OVERRIDES = [
    (
        "baseline=",
        "baseline: is missing; give the model as it is: baseline: {architecture: ...}",
    ),
    (
        "baseline={architecture: simple_cnn}",
        "baseline: has no weights; give pretrain: (a recipe), checkpoint: (a file), or a "
        "torchvision model with weights: DEFAULT",
    ),
]


@pytest.mark.parametrize(("old", "new", "key", "text"), MISTAKES)
def test_mistake_is_refused_at_its_line(
    small: Path, old: str, new: str, key: str, text: str
) -> None:
    assert_refused(small, old, new, key, text)


@pytest.mark.parametrize(("override", "text"), OVERRIDES)
def test_mistake_in_an_override_is_refused_by_its_name(
    small: Path, override: str, text: str
) -> None:
    assert_override_refused(small, override, text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("no.pt", "{folder}/no.pt: there is no such file"),
        ("3", "give the path of a .safetensors or .pt file, not 3"),
        ('"a\\0b"', "give the path of a .safetensors or .pt file, not 'a\\x00b'"),
    ],
)
def test_checkpoint_is_refused_when_it_is_not_a_file(small: Path, value: str, text: str) -> None:
    line = replace_part(
        small, "architecture: simple_cnn\n", f"architecture: simple_cnn\n  checkpoint: {value}\n"
    )

    assert problems(small) == [
        f"{small}:{line}: baseline.checkpoint: {text.replace('{folder}', str(small.parent))}"
    ]


def test_mistakes_of_a_recipe_are_reported_when_the_architecture_is_missing(small: Path) -> None:
    lines = problems(small, "baseline={pretrain: {epochs: 1, optimiser: sgd}}")

    assert lines[0].endswith(": baseline.architecture: is missing")
    assert 'unknown key for a recipe; did you mean "optimizer"?' in lines[1]


# -- teachers ------------------------------------------------------------------------------------


def test_teachers_are_described_as_plans_need_them(teacher_study: Path) -> None:
    spec = load_study(teacher_study)

    assert list(spec.teachers) == ["big", "mine", "both", "all"]
    assert spec.teachers["big"] == BIG
    mine = spec.teachers["mine"]
    assert mine["checkpoint"] == "weights.safetensors"
    assert mine["recipe"] is None
    assert spec.teachers["both"] == {"average": [BASELINE, BIG]}
    assert spec.teachers["all"] == {"average": [spec.teachers["both"], mine]}


TEACHERS = [
    (
        "teachers.both={average: [baseline, bog]}",
        'teachers.both.average.1: unknown teacher "bog"; did you mean "big"? Known: '
        "baseline, big, mine, both, all.",
    ),
    ("teachers.both={average: [big]}", "give two teachers or more, not 1"),
    ("teachers.both={average: [big, big]}", 'the teacher "big" occurs twice'),
    ("teachers.both={average: big}", "give a list of teachers' names, not 'big'"),
    ("teachers.both={average: [big, 3]}", "give a list of teachers' names, not ['big', 3]"),
    (
        "teachers.both={average: [baseline, big], pretrain: {epochs: 1}}",
        "teachers.both.pretrain: unknown key for average. Known: average.",
    ),
    (
        "teachers.both={average: [baseline, all]}",
        "teachers.all.average: goes in a circle: both -> all -> both",
    ),
    ("teachers.both={average: [baseline, both]}", "goes in a circle: both -> both"),
    (
        "teachers.baseline={architecture: simple_cnn, pretrain: {epochs: 1}}",
        "is the model of the section baseline; give another name",
    ),
    ("teachers.big=3", "give {architecture: ...} or {average: [...]}, not 3"),
    ("teachers=[big]", "teachers: give a mapping, not ['big']"),
    (
        "teachers.big={architecture: simple_cnn}",
        "teachers.big: has no weights; give pretrain: (a recipe), checkpoint: (a file), or a "
        "torchvision model with weights: DEFAULT",
    ),
    ("teachers.big={pretrain: {epochs: 1}}", "teachers.big.architecture: is missing"),
    (
        "teachers.big={architecture: simple_cn, pretrain: {epochs: 1}}",
        'teachers.big.architecture: unknown architecture "simple_cn"; did you mean "simple_cnn"?',
    ),
    (
        "teachers.big={architecture: {simple_cnn: {width: {choice: [1, 2]}}}, pretrain: "
        "{epochs: 1}}",
        "teachers.big.architecture: takes fixed values; only `space` is searched",
    ),
    (
        "teachers.big={architecture: simple_cnn, pretrain: {epochs: {int: [1, 2]}}}",
        "teachers.big.pretrain: takes fixed values; search in space.pretrain",
    ),
    (
        "teachers.big={architecture: simple_cnn, checkpoint: nowhere.pt}",
        "nowhere.pt: there is no such file",
    ),
    (
        "teachers.big={architecture: simple_cnn, pretrane: {epochs: 1}}",
        'teachers.big.pretrane: unknown key; did you mean "pretrain"? Known: architecture, '
        "checkpoint, pretrain, average.",
    ),
]


@pytest.mark.parametrize(("override", "text"), TEACHERS)
def test_mistake_in_teachers_is_refused(teacher_study: Path, override: str, text: str) -> None:
    other = ["space.distillation=logits"] if override == "teachers=[big]" else []

    [problem] = problems(teacher_study, override, *other)

    assert text in problem


def test_teacher_is_refused_when_it_takes_other_inputs_than_the_data(teacher_study: Path) -> None:
    lines = problems(
        teacher_study, "teachers.big={architecture: text_encoder, pretrain: {epochs: 1}}"
    )

    assert "teachers.big.architecture" in lines[0]


def test_unknown_teacher_names_the_nearest_and_all() -> None:
    assert unknown_teacher("bigg", ["baseline", "big"]) == (
        'unknown teacher "bigg"; did you mean "big"? Known: baseline, big.'
    )
