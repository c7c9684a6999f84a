"""The section `teachers`, the names in space.distillation, and the stages that may learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paretune.search.study.plan import make_plan
from paretune.search.study.spec import StudySpec
from paretune.search.study_file.check import check_info
from paretune.search.study_file.loading import load_study
from paretune.search.study_file.problems import StudyFileError
from paretune.search.trial.resume_check import identity
from paretune.spaces.domains import assign
from paretune.spaces.training.recipe import Recipe

STUDY = """\
data: digits
baseline: {architecture: {simple_cnn: {width: 0.5}}, pretrain: {epochs: 2}}
teachers:
  big: {architecture: {simple_cnn: {width: 2.0}}, pretrain: {epochs: 3}}
  mine: {architecture: {resnet: {width: 8}}, checkpoint: weights.safetensors}
  both: {average: [baseline, big]}
  all: {average: [both, mine]}
space:
  architecture: {simple_cnn: {width: 0.25}}
  distillation: {logits: {teacher: {choice: [baseline, big, all]}}}
  finetune: {epochs: 1}
objectives: {accuracy: maximize}
"""

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


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "weights.safetensors").write_bytes(b"")
    file = tmp_path / "taught.yaml"
    file.write_text(STUDY)
    return file


def problems(file: Path, *overrides: str) -> list[str]:
    with pytest.raises(StudyFileError) as error:
        load_study(file, overrides)
    return [problem.rpartition("--set ")[2] for problem in error.value.problems]


def plan_of(spec: StudySpec, teacher: str) -> Any:
    return make_plan(assign(spec.space, lambda *_: teacher), spec.runtime, spec.teachers)


def test_teachers_are_described_as_plans_need_them(file: Path) -> None:
    spec = load_study(file)
    assert list(spec.teachers) == ["big", "mine", "both", "all"]
    assert spec.teachers["big"] == BIG
    mine = spec.teachers["mine"]
    assert mine["checkpoint"] == str(file.parent / "weights.safetensors")
    assert mine["recipe"] is None
    assert spec.teachers["both"] == {"average": [BASELINE, BIG]}
    assert spec.teachers["all"] == {"average": [spec.teachers["both"], mine]}


def test_plan_holds_its_teacher_and_needs_no_study(file: Path) -> None:
    spec = load_study(file)
    taught = plan_of(spec, "big").stage("finetune").params
    assert taught["distillation"] == {
        "logits": {"temperature": 4.0, "alpha": 0.5, "teacher": "big"}
    }
    assert taught["teacher"] == BIG
    assert plan_of(spec, "all").stage("finetune").params["teacher"] == spec.teachers["all"]


def test_plan_without_a_teacher_of_its_own_means_the_baseline(file: Path) -> None:
    taught = plan_of(load_study(file), "baseline").stage("finetune").params
    assert taught["distillation"] == {"logits": {"temperature": 4.0, "alpha": 0.5}}
    assert "teacher" not in taught


def test_check_shows_teachers_and_names_the_idle_ones(file: Path) -> None:
    info = check_info(load_study(file))
    assert info.teachers[0] == "big: simple_cnn (width 2.0), trained 3 epochs"
    assert info.teachers[2] == (
        "both: average of simple_cnn (width 0.5), trained 2 epochs; "
        "simple_cnn (width 2.0), trained 3 epochs"
    )
    assert not [note for note in info.notes if "teachers" in note]
    few = check_info(load_study(file, ["space.distillation={logits: {teacher: both}}"]))
    assert "no distillation learns from the teachers mine, all" in few.notes


def test_teachers_are_part_of_what_must_not_change_between_runs(file: Path) -> None:
    spec = load_study(file)
    assert identity(spec)["teachers"] == spec.teachers
    other = load_study(file, ["teachers=", "space.distillation=logits"])
    assert "teachers" not in identity(other)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "space.distillation={logits: {teacher: bigg}}",
            'space.distillation.logits.teacher: unknown teacher "bigg"; did you mean "big"? '
            "Known: baseline, big, mine, both, all.",
        ),
        (
            "space.distillation={choice: {none: {}, hints: {teacher: {choice: [big, boht]}}}}",
            "space.distillation.choice.hints.teacher.choice.1: unknown teacher "
            '"boht"; did you mean "both"? Known: baseline, big, mine, both, all.',
        ),
        (
            "space.distillation={choice: [none, {logits: {teacher: x}}]}",
            'space.distillation.choice.1.logits.teacher: unknown teacher "x". '
            "Known: baseline, big, mine, both, all.",
        ),
        (
            "teachers.both={average: [baseline, bog]}",
            'teachers.both.average.1: unknown teacher "bog"; did you mean "big"? '
            "Known: baseline, big, mine, both, all.",
        ),
        ("teachers.both={average: [big]}", "give two teachers or more, not 1"),
        ("teachers.both={average: [big, big]}", 'the teacher "big" is there twice'),
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
            'teachers.big.architecture: unknown architecture "simple_cn"; did you mean '
            '"simple_cnn"?',
        ),
        (
            "teachers.big={architecture: {simple_cnn: {width: {choice: [1, 2]}}}, "
            "pretrain: {epochs: 1}}",
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
            'teachers.big.pretrane: unknown key; did you mean "pretrain"? '
            "Known: architecture, checkpoint, pretrain, average.",
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
            "space.distillation.logits.stages.1: must be 'pretrain', 'prune', 'finetune' or "
            "'quantize'",
        ),
        (
            "space.distillation={hints: {student_layers: [a, b], teacher_layers: [c]}}",
            "student_layers and teacher_layers form pairs, got 2 and 1 layers",
        ),
    ],
)
def test_mistake_is_refused(file: Path, override: str, said: str) -> None:
    baseline = "baseline={architecture: {torchvision: resnet18, weights: DEFAULT}}"
    architecture = "space.architecture="
    more = [baseline, architecture] if "[pretrain]" in override else []
    more += ["space.distillation=logits"] if override == "teachers=[big]" else []
    found = problems(file, override, *more)
    assert len(found) == 1, found
    assert said in found[0]


def test_teacher_must_take_what_the_data_hold(file: Path) -> None:
    found = problems(file, "teachers.big={architecture: text_encoder, pretrain: {epochs: 1}}")
    assert "teachers.big.architecture" in found[0]


# -- stages ------------------------------------------------------------------------------------

ALL = "{logits: {stages: [pretrain, prune, finetune, quantize]}}"


def test_stages_that_learn_are_those_that_are_asked_to_and_train(file: Path) -> None:
    more = ["space.pretrain={epochs: 1}", "space.pruning={structured: {ratio: 0.5}}"]
    spec = load_study(file, [f"space.distillation={ALL}", "space.quantization=dynamic", *more])
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
    assert "pretrain (1 epochs), distilled" in shown
    assert "finetune (1 epochs), distilled" in shown


def test_pretraining_is_shared_with_other_candidates_unless_it_is_to_learn(file: Path) -> None:
    plain = load_study(file, ["space.distillation=none"])
    later = load_study(file, ["space.distillation={logits: {teacher: big}}"])
    early = load_study(file, ["space.distillation={logits: {teacher: big, stages: [pretrain]}}"])
    first = [plan_of(spec, "").stages[0] for spec in (plain, later, early)]
    assert first[0] == first[1]
    assert first[2].params["teacher"] == BIG
    assert plan_of(early, "").stage("finetune").params["distillation"] is None


def test_technique_that_trains_learns_from_the_teacher(
    file: Path, monkeypatch: pytest.MonkeyPatch
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
        stage = make_plan(choices, load_study(file).runtime).stage("prune")
        assert stage is not None
        assert ("distillation" in stage.params) is learns
