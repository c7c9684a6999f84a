"""Networks start from the user's weights as they are; random ones are refused."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from paretune.search.building.watch import Watch
from paretune.search.errors import UserError
from paretune.search.study.plan import Plan, make_plan
from paretune.search.study.records import TrialRecord
from paretune.search.study_file.loading import load_study
from paretune.search.trial.stage_study import StageStudy
from paretune.search.views.loaded_weights import loaded_weights
from paretune.spaces.domains import assign, assignments

NETWORK = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, classes=10, shape=(1, 8, 8), width=6):
        super().__init__()
        self.stem = nn.Conv2d(shape[0], width, 3)
        self.norm = nn.BatchNorm2d(width)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(width, classes)

    def forward(self, images):
        return self.head(self.drop(torch.relu(self.norm(self.stem(images))).mean((2, 3))))


def loaded(classes=10):
    network = Net(classes)
    network.load_state_dict(torch.load(FILE, weights_only=True))
    return network


def half_loaded(classes=10):
    network = loaded(classes)
    network.head = nn.Linear(6, classes)
    return network
"""

STUDY = """\
study: own
data: digits
baseline: {architecture: {python: "MODULE:Net"}, checkpoint: net.pt}
space: {quantization: {choice: [none, dynamic]}}
objectives: {accuracy: maximize, size: minimize}
budget: {final: off}
"""

NAMES = iter(f"first_net_{number}" for number in range(1000))


def network_of(module: str) -> nn.Module:
    """Returns a network with weights and statistics that are not the first ones."""
    torch.manual_seed(3)
    network: nn.Module = importlib.import_module(module).Net()
    network.train()
    for _ in range(5):
        network(torch.rand(64, 1, 8, 8) * 2 - 1)
    return network.eval()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "study"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def opened(folder: Path) -> Iterator[Callable[..., StageStudy]]:
    """Opens a study of the user's network; its checkpoint is net.pt."""
    studies: list[StageStudy] = []

    def opened(*overrides: str, wrap: Callable[[Any], Any] = lambda w: w) -> StageStudy:
        module = next(NAMES)
        code = NETWORK.replace("FILE", repr(str(folder / "plain.pt")))
        (folder / f"{module}.py").write_text(code)
        importlib.invalidate_caches()
        weights = network_of(module).state_dict()
        torch.save(weights, folder / "plain.pt")
        torch.save(wrap(weights), folder / "net.pt")
        (folder / "own.yaml").write_text(STUDY.replace("MODULE", module))
        changes = [each.replace("MODULE", module) for each in overrides]
        studies.append(StageStudy(load_study(folder / "own.yaml", changes)))
        return studies[-1]

    yield opened
    for study in studies:
        study.close()


def baseline(study: StageStudy) -> Any:
    return study.evaluate(0, study.baseline, None, lambda event: None)


def test_baseline_from_a_checkpoint_has_exactly_the_accuracy_of_torch(
    opened: Callable[..., StageStudy],
) -> None:
    study = opened(wrap=lambda w: {"state_dict": {f"model.{k}": v for k, v in w.items()}})
    network = network_of(study.spec.baseline.architecture["python"]["factory"].partition(":")[0])
    right = count = 0
    with torch.no_grad():
        for images, labels in study.workbench.data.batches("validation", 50):
            right += int((network(images).argmax(1) == labels).sum())
            count += len(labels)

    result = baseline(study)

    values = {m.name: m.value for m in result.measured}
    assert values["accuracy"] == right / count
    candidate = study.workbench.pipeline.candidate(study.baseline, Watch())
    assert not candidate.model.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(candidate.model.state_dict()[name], tensor), name


@pytest.mark.parametrize("targets", ["", "targets={phone: torch, server: onnxruntime}"])
def test_artifact_says_what_was_unwrapped(opened: Callable[..., StageStudy], targets: str) -> None:
    study = opened(
        *([targets] if targets else []),
        wrap=lambda w: {"ema": {f"module.{k}": v for k, v in w.items()}},
    )
    artifact = baseline(study).artifact
    assert loaded_weights(artifact) == "unwrapped ema; removed the prefix module. from 9 names"


def test_artifact_says_so_too_when_the_stage_comes_from_the_cache(
    opened: Callable[..., StageStudy],
) -> None:
    study = opened(wrap=lambda w: {"net": w})
    assert loaded_weights(baseline(study).artifact) == "unwrapped net"
    again = baseline(study)
    assert again.cached == ("pretrain",)
    assert loaded_weights(again.artifact) == "unwrapped net"


def test_artifact_is_silent_when_the_checkpoint_is_as_it_should(
    opened: Callable[..., StageStudy],
) -> None:
    assert loaded_weights(baseline(opened()).artifact) == ""


def test_unfit_checkpoint_stops_the_baseline_with_its_reason(
    opened: Callable[..., StageStudy],
) -> None:
    study = opened(wrap=lambda w: {**w, "head.bias": w["head.bias"] * float("nan")})
    with pytest.raises(
        UserError, match=r"^the baseline fails in pretrain: checkpoint .*net\.pt: head\.bias is not"
    ):
        baseline(study)


