"""Mixup and CutMix: the mixed images, the shares, and the loss."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch.nn import functional

from paretune.spaces.base import Candidate, Context, Data, EpochEnd
from paretune.spaces.distillation.logits import Logits
from paretune.spaces.table import Option
from paretune.spaces.training.loop import train
from paretune.spaces.training.mixing import MixedTargets, mixed
from paretune.spaces.training.recipe import Augment, Recipe
from support.tasks import classification

COUNT, SIDE = 8, 16


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Returns images and labels: image i has the value i at every pixel, and the label i."""
    labels = torch.arange(COUNT)
    return labels.float()[:, None, None, None].expand(-1, 2, SIDE, SIDE).contiguous(), labels


def run(seed: int = 0, **options: Any) -> tuple[torch.Tensor, MixedTargets]:
    return mixed(*batch(), Augment(**options), torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("seed", range(8))
def test_mixup_blends_each_image_with_its_partner_by_the_share(seed: int) -> None:
    images, labels = run(seed, mixup=1.0)
    assert labels.partners is not None
    assert sorted(labels.partners.tolist()) == list(range(COUNT))
    expected = labels.share * labels.targets + (1 - labels.share) * labels.partners
    torch.testing.assert_close(images, expected[:, None, None, None].expand_as(images))


@pytest.mark.parametrize("seed", range(8))
def test_cutmix_pastes_one_box_with_the_partner_s_share_of_the_area(seed: int) -> None:
    images, labels = run(seed, cutmix=1.0)
    assert labels.partners is not None
    pasted = images == labels.partners[:, None, None, None]
    assert (pasted | (images == labels.targets[:, None, None, None])).all()
    assert pasted.float().mean().item() == pytest.approx(1 - labels.share)
    rows, columns = pasted[0, 0].any(1).sum(), pasted[0, 0].any(0).sum()
    assert int(rows * columns) == int(pasted[0, 0].sum())  # one rectangle
    assert (pasted == pasted[:1, :1]).all()  # the same for every image


def test_shares_follow_the_beta_distribution() -> None:
    """Beta(a, a) has mean 1/2 and variance 1 / (4 * (2a + 1))."""
    images, labels = torch.zeros(2, 1, 1, 1), torch.arange(2)
    generator = torch.Generator().manual_seed(0)
    for alpha in (0.2, 1.0, 4.0):
        augment = Augment(mixup=alpha)
        shares = torch.tensor(
            [mixed(images, labels, augment, generator)[1].share for _ in range(1500)]
        )
        assert float(shares.mean()) == pytest.approx(0.5, abs=0.03)
        assert float(shares.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)


def test_mixup_and_cutmix_alternate_at_random() -> None:
    cut = 0
    for seed in range(200):
        images, labels = run(seed, mixup=1.0, cutmix=1.0)
        cut += bool((images == images.round()).all()) and labels.share < 1
    assert 60 < cut < 140


def test_nothing_is_mixed_when_both_are_off() -> None:
    images, labels = run()
    assert torch.equal(images, batch()[0])
    assert labels.partners is None


def test_same_generator_gives_the_same_mix_and_inputs_do_not_change() -> None:
    images, labels = batch()
    before = images.clone()
    augment = Augment(cutmix=1.0)
    one, other = (
        mixed(images, labels, augment, torch.Generator().manual_seed(4)) for _ in range(2)
    )
    assert torch.equal(one[0], other[0])
    assert one[1].share == other[1].share
    assert torch.equal(images, before)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_loss_is_the_cross_entropy_with_the_mixed_labels(smoothing: float) -> None:
    logits = torch.randn(6, 5)
    labels = MixedTargets(torch.tensor([0, 1, 2, 3, 4, 0]), torch.tensor([1, 1, 0, 4, 2, 3]), 0.3)
    assert labels.partners is not None
    target = 0.3 * functional.one_hot(labels.targets, 5) + 0.7 * functional.one_hot(
        labels.partners, 5
    )
    target = (1 - smoothing) * target + smoothing / 5
    expected = -(target * logits.log_softmax(1)).sum(1).mean()
    task = classification(5)

    def mean(outputs: Any, targets: Any) -> torch.Tensor:
        return functional.cross_entropy(outputs, targets, label_smoothing=smoothing)

    torch.testing.assert_close(labels.loss(logits, mean), expected)
    classes = logits.argmax(1)
    correct = 0.3 * (classes == labels.targets).sum() + 0.7 * (classes == labels.partners).sum()
    torch.testing.assert_close(labels.correct(logits, task), correct)
    assert torch.equal(labels.dominant, labels.partners)


@pytest.mark.parametrize("mixing", [{"mixup": 1.0}, {"cutmix": 1.0}, {"mixup": 0.3, "cutmix": 1.0}])
def test_teacher_sees_the_mixed_images(
    candidate: Candidate, data: Data, mixing: dict[str, float]
) -> None:
    """A teacher equal to the student gives the same logits if both see the same images."""
    losses: list[EpochEnd] = []
    flat = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, data.classes)).eval()
    same = Candidate(flat, data.shape, data.classes)
    recipe = Recipe.model_validate(
        {"epochs": 2, "batch_size": 8, "optimizer": {"sgd": {"lr": 1e-12}}, "augment": mixing}
    )
    context = Context(
        data,
        teacher=copy.deepcopy(flat),
        distillation=Option("logits", Logits.Params(alpha=1.0)),
        report=losses.append,
    )
    train(same, recipe, context, stage="finetune")
    assert [event.loss for event in losses] == pytest.approx([0, 0], abs=1e-5)
