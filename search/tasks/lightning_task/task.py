"""The task that a LightningModule and a data module make."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from paretune.inputs import call
from paretune.nests import Nest, leaves, mapped
from paretune.search.tasks.lightning_task.errors import LightningError
from paretune.search.tasks.lightning_task.library import made, overrides
from paretune.search.tasks.lightning_task.loaders import Loaders
from paretune.search.tasks.lightning_task.scoring import scores
from paretune.search.tasks.lightning_task.steps import Steps, silent_logger
from paretune.search.tasks.lightning_task.stub_trainer import StubTrainer
from paretune.search.user_code import file_digest, find_file

if TYPE_CHECKING:
    from paretune.search.tasks.lightning_task.options import LightningParams
    from paretune.task import Predict

SEEDS = 2**31
"""Seeds of the random numbers of a step lie in [0, SEEDS)."""


class LightningTask:
    """A task of the user's (docs/own-code.md) for a LightningModule.

    The targets of a batch are {"batch": the batch of the dataloader}, since training_step takes it
    as it is. If a step changes its inputs at random (Mixup), "seed" repeats the random numbers.

    Args:
        params: The options.

    Raises:
        LightningError: The module or its data cannot be used.
    """

    def __init__(self, params: LightningParams) -> None:
        self._params = params
        self.keep = list(params.keep)
        weights = None if params.checkpoint is None else _checkpoint(params.checkpoint)
        self.version = [1, None if weights is None else file_digest(weights)]
        self._weights = weights
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self._datamodule = params.data and made(
                params.data, params.data_args, "data", "LightningDataModule"
            )
            self._loaders = Loaders(self._datamodule)
            module = self._made()
            self._loaders.attach(module)
            if params.network is not None:
                _child(module, params.network)
            self._steps = Steps(module, params.network, module.trainer)
            self._random = self._check()

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that the data has."""
        return self._loaders.parts

    def model(self) -> nn.Module:
        """Returns a fresh module, or its child that is the network, without metrics."""
        module = self._made()
        module.trainer = None
        network = module if self._params.network is None else _child(module, self._params.network)
        _remove_metrics(network)
        return network

    def batches(self, part: str) -> Iterator[tuple[Nest, Nest]] | None:
        """Returns batches of (what a step gives to the network, targets); None without the part."""
        return self._batches(part) if part in self.parts else None

    def _batches(self, part: str) -> Iterator[tuple[Nest, Nest]]:
        training = part == "train"
        for batch in self._loaders.batches(part):
            targets = {"batch": batch}
            if training and self._random:
                seed = int(torch.randint(SEEDS, ()))
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(seed)
                    inputs = self._steps.inputs(batch, training)
                targets["seed"] = torch.full((len(leaves(inputs)[0]),), seed)
            else:
                inputs = self._steps.inputs(batch, training)
            yield inputs, targets

    def loss(self, outputs: Nest, targets: Nest) -> torch.Tensor:
        """Returns the loss of training_step for these outputs."""
        if "seed" not in targets:
            return self._steps.loss(targets["batch"], outputs)
        with torch.random.fork_rng():
            torch.manual_seed(int(targets["seed"][0]))
            return self._steps.loss(targets["batch"], outputs)

    def score(self, predict: Predict, part: str) -> dict[str, Any]:
        """Returns what validation_step logs over a part, with the deployed file's outputs."""
        return scores(self._steps, self._loaders.batches(part), predict)

    def _made(self) -> Any:
        """Returns a module as a Trainer would begin with it: set up, with the file's weights."""
        params = self._params
        module = made(params.module, params.module_args, "module", "LightningModule")
        module.trainer = StubTrainer(self._datamodule, silent_logger(module))
        self._loaders.set_up("fit", module.trainer)
        module.prepare_data()
        module.setup("fit")
        module.configure_model()
        if self._weights is not None:
            _load(module, self._weights)
        return module

    def _check(self) -> bool:
        """Refuses what cannot work, before any training; returns whether inputs are random.

        Raises:
            LightningError: With the reason.
        """
        module, params = self._steps.module, self._params
        if not module.automatic_optimization:
            raise LightningError(
                f"{params.module} optimizes manually (automatic_optimization = False); Paretune "
                "trains with the loss that training_step returns. Return one loss"
            )
        for step in ("training_step", "validation_step"):
            if not overrides(module, step):
                raise LightningError(f"{params.module} has no {step}")
        batch = next(self._loaders.batches("train"), None)
        if batch is None:
            raise LightningError("train_dataloader gives no batch")
        torch.manual_seed(1)
        first = leaves(self._steps.inputs(batch, training=True))
        torch.manual_seed(2)
        second = leaves(self._steps.inputs(batch, training=True))
        self._refuse_trained_loss(batch)
        return any(not torch.equal(a, b) for a, b in zip(first, second, strict=True))

    def _refuse_trained_loss(self, batch: Any) -> None:
        """Refuses a loss with weights of its own: only the network's weights are trained."""
        network = self.model().eval()
        with torch.no_grad():
            outputs = call(network, self._steps.inputs(batch, training=True))
        self.class_scores = _are_class_scores(outputs, batch)
        outputs = mapped(outputs, _grown)
        loss = self._steps.loss(batch, outputs)
        if not loss.requires_grad:
            raise LightningError("the loss of training_step has no gradient to the outputs")
        torch.autograd.backward(loss)
        for name, weight in self._steps.module.named_parameters():
            if weight.grad is not None:
                raise LightningError(
                    f"training_step uses the weight {name} outside of the network, and only the "
                    "network is trained; move it into forward, or freeze it (requires_grad)"
                )


def _are_class_scores(outputs: Nest, batch: Any) -> bool:
    """Returns whether outputs [B, C, ...] may be logits of integer labels [B, ...] in the batch."""
    if not isinstance(outputs, torch.Tensor) or outputs.ndim < 2 or outputs.shape[1] < 2:
        return False
    shape, classes = (outputs.shape[0], *outputs.shape[2:]), outputs.shape[1]
    labels = [
        each
        for each in leaves(batch)
        if isinstance(each, torch.Tensor)
        and each.dtype in (torch.int64, torch.int32)
        and tuple(each.shape) == shape
    ]
    return any(bool((each < classes).all()) for each in labels)


def _grown(output: torch.Tensor) -> torch.Tensor:
    output = output.detach()
    return output.requires_grad_() if output.is_floating_point() else output


def _child(module: Any, name: str) -> nn.Module:
    try:
        return module.get_submodule(name)  # type: ignore[no-any-return]
    except AttributeError as error:
        names = ", ".join(child for child, _ in module.named_children())
        raise LightningError(
            f"network: {type(module).__name__} has no attribute {name}; its children: {names}"
        ) from error


def _remove_metrics(network: nn.Module) -> None:
    """Removes torchmetrics objects, which are no part of the network."""
    for name, child in list(network.named_children()):
        if hasattr(child, "compute") and hasattr(child, "reset"):
            delattr(network, name)


def _checkpoint(name: str) -> Path:
    file = find_file(name)
    if file is None:
        raise LightningError(f"checkpoint: there is no file {name}")
    return file


def _load(module: Any, file: Path) -> None:
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        module.load_state_dict(content["state_dict"])
    except Exception as error:  # torch raises many kinds for files and for names of weights
        raise LightningError(
            f"checkpoint: {file.name} cannot be loaded into {type(module).__name__}: "
            f"{str(error).partition(chr(10))[0]}; module_args must be those that it was trained "
            "with"
        ) from error
