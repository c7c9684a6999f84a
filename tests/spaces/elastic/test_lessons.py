"""Elastic training: the subnets of each step, their losses, and the one training loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.elastic.arrangement import space_of
from paretune.spaces.elastic.arranging import arranged
from paretune.spaces.elastic.estimates import estimates
from paretune.spaces.elastic.lessons import elastic_context
from paretune.spaces.elastic.spec import ElasticSpec
from paretune.spaces.elastic.subnet import Subnet
from paretune.spaces.training.loop import train, train_part
from paretune.spaces.training.recipe import Recipe
from support.tasks import ToyTask, ToyTaskData

Arrange = Callable[[str], Candidate]

PLAIN = ElasticSpec(random=0)


def recipe(epochs: int, **options: Any) -> Recipe:
    return Recipe.model_validate({"epochs": epochs, "batch_size": 8, **options})


def trained(candidate: Candidate, context: Context, options: Recipe) -> dict[str, torch.Tensor]:
    result = train(candidate, options, elastic_context(candidate, context), stage="elastic")
    return result.model.state_dict()


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_step_follows_the_mean_gradient_of_full_network_and_subnets(
    candidate: Candidate, context: Context
) -> None:
    elastic = arranged(candidate, PLAIN, context)
    options = recipe(1, batch_size=24, optimizer={"sgd": {"lr": 0.5, "momentum": 0.0}})
    after = trained(elastic, context, options)

    choice = space_of(elastic).smallest
    [(images, labels)] = context.data.batches("train", 24)
    cut = Subnet.outline(elastic, Subnet.Params(choice=choice), context).model
    logits = candidate.model(images)  # type: ignore[arg-type]
    functional.cross_entropy(logits, labels).backward()  # type: ignore[arg-type]
    last = candidate.model[9]  # type: ignore[index]
    ours, theirs = last.bias.grad.clone(), cut[9].bias  # type: ignore[index,union-attr]
    soft = functional.log_softmax(cut(images), 1)
    loss = functional.kl_div(
        soft, logits.detach().log_softmax(1), reduction="batchmean", log_target=True
    )
    [taught] = torch.autograd.grad(loss, [theirs])  # type: ignore[list-item]
    expected = last.bias.detach() - 0.5 * (ours + taught) / 2  # type: ignore[union-attr,operator]
    torch.testing.assert_close(after["9.bias"], expected)


@pytest.mark.parametrize("case", ["cnn", "resnet"])
def test_same_seed_gives_the_same_weights_and_another_seed_others(
    arrange: Arrange, context: Context, case: str
) -> None:
    candidate = arrange(case)
    first = trained(candidate, context, recipe(1))
    assert equal(first, trained(candidate, context, recipe(1)))
    assert not equal(first, trained(candidate, replace(context, seed=1), recipe(1)))


def test_training_in_parts_gives_the_weights_of_one_run(arrange: Arrange, context: Context) -> None:
    candidate, options = arrange("resnet"), recipe(3, ema=0.9, accumulate=2)
    elastic = elastic_context(candidate, context)
    whole = train(candidate, options, elastic, stage="elastic")
    part = train_part(candidate, options, elastic, stage="elastic", until=1)
    last = train_part(candidate, options, elastic, stage="elastic", until=3, resume=part.snapshot)
    assert equal(whole.model.state_dict(), last.candidate.model.state_dict())


def test_elastic_training_makes_subnets_better(candidate: Candidate, make_data: Any) -> None:
    context = Context(data=make_data(96))
    elastic = arranged(candidate, ElasticSpec(), context)
    plain = train(elastic, recipe(8), context, stage="train")
    both = train(elastic, recipe(8), elastic_context(elastic, context), stage="elastic")
    smallest = [space_of(elastic).smallest]
    [alone], [shared] = (estimates(each, smallest, context) for each in (plain, both))
    assert shared.loss < alone.loss - 0.1
    assert [step.technique for step in both.history[-2:]] == ["elastic", "train"]


def test_training_without_subnets_is_as_before(candidate: Candidate, context: Context) -> None:
    elastic = arranged(candidate, PLAIN, context)
    one = train(candidate, recipe(1), context, stage="pretrain").model.state_dict()
    assert equal(one, train(elastic, recipe(1), context, stage="pretrain").model.state_dict())


def toy(images: torch.Tensor, **options: Any) -> Context:
    task = ToyTask(**options)
    targets = images.flatten(1)[:, :3].clone()
    return Context(data=ToyTaskData(task, (1, 8, 8), images, targets))  # type: ignore[arg-type]


IMAGES = torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_outputs_that_are_no_classes_learn_by_squared_error(candidate: Candidate) -> None:
    context = toy(IMAGES)
    elastic = arranged(candidate, PLAIN, context)
    lessons = elastic_context(elastic, context).subnets(elastic.model, None)  # type: ignore[misc]
    choice = space_of(elastic).smallest
    outputs = elastic.model(IMAGES)
    loss = lessons.loss(choice, IMAGES, outputs, outputs)
    cut = Subnet.outline(elastic, Subnet.Params(choice=choice), context).model
    torch.testing.assert_close(loss, functional.mse_loss(cut(IMAGES), outputs))


def test_task_decides_how_subnets_learn(candidate: Candidate) -> None:
    def distill(student: Any, teacher: Any, targets: Any) -> torch.Tensor:
        return 100 * (student - teacher).abs().mean()

    context = toy(IMAGES, output_loss=distill)
    elastic = arranged(candidate, PLAIN, context)
    lessons = elastic_context(elastic, context).subnets(elastic.model, None)  # type: ignore[misc]
    outputs = elastic.model(IMAGES)
    space = space_of(elastic)
    with torch.no_grad():
        full, smallest = (
            float(lessons.loss(choice, IMAGES, outputs, outputs))
            for choice in (space.full, space.smallest)
        )
    assert full == pytest.approx(0, abs=1e-3)
    assert smallest > 0.1


def loop(model: Any, stage: Any) -> None:
    optimizer, _ = stage.optimizer(model)
    for _ in stage.epochs():
        for inputs, targets in stage.batches():
            optimizer.zero_grad()
            stage.loss(model(inputs), inputs, targets).backward()
            optimizer.step()


def test_own_loop_trains_subnets_like_the_recipe(candidate: Candidate) -> None:
    elastic = arranged(candidate, ElasticSpec(), toy(IMAGES))
    one = trained(elastic, toy(IMAGES), recipe(2))
    other = trained(elastic, toy(IMAGES, train=loop), recipe(2))
    for name in one:
        torch.testing.assert_close(other[name], one[name], rtol=0, atol=1e-4)


def test_own_loop_that_does_not_ask_for_the_loss_is_refused(candidate: Candidate) -> None:
    def silent(model: Any, stage: Any) -> None:
        optimizer, _ = stage.optimizer(model)
        for _ in stage.epochs():
            for inputs, targets in stage.batches():
                optimizer.zero_grad()
                loss = functional.mse_loss(model(inputs), targets)
                loss.backward()
                optimizer.step()
                stage.observe(loss, len(inputs))

    context = toy(IMAGES, train=silent)
    elastic = arranged(candidate, PLAIN, context)
    with pytest.raises(InfeasibleCandidate, match="its subnets would not be trained"):
        trained(elastic, context, recipe(1))
