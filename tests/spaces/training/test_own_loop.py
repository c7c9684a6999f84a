"""A task's own training loop: what it may do, what it keeps, and what it is told."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from paretune.spaces.base import Candidate, Context, EpochEnd, InfeasibleCandidate, Step
from paretune.spaces.distillation import DISTILLATIONS
from paretune.spaces.table import Slot
from paretune.spaces.training.loop import train, train_part
from paretune.spaces.training.recipe import Recipe
from paretune.spaces.training.snapshot import Snapshot
from paretune.task import Outputs
from support.tasks import ToyTask, ToyTaskData

Train = Callable[[Any, Any], Any]


def plain(model: Any, stage: Any) -> None:
    """The loop of the documentation, with a schedule for each batch."""
    optimizer, schedule = stage.optimizer(model)
    for _ in stage.epochs():
        for inputs, targets in stage.batches():
            optimizer.zero_grad()
            stage.loss(model(inputs), inputs, targets).backward()
            optimizer.step()
            schedule.step()


def by_epoch(model: Any, stage: Any) -> None:
    optimizer, schedule = stage.optimizer(model)
    for _ in stage.epochs():
        for inputs, targets in stage.batches():
            optimizer.zero_grad()
            stage.loss(model(inputs), inputs, targets).backward()
            optimizer.step()
        schedule.step()


def noisy(model: Any, stage: Any) -> None:
    """Draws from all global generators, before and in the epochs."""
    optimizer, _ = stage.optimizer()
    scale = random.random() + np.random.rand() + float(torch.rand(()))
    for _ in stage.epochs():
        for inputs, targets in stage.batches():
            noise = random.random() + np.random.rand() + float(torch.rand(()))
            optimizer.zero_grad()
            stage.loss(model(inputs + noise), inputs, targets * scale / scale).backward()
            optimizer.step()


def with_own_optimizer(model: Any, stage: Any) -> None:
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in stage.epochs():
        for inputs, targets in stage.batches():
            optimizer.zero_grad()
            stage.loss(model(inputs), inputs, targets).backward()
            optimizer.step()


def with_kept_optimizer(model: Any, stage: Any) -> None:
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    stage.keep(optimizer, scheduler)
    for _ in stage.epochs():
        for inputs, targets in stage.batches():
            optimizer.zero_grad()
            stage.loss(model(inputs), inputs, targets).backward()
            optimizer.step()
        scheduler.step()


def with_torch_scheduler(model: Any, stage: Any) -> None:
    optimizer, _ = stage.optimizer()
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    for _ in stage.epochs():
        for inputs, targets in stage.batches():
            optimizer.zero_grad()
            stage.loss(model(inputs), inputs, targets).backward()
            optimizer.step()
        scheduler.step()


def goes_on(model: Any, stage: Any) -> None:
    """Changes the weights after the last epoch, and draws random numbers."""
    noisy(model, stage)
    with torch.no_grad():
        model[0].bias.add_(random.random() + float(torch.rand(())))


def data_of(loop: Train | None, **more: Any) -> ToyTaskData:
    inputs = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    weights = torch.randn(4, 2, generator=torch.Generator().manual_seed(1))
    task = ToyTask("regression", Outputs(2), "values", train=loop, **more)
    return ToyTaskData(task, (4,), inputs, inputs @ weights)


def network() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.3), nn.Linear(6, 2)
    ).eval()


def recipe_of(**fields: Any) -> Recipe:
    return Recipe.model_validate({"epochs": 4, "batch_size": 8, **fields})


def trained(
    loop: Train | None, recipe: Recipe, history: tuple[Step, ...] = (), **more: Any
) -> tuple[nn.Module, list[EpochEnd]]:
    events: list[EpochEnd] = []
    data = data_of(loop)
    candidate = Candidate(network(), data.shape, data.task.outputs, history)
    context = Context(data, report=events.append, seed=2, **more)
    return train(candidate, recipe, context, stage="finetune").model, events


def in_parts(loop: Train, recipe: Recipe, folder: Path) -> tuple[nn.Module, list[int]]:
    """Trains in three parts, each from the file of a snapshot, as after a killed process."""
    resume, model, epochs = None, network(), []
    for until in (1, 3, recipe.epochs):
        data = data_of(loop)
        candidate = Candidate(network(), data.shape, data.task.outputs)
        context = Context(data, seed=2, report=lambda event: epochs.append(event.epoch))
        random.seed(until)
        np.random.seed(until)
        torch.manual_seed(until)
        part = train_part(candidate, recipe, context, stage="finetune", until=until, resume=resume)
        file = folder / f"{until}.safetensors"
        file.write_bytes(part.snapshot.to_bytes())
        resume, model = Snapshot.read(file), part.candidate.model
    return model, epochs


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


# -- the same as ours ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"schedule": "cosine"},
        {"schedule": {"one_cycle": {}}, "optimizer": {"adamw": {"weight_decay": 0.1}}},
        {"ema": 0.9, "clip": 0.1},
        {"loss": "huber"},
        {"freeze_epochs": 2, "trunk_lr": 0.3},
        {"monitor": "validation", "schedule": {"plateau": {"patience": 1}}},
        {"early_stop": {"patience": 1, "min_delta": 0.1, "best": True}},
        {"amp": "bfloat16"},
    ],
    ids=lambda fields: "-".join(fields) or "plain",
)
def test_plain_loop_gives_the_weights_of_the_built_in_one(fields: dict[str, Any]) -> None:
    loop = plain
    if "amp" in fields:

        def loop(model: Any, stage: Any) -> None:
            optimizer, schedule = stage.optimizer(model)
            for _ in stage.epochs():
                for inputs, targets in stage.batches():
                    optimizer.zero_grad()
                    with stage.autocast:
                        loss = stage.loss(model(inputs), inputs, targets)
                    loss.backward()
                    optimizer.step()
                    schedule.step()

    recipe = recipe_of(**fields)
    own, events = trained(loop, recipe)
    ours, expected = trained(None, recipe)
    assert [event.loss for event in events] == [event.loss for event in expected]
    assert same(own, ours)
    assert same(own, network()) is False


def test_loop_that_calls_train_itself_keeps_frozen_statistics() -> None:
    def loop(model: Any, stage: Any) -> None:
        optimizer, schedule = stage.optimizer(model)
        for _ in stage.epochs():
            model.train()
            for inputs, targets in stage.batches():
                optimizer.zero_grad()
                stage.loss(model(inputs), inputs, targets).backward()
                optimizer.step()
                schedule.step()

    recipe = recipe_of(freeze_epochs=3)
    assert same(trained(loop, recipe)[0], trained(None, recipe)[0])


def test_schedule_for_each_epoch_holds_the_rate_within_it() -> None:
    rates: list[float] = []

    def loop(model: Any, stage: Any) -> None:
        optimizer, schedule = stage.optimizer(model)
        for _ in stage.epochs():
            for inputs, targets in stage.batches():
                rates.append(optimizer.param_groups[0]["lr"])
                optimizer.zero_grad()
                stage.loss(model(inputs), inputs, targets).backward()
                optimizer.step()
            schedule.step()
            rates.append(schedule.get_last_lr()[0])

    trained(loop, recipe_of(epochs=2, schedule={"polynomial": {}}, optimizer={"sgd": {"lr": 0.1}}))
    assert rates[:4] == pytest.approx([0.1, 0.1, 0.1, 0.05])
    assert rates[4:] == pytest.approx([0.05, 0.05, 0.05, 0.0], abs=1e-6)


@pytest.mark.parametrize("loop", [by_epoch, plain])
def test_warm_up_rises_however_the_schedule_is_stepped(loop: Train) -> None:
    recipe = recipe_of(epochs=6, schedule={"constant": {"warmup": 0.5}})
    model, events = trained(loop, recipe)
    assert events[-1].loss < events[0].loss
    assert not same(model, network())


def test_reports_have_epochs_losses_and_no_accuracy() -> None:
    _, events = trained(plain, recipe_of())
    assert [(e.stage, e.epoch, e.epochs) for e in events] == [
        ("finetune", i, 4) for i in (1, 2, 3, 4)
    ]
    assert {e.accuracy for e in events} == {None}


def test_stage_tells_device_recipe_and_name() -> None:
    told: list[Any] = []

    def loop(model: Any, stage: Any) -> None:
        told.extend([stage.device, stage.recipe, stage.name])
        plain(model, stage)

    recipe = recipe_of(accumulate=2)
    trained(loop, recipe)
    assert told == ["cpu", recipe, "finetune"]


def test_loss_under_no_grad_is_plain_and_does_not_count() -> None:
    losses: list[float] = []

    def loop(model: Any, stage: Any) -> None:
        optimizer, _ = stage.optimizer(model)
        for _ in stage.epochs():
            for inputs, targets in stage.batches():
                with torch.no_grad():
                    losses.append(float(stage.loss(model(inputs) + 1e6, inputs, targets)))
                optimizer.zero_grad()
                stage.loss(model(inputs), inputs, targets).backward()
                optimizer.step()

    _, events = trained(loop, recipe_of(epochs=1))
    assert min(losses) > 1e9
    assert events[0].loss < 1e3


def test_global_generators_continue_as_before() -> None:
    random.seed(5)
    np.random.seed(5)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # type: ignore[union-attr]
    trained(noisy, recipe_of())
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tolist() == before[1]  # type: ignore[union-attr]
    assert torch.equal(torch.get_rng_state(), before[2])


# -- interruption ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "loop",
    [plain, noisy, goes_on, with_own_optimizer, with_kept_optimizer, with_torch_scheduler],
)
def test_interrupted_training_gives_the_weights_of_an_uninterrupted_one(
    loop: Train, tmp_path: Path
) -> None:
    recipe = recipe_of(epochs=5, ema=0.8, schedule="cosine")
    parts, epochs = in_parts(loop, recipe, tmp_path)
    assert same(parts, trained(loop, recipe)[0])
    assert epochs == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("loop", "repeated"),
    [
        (plain, False),
        (with_kept_optimizer, False),
        (with_own_optimizer, True),
        (with_torch_scheduler, True),
    ],
)
def test_training_is_repeated_only_where_a_state_is_not_in_the_snapshot(
    loop: Train, repeated: bool
) -> None:
    data = data_of(loop)
    candidate = Candidate(network(), data.shape, data.task.outputs)
    part = train_part(candidate, recipe_of(), Context(data), stage="finetune", until=1)
    assert part.snapshot.state["loop"]["repeat"] is repeated


def test_resumed_training_that_is_over_trains_no_more() -> None:
    calls: list[int] = []

    def loop(model: Any, stage: Any) -> None:
        calls.append(1)
        plain(model, stage)

    data = data_of(loop)
    candidate = Candidate(network(), data.shape, data.task.outputs)
    part = train_part(candidate, recipe_of(), Context(data), stage="finetune", until=4)
    again = train_part(
        candidate, recipe_of(), Context(data), stage="finetune", until=4, resume=part.snapshot
    )
    assert calls == [1]
    assert again.over
    assert same(again.candidate.model, part.candidate.model)


# -- hooks of the optimizer's steps ----------------------------------------------------------------


@pytest.mark.parametrize("loop", [plain, with_own_optimizer])
def test_pruned_weights_stay_zero_with_any_optimizer(loop: Train) -> None:
    weight = network()[0].weight.detach()  # type: ignore[index, union-attr, operator]
    pruned = network()
    with torch.no_grad():
        pruned[0].weight.mul_(weight > 0)  # type: ignore[index, union-attr, operator]
    data = data_of(loop)
    history = (Step("unstructured", {}, {"zeros": {"0.weight": 12}}),)
    candidate = Candidate(pruned, data.shape, data.task.outputs, history)
    made = train(candidate, recipe_of(), Context(data), stage="finetune").model
    now = made[0].weight.detach()  # type: ignore[index, union-attr, operator]
    assert torch.equal(now != 0, weight > 0)
    assert not torch.equal(now[weight > 0], weight[weight > 0])


def test_gradients_are_clipped_and_weights_averaged_with_any_optimizer() -> None:
    norms: list[float] = []

    def loop(model: Any, stage: Any) -> None:
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        for _ in stage.epochs():
            for inputs, targets in stage.batches():
                optimizer.zero_grad()
                stage.loss(model(inputs), inputs, targets * 1000).backward()
                optimizer.step()
                grads = torch.cat([p.grad.flatten() for p in model.parameters()])
                norms.append(float(grads.norm()))

    averaged, _ = trained(loop, recipe_of(clip=0.5, ema=0.5))
    plain_weights, _ = trained(loop, recipe_of(clip=0.5))
    assert max(norms) == pytest.approx(0.5, rel=1e-4)
    assert not same(averaged, plain_weights)


def test_optimizers_of_other_networks_are_left_alone() -> None:
    """A discriminator is not clipped, and its steps do not update the mean weights."""
    steps: list[float] = []

    def loop(model: Any, stage: Any) -> None:
        other = nn.Linear(1, 1)
        optimizer = torch.optim.SGD(other.parameters(), 1.0)
        for _ in stage.epochs():
            before = other.weight.detach().clone()
            (other.weight.sum() * 100).backward()
            optimizer.step()
            optimizer.zero_grad()
            steps.append(float((before - other.weight.detach()).sum()))
            stage.observe(1.0)

    trained(loop, recipe_of(clip=0.5, ema=0.5))
    assert steps == pytest.approx([100.0] * 4)


# -- distillation ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "distillation", [{"logits": {"alpha": 0.7}}, {"hints": {"student_layers": ["0"]}}]
)
def test_loss_has_this_trial_s_distillation(distillation: Any) -> None:
    torch.manual_seed(8)
    teacher = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)).eval()
    more = {"teacher": teacher, "distillation": Slot(DISTILLATIONS).option(distillation)}
    recipe = recipe_of(optimizer={"sgd": {"lr": 0.1}})  # Adam enlarges the rounding of zeros
    own, _ = trained(plain, recipe, **more)
    ours, _ = trained(None, recipe, **more)
    for one, other in zip(own.parameters(), ours.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    assert not same(own, trained(plain, recipe)[0])


# -- what the loop is told -------------------------------------------------------------------------


def never(model: Any, stage: Any) -> None:
    pass


def leaves(model: Any, stage: Any) -> None:
    optimizer, _ = stage.optimizer(model)
    for epoch in stage.epochs():
        for inputs, targets in stage.batches():
            stage.loss(model(inputs), inputs, targets).backward()
            optimizer.step()
        if epoch == 1:
            break


def returns_inside(model: Any, stage: Any) -> None:
    for epoch in stage.epochs():
        stage.observe(1.0)
        if epoch == 3:
            return


def silent(model: Any, stage: Any) -> None:
    for _ in stage.epochs():
        pass


def twice(model: Any, stage: Any) -> None:
    for _ in stage.epochs():
        stage.observe(1.0)
    for _ in stage.epochs():
        stage.observe(1.0)


def returns_another(model: Any, stage: Any) -> Any:
    plain(model, stage)
    return nn.Linear(1, 1)


def keeps_a_number(model: Any, stage: Any) -> None:
    stage.keep(3)


def diverges(model: Any, stage: Any) -> None:
    for _ in stage.epochs():
        stage.observe(float("nan"))


def swallows(model: Any, stage: Any) -> None:
    with contextlib.suppress(Exception):
        diverges(model, stage)


@pytest.mark.parametrize(
    ("loop", "text"),
    [
        (never, "never asked for epochs; write `for epoch in stage.epochs"),
        (leaves, "left stage.epochs.. in epoch 2 of 4; let it run to its end"),
        (returns_inside, "left stage.epochs.. in epoch 4 of 4"),
        (silent, "reported no loss in epoch 1; take the loss from stage.loss"),
        (twice, "asked for stage.epochs.. twice"),
        (returns_another, "returned a Linear; change the model in place"),
        (keeps_a_number, "a int has none"),
        (diverges, "the loss became nan in epoch 1"),
        (swallows, "the loss became nan in epoch 1"),
    ],
)
def test_loop_that_cannot_be_right_is_told_why(loop: Train, text: str) -> None:
    with pytest.raises(InfeasibleCandidate, match=text):
        trained(loop, recipe_of())


def test_loop_that_would_not_learn_from_its_teacher_is_told() -> None:
    def ignores(model: Any, stage: Any) -> None:
        optimizer, _ = stage.optimizer(model)
        for _ in stage.epochs():
            for inputs, targets in stage.batches():
                functional.mse_loss(model(inputs), targets).backward()
                optimizer.step()

    more = {
        "teacher": nn.Linear(4, 2).eval(),
        "distillation": Slot(DISTILLATIONS).option({"logits": {}}),
    }
    with pytest.raises(InfeasibleCandidate, match="would not learn from the teacher"):
        trained(ignores, recipe_of(), **more)
    with pytest.raises(InfeasibleCandidate, match="a loss of its own, which has no distillation"):
        trained(silent_observer, recipe_of(), **more)


def silent_observer(model: Any, stage: Any) -> None:
    for _ in stage.epochs():
        stage.observe(1.0)


def test_compile_is_refused_in_words() -> None:
    with pytest.raises(InfeasibleCandidate, match="type compile: false"):
        trained(plain, recipe_of(compile=True))


def test_error_of_the_loop_itself_is_raised_as_it_is() -> None:
    def broken(model: Any, stage: Any) -> None:
        for _ in stage.epochs():
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        trained(broken, recipe_of())


def test_report_may_stop_the_loop() -> None:
    def stop(event: EpochEnd) -> None:
        raise KeyboardInterrupt

    data = data_of(plain)
    candidate = Candidate(network(), data.shape, data.task.outputs)
    with pytest.raises(KeyboardInterrupt):
        train(candidate, recipe_of(), Context(data, report=stop), stage="finetune")
