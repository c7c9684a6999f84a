"""Contract of every distillation in the training loop, and the distiller itself."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from paretune.spaces.base import Candidate, Context, Data, EpochEnd, InfeasibleCandidate
from paretune.spaces.distillation import DISTILLATIONS
from paretune.spaces.pruning.structured import Structured
from paretune.spaces.rebuild import initial_candidate
from paretune.spaces.table import Option
from paretune.spaces.training.distiller import Distiller
from paretune.spaces.training.loop import train
from paretune.spaces.training.recipe import Recipe

SHAPE, CLASSES = (1, 8, 8), 3

NAMES = [name for name in DISTILLATIONS.names if name != "none"]
FEATURES = [name for name in NAMES if hasattr(DISTILLATIONS.get(name), "prepare")]

RESNET = {"resnet": {"blocks": 1, "width": 8}}
TOKENS = "user_nets:Tokens"

PAIRS = pytest.mark.parametrize(
    ("student", "teacher"),
    [
        ({"simple_cnn": {"width": 0.125}}, RESNET),
        ({"mobilenet_v2": {"width": 0.1}}, RESNET),
        (
            {"python": {"factory": TOKENS, "args": {"width": 4, "depth": 1}}},
            {"python": {"factory": TOKENS, "args": {"width": 8, "depth": 2}}},
        ),
    ],
    ids=["simple_cnn-resnet", "mobilenet_v2-resnet", "tokens-tokens"],
)
EACH = pytest.mark.parametrize("name", NAMES)
AUGMENTS = pytest.mark.parametrize("augment", [{}, {"flip": True}], ids=["plain", "augmented"])


def made(architecture: dict[str, Any], seed: int = 0) -> Candidate:
    return initial_candidate(architecture, SHAPE, CLASSES, seed)


def make_recipe(**changes: Any) -> Recipe:
    values = {"epochs": 2, "batch_size": 8, "optimizer": {"sgd": {"lr": 0.01}}, **changes}
    return Recipe.model_validate(values)


def option(name: str, **params: Any) -> Option:
    return Option(name, DISTILLATIONS.get(name).Params(**params))


def taught(data: Data, name: str, teacher: nn.Module, **changes: Any) -> Context:
    return Context(data, teacher=teacher, distillation=option(name), **changes)


def hooked(model: nn.Module) -> bool:
    return any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def same(first: nn.Module, second: nn.Module) -> bool:
    one, other = first.state_dict(), second.state_dict()
    return list(one) == list(other) and all(torch.equal(one[n], other[n]) for n in one)


@EACH
@PAIRS
@AUGMENTS
def test_student_learns_other_weights_and_keeps_its_modules_and_no_hooks(
    name: str, student: Any, teacher: Any, augment: Any, data: Data
) -> None:
    candidate, recipe = made(student), make_recipe(augment=augment)
    context = taught(data, name, made(teacher, 1).model)
    after = train(candidate, recipe, context, stage="finetune").model
    alone = train(candidate, recipe, Context(data), stage="finetune").model
    shapes = [{n: t.shape for n, t in m.state_dict().items()} for m in (candidate.model, after)]
    assert shapes[0] == shapes[1]
    assert [n for n, _ in after.named_modules()] == [n for n, _ in candidate.model.named_modules()]
    assert not hooked(after)
    assert not hooked(candidate.model)
    assert not same(after, alone)


@EACH
@PAIRS
def test_same_seed_gives_the_same_student_and_changes_nothing_else(
    name: str, student: Any, teacher: Any, data: Data
) -> None:
    candidate, context = made(student), taught(data, name, made(teacher, 1).model)
    before, random = copy.deepcopy(candidate.model), torch.get_rng_state()
    first = train(candidate, make_recipe(), context, stage="finetune").model
    assert torch.equal(torch.get_rng_state(), random)
    assert same(candidate.model, before)
    torch.rand(7)
    second = train(candidate, make_recipe(), context, stage="finetune").model
    assert same(first, second)


@EACH
@AUGMENTS
@pytest.mark.parametrize("stops", [False, True], ids=["to the end", "stopped"])
def test_teacher_does_not_change(name: str, augment: Any, stops: bool, data: Data) -> None:
    def report(event: EpochEnd) -> None:
        if stops:
            raise KeyboardInterrupt

    teacher = made(RESNET).model
    before = copy.deepcopy(teacher)
    context = taught(data, name, teacher, report=report)
    try:
        train(
            made({"simple_cnn": {"width": 0.125}}), make_recipe(augment=augment), context, stage="x"
        )
    except KeyboardInterrupt:
        assert stops
    assert same(teacher, before)
    assert not teacher.training
    assert not hooked(teacher)
    assert all(p.grad is None for p in teacher.parameters())


@EACH
@PAIRS
def test_loss_falls_with_each_distillation(
    name: str, student: Any, teacher: Any, data: Data
) -> None:
    losses: list[float] = []
    context = taught(
        data, name, made(teacher, 1).model, report=lambda event: losses.append(event.loss)
    )
    recipe = make_recipe(epochs=8, optimizer={"adam": {"lr": 0.01}})
    train(made(student), recipe, context, stage="finetune")
    assert min(losses[-3:]) < losses[0]


@pytest.mark.parametrize("name", FEATURES)
def test_pruned_student_learns_from_features(
    name: str, candidate: Candidate, context: Context, data: Data
) -> None:
    pruned = Structured.apply(candidate, Structured.Params(ratio=0.5, round_to=1), context)
    after = train(pruned, make_recipe(), taught(data, name, candidate.model), stage="finetune")
    shapes = [[t.shape for t in c.model.state_dict().values()] for c in (pruned, after)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", FEATURES)
def test_student_without_features_is_infeasible(name: str, data: Data) -> None:
    flat = made({"python": {"factory": "user_nets:linear"}})
    with pytest.raises(InfeasibleCandidate, match="the student has no feature maps to compare"):
        train(flat, make_recipe(), taught(data, name, made(RESNET).model), stage="finetune")


def test_attention_transfer_is_infeasible_for_a_layer_without_positions(data: Data) -> None:
    small = made({"simple_cnn": {"width": 0.125}})
    chosen = option("attention", student_layers=["7"])
    context = Context(data, teacher=small.model, distillation=chosen)
    with pytest.raises(InfeasibleCandidate, match=r"compares positions, and 7 gives \[1, 32\]"):
        train(small, make_recipe(), context, stage="finetune")


@EACH
def test_distillation_trains_in_mixed_precision(name: str, data: Data) -> None:
    context = taught(data, name, made(RESNET).model)
    small = made({"simple_cnn": {"width": 0.125}})
    after = train(small, make_recipe(amp="bfloat16"), context, stage="finetune")
    assert {p.dtype for p in after.model.parameters()} == {torch.float32}


# -- the distiller itself ----------------------------------------------------------------------


def one_loss(distiller: Distiller, student: nn.Module, data: Data, seed: int = 5) -> torch.Tensor:
    images, labels = next(data.batches("train", 8, seed=seed))
    distiller.begin(seed)
    return distiller.loss(images, labels, student(images), torch.tensor(0.0), 0)


@PAIRS
def test_gradients_of_hints_reach_adapter_and_student_but_not_the_teacher(
    student: Any, teacher: Any, data: Data
) -> None:
    student_model, teacher_model = made(student).model, made(teacher, 1).model
    distiller = Distiller(student_model, taught(data, "hints", teacher_model), make_recipe())
    one_loss(distiller, student_model, data).backward()
    assert distiller.parameters
    assert all(p.grad is not None and p.grad.any() for p in distiller.parameters)
    first = next(p for p in student_model.parameters())
    assert first.grad is not None and first.grad.any()
    assert all(p.grad is None for p in teacher_model.parameters())


def test_adapters_are_trained_with_the_student(data: Data) -> None:
    """With the student's features frozen, only trained adapters lower the loss this far."""
    candidate = made({"simple_cnn": {"width": 0.125}})
    for parameter in candidate.model[:-1].parameters():
        parameter.requires_grad_(False)
    losses: list[float] = []
    chosen = option("hints", weight=100.0)
    context = Context(
        data,
        teacher=made(RESNET).model,
        distillation=chosen,
        report=lambda event: losses.append(event.loss),
    )
    recipe = make_recipe(epochs=40, optimizer={"adam": {"lr": 0.02}})
    after = train(candidate, recipe, context, stage="finetune")
    assert losses[-1] < 0.7 * losses[0]
    assert same(after.model[:-1], candidate.model[:-1])


