"""A task's own training loop, inside the epochs of a training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from paretune.nests import Nest
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.training.example_count import example_count
from paretune.spaces.training.freezing import optimizer_of
from paretune.spaces.training.global_random import (
    load_random,
    random_of_python,
    seeded,
)
from paretune.spaces.training.snapshot import (
    Snapshot,
    copy_tree,
    optimizer_state,
    restore_optimizer,
)
from paretune.spaces.training.training_state import TrainingState

Train = Callable[[torch.nn.Module, Any], Any]
"""A task's `train(model, stage)`; it changes the model in place."""


class OwnLoop:
    """Runs a task's own loop on the state of a training.

    An optimizer or a torch scheduler that the loop made itself and did not pass to `keep` has a
    state that is not in the snapshots. Such a training is then repeated from its start instead of
    resumed, so that it has the same weights.

    Args:
        state: The training.
        train: The task's `train`.
    """

    def __init__(self, state: TrainingState, train: Train) -> None:
        self.state = state
        state.loop = self
        self._train = train
        self._task = state.context.data.task.name
        self._kept: list[Any] = []
        self._asked_optimizer = False
        self._foreign = False
        self._begun = self._ended = False
        self._losses = self._batches = 0
        self._error: BaseException | None = None
        self._until = 0
        self._resume: Snapshot | None = None
        self._weights = {id(p) for p in state.parameters}
        self._refuse_options()

    def run(self, until: int, resume: Snapshot | None, stage: Any) -> None:
        """Trains up to an epoch.

        Args:
            until: The last epoch, counted from the start of the training.
            resume: Snapshot of an earlier part from which to continue.
            stage: What the loop receives.

        Raises:
            InfeasibleCandidate: The loop asks for no epochs, or leaves before the last one.
        """
        if until <= (resume.epoch if resume else 0):
            list(self.state.numbers(until, resume))
            return
        self._until, self._resume = until, resume
        hooks = (
            register_optimizer_step_pre_hook(self._before_step),
            register_optimizer_step_post_hook(self._after_step),
        )
        trunk = self.state.trunk
        try:
            with seeded(self.state.context.seed), trunk.guarded() if trunk else nullcontext():
                made = self._train(self.state.model, stage)
        finally:
            for hook in hooks:
                hook.remove()
        if self._error is not None:
            raise self._error  # the loop swallowed it
        self._check_end(made)

    # -- what the loop calls ---------------------------------------------------------------------

    def epochs(self) -> Iterator[int]:
        """Yields the epochs to train; may be called once."""
        if self._begun:
            raise InfeasibleCandidate(
                f"the training loop of {self._task} asked for stage.epochs() twice; one loop over "
                "it trains all epochs"
            )
        self._begun = True
        return self._numbers()

    def _numbers(self) -> Iterator[int]:
        """Yields the epochs; remembers an error, which the loop might swallow."""
        resume = self._resume
        repeat = resume is not None and resume.state["loop"]["repeat"]
        silent = resume.epoch if resume and repeat else 0
        try:
            for epoch in self.state.numbers(self._until, None if repeat else resume, silent):
                self._losses = self._batches = 0
                self.set_rates()
                yield epoch
                self._check_epoch(epoch)
            self._ended = True
        except GeneratorExit:
            raise
        except BaseException as error:
            self._error = error
            raise

    def batches(self) -> Iterator[tuple[Nest, Nest]]:
        """Yields the batches of the current epoch."""
        for inputs, targets in self.state.batches(len(self.state.curve)):
            self._batches += 1
            yield inputs, targets

    def optimizer(self, model: torch.nn.Module | None) -> torch.optim.Optimizer:
        """Returns the recipe's optimizer of a model's parameters."""
        state = self.state
        self._asked_optimizer = True
        wanted = [p for p in (model or state.model).parameters() if p.requires_grad]
        more = [p for p in wanted if id(p) not in self._weights]
        if more:
            self._foreign = True  # weights beside the network are in no snapshot
        adapters = state.distiller.parameters if state.distiller else []
        parameters = [*wanted, *adapters]
        if {id(p) for p in parameters} != {id(p) for p in state.parameters}:
            state.parameters = parameters
            state.use_optimizer(optimizer_of(parameters, state.trunk, state.recipe))
            self.set_rates()
        return state.optimizer

    def loss(self, outputs: Nest, inputs: Nest, targets: Nest) -> torch.Tensor:
        """Returns the mean loss of a batch, and counts it."""
        state, count = self.state, example_count(inputs)
        if not torch.is_grad_enabled():
            return state.loss.total(outputs, targets, count) / count
        loss = state.loss.mean(outputs, targets)
        if state.distiller:
            loss = state.distiller.loss(inputs, targets, outputs, loss, self._losses)
        with torch.no_grad():
            correct = state.context.data.task.correct(outputs, targets)
        state.tally.add(loss, correct, count)
        loss = self._with_subnets(loss, inputs, targets, outputs)
        self._losses += 1
        return loss

    def _with_subnets(
        self, loss: torch.Tensor, inputs: Nest, targets: Nest, outputs: Nest
    ) -> torch.Tensor:
        """Returns the mean of a batch's loss and those of the subnets that share the weights."""
        state = self.state
        if state.subnets is None:
            return loss
        choices = state.subnets.choices(state.seed(len(state.curve)), self._losses)
        losses = [state.subnets.loss(choice, inputs, targets, outputs) for choice in choices]
        return torch.stack([loss, *losses]).mean()

    def observe(self, loss: float | torch.Tensor, examples: int) -> None:
        """Counts a loss that the loop computed in another way."""
        if self.state.distiller:
            raise InfeasibleCandidate(
                f"the training loop of {self._task} reports a loss of its own, which has no "
                "distillation; take the loss from stage.loss(outputs, inputs, targets)"
            )
        value = torch.as_tensor(loss, device=self.state.context.device).detach().float()
        self.state.tally.add(value.reshape(()), None, examples)

    def keep(self, objects: tuple[Any, ...]) -> None:
        """Adds objects whose state the snapshots keep."""
        for each in objects:
            if not (hasattr(each, "state_dict") and hasattr(each, "load_state_dict")):
                raise InfeasibleCandidate(
                    f"stage.keep takes objects with state_dict and load_state_dict, and a "
                    f"{type(each).__name__} has none"
                )
        self._kept += objects

    def set_rates(self) -> None:
        """Sets the rates for the batches done so far in the current epoch."""
        state = self.state
        epoch, done = len(state.curve), max(self._batches, self._losses)
        share = min(done / max(state.steps, 1), 1.0)
        state.rates.set(min((epoch + share) / state.recipe.epochs, 1 - 1e-9))

    # -- steps of optimizers ---------------------------------------------------------------------

    def _before_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        clip = self.state.recipe.clip
        if clip is not None and self._trains_network(optimizer):
            torch.nn.utils.clip_grad_norm_(self.state.parameters, clip)

    def _after_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        if not self._trains_network(optimizer):
            return
        self.state.after_update()
        kept = optimizer is self.state.optimizer or any(optimizer is each for each in self._kept)
        scheduled = hasattr(optimizer.step, "_wrapped_by_lr_sched") and not self._kept
        if not kept or scheduled:
            self._foreign = True

    def _trains_network(self, optimizer: torch.optim.Optimizer) -> bool:
        """Returns whether an optimizer changes weights of the network."""
        first = (group["params"] for group in optimizer.param_groups)
        return any(id(p) in self._weights for params in first for p in params)

    # -- snapshots -------------------------------------------------------------------------------

    def saved(self) -> dict[str, Any]:
        """Returns the state beside that of the training, for `load`."""
        kept = [
            optimizer_state(each)
            if isinstance(each, torch.optim.Optimizer)
            else copy_tree(each.state_dict())
            for each in self._kept
        ]
        unknown = not (self._asked_optimizer or self._kept)
        return {"repeat": self._foreign or unknown, "kept": kept, "random": random_of_python()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continues from the state of another loop."""
        for each, saved in zip(self._kept, state["kept"], strict=True):
            if isinstance(each, torch.optim.Optimizer):
                restore_optimizer(each, saved)
            else:
                each.load_state_dict(copy_tree(saved))
        load_random(state["random"])

    # -- checks ----------------------------------------------------------------------------------

    def _refuse_options(self) -> None:
        if self.state.recipe.compile:
            raise InfeasibleCandidate(
                f"{self._task} trains in a loop of its own, which compile: true does not reach; "
                "type compile: false, and call torch.compile in the loop"
            )

    def _check_epoch(self, epoch: int) -> None:
        if self.state.subnets and not self._losses:
            raise InfeasibleCandidate(
                f"the training loop of {self._task} did not call stage.loss in epoch {epoch + 1}, "
                "so its subnets would not be trained; take the loss from "
                "stage.loss(outputs, inputs, targets)"
            )
        if self.state.distiller and not self._losses:
            raise InfeasibleCandidate(
                f"the training loop of {self._task} did not call stage.loss in epoch {epoch + 1}, "
                "so it would not learn from the teacher; take the loss from "
                "stage.loss(outputs, inputs, targets)"
            )
        if not self.state.tally.seen:
            raise InfeasibleCandidate(
                f"the training loop of {self._task} reported no loss in epoch {epoch + 1}; take "
                "the loss from stage.loss(outputs, inputs, targets), or report it by "
                "stage.observe(loss, examples)"
            )

    def _check_end(self, made: Any) -> None:
        if not self._begun:
            raise InfeasibleCandidate(
                f"the training loop of {self._task} never asked for epochs; write "
                "`for epoch in stage.epochs():` around its batches"
            )
        if not self._ended:
            done, all_ = len(self.state.curve), self.state.recipe.epochs
            raise InfeasibleCandidate(
                f"the training loop of {self._task} left stage.epochs() in epoch {done + 1} of "
                f"{all_}; let it run to its end (no break, no return), and end a training early "
                "by `early_stop` in the recipe"
            )
        if made is not None and made is not self.state.model:
            raise InfeasibleCandidate(
                f"the training loop of {self._task} returned a {type(made).__name__}; change the "
                "model in place, and return nothing"
            )
