"""Depth pruning: whole residual blocks or transformer layers go."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate, Step
from paretune.spaces.inputs import Shape
from paretune.spaces.params import Params
from paretune.spaces.pruning.module_names import check_names, is_within

if TYPE_CHECKING:
    import torch

    from paretune.spaces.pruning.blocks import ResidualBlock


class Depth:
    """Removes whole residual blocks or transformer layers, the least important ones."""

    name = "depth"
    version = 1

    class Params(Params):
        """Options of depth pruning."""

        blocks: int | None = Field(None, ge=0, le=1000, description="how many blocks go")
        share: float | None = Field(
            None, ge=0, le=1, description="share of the blocks that can go which goes"
        )
        criterion: Literal["similarity", "loss", "last"] = Field(
            "similarity",
            description="which go first: those that change their input least, that raise the loss "
            "least when left out, or the last ones",
        )
        images: int = Field(256, ge=1, le=1_000_000, description="training images to measure on")
        ignore: list[str] = Field([], description="blocks to keep, by name")

        @model_validator(mode="after")
        def _one_amount(self) -> Depth.Params:
            if (self.blocks is None) == (self.share is None):
                raise ValueError("say how much goes: give blocks or share, one of them")
            return self

    @staticmethod
    def apply(candidate: Candidate, params: Params, context: Context) -> Candidate:
        """The shallower candidate; `info` holds which blocks went and what each was worth.

        Blocks whose output has their input's shape can go; one block of each shape stays. Where
        blocks are removed, a module that hands its input on stands in their place.

        Raises:
            InfeasibleCandidate: There are not so many blocks that can go, or none of an ignored
                name.
        """
        from paretune.spaces.macs import count_macs
        from paretune.spaces.pruning.blocks import find_blocks, leave_out

        model = copy.deepcopy(candidate.model).cpu().eval()
        blocks = find_blocks(model, candidate.shape)
        check_names(params.ignore, [n for n, _ in model.named_modules() if n], "ignore")
        if not any(block.removable for block in blocks):
            raise InfeasibleCandidate("depth pruning found no residual block that can be left out")
        worth = _worth(model, blocks, params, context)
        removable = _removable(blocks, worth, params.ignore)
        count = _count(params, len(removable))
        before = [count_macs(model, candidate.shape), _size(model)]
        gone = removable[:count]
        for block in gone:
            leave_out(model, block.name, block.pair)
        info = {
            "removed": [[block.name, block.pair] for block in gone],
            "kept": [block.name for block in blocks if block not in gone],
            "worth": {name: round(value, 6) for name, value in worth.items()},
            "parameters": [before[1], _size(model)],
            "macs": [before[0], count_macs(model, candidate.shape)],
        }
        return candidate.with_step(model, Step("depth", params.model_dump(), info))

    @staticmethod
    def outline(candidate: Candidate, params: Params, context: Context) -> Candidate | None:
        """As `apply`; None where the trained weights say which blocks go.

        Raises:
            InfeasibleCandidate: As `apply`.
        """
        return Depth.apply(candidate, params, context) if params.criterion == "last" else None

    @staticmethod
    def rebuild(
        model: torch.nn.Module, params: Params, info: Mapping[str, Any], shape: Shape
    ) -> torch.nn.Module:
        """Leaves out of a fresh model the same blocks as `apply` did."""
        from paretune.spaces.pruning.blocks import leave_out

        for name, pair in info["removed"]:
            leave_out(model, name, pair)
        return model


def _count(params: Depth.Params, available: int) -> int:
    if params.share is not None:
        return int(params.share * available + 1e-9)
    assert params.blocks is not None
    if params.blocks > available:
        raise InfeasibleCandidate(
            f"blocks: {params.blocks} are to go, and the network has {available} that can"
        )
    return params.blocks


def _removable(
    blocks: Sequence[ResidualBlock], worth: Mapping[str, float], ignore: Sequence[str]
) -> list[ResidualBlock]:
    """The blocks that can go, the least important first; one of each stage is not among them."""
    left = Counter(block.stage for block in blocks)
    found = []
    for block in sorted(blocks, key=lambda block: worth.get(block.name, 0.0)):
        if block.removable and left[block.stage] > 1 and not is_within(block.name, ignore):
            left[block.stage] -= 1
            found.append(block)
    return found


def _worth(
    model: torch.nn.Module, blocks: Sequence[ResidualBlock], params: Depth.Params, context: Context
) -> dict[str, float]:
    """Importance of each removable block by its name, measured once for a network and kept."""
    names = [block for block in blocks if block.removable]
    if params.criterion == "last":
        return {block.name: -float(place) for place, block in enumerate(names)}
    measure = _dissimilarity if params.criterion == "similarity" else _loss_rise
    key = f"depth-{params.criterion}-{params.images}"
    found: dict[str, float] = context.memo(
        key, lambda: measure(model.to(context.device), names, context, params.images)
    )
    model.cpu()
    return found


def _loss_rise(
    model: torch.nn.Module, blocks: Sequence[ResidualBlock], context: Context, images: int
) -> dict[str, float]:
    """How much the loss on training images rises when one block is left out."""
    from paretune.spaces.pruning.blocks import leave_out, put_back
    from paretune.spaces.pruning.training_loss import mean_loss

    whole = mean_loss(model, context, images)
    found = {}
    for block in blocks:
        module = leave_out(model, block.name, block.pair)
        found[block.name] = mean_loss(model, context, images) - whole
        put_back(model, block.name, module)
    return found


def _dissimilarity(
    model: torch.nn.Module, blocks: Sequence[ResidualBlock], context: Context, images: int
) -> dict[str, float]:
    """1 - cosine of a block's input and output, mean over training examples.

    The block influence of Men et al. 2024 (ShortGPT, https://arxiv.org/abs/2403.03853).
    """
    import torch
    from torch.nn import functional

    from paretune.spaces.pruning.training_loss import batches

    total = {block.name: 0.0 for block in blocks}

    def watch(name: str) -> Any:
        def note(module: Any, args: Any, output: Any) -> None:
            output = output[0] if isinstance(output, tuple) else output
            alike = functional.cosine_similarity(args[0].flatten(1), output.flatten(1))
            total[name] += float((1 - alike).sum())

        return note

    hooks = [model.get_submodule(b.name).register_forward_hook(watch(b.name)) for b in blocks]
    seen = 0
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad():
            for inputs, _ in batches(context, images, 64):
                model(inputs)
                seen += len(inputs)
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        for hook in hooks:
            hook.remove()
    return {name: value / max(seen, 1) for name, value in total.items()}


def _size(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())
