"""Depth pruning: removes whole residual blocks or transformer layers."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from paretune.inputs import Shape, call
from paretune.nests import batch_size
from paretune.spaces.base import Candidate, Context, InfeasibleCandidate, Step
from paretune.spaces.keeping import is_within, kept_modules, kept_part
from paretune.spaces.params import Params
from paretune.spaces.pruning.module_names import check_names

if TYPE_CHECKING:
    import torch

    from paretune.spaces.pruning.blocks import ResidualBlock


class Depth:
    """Removes the least important residual blocks or transformer layers as a whole."""

    name = "depth"
    version = 1

    class Params(Params):
        """Options of depth pruning."""

        blocks: int | None = Field(
            None, ge=0, le=1000, description="number of blocks to remove; give this or share"
        )
        share: float | None = Field(
            None, ge=0, le=1, description="share of the removable blocks to remove"
        )
        criterion: Literal["similarity", "loss", "last"] = Field(
            "similarity",
            description="blocks to remove first: those that change their input least (similarity), "
            "those that the loss needs least (loss), or the last ones (last)",
        )
        images: int = Field(
            256, ge=1, le=1_000_000, description="training images for the criterion's measurement"
        )
        ignore: list[str] = Field([], description="names of blocks to keep")

        @model_validator(mode="after")
        def _one_amount(self) -> Depth.Params:
            if (self.blocks is None) == (self.share is None):
                raise ValueError("give either blocks or share: how much to remove")
            return self

    @staticmethod
    def apply(candidate: Candidate, params: Params, context: Context) -> Candidate:
        """Returns the shallower candidate; `info` has the removed blocks and all importances.

        A block can be removed if its output has its input's shape; one block of each shape stays.
        A module that returns its input replaces each removed block.

        Raises:
            InfeasibleCandidate: The network has too few removable blocks, or no module of an
                ignored name.
        """
        from paretune.spaces.macs import count_macs
        from paretune.spaces.pruning.blocks import leave_out
        from paretune.spaces.pruning.unit_count import unit_count

        model = copy.deepcopy(candidate.model).cpu().eval()
        blocks, importance, removable = ranked_blocks(model, candidate, params, context)
        count = _count(params, len(removable))
        before = [count_macs(model, candidate.shape), _size(model)]
        units = unit_count(model, candidate.shape)
        removed = removable[:count]
        for block in removed:
            leave_out(model, block.name, block.pair)
        info = {
            "removed": [[block.name, block.pair] for block in removed],
            "kept": [block.name for block in blocks if block not in removed],
            "worth": {name: round(value, 6) for name, value in importance.items()},
            "parameters": [before[1], _size(model)],
            "macs": [before[0], count_macs(model, candidate.shape)],
            "units": [units, unit_count(model, candidate.shape)],
        }
        return candidate.with_step(model, Step("depth", params.model_dump(), info))

    @staticmethod
    def outline(candidate: Candidate, params: Params, context: Context) -> Candidate | None:
        """Returns the result of `apply`, or None if the choice depends on trained weights.

        Raises:
            InfeasibleCandidate: As for `apply`.
        """
        return Depth.apply(candidate, params, context) if params.criterion == "last" else None

    @staticmethod
    def rebuild(
        model: torch.nn.Module, params: Params, info: Mapping[str, Any], shape: Shape
    ) -> torch.nn.Module:
        """Removes the same blocks from a fresh model as `apply` did."""
        from paretune.spaces.pruning.blocks import leave_out

        for name, pair in info["removed"]:
            leave_out(model, name, pair)
        return model


def ranked_blocks(
    model: torch.nn.Module, candidate: Candidate, params: Depth.Params, context: Context
) -> tuple[list[ResidualBlock], dict[str, float], list[ResidualBlock]]:
    """Returns all residual blocks, their importance, and those that can go, the least first.

    Args:
        model: The candidate's network, on the CPU and in evaluation mode.
        candidate: Provides the shape, and the layers that are kept.
        params: The criterion, and the blocks to keep.
        context: Provides training examples.

    Raises:
        InfeasibleCandidate: No block can be left out, or no module has an ignored name.
    """
    from paretune.spaces.pruning.blocks import find_blocks

    blocks = find_blocks(model, candidate.shape)
    check_names(params.ignore, [n for n, _ in model.named_modules() if n], "ignore")
    if not any(block.removable for block in blocks):
        raise InfeasibleCandidate("depth pruning found no residual block that can be left out")
    importance = _importance(model, blocks, params, context)
    kept = kept_modules(model, candidate.keep)
    return blocks, importance, _removable(blocks, importance, params.ignore, kept)


def _count(params: Depth.Params, available: int) -> int:
    if params.share is not None:
        return int(params.share * available + 1e-9)
    assert params.blocks is not None
    if params.blocks > available:
        raise InfeasibleCandidate(
            f"blocks: {params.blocks} blocks cannot be removed, only {available} can; give a "
            f"number up to {available}"
        )
    return params.blocks


def _removable(
    blocks: Sequence[ResidualBlock],
    importance: Mapping[str, float],
    ignore: Sequence[str],
    kept: Sequence[str],
) -> list[ResidualBlock]:
    """Returns the blocks that can go, the least important first; one of each stage is kept."""
    remaining = Counter(block.stage for block in blocks)
    removable = []
    for block in sorted(blocks, key=lambda block: importance.get(block.name, 0.0)):
        stays = is_within(block.name, ignore) or kept_part(block.name, kept)
        if block.removable and remaining[block.stage] > 1 and not stays:
            remaining[block.stage] -= 1
            removable.append(block)
    return removable


def _importance(
    model: torch.nn.Module, blocks: Sequence[ResidualBlock], params: Depth.Params, context: Context
) -> dict[str, float]:
    """Returns removable block's name -> importance; measured once for each network."""
    removable = [block for block in blocks if block.removable]
    if params.criterion == "last":
        return {block.name: -float(index) for index, block in enumerate(removable)}
    measure = _dissimilarity if params.criterion == "similarity" else _loss_rise
    key = f"depth-{params.criterion}-{params.images}"
    importance: dict[str, float] = context.memo(
        key, lambda: measure(model.to(context.device), removable, context, params.images)
    )
    model.cpu()
    return importance


