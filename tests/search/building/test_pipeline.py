"""Pipeline: a plan typed by hand is built, cached by content, and deployed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from paretune.search.building.watch import StageError, Watch
from paretune.search.study.plan import Plan
from paretune.search.study.stage import Stage
from paretune.search.study_file.loading import load_study
from paretune.search.trial.stage_study import StageStudy
from paretune.spaces.base import Candidate, Context
from paretune.spaces.quantization.request import with_request

RECIPE = {"epochs": 1, "batch_size": 64, "optimizer": {"adam": {"lr": 2e-3}}}
RUNTIME = {"runtime": {"onnxruntime": {"provider": "cpu", "threads": 1}}}


def plan(width: float = 0.0625, ratio: float | None = None, lr: float = 1e-3) -> Plan:
    from paretune.spaces.training.recipe import Recipe

    recipe = Recipe.model_validate(RECIPE).model_dump()
    tuned = Recipe.model_validate({**RECIPE, "optimizer": {"adam": {"lr": lr}}}).model_dump()
    network = {"simple_cnn": {"width": width}}
    stages = [
        Stage("pretrain", {"architecture": network, "checkpoint": None, "recipe": recipe}),
        Stage("finetune", {"recipe": tuned, "distillation": None}),
        Stage("deploy", RUNTIME),
    ]
    if ratio is not None:
        pruning = {"structured": {"ratio": ratio, "round_to": 1}}
        stages.insert(1, Stage("prune", {"pruning": pruning}))
    return Plan(tuple(stages))


@pytest.fixture
def study(tiny: Path) -> Iterator[StageStudy]:
    open_study = StageStudy(load_study(tiny))
    yield open_study
    open_study.close()


def weights(candidate: Any) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in candidate.model.parameters()])


def test_handwritten_plan_is_built_and_deployed(study: StageStudy, tmp_path: Path) -> None:
    watch = Watch()
    candidate = study.workbench.pipeline.candidate(plan(ratio=0.5), watch)
    assert [step.technique for step in candidate.history] == [
        "architecture",
        "train",
        "structured",
        "train",
    ]
    assert set(watch.seconds) == {"pretrain", "prune", "finetune"}
    artifact = study.workbench.pipeline.deploy(
        plan(ratio=0.5), candidate, tmp_path / "a.onnx", watch
    )
    assert artifact.bytes == (tmp_path / "a.onnx").stat().st_size


def test_same_plan_again_comes_from_the_cache_and_is_equal(study: StageStudy) -> None:
    first = study.workbench.pipeline.candidate(plan(ratio=0.4), Watch())
    again = Watch()
    second = study.workbench.pipeline.candidate(plan(ratio=0.4), again)
    assert again.cached == ["pretrain", "prune", "finetune"]
    assert torch.equal(weights(first), weights(second))


def test_plans_with_a_common_beginning_share_it(study: StageStudy) -> None:
    study.workbench.pipeline.candidate(plan(), Watch())
    watch = Watch()
    study.workbench.pipeline.candidate(plan(lr=5e-3), watch)
    assert watch.cached == ["pretrain"]


def test_damaged_stage_is_made_again(study: StageStudy) -> None:
    first = study.workbench.pipeline.candidate(plan(), Watch())
    for file in (study.spec.folder / "stages").glob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:100])
    watch = Watch()
    second = study.workbench.pipeline.candidate(plan(), watch)
    assert watch.cached == []
    assert torch.equal(weights(first), weights(second))


def test_same_seed_gives_the_same_weights_in_another_study(
    study: StageStudy, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "tiny.yaml"
    other.parent.mkdir()
    other.write_text(study.spec.file.read_text())
    open_study = StageStudy(load_study(other))
    first = study.workbench.pipeline.candidate(plan(ratio=0.3), Watch())
    second = open_study.workbench.pipeline.candidate(plan(ratio=0.3), Watch())
    open_study.close()
    assert torch.equal(weights(first), weights(second))


def test_learning_curve_is_stored_for_each_epoch(study: StageStudy) -> None:
    import sqlite3

    study.workbench.pipeline.candidate(plan(), Watch())
    connection = sqlite3.connect(study.spec.folder / "study.db")
    rows = connection.execute("select epoch, loss, accuracy from paretune_curves").fetchall()
    connection.close()
    assert len(rows) == 2
    assert all(epoch == 1 and loss > 0 for epoch, loss, _ in rows)


def test_error_names_the_stage_it_came_from(study: StageStudy) -> None:
    broken = plan()
    stages = (
        broken.stages[0],
        Stage("prune", {"pruning": {"structured": {"ratio": 2.0}}}),
        *broken.stages[1:],
    )
    with pytest.raises(StageError) as caught:
        study.workbench.pipeline.candidate(Plan(stages), Watch())
    assert caught.value.stage == "prune"
    assert caught.value.infeasible, "parameters that no Params takes cannot be"


def test_technique_that_trains_is_kept_and_comes_back_with_its_quantization(
    study: StageStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache gives back all of a candidate, and what a technique measured is measured once."""
    from paretune.spaces.quantization.dynamic import Dynamic

    asked: list[int] = []

    def apply(candidate: Candidate, params: Any, context: Context) -> Candidate:
        assert context.memo("sensitivity", lambda: asked.append(1) or {"0": 0.5}) == {"0": 0.5}
        return with_request(candidate, "dynamic", params)

    monkeypatch.setattr(Dynamic, "apply", staticmethod(apply))
    monkeypatch.setattr(Dynamic, "trains", staticmethod(lambda params: params.per_channel), False)
    for per_channel, kept in ((False, False), (False, False), (True, False), (True, True)):
        option = {"dynamic": {"per_channel": per_channel}}
        stages = (*plan().stages[:-1], Stage("quantize", {"quantization": option}))
        watch = Watch()
        candidate = study.workbench.pipeline.candidate(Plan(stages), watch)
        assert candidate.quantization is not None
        assert candidate.quantization["dynamic"]["per_channel"] is per_channel
        assert ("quantize" in watch.cached) is kept
    assert asked == [1]


