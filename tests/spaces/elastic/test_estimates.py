"""Cheap estimates of subnets."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.elastic.arrangement import space_of
from paretune.spaces.elastic.estimates import chance_level, estimates, network_estimate
from paretune.spaces.elastic.subnet import Subnet
from paretune.spaces.pruning.training_loss import batches, mean_loss

Arrange = Callable[[str], Candidate]


@pytest.mark.parametrize("case", ["cnn", "resnet"])
def test_estimate_is_the_loss_of_the_subnet_cut_out(
    arrange: Arrange, context: Context, case: str
) -> None:
    candidate = arrange(case)
    space = space_of(candidate)
    choices = space.configurations(4, seed=2)
    for choice, estimate in zip(
        choices, estimates(candidate, choices, context, images=20, calibration=24), strict=True
    ):
        params = Subnet.Params(choice=choice, calibration=24)
        model = Subnet.apply(candidate, params, context).model
        assert estimate.loss == pytest.approx(mean_loss(model, context, 20), abs=1e-5)
        with torch.no_grad():
            right = sum(
                int((model(x).argmax(1) == y).sum())  # type: ignore[union-attr]
                for x, y in batches(context, 20, 128)
            )
        assert estimate.correct == pytest.approx(right / 20)
        assert estimate.examples == 20


def test_estimates_use_training_examples_only(arrange: Arrange, context: Context) -> None:
    parts = set()

    class Watched:
        def __getattr__(self, name: str) -> object:
            return getattr(context.data, name)

        def batches(self, part: str, *args: object, **options: object) -> object:
            parts.add(part)
            return context.data.batches(part, *args, **options)  # type: ignore[arg-type]

    watched = Context(data=Watched())  # type: ignore[arg-type]
    estimates(arrange("cnn"), [{}], watched, images=8, calibration=8)
    assert parts == {"train"}


def test_choice_outside_the_space_is_refused(arrange: Arrange, context: Context) -> None:
    with pytest.raises(ValueError, match=r"width.1 is one of"):
        estimates(arrange("cnn"), [{"width.1": 0.1}], context)


def test_network_that_is_not_elastic_has_no_estimates(
    candidate: Candidate, context: Context
) -> None:
    with pytest.raises(InfeasibleCandidate, match="this network is none"):
        estimates(candidate, [{}], context)


def test_estimate_of_the_full_network_is_that_of_the_ordinary_one(
    arrange: Arrange, context: Context
) -> None:
    candidate = arrange("cnn")
    [full] = estimates(candidate, [{}], context, images=20)
    assert network_estimate(candidate.model, batches(context, 20, 128), context) == full


def test_chance_is_the_share_of_the_most_frequent_class(context: Context) -> None:
    assert chance_level(context, 24) == pytest.approx(1 / 3)


def test_targets_that_are_no_classes_have_no_chance_level(context: Context) -> None:
    class Regression:
        loader_batch = None

        def batches(self, *args: object, **options: object) -> object:
            yield torch.zeros(4, 2), torch.zeros(4)

    assert chance_level(Context(data=Regression()), 4) is None  # type: ignore[arg-type]
