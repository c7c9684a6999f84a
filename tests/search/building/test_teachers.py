"""Teachers: built once, kept like any stage, part of the keys of what learns from them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from paretune.search.building.watch import StageError, Watch
from paretune.search.database.store import existing_store
from paretune.search.study.plan import Plan
from paretune.search.study.stage import Stage
from paretune.search.study_file.loading import load_study
from paretune.search.trial.stage_study import StageStudy
from paretune.search.views.plan_text import plan_text
from paretune.spaces.rebuild import initial_candidate
from paretune.spaces.training.recipe import Recipe

RECIPE = Recipe.model_validate({"epochs": 1, "batch_size": 64}).model_dump()
DEPLOY = Stage("deploy", {"runtime": {"onnxruntime": {"provider": "cpu", "threads": 1}}})


def network(width: float, recipe: Any = RECIPE, checkpoint: str | None = None) -> dict[str, Any]:
    return {
        "architecture": {"simple_cnn": {"width": width}},
        "checkpoint": checkpoint,
        "recipe": recipe,
    }


def plan(described: dict[str, Any] | None, name: str = "logits", **params: Any) -> Plan:
    reported = {} if described is None else {"teacher": described}
    taught = {"recipe": RECIPE, "distillation": {name: params}, **reported}
    return Plan((Stage("pretrain", network(0.0625)), Stage("finetune", taught), DEPLOY))


@pytest.fixture
def study(tiny: Path) -> Iterator[StageStudy]:
    open_study = StageStudy(load_study(tiny))
    yield open_study
    open_study.close()


def weights(candidate: Any) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in candidate.model.parameters()])


def trained(study: StageStudy, plan_: Plan) -> tuple[torch.Tensor, Watch, list[str]]:
    """Returns the weights, the watch, and the stages of the reported epochs."""
    epochs: list[str] = []
    watch = Watch(epoch=lambda event: epochs.append(event.stage))
    return weights(study.workbench.pipeline.candidate(plan_, watch)), watch, epochs


def stages(folder: Path) -> set[str]:
    return {file.name for file in (folder / "stages").glob("*.safetensors")}


def test_teacher_is_trained_once_for_all_plans_and_workers(study: StageStudy) -> None:
    big = network(0.125)
    _, first, epochs = trained(study, plan(big))
    assert list(first.seconds) == ["pretrain", "teacher", "finetune"]
    assert epochs == ["pretrain", "pretrain", "finetune"]
    _, second, epochs = trained(study, plan(big, alpha=0.9))
    assert epochs == ["finetune"]
    assert "teacher" not in second.seconds
    other = StageStudy(study.spec)
    _, third, epochs = trained(other, plan(big, alpha=0.1))
    other.close()
    assert epochs == ["finetune"]
    assert "teacher" in third.seconds


def test_teacher_lies_in_the_cache_as_the_candidate_of_its_own_plan(study: StageStudy) -> None:
    trained(study, plan(network(0.125)))
    _, alone, epochs = trained(study, Plan((Stage("pretrain", network(0.125)), DEPLOY)))
    assert alone.cached == ["pretrain"]
    assert epochs == []


def test_other_teacher_gives_other_weights_and_another_key(study: StageStudy) -> None:
    taught = [plan(None), plan(network(0.125)), plan(network(0.125, {**RECIPE, "epochs": 2}))]
    taught.append(plan({"average": [network(0.125), network(0.25)]}))
    keys = [study.workbench.pipeline._links(each)[-1].digest for each in taught]
    assert len(set(keys)) == 4
    models = [trained(study, each)[0] for each in taught]
    assert not any(torch.equal(a, b) for i, a in enumerate(models) for b in models[:i])


def test_name_of_a_teacher_changes_no_key(study: StageStudy) -> None:
    """Nor the other stages in which it teaches, nor whether the baseline is spelled out."""
    baseline = dict(study.baseline.stages[0].params)
    same = [
        [plan(network(0.125)), plan(network(0.125), teacher="big")],
        [plan(None), plan(baseline, teacher="again", stages=["finetune", "pretrain"])],
    ]
    for name, other in same:
        assert (
            study.workbench.pipeline._links(name)[-1].digest
            == study.workbench.pipeline._links(other)[-1].digest
        )


def test_pretraining_is_keyed_by_its_teacher(study: StageStudy) -> None:
    lesson = {"distillation": {"logits": {}}}
    first = [
        Stage("pretrain", network(0.0625)),
        Stage("pretrain", {**network(0.0625), **lesson}),
        Stage("pretrain", {**network(0.0625), **lesson, "teacher": network(0.125)}),
    ]
    keys = [study.workbench.pipeline._links(Plan((stage, DEPLOY)))[0].digest for stage in first]
    assert len(set(keys)) == 3
    _, watch, _ = trained(study, Plan((first[2], DEPLOY)))
    assert list(watch.seconds) == ["teacher", "pretrain"]


def test_teacher_s_weights_may_come_from_a_checkpoint(study: StageStudy, tmp_path: Path) -> None:
    made = initial_candidate(
        {"simple_cnn": {"width": 0.125}},
        study.workbench.data.shape,
        study.workbench.data.classes,
        5,
    )
    file = tmp_path / "teacher.safetensors"
    save_file(made.model.state_dict(), file)
    described = network(0.125, None, str(file))
    model = study.workbench.pipeline._teachers.model(described, Watch())
    assert not model.training
    assert all(torch.equal(t, model.state_dict()[n]) for n, t in made.model.state_dict().items())


def test_average_asks_each_of_its_members(study: StageStudy) -> None:
    both = {"average": [network(0.125), {"average": [network(0.125), network(0.25)]}]}
    trained(study, plan(both))
    teachers = study.workbench.pipeline._teachers
    images, _ = next(study.workbench.data.batches("validation", 8))
    first, second = (
        teachers.model(network(width), Watch())(images).softmax(1) for width in (0.125, 0.25)
    )
    probabilities = teachers.model(both, Watch())(images).softmax(1)
    torch.testing.assert_close(probabilities, 0.75 * first + 0.25 * second)


def test_logits_are_kept_beside_the_stages_and_read_again(study: StageStudy) -> None:
    trained(study, plan(network(0.125)))
    [name] = [name for name in stages(study.spec.folder) if "logits" in name]
    file = study.spec.folder / "stages" / name
    written = file.read_bytes()
    other = StageStudy(study.spec)
    first, *_ = trained(other, plan(network(0.125), alpha=0.75))
    other.close()
    assert file.read_bytes() == written
    file.write_bytes(written[:50])  # cut short by a full disk
    key = study.workbench.pipeline._links(plan(network(0.125), alpha=0.75))[-1].digest
    file.with_name(f"{key}.safetensors").unlink()
    again = StageStudy(study.spec)
    second, *_ = trained(again, plan(network(0.125), alpha=0.75))
    again.close()
    assert file.read_bytes() == written
    assert torch.equal(first, second)


def test_history_names_the_teacher(study: StageStudy) -> None:
    candidate = study.workbench.pipeline.candidate(
        plan(network(0.125), "hints", teacher="big"), Watch()
    )
    reported = candidate.history[-1].params["distillation"]["hints"]
    assert reported["teacher"] == "big"


def test_impossible_teacher_makes_the_trial_infeasible(study: StageStudy) -> None:
    (study.spec.file.parent / "seven_classes.py").write_text(
        "from torch import nn\n"
        "def net() -> nn.Module:\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 7))\n"
    )
    wrong = {
        "architecture": {"python": {"factory": "seven_classes:net"}},
        "checkpoint": None,
        "recipe": None,
    }
    text = "teacher: the teacher: python gives 7 outputs, the data has 10 classes"
    with pytest.raises(StageError, match=text) as caught:
        study.workbench.pipeline.candidate(plan(wrong), Watch())
    assert caught.value.infeasible
    assert caught.value.stage == "teacher"


STUDY = """\
study: taught
data: digits
baseline:
  architecture: {simple_cnn: {width: 0.125}}
  pretrain: {optimizer: {adam: {lr: 2e-3}}, epochs: 1}
