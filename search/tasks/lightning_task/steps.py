"""A LightningModule whose forward is replaced: its steps run on outputs of another network."""

from __future__ import annotations

import copy
import importlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch

from paretune.nests import Nest, is_group, leaves
from paretune.search.tasks.lightning_task.errors import LightningError
from paretune.search.tasks.lightning_task.library import call_step, library_of, overrides
from paretune.search.tasks.lightning_task.stub_trainer import StubTrainer


class _Reached(Exception):
    """Ends a step at its call of the network."""


class Steps:
    """Runs the steps of a module, with the network's outputs taken from elsewhere.

    Args:
        module: The user's LightningModule. It is not trained.
        network: Attribute that is the network; None for the module itself.
        trainer: What it sees as its trainer.
    """

    def __init__(self, module: Any, network: str | None, trainer: StubTrainer) -> None:
        self.module = module
        self._name = network
        self._trainer = trainer
        self._target = module if network is None else module.get_submodule(network)
        self._parameters = inspect.signature(self._target.forward).parameters
        self._device = torch.device("cpu")
        module.trainer = trainer

    def inputs(self, batch: Any, training: bool) -> Nest:
        """Returns what a step gives to the network for a batch.

        Raises:
            LightningError: The step does not call the network, or gives it no tensors.
        """
        taken: list[Nest] = []

        def take(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            taken.append(self._inputs(args, kwargs))
            raise _Reached

        step = self.module.training_step if training else self.module.validation_step
        with self._answering(take, training), torch.no_grad(), suppress(_Reached):
            call_step(step, batch, 0)
        return taken[0]

    def loss(self, batch: Any, outputs: Nest) -> torch.Tensor:
        """Returns what training_step returns for a batch, if the network gives these outputs.

        Raises:
            LightningError: It returns no loss, or calls the network twice.
        """
        device = leaves(outputs)[0].device
        if device != self._device:
            self.module.to(device)
            self._device = device
        self.module.log = _ignored
        with self._answering(lambda args, kwargs: outputs, training=True):
            returned = call_step(self.module.training_step, batch, 0)
        loss = returned.get("loss") if isinstance(returned, dict) else returned
        if not isinstance(loss, torch.Tensor):
            raise LightningError(
                f"training_step returned a {type(returned).__name__}; return the loss, a scalar "
                'tensor, or {"loss": loss}'
            )
        return loss

    def validate(self, batch: Any, index: int, predict: Callable[[Nest], Nest]) -> Any:
        """Runs validation_step on a batch; `predict` gives the outputs for the inputs."""
        if self._device.type != "cpu":
            self._device = torch.device("cpu")
            self.module.to(self._device)

        def answer(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Nest:
            return predict(self._inputs(args, kwargs))

        with self._answering(answer, training=False), torch.no_grad():
            return call_step(self.module.validation_step, batch, index)

    def start_validation(self) -> None:
        """Tells the trainer's stub that validation begins."""
        self._trainer.training = False

    def copied(self) -> Steps:
        """Returns the same steps of a copy of the module."""
        module = self.module
        logged = module.__dict__.pop("log", None)  # a bound method would refer to this module
        module.trainer = None
        try:
            copied = copy.deepcopy(module)
        finally:
            module.trainer = self._trainer
            if logged is not None:
                module.log = logged
        return Steps(copied, self._name, self._trainer)

    def hook(self, name: str, *args: Any) -> None:
        """Calls a hook of the module, if the user's class has it."""
        if overrides(self.module, name):
            with torch.no_grad():
                call_step(getattr(self.module, name), *args)

    @contextmanager
    def _answering(self, answer: Callable[..., Any], training: bool) -> Iterator[None]:
        """Replaces forward of the network; refuses a step that calls it more than once."""
        calls = 0

        def forward(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > 1:
                step = "training_step" if training else "validation_step"
                raise LightningError(
                    f"{step} calls the network more than once for a batch, so its outputs do not "
                    "belong to one call; write the task in Python"
                )
            return answer(args, kwargs)

        self._trainer.training = training
        self.module.train(training)
        self._target.forward = forward
        try:
            yield
        finally:
            del self._target.forward
        if not calls:
            raise LightningError(self._uncalled(training))

    def _inputs(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Nest:
        """Returns the arguments of forward as the network's inputs: a tensor, a tuple or a dict."""
        if kwargs and args:  # by name, as forward declares them
            names = list(self._parameters)
            kwargs = {**dict(zip(names, args, strict=False)), **kwargs}
        inputs: Nest = kwargs if kwargs else args[0] if len(args) == 1 else args
        members = inputs.values() if isinstance(inputs, dict) else args
        if any(not isinstance(each, torch.Tensor) for each in members):
            kinds = ", ".join(type(each).__name__ for each in members)
            group = any(map(is_group, members))
            raise LightningError(
                f"a step calls {self._called} with {kinds}; the network takes tensors only"
                + ("; unpack the group: self(*inputs) or self(**inputs)" if group else "")
            )
        return inputs

    @property
    def _called(self) -> str:
        return "self(...)" if self._name is None else f"self.{self._name}(...)"

    def _uncalled(self, training: bool) -> str:
        step = "training_step" if training else "validation_step"
        return (
            f"{step} does not call {self._called}, so the outputs of the deployed file cannot take "
            "its place. Call it, or name the attribute that the steps call: network: net"
        )


def silent_logger(module: Any) -> Any:
    """Returns a logger of Lightning that ignores all."""
    return importlib.import_module(f"{library_of(module).__name__}.loggers.logger").DummyLogger()


def _ignored(*args: Any, **kwargs: Any) -> None:
    """Ignores what training_step logs."""
