"""Subnets that share weights, and subnets that are cut out of them."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import torch

from paretune.inputs import call, random_example
from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.elastic.arrangement import arrangement_of
from paretune.spaces.elastic.calibration import calibrate_shared, calibration_batches
from paretune.spaces.elastic.shared_network import SharedNetwork
from paretune.spaces.elastic.space import Choice
from paretune.spaces.elastic.subnet import Subnet
from paretune.spaces.twin import accepted

Arrange = Callable[[str], Candidate]

CASES = ("cnn", "resnet", "vit", "text", "own")


def shared_of(candidate: Candidate) -> SharedNetwork:
    return SharedNetwork(candidate.model, candidate, arrangement_of(candidate), "cpu")


def choices_of(candidate: Candidate) -> list[Choice]:
    space, generator = arrangement_of(candidate).space, random.Random(7)
    return [space.full, space.smallest, *(space.drawn(generator) for _ in range(3))]


@pytest.mark.parametrize("case", CASES)
def test_shared_subnet_equals_the_network_cut_out(
    arrange: Arrange, context: Context, case: str
) -> None:
    candidate = arrange(case)
    shared, inputs = shared_of(candidate), random_example(candidate.shape, 3, seed=2)
    for choice in choices_of(candidate):
        cut = Subnet.outline(candidate, Subnet.Params(choice=choice), context).model
        with torch.no_grad():
            outputs = shared.run(choice, inputs, shared.tensors(choice))
            torch.testing.assert_close(outputs, call(cut, inputs), rtol=0, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_full_choice_is_the_network_unchanged(
    arrange: Arrange, context: Context, case: str
) -> None:
    candidate = arrange(case)
    before = {name: tensor.clone() for name, tensor in candidate.model.state_dict().items()}
    subnet = Subnet.apply(candidate, Subnet.Params(), context).model
    assert subnet is not candidate.model
    for state in (subnet.state_dict(), candidate.model.state_dict()):
        assert state.keys() == before.keys()
        assert all(torch.equal(state[name], before[name]) for name in before)


@pytest.mark.parametrize("case", ["cnn", "resnet", "vit", "own"])
def test_gradients_of_a_subnet_are_those_of_the_network_cut_out(
    arrange: Arrange, context: Context, case: str
) -> None:
    candidate = arrange(case)
    choice = arrangement_of(candidate).space.smallest
    inputs = random_example(candidate.shape, 3, seed=2)
    shared = shared_of(candidate)
    candidate.model.zero_grad(set_to_none=True)
    call_of = shared.run(choice, inputs, shared.tensors(choice))
    call_of.square().sum().backward()  # type: ignore[union-attr]
    weights = [p for p in candidate.model.parameters() if p.grad is not None]
    reached = sum(int((p.grad != 0).sum()) for p in weights)  # type: ignore[union-attr]
    total = sum(float(p.grad.double().square().sum()) for p in weights)  # type: ignore[union-attr]
    candidate.model.zero_grad(set_to_none=True)

    cut = Subnet.outline(candidate, Subnet.Params(choice=choice), context).model
    call(cut, inputs).square().sum().backward()
    grads = [p.grad for p in cut.parameters() if p.grad is not None]
    assert reached == sum(int((grad != 0).sum()) for grad in grads)
    assert total == pytest.approx(
        sum(float(grad.double().square().sum()) for grad in grads), rel=1e-4
    )


def test_left_out_channels_have_no_gradient(arrange: Arrange) -> None:
    candidate = arrange("cnn")
    arrangement = arrangement_of(candidate)
    choice, shared = arrangement.space.smallest, shared_of(candidate)
    outputs = shared.run(choice, random_example(candidate.shape, 2, 0), shared.tensors(choice))
    [first] = torch.autograd.grad(outputs.sum(), [candidate.model[0].weight])  # type: ignore[index,union-attr,arg-type]
    staying = arrangement.orders["0"][-arrangement.units(choice)["0"] :]
    touched = first.flatten(1).abs().sum(1).nonzero().flatten().tolist()
    assert set(touched) <= set(staying)


def test_running_a_subnet_in_training_leaves_the_statistics_of_the_network(
    arrange: Arrange,
) -> None:
    candidate = arrange("resnet")
    before = {name: buffer.clone() for name, buffer in candidate.model.named_buffers()}
    shared = shared_of(candidate)
    for choice in choices_of(candidate):
        shared.modules(choice).train()
        shared.run(choice, random_example(candidate.shape, 4, 0), shared.tensors(choice))
    assert all(torch.equal(b, before[n]) for n, b in candidate.model.named_buffers())


@pytest.mark.parametrize("case", ["resnet", "own"])
def test_statistics_of_shared_and_cut_subnets_are_equal(
    arrange: Arrange, context: Context, case: str
) -> None:
    candidate = arrange(case)
    choice = arrangement_of(candidate).space.smallest
    cut = Subnet.apply(candidate, Subnet.Params(choice=choice, calibration=20), context).model
    shared = shared_of(candidate)
    tensors = shared.tensors(choice)
    calibrate_shared(shared, choice, tensors, list(calibration_batches(context, 20)))
    inputs = random_example(candidate.shape, 3, seed=5)
    with torch.no_grad():
        outputs = shared.run(choice, inputs, tensors)
        torch.testing.assert_close(outputs, call(cut, inputs), rtol=0, atol=1e-6)
    assert not any(module.training for module in cut.modules())


def test_statistics_are_those_of_the_subnets_own_batches(
    arrange: Arrange, context: Context
) -> None:
    candidate = arrange("own")
    choice = arrangement_of(candidate).space.smallest
    cut = Subnet.apply(candidate, Subnet.Params(choice=choice, calibration=24), context).model
    images = torch.cat([x for x, _ in context.data.batches("train", 24, seed=0)])  # type: ignore[arg-type]
    with torch.no_grad():
        features = cut.stem[0](images)  # type: ignore[index,operator,union-attr]
    norm = cut.stem[1]  # type: ignore[index,union-attr]
    torch.testing.assert_close(norm.running_mean, features.mean((0, 2, 3)))
    torch.testing.assert_close(norm.running_var, features.transpose(0, 1).flatten(1).var(1))
    assert norm.momentum == 0.1


@pytest.mark.parametrize("case", ["cnn", "resnet", "vit", "text"])
def test_subnet_is_rebuilt_from_its_history(arrange: Arrange, context: Context, case: str) -> None:
    candidate = arrange(case)
    choice = arrangement_of(candidate).space.smallest
    subnet = Subnet.outline(candidate, Subnet.Params(choice=choice), context)
    accepted(candidate, subnet, "subnet")  # raises unless the twin is equal
    info = subnet.history[-1].info
    assert info["parameters"][1] == sum(p.numel() for p in subnet.model.parameters())
    assert info["parameters"][1] < info["parameters"][0]
    assert info["macs"][1] < info["macs"][0]


def test_choice_outside_the_space_is_infeasible(arrange: Arrange, context: Context) -> None:
    with pytest.raises(InfeasibleCandidate, match=r'has no "width\.9"'):
        Subnet.apply(arrange("cnn"), Subnet.Params(choice={"width.9": 1.0}), context)


def test_network_that_is_not_elastic_has_no_subnet(candidate: Candidate, context: Context) -> None:
    with pytest.raises(InfeasibleCandidate, match="this network is none"):
        Subnet.apply(candidate, Subnet.Params(), context)