teachers:
  big: {architecture: {resnet: {width: 4, blocks: 1}}, pretrain: {epochs: 1}}
  both: {average: [baseline, big]}
space:
  architecture: {simple_cnn: {width: 0.0625}}
  pretrain: {epochs: 1}
  distillation:
    choice:
      logits: {teacher: {choice: [baseline, both]}}
      hints: {teacher: big, stages: [pretrain, finetune]}
  finetune: {epochs: 1}
objectives: {accuracy: maximize, size: minimize}
search: {sampler: grid, trials: 3}
"""


@pytest.mark.slow
def test_study_with_teachers_runs_from_its_file(tmp_path: Path, cli: Any) -> None:
    file = tmp_path / "taught.yaml"
    file.write_text(STUDY)
    output = cli("run", file)
    assert output.code == 0, output.err
    with existing_store(load_study(file).storage) as store:
        trials = [trial for trial in store.record().trials if trial.number > 0]
    assert {trial.state for trial in trials} == {"complete"}, [t.reason for t in trials]
    texts = [plan_text(trial.plan).removeprefix("simple_cnn width 0.0625 · ") for trial in trials]
    assert sorted(texts) == ["distilled", "distilled by hints from big", "distilled from both"]
    taught = {text: "teacher" in trial.seconds for text, trial in zip(texts, trials, strict=True)}
    assert taught["distilled from both"]
    # Baseline, big, the student twice, three finetuned; and the logits of two teachers.
    assert len(stages(file.with_suffix(""))) == 7 + 2
