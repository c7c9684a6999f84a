"""Networks that start from weights that may have seen the study's data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paretune.search.study.seen_data import seen_weights
from paretune.search.study.spec import BaselineSpec, Selection, StudySpec
from paretune.search.study_file.loading import load_study
from paretune.spaces.domains import Choice, Fixed, Int, Node, Record
from support.study_texts import TINY, TRAINER

RECIPE = {"epochs": 1}


@pytest.fixture
def spec(tiny: Path) -> StudySpec:
    return load_study(tiny)


def with_baseline(
    spec: StudySpec, architecture: dict[str, Any], recipe: Any = None, checkpoint: str | None = None
) -> StudySpec:
    return replace(spec, baseline=BaselineSpec(architecture, checkpoint, recipe))


def with_space(spec: StudySpec, **trees: Node) -> StudySpec:
    fields = {**dict(spec.space.fields), **trees}  # type: ignore[union-attr]
    return replace(spec, space=Record(tuple(fields.items())))


def test_study_that_trains_everything_has_seen_nothing(spec: StudySpec) -> None:
    assert seen_weights(spec) == ()


def test_baseline_of_a_checkpoint_may_have_seen_the_data(spec: StudySpec) -> None:
    cnn = {"simple_cnn": {"width": 0.5}}

    assert seen_weights(with_baseline(spec, cnn, None, "/w.pt")) == ("baseline",)
    assert seen_weights(with_baseline(spec, cnn, RECIPE, "/w.pt")) == ("baseline",)


@pytest.mark.parametrize(
    ("recipe", "seen"), [(None, True), ({"epochs": 0}, True), ({"epochs": 3}, False)]
)
def test_own_code_has_seen_the_data_unless_it_is_trained(
    spec: StudySpec, recipe: Any, seen: bool
) -> None:
    network = {"python": {"factory": "net:Net", "args": {}}}

    assert bool(seen_weights(with_baseline(spec, network, recipe))) == seen


@pytest.mark.parametrize(
    ("architecture", "seen"),
    [
        ({"python": {"factory": "net:Net", "args": {"weights": "net.pt"}}}, True),
        ({"python": {"factory": "net:Net", "args": {"load": "runs/best.PTH"}}}, True),
        ({"python": {"factory": "net:Net", "args": {"layers": ["a", "b.safetensors"]}}}, True),
        ({"python": {"factory": "net:Net", "args": {"pretrained": False, "width": 8}}}, False),
        ({"transformers": {"model": "bert", "config": {}, "checkpoint": "my/folder"}}, True),
        ({"transformers": {"model": "bert", "config": {}, "checkpoint": None}}, False),
        ({"torchvision": {"name": "resnet18", "weights": "DEFAULT", "args": {}}}, False),
        ({"torchvision": {"name": "googlenet", "args": {"init_weights": True}}}, False),
        ({"timm": {"name": "resnet10t", "pretrained": True, "args": {}}}, False),
        ({"timm": {"name": "resnet10t", "args": {"checkpoint_path": "a.bin"}}}, True),
        (
            {"timm": {"name": "r", "args": {"pretrained_cfg_overlay": {"hf_hub_id": "me/r"}}}},
            True,
        ),
        ({"my_nets:Net": {"weights": "w"}}, True),
    ],
)
def test_options_that_load_weights_of_a_user_may_have_seen_the_data(
    spec: StudySpec, architecture: dict[str, Any], seen: bool
) -> None:
    assert bool(seen_weights(with_baseline(spec, architecture, RECIPE))) == seen


@pytest.mark.parametrize(("name", "seen"), [("CIFAR10", False), ("ImageNet", True)])
def test_published_weights_have_seen_the_data_set_that_they_were_trained_on(
    spec: StudySpec, name: str, seen: bool
) -> None:
    spec = replace(spec, data=Selection("torchvision", {"name": name}))
    network = {"torchvision": {"name": "resnet18", "weights": "DEFAULT"}}

    assert bool(seen_weights(with_baseline(spec, network, RECIPE))) == seen


def test_teachers_of_a_checkpoint_may_have_seen_the_data(spec: StudySpec) -> None:
    big = {"architecture": {"simple_cnn": {}}, "checkpoint": "/w.pt", "recipe": None}
    other = {"architecture": {"simple_cnn": {}}, "checkpoint": None, "recipe": RECIPE}
    teachers = {"big": big, "other": other, "both": {"average": [big, other]}}

    assert seen_weights(replace(spec, teachers=teachers)) == ("teachers.big",)


def test_one_branch_of_the_space_suffices(spec: StudySpec) -> None:
    own = Record((("python", Record((("factory", Fixed("a:B")), ("args", Fixed({}))))),))
    cnn = Record((("simple_cnn", Record(())),))
    architecture = Choice((("simple_cnn", cnn), ("python", own)))

    untrained = with_space(spec, architecture=architecture, pretrain=Fixed(None))
    assert seen_weights(untrained) == ("space.architecture",)
    never_zero = Record((("epochs", Int(1, 3)),))
    assert seen_weights(with_space(untrained, pretrain=never_zero)) == ()
    zero = Record((("epochs", Choice((("0", Fixed(0)), ("5", Fixed(5))))),))
    assert seen_weights(with_space(untrained, pretrain=zero)) == ("space.architecture",)


def test_checkpoint_among_the_options_of_the_space_may_have_seen_the_data(spec: StudySpec) -> None:
    checkpoint = Choice((("none", Fixed(None)), ("a", Fixed("/a.pt"))))

    assert seen_weights(with_space(spec, checkpoint=checkpoint)) == ("space.architecture",)


def test_study_file_with_a_checkpoint_is_recognized(tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(b"")
    (tmp_path / "s.yaml").write_text(
        TINY.replace("pretrain: {optimizer: {adam: {lr: 2e-3}}, epochs: 1, batch_size: 64}", "")
        .replace("simple_cnn: {width: 0.25}}", "simple_cnn: {width: 0.25}}\n  checkpoint: w.pt")
        .replace("  finetune:", "  pretrain: {epochs: 1}\n  finetune:")
    )

    assert seen_weights(load_study(tmp_path / "s.yaml")) == ("baseline",)


def test_study_of_a_trainer_is_not_concerned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "seen_trainer.py").write_text("def evaluate(plan, report): ...\ncheap = evaluate\n")
    (tmp_path / "s.yaml").write_text(TRAINER.replace("MODULE", "seen_trainer"))
    monkeypatch.syspath_prepend(tmp_path)

    assert seen_weights(load_study(tmp_path / "s.yaml")) == ()
