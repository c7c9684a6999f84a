"""Distillation in a space: the names of teachers, and the stages that may learn from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paretune.search.study.plan import make_plan
from paretune.search.study.spec import StudySpec
from paretune.search.study_file.check import check_info
from paretune.search.study_file.distillation import (
    learning_stages,
    teacher_names,
    training_stages,
)
from paretune.search.study_file.loading import load_study
from paretune.search.trial.resume_check import identity
from paretune.spaces.domains import Choice, Fixed, Record, assign
from support.studies import problems


def plan_of(spec: StudySpec, teacher: str) -> Any:
    return make_plan(assign(spec.space, lambda *_: teacher), spec.runtime, spec.teachers)


# -- plans and identity --------------------------------------------------------------------------


def test_plan_holds_the_description_of_its_teacher(teacher_study: Path) -> None:
    spec = load_study(teacher_study)

    params = plan_of(spec, "big").stage("finetune").params

    assert params["distillation"] == {
        "logits": {"temperature": 4.0, "alpha": 0.5, "teacher": "big"}
    }
    assert params["teacher"] == spec.teachers["big"]
    assert plan_of(spec, "all").stage("finetune").params["teacher"] == spec.teachers["all"]


def test_plan_names_no_teacher_when_the_baseline_teaches(teacher_study: Path) -> None:
    params = plan_of(load_study(teacher_study), "baseline").stage("finetune").params

    assert params["distillation"] == {"logits": {"temperature": 4.0, "alpha": 0.5}}
    assert "teacher" not in params


def test_check_lists_the_teachers_and_notes_unused_ones(teacher_study: Path) -> None:
    info = check_info(load_study(teacher_study))

    assert info.teachers[0] == "big: simple_cnn (width 2.0), trained 3 epochs"
    assert info.teachers[2] == (
        "both: average of simple_cnn (width 0.5), trained 2 epochs; "
        "simple_cnn (width 2.0), trained 3 epochs"
    )
    assert not [note for note in info.notes if "teachers" in note]
    one_used = check_info(
        load_study(teacher_study, ["space.distillation={logits: {teacher: both}}"])
    )
    assert "no distillation learns from the teachers mine, all" in one_used.notes


def test_teachers_are_part_of_a_studys_identity(teacher_study: Path) -> None:
    spec = load_study(teacher_study)
    assert identity(spec)["teachers"] == spec.teachers

    without_teachers = load_study(teacher_study, ["teachers=", "space.distillation=logits"])
    assert "teachers" not in identity(without_teachers)


# -- mistakes ------------------------------------------------------------------------------------

MISTAKES = [
    (
        "space.distillation={logits: {teacher: bigg}}",
        'space.distillation.logits.teacher: unknown teacher "bigg"; did you mean "big"? '
        "Known: baseline, big, mine, both, all.",
    ),
    (
        "space.distillation={choice: {none: {}, hints: {teacher: {choice: [big, boht]}}}}",
        'space.distillation.choice.hints.teacher.choice.1: unknown teacher "boht"; did you '
        'mean "both"? Known: baseline, big, mine, both, all.',
    ),
    (
        "space.distillation={choice: [none, {logits: {teacher: x}}]}",
        'space.distillation.choice.1.logits.teacher: unknown teacher "x". Known: baseline, '
        "big, mine, both, all.",
    ),
    (
        "space.distillation={logits: {stages: [pretrain]}}",
        "logits needs space.pretrain: it is a loss of that stage",
    ),
    (
        "space.distillation={logits: {stages: [prune]}}",
        "logits needs a pruning that trains: it is a loss of that stage",
    ),
    (
        "space.distillation={logits: {stages: [finetune, deploy]}}",
        "space.distillation.logits.stages.1: must be 'pretrain', 'prune', 'finetune' or 'quantize'",
    ),
    (
        "space.distillation={hints: {student_layers: [a, b], teacher_layers: [c]}}",
        "student_layers and teacher_layers form pairs, got 2 and 1 layers",
    ),
]


@pytest.mark.parametrize(("override", "text"), MISTAKES)
def test_mistake_is_refused(teacher_study: Path, override: str, text: str) -> None:
    baseline = "baseline={architecture: {torchvision: resnet18, weights: DEFAULT}}"
    other = [baseline, "space.architecture="] if "[pretrain]" in override else []

    [problem] = problems(teacher_study, override, *other)

    assert text in problem


def test_distillation_is_refused_when_no_stage_trains(small: Path) -> None:
    lines = problems(small, "space.distillation=logits", "space.finetune=")

    assert lines == [
        "--set space.distillation=logits: space.distillation: logits needs space.finetune or a "
        "quantization that trains: it is a loss of these stages"
    ]


def test_teacher_names_have_their_keys() -> None:
    section = {"choice": [{"logits": {"teacher": "a"}}, {"hints": {"teacher": {"choice": ["b"]}}}]}

    assert list(teacher_names(section)) == [
        (("space", "distillation", "choice", "0", "logits", "teacher"), "a"),
        (("space", "distillation", "choice", "1", "hints", "teacher", "choice", "0"), "b"),
    ]


# -- stages --------------------------------------------------------------------------------------

ALL = "{logits: {stages: [pretrain, prune, finetune, quantize]}}"


def test_stage_learns_if_the_option_lists_it_and_it_trains(teacher_study: Path) -> None:
    other = ["space.pretrain={epochs: 1}", "space.pruning={structured: {ratio: 0.5}}"]
    spec = load_study(
        teacher_study, [f"space.distillation={ALL}", "space.quantization=dynamic", *other]
    )

    kinds = {
        stage.kind: bool(stage.params.get("distillation")) for stage in plan_of(spec, "").stages
    }

    assert kinds == {
        "pretrain": True,
        "prune": False,
        "finetune": True,
        "quantize": False,
        "deploy": False,
    }
    shown = check_info(spec).stages
    assert "pretrain (1 epoch), distilled" in shown
    assert "finetune (1 epoch), distilled" in shown


def test_learning_stages_include_those_of_each_choice() -> None:
    logits = Record((("logits", Record((("stages", Fixed(["prune"])),))),))
    none = Record((("none", Record(())),))

    assert list(learning_stages(Choice((("a", logits), ("b", none))))) == [("logits", ["prune"])]


def test_training_stages_have_a_recipe_or_a_technique_that_trains() -> None:
    def technique(name: str) -> Record:
        return Record(((name, Record(())),))

    fields = {
        "pretrain": Fixed(None),
        "finetune": Fixed({"epochs": 1}),
        "pruning": technique("none"),
        "quantization": technique("qat"),
    }

    assert training_stages(fields) == {"finetune", "quantize"}


def test_pretraining_is_shared_unless_it_learns_from_a_teacher(teacher_study: Path) -> None:
    plain = load_study(teacher_study, ["space.distillation=none"])
    later = load_study(teacher_study, ["space.distillation={logits: {teacher: big}}"])
    early = load_study(
        teacher_study, ["space.distillation={logits: {teacher: big, stages: [pretrain]}}"]
    )

    first = [plan_of(spec, "").stages[0] for spec in (plain, later, early)]

    assert first[0] == first[1]
    assert first[2].params["teacher"] == early.teachers["big"]
    assert plan_of(early, "").stage("finetune").params["distillation"] is None


def test_technique_that_trains_learns_from_the_teacher(
    teacher_study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from paretune.spaces.pruning.structured import Structured

    monkeypatch.setattr(
        Structured, "trains", staticmethod(lambda params: params.ratio > 0.4), False
    )
    for ratio, learns in ((0.5, True), (0.3, False), (2.0, False)):
        choices = {
            "architecture": {"simple_cnn": {"width": 0.25}},
            "pruning": {"structured": {"ratio": ratio}},
            "distillation": {"attention": {"stages": ["prune"]}},
        }
        stage = make_plan(choices, load_study(teacher_study).runtime).stage("prune")
        assert stage is not None
        assert ("distillation" in stage.params) is learns