class Counting(nn.Module):
    """Records the batch size of each call."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.batch_sizes: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.batch_sizes.append(len(x))
        logits: torch.Tensor = self.inner(x)
        return logits


def test_kept_logits_give_the_same_loss_as_a_teacher_run_on_each_batch(data: Data) -> None:
    student, teacher = made({"simple_cnn": {"width": 0.125}}).model, made(RESNET, 1).model
    counting = Counting(teacher)
    context = taught(data, "logits", counting)
    kept, each_batch = (
        Distiller(student, context, make_recipe(augment=augment))
        for augment in ({}, {"flip": True})
    )
    counting.batch_sizes.clear()
    first = one_loss(kept, student, data)
    assert counting.batch_sizes == []
    second = one_loss(each_batch, student, data)
    assert counting.batch_sizes == [8]
    assert float(first.detach()) == pytest.approx(float(second.detach()), rel=1e-5)


def test_teacher_runs_once_for_each_image_unless_images_are_augmented(data: Data) -> None:
    counting = Counting(made(RESNET).model)
    student = made({"simple_cnn": {"width": 0.125}})
    train(student, make_recipe(epochs=3), taught(data, "logits", counting), stage="finetune")
    assert counting.batch_sizes == [1, 24]  # one example for the classes, then the training part
    counting.batch_sizes.clear()
    changed = make_recipe(epochs=3, augment={"crop": 1})
    train(student, changed, taught(data, "logits", counting), stage="finetune")
    assert counting.batch_sizes == [1, *[8] * 9]


def test_kept_logits_are_reused_in_a_later_training(data: Data) -> None:
    kept: list[torch.Tensor] = []

    def answers(make: Callable[[], torch.Tensor]) -> torch.Tensor:
        if not kept:
            kept.append(make())
        return kept[0]

    counting = Counting(made(RESNET).model)
    context = taught(data, "logits", counting, teacher_logits=answers)
    student = made({"simple_cnn": {"width": 0.125}})
    first = train(student, make_recipe(), context, stage="finetune")
    counting.batch_sizes.clear()
    second = train(student, make_recipe(), context, stage="finetune")
    assert counting.batch_sizes == [1]
    assert kept[0].shape == (24, CLASSES)
    assert same(first.model, second.model)


def test_features_at_the_padding_of_texts_are_zero() -> None:
    from paretune.spaces.training.distiller import _masked

    ids = torch.tensor([[5, 7, 0], [3, 0, 0]])
    tokens, pooled = torch.ones(2, 3, 4), torch.ones(2, 4)
    masked = _masked([tokens, pooled], ids != 0)
    assert masked[0].sum(2).tolist() == [[4, 4, 0], [4, 0, 0]]
    assert masked[1] is pooled