# -- longer trainings --------------------------------------------------------------------------


def pretrained(epochs: int, schedule: Any = "constant") -> Plan:
    """Returns a plan that pretrains for some epochs."""
    from paretune.spaces.training.recipe import Recipe

    recipe = Recipe.model_validate({**RECIPE, "epochs": epochs, "schedule": schedule}).model_dump()
    network = {"simple_cnn": {"width": 0.0625}}
    options = {"architecture": network, "checkpoint": None, "recipe": recipe}
    return Plan((Stage("pretrain", options), Stage("deploy", RUNTIME)))


def epochs_of(study: StageStudy, plan: Plan) -> tuple[list[int], torch.Tensor]:
    """Returns the epochs that a plan trains, and the resulting weights."""
    seen: list[int] = []
    watch = Watch(epoch=lambda event: seen.append(event.epoch))
    return seen, weights(study.workbench.pipeline.candidate(plan, watch))


@pytest.mark.slow
def test_longer_training_continues_the_shorter_one_with_the_same_weights(
    study: StageStudy, tmp_path: Path
) -> None:
    assert epochs_of(study, pretrained(1))[0] == [1]
    went_on, first = epochs_of(study, pretrained(3))
    assert went_on == [2, 3]
    other = tmp_path / "other" / "tiny.yaml"
    other.parent.mkdir()
    other.write_text(study.spec.file.read_text())
    fresh = StageStudy(load_study(other))
    in_one_go, second = epochs_of(fresh, pretrained(3))
    assert in_one_go == [1, 2, 3]
    assert torch.equal(first, second)
    assert epochs_of(fresh, pretrained(2))[0] == [1, 2]  # a longer one is of no use to a shorter
    fresh.close()


def test_longer_training_starts_again_when_the_schedule_depends_on_its_length(
    study: StageStudy,
) -> None:
    assert epochs_of(study, pretrained(1, "cosine"))[0] == [1]
    assert epochs_of(study, pretrained(2, "cosine"))[0] == [1, 2]


def test_curve_and_cost_of_a_continued_training_are_of_the_whole(study: StageStudy) -> None:
    import sqlite3

    epochs_of(study, pretrained(1))
    epochs_of(study, pretrained(2))
    connection = sqlite3.connect(study.spec.folder / "study.db")
    rows = connection.execute(
        "select stage_key, count(*), sum(seconds) from paretune_curves group by stage_key"
    ).fetchall()
    costs = dict(connection.execute("select key, seconds from paretune_stages").fetchall())
    connection.close()
    assert sorted(count for _, count, _ in rows) == [1, 2]
    assert all(costs[key] >= seconds for key, _, seconds in rows)


def test_damaged_snapshot_starts_the_training_again(study: StageStudy) -> None:
    epochs_of(study, pretrained(1))
    [file] = (study.spec.folder / "stages" / "trainings").glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:200])
    assert epochs_of(study, pretrained(2))[0] == [1, 2]