def _loss_rise(
    model: torch.nn.Module, blocks: Sequence[ResidualBlock], context: Context, images: int
) -> dict[str, float]:
    """Returns block's name -> rise of the loss on training images without this block."""
    from paretune.spaces.pruning.blocks import leave_out, put_back
    from paretune.spaces.pruning.training_loss import mean_loss

    unpruned_loss = mean_loss(model, context, images)
    rise = {}
    for block in blocks:
        module = leave_out(model, block.name, block.pair)
        rise[block.name] = mean_loss(model, context, images) - unpruned_loss
        put_back(model, block.name, module)
    return rise


def _dissimilarity(
    model: torch.nn.Module, blocks: Sequence[ResidualBlock], context: Context, images: int
) -> dict[str, float]:
    """Returns block's name -> mean over training examples of 1 - cosine(input, output).

    This is the block influence of Men et al. 2024 (ShortGPT, https://arxiv.org/abs/2403.03853).
    """
    import torch
    from torch.nn import functional

    from paretune.spaces.pruning.training_loss import batches

    total = {block.name: 0.0 for block in blocks}

    def adder(name: str) -> Any:
        def add(module: Any, args: Any, output: Any) -> None:
            output = output[0] if isinstance(output, tuple) else output
            cosine = functional.cosine_similarity(args[0].flatten(1), output.flatten(1))
            total[name] += float((1 - cosine).sum())

        return add

    hooks = [model.get_submodule(b.name).register_forward_hook(adder(b.name)) for b in blocks]
    count = 0
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad():
            for inputs, _ in batches(context, images, 64):
                call(model, inputs)
                count += batch_size(inputs)
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        for hook in hooks:
            hook.remove()
    return {name: value / max(count, 1) for name, value in total.items()}


def _size(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())