def test_unfit_checkpoint_of_a_teacher_stops_the_trial_with_its_reason(
    opened: Callable[..., StageStudy],
) -> None:
    study = opened(
        "teachers={big: {architecture: {simple_cnn: {width: 0.125}}, checkpoint: net.pt}}",
        "space={finetune: {epochs: 1}, distillation: {logits: {teacher: big}}}",
    )
    choices = assign(study.spec.space, lambda name, domain: None)
    reference = TrialRecord(0, "complete", (), {}, 0.0, 0.0)
    with pytest.raises(
        UserError, match=r"^trial 1 fails in pretrain: a teacher: checkpoint .* does not fit"
    ):
        study.evaluate(1, study.plan(choices), reference, lambda event: None)


# -- the baseline's own architecture in the space ----------------------------------------------


def test_own_architecture_in_the_space_is_the_baseline_itself(
    opened: Callable[..., StageStudy],
) -> None:
    study = opened("space.architecture={choice: [{python: 'MODULE:Net'}]}")
    spec = study.spec
    plans = [
        make_plan(assign(spec.space, lambda name, _, a=a: a[name]), spec.runtime)  # type: ignore[misc]
        for a in assignments(spec.space)
    ]
    assert plans[0] == study.baseline
    candidate = study.workbench.pipeline.candidate(plans[1], Watch())
    weights = torch.load(spec.file.parent / "plain.pt", weights_only=True)
    assert all(torch.equal(candidate.model.state_dict()[n], weights[n]) for n in weights)


# -- random weights ----------------------------------------------------------------------------


@pytest.mark.parametrize(("factory", "name"), [("Net", "stem.weight"), ("half_loaded", "head.w")])
def test_random_weights_of_own_code_are_refused(
    opened: Callable[..., StageStudy], factory: str, name: str
) -> None:
    study = opened(f"baseline={{architecture: {{python: 'MODULE:{factory}'}}}}")
    with pytest.raises(UserError, match=f"random weights: {name}.* differs between two calls"):
        baseline(study)


@pytest.mark.parametrize(
    "section",
    ["{python: 'MODULE:loaded'}}", "{python: 'MODULE:Net'}, pretrain: {epochs: 0}}"],
)
def test_weights_that_own_code_loads_and_random_ones_on_purpose_are_accepted(
    opened: Callable[..., StageStudy], section: str
) -> None:
    assert baseline(opened(f"baseline={{architecture: {section}")).state == "complete"


# -- keys --------------------------------------------------------------------------------------


def test_edited_code_makes_other_stages_with_the_same_seed(
    opened: Callable[..., StageStudy], folder: Path
) -> None:
    recipe = "{epochs: 1, optimizer: {adam: {lr: 1e-3}}}"
    study = opened(f"space={{finetune: {recipe}, distillation: {{logits: {{teacher: baseline}}}}}}")
    plan = study.plan(assign(study.spec.space, lambda name, domain: None))
    before = study.workbench.pipeline._links(plan)
    module = study.spec.baseline.architecture["python"]["factory"].partition(":")[0]
    (folder / f"{module}.py").write_text(NETWORK.replace("relu", "tanh"))
    study.workbench.pipeline._chain._digests.clear()  # as in another process
    study.workbench.pipeline._teachers._identities.clear()

    after = study.workbench.pipeline._links(plan)

    assert [link.seed for link in before] == [link.seed for link in after]
    assert not {link.digest for link in before} & {link.digest for link in after}


def test_keys_of_built_in_networks_are_those_of_earlier_versions() -> None:
    from paretune.search.building.stage_keys import Chain, StageIdentity
    from paretune.search.study.stage import Stage
    from paretune.spaces.training.recipe import Recipe

    recipe = Recipe.model_validate({"epochs": 1}).model_dump()
    first = {
        "architecture": {"simple_cnn": {"width": 0.5}},
        "checkpoint": None,
        "recipe": recipe,
    }
    tuned = {"recipe": recipe, "distillation": {"logits": {"alpha": 0.5}}}
    chain = Chain("data", 3, lambda teacher: StageIdentity("teacher", {}), Path())

    pretrain, finetune = chain.links(
        Plan((Stage("pretrain", first), Stage("finetune", tuned))), "onnxruntime"
    )

    assert pretrain.digest == "2265461f5868c1ccdff57feecd86d15b"
    assert pretrain.seed == 973209066
    assert finetune.parent == pretrain.digest


def test_checkpoint_is_keyed_by_its_content_wherever_it_is(
    opened: Callable[..., StageStudy], folder: Path
) -> None:
    study = opened()
    [link] = study.workbench.pipeline._links(study.baseline)
    moved = folder.parent / "moved"
    shutil.copytree(folder, moved)
    copied = StageStudy(load_study(moved / "own.yaml"))
    [again] = copied.workbench.pipeline._links(copied.baseline)
    copied.close()
    assert again.digest == link.digest
    assert copied.baseline.key == study.baseline.key
