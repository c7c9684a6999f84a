"""A subnet is compared with the same network trained alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from paretune.spaces.base import Candidate, Context
from paretune.spaces.elastic.alone import compared_with_alone
from paretune.spaces.elastic.arrangement import space_of
from paretune.spaces.elastic.subnet import Subnet
from paretune.spaces.training.recipe import Recipe

Arrange = Callable[[str], Candidate]


def recipe(lr: float) -> Recipe:
    return Recipe.model_validate({"epochs": 2, "batch_size": 8, "optimizer": {"adam": {"lr": lr}}})


def test_training_that_changes_nothing_leaves_all_scores_equal(
    arrange: Arrange, context: Context
) -> None:
    elastic = arrange("cnn")
    source = Candidate(elastic.model, elastic.shape, elastic.outputs)
    choice = space_of(elastic).smallest
    compared = compared_with_alone(source, elastic, choice, recipe(1e-12), 1, context)
    assert compared.alone.loss == pytest.approx(compared.before.loss, abs=1e-4)
    assert compared.finetuned.loss == pytest.approx(compared.before.loss, abs=1e-4)
    assert compared.alone.examples == context.data.size("validation")
    assert compared.seconds > 0


def test_subnet_without_finetuning_keeps_its_score(arrange: Arrange, context: Context) -> None:
    elastic = arrange("cnn")
    choice = space_of(elastic).smallest
    compared = compared_with_alone(elastic, elastic, choice, recipe(3e-2), 0, context)
    assert compared.finetuned == compared.before
    assert compared.alone.loss < compared.before.loss


def test_network_trained_alone_has_the_shape_of_the_subnet(
    arrange: Arrange, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    elastic = arrange("resnet")
    choice = space_of(elastic).smallest
    cut: list[Candidate] = []
    apply = Subnet.apply

    def recorded(*arguments: object) -> Candidate:
        cut.append(apply(*arguments))  # type: ignore[arg-type]
        return cut[-1]

    monkeypatch.setattr(Subnet, "apply", staticmethod(recorded))
    compared_with_alone(elastic, elastic, choice, recipe(1e-3), 0, context)
    shapes = [[tuple(p.shape) for p in each.model.parameters()] for each in cut]
    assert len(shapes) == 2 and shapes[0] == shapes[1]
